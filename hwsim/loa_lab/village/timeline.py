"""The timeline: one self-contained page, a lane for each loudspeaker.

Everything is drawn on the server side of nothing: SVG and a few lines of style, no script, no file
from elsewhere. The page opens from a memory stick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from loa_lab.village.outcome import SWITCHES, Cluster
from loa_lab.village.plan import ZONE
from loa_protocol.language import language, translator

_ = translator("loa_lab")

WIDTH, LEFT, LANE = 1180, 70, 150
_WAVE, _BAR = 46, 22
_POINTS = 900
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #66707f; --paper: #fbfaf7;
  --line: #d9d5cc; --fm: #c97b1f; --media: #2f6f8f; --stream: #6a8f3a; --bad: #b3372f;
  --alert: #8a2f8f; --held: #7a7f88; --wave: #9fb3bd; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9e6df; --soft: #9aa3af; --paper: #171a1f;
  --line: #333a44; --wave: #44545d; } }
body { margin: 2rem auto; max-width: 1220px; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.5rem; margin: 0; } p { color: var(--soft); margin: .3rem 0 1rem; }
svg { width: 100%; height: auto; } text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.soft { fill: var(--soft); } .fm { fill: var(--fm); } .media { fill: var(--media); }
.stream { fill: var(--stream); } .wave { fill: var(--wave); } .on { fill: #fff; }
.mark { stroke: var(--bad); stroke-width: 1.5; } .markhead { fill: var(--bad); }
.grid { stroke: var(--line); } .lost { fill: var(--bad); opacity: .12; }
.alert { fill: var(--alert); } .held { fill: var(--held); opacity: .3; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; } .key span { margin-right: 1.2rem; }
.dot { display: inline-block; width: .8em; height: .8em; border-radius: 50%; margin-right: .4em; }
"""


@dataclass(frozen=True, slots=True)
class _Axis:
    """Instants on the page."""

    from_ms: int
    to_ms: int

    def x(self, at_ms: int) -> float:
        """Return where *at_ms* is."""
        share = (at_ms - self.from_ms) / (self.to_ms - self.from_ms)
        return LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT)


def page(
    clusters: Sequence[Cluster],
    *,
    from_ms: int,
    to_ms: int,
    lost: tuple[int, int],
    titles: dict[str, str],
) -> str:
    """Return the page.

    Args:
        clusters: The poles, each with its recording.
        from_ms: Left end of the lanes, unix ms.
        to_ms: Right end.
        lost: When the transmitter was away.
        titles: Item ids to what people call them.
    """
    axis = _Axis(from_ms, to_ms)
    height = len(clusters) * LANE + 40
    lanes = "".join(_lane(c, axis, n * LANE + 30, titles) for n, c in enumerate(clusters))
    away = (
        f'<rect class="lost" x="{axis.x(lost[0]):.1f}" y="20" '
        f'width="{axis.x(lost[1]) - axis.x(lost[0]):.1f}" height="{height - 20}"/>'
        f'<text class="soft" x="{axis.x(lost[0]) + 4:.1f}" y="{height - 4}">'
        f"{escape(_('transmitter off'))}</text>"
    )
    day = datetime.fromtimestamp(from_ms / 1000, ZONE)
    heading = _("A village on the air")
    note = _("TEST province. The hardware is simulated; software, signatures and sound are real.")
    keys = (
        ("fm", _("FM")),
        ("media", _("cached media")),
        ("alert", _("alert")),
        ("held", _("held")),
        ("bad", _("switch, fault or refusal")),
    )
    return f"""<!doctype html>
<html lang="{language()}"><meta charset="utf-8"><title>{escape(heading)}</title>
<style>{_STYLE}</style>
<h1>{escape(heading)}</h1>
<p>{escape(note)}
{day:%d/%m/%Y}</p>
<p class="key">{"".join(_key(name, text) for name, text in keys)}</p>
<svg viewBox="0 0 {WIDTH} {height}" role="img">{_grid(axis, height)}{away}{lanes}</svg>
{"".join(_tables(cluster, titles) for cluster in clusters)}
</html>
"""


def _key(name: str, text: str) -> str:
    return f'<span><i class="dot" style="background: var(--{name})"></i>{escape(text)}</span>'


def _grid(axis: _Axis, height: int) -> str:
    step = 10_000
    lines = []
    for at in range(-(-axis.from_ms // step) * step, axis.to_ms, step):
        x = axis.x(at)
        lines.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="20" y2="{height}"/>')
        if at % 20_000 == 0:
            clock = datetime.fromtimestamp(at / 1000, ZONE)
            lines.append(f'<text class="soft" x="{x + 3:.1f}" y="12">{clock:%H:%M:%S}</text>')
    return "".join(lines)


def _lane(cluster: Cluster, axis: _Axis, top: int, titles: dict[str, str]) -> str:
    parts = [f'<text x="0" y="{top + 38}" font-weight="600">{escape(cluster.cluster)}</text>']
    parts += [_held(span, axis, top) for span in cluster.holds]
    parts.append(_wave(cluster, axis, top + 34))
    for play in cluster.plays:
        parts += [_segment(each, axis, top + 66) for each in play["segments"]]
        if play["started"]:
            label = titles.get(play["item"], play["item"])
            x = axis.x(play["started"]) + 5
            room = axis.x(play["ended"] or play["started"]) - x
            if room > 40:
                text = label if room > 7 * len(label) else label[: int(room / 8)] + "…"
                parts.append(f'<text class="on" x="{x:.1f}" y="{top + 81}">{escape(text)}</text>')
            evidence = _evidence(play["evidence"]) if room > 175 else ""
            parts.append(
                f'<text class="soft" x="{x:.1f}" y="{top + 103}">{escape(evidence)}</text>'
            )
    for play in cluster.alerts:
        sounded = {"from": play["started"], "to": play["ended"], "bearer": "alert"}
        if play["started"] and play["ended"]:
            parts.append(_segment(sounded, axis, top + 66))
    marks = [e for e in cluster.events if e["name"] in SWITCHES or "speaker" in e["name"]]
    for mark in [*marks, *cluster.refused]:
        if axis.from_ms <= mark["at"] <= axis.to_ms:
            title = f"{mark.get('name') or mark['what']}: {mark.get('reason') or mark['detail']}"
            parts.append(_mark(axis.x(mark["at"]), top + 110, title))
    return "".join(parts)


def _wave(cluster: Cluster, axis: _Axis, middle: int) -> str:
    peaks = cluster.recording.envelope(axis.from_ms, axis.to_ms, _POINTS)
    step = (WIDTH - LEFT) / _POINTS
    upper = " ".join(
        f"{LEFT + n * step:.1f},{middle - p * _WAVE / 2:.1f}" for n, p in enumerate(peaks)
    )
    lower = " ".join(
        f"{LEFT + n * step:.1f},{middle + p * _WAVE / 2:.1f}"
        for n, p in reversed(list(enumerate(peaks)))
    )
    return f'<polygon class="wave" points="{upper} {lower}"/>'


def _segment(segment: dict[str, Any], axis: _Axis, top: int) -> str:
    x, end = axis.x(segment["from"]), axis.x(segment["to"])
    return (
        f'<rect class="{segment["bearer"]}" x="{x:.1f}" y="{top}" rx="3" '
        f'width="{max(1.0, end - x - 1):.1f}" height="{_BAR}"/>'
    )


def _held(span: tuple[int, int | None], axis: _Axis, top: int) -> str:
    x, end = axis.x(span[0]), axis.x(span[1] or axis.to_ms)
    return (
        f'<g><title>{escape(_("held"))}</title><rect class="held" x="{x:.1f}" y="{top}" '
        f'width="{max(1.0, end - x):.1f}" height="{LANE - 30}"/></g>'
    )


def _mark(x: float, top: int, title: str) -> str:
    return (
        f"<g><title>{escape(title)}</title>"
        f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{top - 48}" y2="{top}"/>'
        f'<circle class="markhead" cx="{x:.1f}" cy="{top}" r="3.5"/></g>'
    )


def _tables(cluster: Cluster, titles: dict[str, str]) -> str:
    plays = "".join(
        f"<tr><td>{escape(titles.get(p['item'], p['item']))}</td><td>{_clock(p['planned'])}</td>"
        f"<td>{_clock(p['started'])}</td><td>{_clock(p['ended'])}</td>"
        f"<td>{escape(' → '.join(s['bearer'] for s in p['segments']))}</td>"
        f"<td>{escape(_evidence(p['evidence']))}</td></tr>"
        for p in sorted(
            (*cluster.plays, *cluster.alerts), key=lambda p: int(p["started"] or p["planned"])
        )
    )
    refused = "".join(
        f"<tr><td>{_clock(r['at'])}</td><td>{escape(r['what'])}</td><td>{escape(r['reason'])}</td>"
        f"<td>{escape(r['detail'][:90])}</td></tr>"
        for r in cluster.refused
    )
    head = "".join(
        f"<th>{escape(text)}</th>"
        for text in (_("Item"), _("Planned"), _("Began"), _("Ended"), _("Bearers"), _("Evidence"))
    )
    refused_head = "".join(
        f"<th>{escape(text)}</th>" for text in (_("Time"), _("What"), _("Reason"), _("Detail"))
    )
    return (
        f"<h2>{escape(cluster.cluster)}</h2><table><tr>{head}</tr>{plays}</table>"
        f"<h3>{escape(_('Refused'))}</h3><table><tr>{refused_head}</tr>{refused}</table>"
    )


def _clock(at_ms: int | None) -> str:
    if at_ms is None:
        return ""
    return f"{datetime.fromtimestamp(at_ms / 1000, ZONE):%H:%M:%S}.{at_ms % 1000 // 100}"


def _evidence(grade: str | None) -> str:
    words = {
        "silent": _("silent"),
        "unverified": _("unverified"),
        "output": _("verified on the line"),
        "content": _("verified by ear"),
    }
    return words.get(grade or "", "")
