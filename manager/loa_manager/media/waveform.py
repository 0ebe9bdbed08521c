"""How sounds look: a line of blocks for a terminal, a picture for a file. Pure.

Silence of a second and more and clipped places are marked, since both are heard at once and seen in
no list of figures.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from loa_manager.media.advice import clock_text
from loa_manager.media.sketch import TOP, Sketch

SILENT: Final = "·"
CLIPPED: Final = "!"
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_LOWEST: Final = 75  # of 255: -42 dBFS, below which nothing rises
_LABEL, _WIDE, _HIGH, _GAP, _MARGIN = 260, 640, 56, 20, 16  # pixels
_COLOURS: Final = {SILENT: 1, "": 2, CLIPPED: 3}
_INK: Final = {"wave": "#1f5a8c", "silent": "#d9d9d9", "clipped": "#c0182a", "paper": "#ffffff"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sound to be drawn, under the title it has in the schedule."""

    title: str
    sketch: Sketch


def line(sketch: Sketch, width: int) -> str:
    """Return *sketch* as at most *width* characters: blocks, `SILENT` and `CLIPPED`."""
    columns = min(width, max(1, len(sketch.bars)))
    return "".join(_character(*_column(sketch, at, columns)) for at in range(columns))


def to_svg(sounds: Sequence[Drawn], *, silence: str, clipped: str) -> str:
    """Return *sounds* as an SVG picture, a row each; the legend calls the marks as it is told."""
    wide = _MARGIN * 2 + _LABEL + _WIDE
    high = _MARGIN * 2 + len(sounds) * (_HIGH + _GAP) + _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}"'
        f' viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="13">',
        f'<rect width="{wide}" height="{high}" fill="{_INK["paper"]}"/>',
    ]
    for at, sound in enumerate(sounds):
        parts += _svg_row(sound, _MARGIN + at * (_HIGH + _GAP))
    y = high - _MARGIN
    for place, (kind, label) in enumerate((("silent", silence), ("clipped", clipped))):
        x = _MARGIN + _LABEL + place * 140
        parts.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{_INK[kind]}"/>')
        parts.append(f'<text x="{x + 18}" y="{y}">{_plain(label)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def to_png(sounds: Sequence[Drawn]) -> bytes:
    """Return *sounds* as a PNG picture, a row each, without words: there is no font here."""
    wide, high = _WIDE + 2 * _MARGIN, _MARGIN + len(sounds) * (_HIGH + _GAP)
    inks = [bytes.fromhex(_INK[name][1:]) for name in ("paper", "silent", "wave", "clipped")]
    pixels = [bytearray(wide) for _row in range(high)]
    for at, sound in enumerate(sounds):
        middle = _MARGIN + at * (_HIGH + _GAP) + _HIGH // 2
        for x in range(_WIDE):
            kind, level = _column(sound.sketch, x, _WIDE)
            reach = _HIGH // 2 if kind else max(1, round(_reach(level)))
            for y in range(middle - reach, middle + reach):
                pixels[y][_MARGIN + x] = _COLOURS[kind]
    head = struct.pack(">IIBBBBB", wide, high, 8, 3, 0, 0, 0)  # 8 bits, a palette (PNG 11.2.2)
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in pixels), 9)
    chunks = ((b"IHDR", head), (b"PLTE", b"".join(inks)), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _column(sketch: Sketch, at: int, columns: int) -> tuple[str, int]:
    """Return what column *at* of *columns* shows: a mark or '', and how loud it gets."""
    bars = len(sketch.bars)
    first = at * bars // columns
    part = sketch.bars[first : max(first + 1, (at + 1) * bars // columns)]
    start, end = at * sketch.length_ms // columns, (at + 1) * sketch.length_ms // columns
    level = max(part, default=0)
    if any(start <= place < end for place in sketch.clipped):
        return CLIPPED, level
    middle = (start + end) // 2
    is_silent = any(begin <= middle < stop for begin, stop in sketch.silences)
    return (SILENT if is_silent or not level else ""), level


def _character(kind: str, level: int) -> str:
    if kind:
        return kind
    step = (level - _LOWEST) * len(_BLOCKS) // (TOP + 1 - _LOWEST)
    return _BLOCKS[max(0, min(len(_BLOCKS) - 1, step))]


def _svg_row(sound: Drawn, top: int) -> list[str]:
    sketch, left, middle = sound.sketch, _MARGIN + _LABEL, top + _HIGH // 2
    title = sound.title if len(sound.title) <= 34 else f"{sound.title[:33]}…"
    parts = [
        f'<text x="{_MARGIN}" y="{middle - 2}"><title>{_plain(sound.title)}</title>'
        f"{_plain(title)}</text>",
        f'<text x="{_MARGIN}" y="{middle + 16}" fill="#666666">'
        f"{clock_text(sketch.length_ms)}</text>",
    ]
    for start, end in sketch.silences:
        x, width = _at(start, sketch), max(1.0, _at(end - start, sketch))
        parts.append(
            f'<rect x="{left + x:.1f}" y="{top}" width="{width:.1f}" height="{_HIGH}"'
            f' fill="{_INK["silent"]}"/>'
        )
    reach = [_reach(level) for level in sketch.bars] or [0.0]
    step = _WIDE / len(reach)
    upper = [f"{left + at * step:.1f},{middle - each:.1f}" for at, each in enumerate(reach)]
    lower = [f"{left + at * step:.1f},{middle + each:.1f}" for at, each in enumerate(reach)]
    parts.append(f'<polygon points="{" ".join(upper + lower[::-1])}" fill="{_INK["wave"]}"/>')
    for place in sketch.clipped:
        x = left + _at(place, sketch)
        parts.append(
            f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{top + _HIGH}"'
            f' stroke="{_INK["clipped"]}" stroke-width="1.5"/>'
        )
    return parts


def _plain(text: str) -> str:
    """Return *text* as XML takes it: a title came out of somebody's file."""
    return escape("".join(letter for letter in text if letter.isprintable()))


def _reach(level: int) -> float:
    """Return how far from the middle a part of that level is drawn."""
    return max(0.0, (level - _LOWEST) / (TOP - _LOWEST)) * _HIGH / 2


def _at(ms: int, sketch: Sketch) -> float:
    return min(1.0, ms / max(1, sketch.length_ms)) * _WIDE
