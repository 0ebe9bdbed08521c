"""Items that sound over a programme, and items with a volume of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from loa_protocol.envelope import Kind
from vectors.generator import bodies
from vectors.generator.case import FORMAT, Case
from vectors.generator.odd import encode
from vectors.generator.world import APPROVER, EDITOR, sign, sign_bytes

_BOTH: Final = (EDITOR, APPROVER)
_DUCK, _VOLUME = 13, 14
_TAKEN: Final = (
    ("over_a_programme", "What plays goes down by 12 dB meanwhile.", {"duck_cdb": -1200}),
    ("over_an_unchanged_programme", "By 0 dB: the two mix.", {"duck_cdb": 0}),
    ("over_silence", "60 dB is the most.", {"duck_cdb": -6000}),
    ("with_a_volume", "The policy's cap holds all the same.", {"volume": 15}),
    ("with_both", "An announcement, louder than its session.", {"duck_cdb": -900, "volume": 12}),
)
_REFUSED: Final = (
    ("raises_the_programme", "It would be louder meanwhile.", {_DUCK: 1}),
    ("lowers_by_more_than_60_db", "60 dB is the most.", {_DUCK: -6001}),
    ("lowers_by_words", "A number is wanted.", {_DUCK: "-12 dB"}),
    ("volume_16", "15 is the most.", {_VOLUME: 16}),
    ("volume_below_zero", "0 is mute.", {_VOLUME: -1}),
    ("field_15", "There is no such field.", {15: 1}),
)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    for name, why, fields in _TAKEN:
        data = sign(Kind.PLAYLIST, bodies.playlist(items=(bodies.item(**fields),)), *_BOTH)
        yield Case("playlist", f"item_{name}", why, data)
    for name, why, changes in _REFUSED:
        yield Case("playlist", f"item_{name}", why, _changed(changes), FORMAT)


def _changed(changes: dict[int, Any]) -> bytes:
    value, item = dict(bodies.playlist().to_value()), dict(bodies.item().to_value())
    return sign_bytes(Kind.PLAYLIST, encode({**value, 8: [{**item, **changes}]}), *_BOTH)
