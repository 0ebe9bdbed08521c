"""What is kept of a sound so that it can be drawn without decoding it again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from loa_protocol.errors import MessageError
from loa_sound.blocks import RATE
from loa_sound.quality import Examination

BARS: Final = 600
SILENCE_MS: Final = 1_000
"""A pause from here on is marked; shorter ones are breath."""
MAX_MARKS: Final = 200
TOP: Final = 255
_MAX_TEXT: Final = 64 * 1024

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Sketch:
    """A sound from afar.

    Attributes:
        length_ms: Of the sound.
        bars: How loud each of up to `BARS` equal parts gets: 0 at -60 dBFS, 255 at full scale.
        silences: Stretches in which nothing is heard, ends included, as pairs of ms.
        clipped: Where it is clipped, in ms; one for each of `BARS` parts at most.
    """

    length_ms: int
    bars: bytes
    silences: tuple[Span, ...] = ()
    clipped: tuple[int, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the sketch as it is kept."""
        facts = {
            "length_ms": self.length_ms,
            "bars": self.bars.hex(),
            "silences": self.silences,
            "clipped": self.clipped,
        }
        return json.dumps(facts, sort_keys=True).encode()


def draw_sketch(examined: Examination) -> Sketch:
    """Return what *examined* looks like."""
    outline, length_ms = examined.outline, examined.measurement.duration_ms
    silences = [(0, length_ms)]
    if not outline.is_silent:
        first, last = (at * 1000 // RATE for at in (outline.first, outline.last))
        ends = [(0, first), (last, length_ms)]
        silences = sorted(
            outline.pauses(SILENCE_MS) + [each for each in ends if each[1] - each[0] >= SILENCE_MS]
        )
    longest = sorted(silences, key=lambda each: each[0] - each[1])[:MAX_MARKS]
    columns = {at * BARS // max(1, length_ms) for at in examined.channels.clipped_ms}
    clipped = sorted(min(length_ms, column * length_ms // BARS) for column in columns)
    levels = outline.levels(BARS)
    return Sketch(length_ms, levels, tuple(sorted(longest)), tuple(clipped[:BARS]))


def parse_sketch(data: bytes) -> Sketch:
    """Parse what :meth:`Sketch.to_bytes` wrote.

    Raises:
        MessageError: *data* is none.
    """
    try:
        facts = json.loads(data[:_MAX_TEXT])
        sketch = Sketch(
            length_ms=_number(facts["length_ms"]),
            bars=bytes.fromhex(facts["bars"]),
            silences=tuple((_number(a), _number(b)) for a, b in facts["silences"]),
            clipped=tuple(_number(at) for at in facts["clipped"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise MessageError(f"no sketch of a sound: {error!r:.80}") from None
    marks = (len(sketch.silences) > MAX_MARKS, len(sketch.clipped) > BARS)
    if len(sketch.bars) > BARS or any(marks):
        raise MessageError("a sketch larger than any that is drawn")
    return sketch


def _number(value: Any) -> int:  # noqa: ANN401 - whatever JSON holds
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value
