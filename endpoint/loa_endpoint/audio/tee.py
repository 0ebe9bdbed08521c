"""Two sinks at once: the first keeps the time, the second gets what it can."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Final

from loa_endpoint.audio.sink import Sink
from loa_protocol.errors import ConfigError, StoreError
from loa_sound.blocks import RATE, Samples

AHEAD: Final = 40
"""Blocks kept for a second sink that is slow; what does not fit is lost to it. At most 400 kB."""
CLOSE_S: Final = 1.0
VIRTUAL_CLOSE_S: Final = 30.0


class TeeSink:
    """A sink that another one listens to.

    The second is opened, written and closed by a thread of its own, so that nothing it does is felt
    by the first. A fault of it is told once, until it has taken something again. A card that is
    gone stays away until the player is started again; a file is tried with each block.
    """

    def __init__(
        self,
        first: Sink,
        open_second: Callable[[int], Sink],
        tell: Callable[[str], None],
        *,
        is_virtual: bool = False,
    ) -> None:
        """Join *first* with what *open_second* opens.

        Args:
            first: Keeps the time; its faults are the tee's.
            open_second: Is given the instant of sample 0; may raise ConfigError and OSError.
            tell: Told what befalls the second, by whoever writes.
            is_virtual: Nothing is lost to a slow second, which holds nobody up in virtual time.
        """
        self._first, self._open_second, self._tell = first, open_second, tell
        self._is_virtual = is_virtual
        self.paces, self.block = first.paces, first.block
        self._blocks: SimpleQueue[tuple[int, Samples] | None] = SimpleQueue()
        self._news: SimpleQueue[str] = SimpleQueue()
        self._is_told = False
        self._worker = Thread(target=self._work, name="second sink", daemon=True)
        self._worker.start()

    @property
    def epoch_ns(self) -> int:
        """That of the first."""
        return self._first.epoch_ns

    @property
    def xruns(self) -> int:
        """Those of the first."""
        return self._first.xruns

    @property
    def drift_ppm(self) -> float:
        """That of the first."""
        return self._first.drift_ppm

    def write(self, sample: int, block: Samples) -> None:
        """Write *block* to the first, and leave a copy for the second."""
        if self._worker.is_alive():
            if self._is_virtual or self._blocks.qsize() < AHEAD:
                self._blocks.put((sample, block.copy()))
            else:
                self._note("too slow")
        while not self._news.empty():
            self._tell(self._news.get())
        self._first.write(sample, block)

    def close(self) -> None:
        """Close both; one that hangs is left behind."""
        self._blocks.put(None)
        self._first.close()
        self._worker.join(VIRTUAL_CLOSE_S if self._is_virtual else CLOSE_S)

    def _note(self, fault: str) -> None:
        if not self._is_told:
            self._is_told = True
            self._news.put(fault)

    def _work(self) -> None:
        try:
            second = self._open_second(self._first.epoch_ns)
            # A file that goes on has its own sample 0.
            shift = round((self._first.epoch_ns - second.epoch_ns) * RATE / 1e9)
            self._carry(second, shift)
            second.close()
        except (ConfigError, OSError) as error:
            self._note(str(error))

    def _carry(self, second: Sink, shift: int) -> None:
        """Write what comes, until there is no more."""
        while (item := self._blocks.get()) is not None:
            sample, block = item[0] + (0 if second.paces else shift), item[1]
            if sample < 0:
                continue  # before the file begins
            try:
                second.write(sample, block)
                self._is_told = False
            except StoreError as error:
                self._note(str(error))
