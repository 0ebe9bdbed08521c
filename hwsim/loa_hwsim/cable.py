"""A null-modem cable: two pseudo-terminals, what goes in at one end comes out at the other.

With faults, for whoever provisions a board over it: pulled after so many bytes, garbage among the
data, an end that hears itself, a slow line. The cable's decisions are pure (:class:`Cable`); its
ends are :class:`loa_hwsim.transport.Terminal`.
"""

from __future__ import annotations

import asyncio
import enum
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loa_hwsim.device import Output
from loa_hwsim.transport import Clock, Pacer, Record, Terminal

GARBAGE_BYTES: Final = 12  # in one burst


class End(enum.IntEnum):
    """The two ends of a cable."""

    BOARD = 0
    TECHNICIAN = 1

    @property
    def other(self) -> End:
        """The far end."""
        return End(1 - self)


@dataclass
class Cable:
    """What a cable does to the bytes it carries.

    Args:
        cut_after: Bytes, both ways together, after which the cable is pulled; None never.
        hangs_up: Whether a pull takes the ports away (USB); a UART only falls silent.
        garbage: Probability that a piece of data is preceded by a burst of noise.
        echoing: Ends that hear what they send.
        seed: Of the noise.
    """

    cut_after: int | None = None
    hangs_up: bool = True
    garbage: float = 0.0
    echoing: frozenset[End] = frozenset()
    seed: int = 0
    carried: int = 0
    is_cut: bool = False
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def carry(self, sender: End, data: bytes) -> list[tuple[End, bytes]]:
        """Return what comes out, and where, when *data* is sent from an end."""
        if self.is_cut or not data:
            return []
        if self.cut_after is not None:
            data = data[: self.cut_after - self.carried]
            self.is_cut = self.carried + len(data) >= self.cut_after
        self.carried += len(data)
        out: list[tuple[End, bytes]] = []
        if sender in self.echoing:
            out.append((sender, data))
        if self.garbage and self._random.random() < self.garbage:
            out.append((sender.other, self.noise(GARBAGE_BYTES)))
        out.append((sender.other, data))
        return out

    def noise(self, count: int) -> bytes:
        """Return *count* bytes of noise."""
        return self._random.randbytes(count)

    def mend(self) -> None:
        """Plug the cable in again, this time for good."""
        self.is_cut, self.cut_after = False, None


class CableLine:
    """A cable between two terminals, run by the event loop.

    Args:
        on_cut: Called once when the cable is pulled by its own count.
    """

    def __init__(
        self,
        links: dict[End, Path],
        cable: Cable,
        clock: Clock,
        *,
        baud: int = 115_200,
        record: Record | None = None,
        on_cut: Callable[[], None] | None = None,
    ) -> None:
        self.cable = cable
        self._clock, self._record, self._on_cut = clock, record, on_cut
        self._terminals = {end: Terminal(link) for end, link in links.items()}
        self.pacers = {end: Pacer(baud) for end in End}
        self._readers: dict[End, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_cut_told = False

    def plug(self) -> None:
        """Put both ends there if they are not; must be called in a running event loop."""
        loop = asyncio.get_running_loop()
        if self._readers:
            return
        for end, terminal in self._terminals.items():
            self._readers[end] = terminal.plug()
            loop.add_reader(self._readers[end], self._on_readable, end)

    def unplug(self) -> None:
        """Take both ends away, as USB cables do; what was under way is lost."""
        for reader in self._readers.values():
            asyncio.get_running_loop().remove_reader(reader)
        self._readers.clear()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        for end, terminal in self._terminals.items():
            self.pacers[end].clear()
            terminal.unplug()

    def mend(self) -> None:
        """Plug the cable in again after a cut; it is not cut a second time."""
        self.cable.mend()
        self._is_cut_told = False
        self.plug()

    def inject(self, data: bytes) -> None:
        """Put noise on the line towards both ends."""
        for pacer in self.pacers.values():
            pacer.put(Output(self._clock.now_ms(), data))
        self._deliver()

    def _on_readable(self, end: End) -> None:
        data = self._terminals[end].read()
        if not data:
            return
        now_ms = self._clock.now_ms()
        for target, piece in self.cable.carry(end, data):
            self.pacers[target].put(Output(now_ms, piece))
        self._note(now_ms, ">" if end is End.TECHNICIAN else "<", data)
        self._deliver()

    def _deliver(self) -> None:
        now_ms = self._clock.now_ms()
        for end, terminal in self._terminals.items():
            terminal.write(self.pacers[end].take(now_ms))
        times = [t for pacer in self.pacers.values() if (t := pacer.next_ms()) is not None]
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if times:
            wait_s = max(min(times) - now_ms, 0.5) / 1000
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._deliver)
        elif self.cable.is_cut and not self._is_cut_told:
            self._is_cut_told = True
            if self.cable.hangs_up:
                self.unplug()  # the last bytes were still through
            if self._on_cut:
                self._on_cut()

    def _note(self, now_ms: float, direction: str, data: bytes) -> None:
        if self._record:
            self._record(now_ms, f"bench{direction}", data)
