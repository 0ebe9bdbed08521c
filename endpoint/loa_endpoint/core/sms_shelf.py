"""Orders out of text messages: what is put together, what is offered, and what may be deleted.

A message stays on the SIM until its order was dealt with, so that a power cut loses no part of one;
but a SIM has room for some dozens, and a full one takes nothing more. So junk goes at once, parts
go after an hour, and of too many the oldest go from the SIM and stay in memory.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from loa_endpoint.core.modem import Message
from loa_protocol.compact import expand
from loa_protocol.errors import FormatError
from loa_protocol.sms import Part, parse_part
from loa_protocol.sms_parts import LIFE_MS, Reassembler

MOST_ON_SIM: Final = 12  # messages that wait there: SIMs with room for 20 exist
_MOST_LEFT: Final = 16  # orders that wait for the disk, the time or a certificate


@dataclass(frozen=True, slots=True)
class Order:
    """A bundle without certificates, and where its parts lie on the SIM."""

    data: bytes
    indices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Shelved:
    """What came of a message.

    Attributes:
        orders: To be offered to the inbox; then `judged` says what becomes of their parts.
        done: What to delete from the SIM.
    """

    orders: tuple[Order, ...] = ()
    done: tuple[int, ...] = ()


@dataclass(slots=True)
class SmsShelf:
    """One modem's messages; *now_ms* is a monotonic clock."""

    heard: int = 0  # messages with 8-bit data
    _parts: Reassembler = field(default_factory=Reassembler)
    _waiting: OrderedDict[int, tuple[str, Part]] = field(default_factory=OrderedDict)
    _left: OrderedDict[bytes, int] = field(default_factory=OrderedDict)  # since when

    def take(self, message: Message, now_ms: int) -> Shelved:
        """Take a message as the modem tells it; the same one again changes nothing."""
        content, index = message.content, message.index
        own = () if index is None else (index,)
        if content is None or not content.is_data:
            return Shelved(done=own)
        self.heard += 1
        try:
            part = parse_part(content.user_data, has_header=content.has_header)
        except FormatError:
            return Shelved(done=own)
        if index is not None:
            self._waiting[index] = content.sender, part
        found = _bundles(self._parts.take(content.sender, part, now_ms))
        gone = self._gone()
        if found and not self._parts.holds(content.sender, part):  # complete and undisputed
            return Shelved(tuple(Order(data, gone) for data in found))
        return Shelved(tuple(Order(data) for data in found), (*gone, *self._too_many()))

    def tick(self, now_ms: int) -> tuple[int, ...]:
        """Return what to delete from the SIM: parts whose others did not come within an hour."""
        self._parts.forget(now_ms)
        return self._gone()

    def judged(self, order: Order, now_ms: int, *, is_settled: bool) -> tuple[int, ...]:
        """Return what to delete from the SIM now that *order* was offered.

        One that is not settled (it waits, or the disk refuses) is left there for an hour: the
        modem's next list brings it again.
        """
        name = hashlib.sha256(order.data).digest()
        if is_settled:
            self._left.pop(name, None)
            return order.indices
        since_ms = self._left.setdefault(name, now_ms)
        if len(self._left) > _MOST_LEFT:
            self._left.popitem(last=False)
        return order.indices if now_ms - since_ms >= LIFE_MS else ()

    def _gone(self) -> tuple[int, ...]:
        """Take out the indices whose parts wait no more."""
        gone = [i for i, (sender, part) in self._waiting.items() if not self._holds(sender, part)]
        for index in gone:
            del self._waiting[index]
        return tuple(gone)

    def _holds(self, sender: str, part: Part) -> bool:
        return self._parts.holds(sender, part)

    def _too_many(self) -> tuple[int, ...]:
        found = []
        while len(self._waiting) > MOST_ON_SIM:
            found.append(self._waiting.popitem(last=False)[0])
        return tuple(found)


def _bundles(found: list[bytes]) -> list[bytes]:
    bundles = []
    for data in found:
        try:
            bundles.append(expand(data))
        except FormatError:
            continue  # other people's data, or parts that do not belong together
    return bundles
