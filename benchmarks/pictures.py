"""Pictures of figures, as SVG written by hand: bars, and distributions as dots on a line.

They have no background, and take the reader's light or dark colours, in a browser as on a page of
the documentation. Nothing is scaled to look better: every axis begins at 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 760
LABEL = 190  # where the bars begin
ROW = 26
STRIP = 68
_STYLE = """<style>
text{font:12px system-ui,sans-serif;fill:#24292f}
.title{font-weight:600;font-size:13px}
.faint{fill:#6e7781;font-size:11px}
.ours{fill:#0969da}.theirs{fill:#8c959f}.more{opacity:.35}
.dot{fill:#0969da;opacity:.4}
.axis,.limit{stroke:#8c959f;stroke-width:1}.mark{stroke:#24292f;stroke-width:1.5}
.limit{stroke:#cf222e;stroke-width:2;stroke-dasharray:4 3}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.faint{fill:#9198a1}.ours,.dot{fill:#4493f8}
.theirs{fill:#7d8590}.mark{stroke:#e6edf3}.limit{stroke:#f85149}}
</style>
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One program's figure.

    Attributes:
        whole: Drawn faintly behind *value*: what it is counted another way; None for nothing.
        limit: What was asked for.
    """

    label: str
    value: float
    whole: float | None = None
    limit: float | None = None
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars on one scale."""

    title: str
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Strip:
    """One distribution, all in milliseconds.

    Attributes:
        marks: Name and value of what is marked: p50, p95, max.
        samples: All that were measured; may be empty where only marks are known.
        limit: What was asked for of the 95th percentile or the worst; None for nothing.
    """

    title: str
    marks: Sequence[tuple[str, float]]
    samples: Sequence[float] = ()
    limit: float | None = None


def draw_panels(panels: Sequence[Panel], note: str) -> str:
    """Return a picture of *panels*, one below the other, with *note* at the foot."""
    parts, top = [], 0
    for panel in panels:
        parts.append(_text(0, top + 18, panel.title, "title"))
        most = max(max(bar.value, bar.whole or 0, bar.limit or 0) for bar in panel.bars)
        scale = (WIDTH - LABEL - 110) / most
        for number, bar in enumerate(panel.bars):
            parts.append(_bar(bar, top + 30 + ROW * number, scale))
        top += 30 + ROW * len(panel.bars) + 16
    return _picture(parts, top + 16, note)


def draw_strips(strips: Sequence[Strip], note: str) -> str:
    """Return a picture of *strips*, each with an axis of its own from 0, with *note* below."""
    parts = [_strip(strip, STRIP * number) for number, strip in enumerate(strips)]
    return _picture(parts, STRIP * len(strips) + 24, note)


def _bar(bar: Bar, top: int, scale: float) -> str:
    kind, height = "ours" if bar.is_ours else "theirs", ROW - 8
    parts = [_text(LABEL - 8, top + 14, bar.label, "", "end")]
    if bar.whole is not None:
        parts.append(_box(LABEL, top, bar.whole * scale, height, f"{kind} more"))
    parts.append(_box(LABEL, top, bar.value * scale, height, kind))
    if bar.limit is not None:
        parts.append(_line(LABEL + bar.limit * scale, top - 3, top + height + 3, "limit"))
    said = f"{bar.value:.3g}" + (f" ({bar.whole:.3g})" if bar.whole is not None else "")
    end = LABEL + max(bar.value, bar.whole or 0, bar.limit or 0) * scale
    return "".join([*parts, _text(end + 6, top + 14, said, "faint")])


def _strip(strip: Strip, top: int) -> str:
    values = [*strip.samples, *(value for _, value in strip.marks), strip.limit or 0]
    scale = (WIDTH - 60) / (max(values) or 1)
    said = ", ".join(f"{name} {value:.4g} ms" for name, value in strip.marks)
    middle = top + 38
    parts = [
        _text(0, top + 16, strip.title, "title"),
        _text(WIDTH, top + 16, said, "faint", "end"),
        f'<path class="axis" d="M20 {middle}H{WIDTH - 40}"/>',
        _text(8, middle + 4, "0", "faint", "end"),
        *(
            f'<circle class="dot" cx="{20 + value * scale:.1f}" cy="{middle}" r="4"/>'
            for value in strip.samples
        ),
        *(_line(20 + value * scale, middle - 7, middle + 7, "mark") for _, value in strip.marks),
    ]
    if strip.limit is not None:
        at = 20 + strip.limit * scale
        parts.append(_line(at, middle - 10, middle + 10, "limit"))
        parts.append(_text(at, middle + 22, f"asked: {strip.limit:g}", "faint", "end"))
    return "".join(parts)


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _box(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" class="{kind}"/>'


def _line(x: float, top: float, bottom: float, kind: str) -> str:
    return f'<path class="{kind}" d="M{x:.1f} {top:.1f}V{bottom:.1f}"/>'


def _picture(parts: Sequence[str], height: int, note: str) -> str:
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="-4 0 {WIDTH + 8} {height + 8}" width="{WIDTH + 8}">\n'
        f"<title>{escape(note)}</title>\n{_STYLE}"
    )
    return head + "\n".join([*parts, _text(0, height, note, "faint")]) + "\n</svg>\n"
