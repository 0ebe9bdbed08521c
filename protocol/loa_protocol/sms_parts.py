"""Long data put together from messages that are lost, repeated, reordered or forged.

Pure, with bounded memory: so many sets of parts, so many of one sender, each for an hour. Where two
parts claim one place (a reference used twice, or somebody else under the same number) both are
tried: what was put together wrongly is refused by whoever judges it, and nobody can keep a true
message out by sending a false part of it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Final

from loa_protocol.sms import Part

LIFE_MS: Final = 3_600_000
MOST_SETS: Final = 32
MOST_OF_SENDER: Final = 6
MOST_CLAIMS: Final = 3  # parts for one place; the oldest goes
MOST_TRIES: Final = 8  # ways of putting a set together that one part gives

Key = tuple[str, bool, int, int]
"""Sender, width of the reference, reference, total."""


@dataclass(slots=True)
class _Set:
    since_ms: int
    places: dict[int, list[bytes]] = field(default_factory=dict)  # oldest first


class Reassembler:
    """Puts parts together; *now_ms* is a monotonic clock."""

    def __init__(self) -> None:
        self._sets: OrderedDict[Key, _Set] = OrderedDict()  # oldest first

    def __len__(self) -> int:
        return len(self._sets)

    @property
    def size(self) -> int:
        """How many bytes of parts are held."""
        claims = (claims for each in self._sets.values() for claims in each.places.values())
        return sum(len(claim) for held in claims for claim in held)

    def holds(self, sender: str, part: Part) -> bool:
        """Tell whether *part* waits for others."""
        found = self._sets.get(_key(sender, part))
        return found is not None and part.data in found.places.get(part.number, ())

    def take(self, sender: str, part: Part, now_ms: int) -> list[bytes]:
        """Take one part and return what it completes, in every way that is worth trying.

        A part that is here already completes nothing. A set that is complete and undisputed is
        forgotten, so that all of it sent once more is told once more.
        """
        self.forget(now_ms)
        if part.total == 1:
            return [part.data]
        key = _key(sender, part)
        if key not in self._sets:
            self._make_room(sender)
            self._sets[key] = _Set(now_ms)
        places = self._sets[key].places
        claims = places.setdefault(part.number, [])
        if part.data in claims:
            return []
        claims.append(part.data)
        del claims[:-MOST_CLAIMS]
        if len(places) < part.total:
            return []
        if all(len(each) == 1 for each in places.values()):
            del self._sets[key]
        return list(islice(_tries(places, part), MOST_TRIES))

    def forget(self, now_ms: int) -> None:
        """Forget what has waited for an hour."""
        while self._sets:
            key, oldest = next(iter(self._sets.items()))
            if now_ms - oldest.since_ms < LIFE_MS:
                return
            del self._sets[key]

    def _make_room(self, sender: str) -> None:
        """Let the oldest set go: the sender's own, or that of whoever has the most."""
        of_sender = Counter(key[0] for key in self._sets)
        if of_sender[sender] >= MOST_OF_SENDER:
            self._drop_oldest_of(sender)
        elif len(self._sets) >= MOST_SETS:
            self._drop_oldest_of(of_sender.most_common(1)[0][0])

    def _drop_oldest_of(self, sender: str) -> None:
        del self._sets[next(key for key in self._sets if key[0] == sender)]


def _key(sender: str, part: Part) -> Key:
    return sender, part.is_wide, part.reference, part.total


def _tries(places: dict[int, list[bytes]], part: Part) -> Iterator[bytes]:
    """Yield what the claims give together with *part*, the newest claims first."""
    columns = [
        [part.data] if number == part.number else list(reversed(places[number]))
        for number in range(1, part.total + 1)
    ]
    for pieces in product(*columns):
        yield b"".join(pieces)
