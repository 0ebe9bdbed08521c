"""What a fleet's run found, as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from loa_protocol.language import translator

_ = translator("loa_lab")


def summarise(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each thing that was found."""
    yield _("{endpoints} endpoints with {keys} different keys; {playing} of them play").format_map(
        facts
    )
    yield _(
        "On the line after {connect_s} s, caught up after {catch_up_s} s more; "
        "{memory_mb} MB in this process"
    ).format_map(facts)
    if "hold" in facts:
        yield from _orders(facts)
    if "day" in facts:
        yield from _day(facts["day"])
    if facts["refused"]:
        yield _("Refused: {what}").format(what=facts["refused"])


def _orders(facts: Mapping[str, Any]) -> Iterator[str]:
    hold = facts["hold"]
    yield _("Hold: {silent} of {endpoints} silent, {in_time_percent} % within 3 s").format_map(hold)
    for name, label in (
        ("after_receipt_s", _("from receipt to silence")),
        ("after_issue_s", _("from issue to silence")),
    ):
        yield _spread(label, hold[name])
    yield _(
        "{endpoints} lost power: {held_at_once} silent at once, {began_to_play} began to play"
    ).format_map(facts["restarted"])
    yield _(
        "{endpoints} came back, {from_whom_the_broker_withholds} of them past a broker that "
        "withholds: {held} held, {began_to_play} began to play"
    ).format_map(facts["came_back"])
    alert = facts["alert"]
    yield _(
        "Alert through the hold: {sounding} of {endpoints} sound; {wire_bytes_median} bytes each"
    ).format_map(alert)
    yield _spread(_("from issue to acceptance"), alert["after_issue_s"])
    yield _(
        "Lockdown: {silent} of {endpoints} silent; after its end {sounding_after_its_end} sound"
    ).format_map(facts["lockdown"])


def _spread(label: str, spread: Mapping[str, float]) -> str:
    words = _("half within {p50} s, 95 % within {p95} s, all within {max} s")
    return f"  {label}: {words.format_map(spread)}"


def _day(day: Mapping[str, Any]) -> Iterator[str]:
    yield _("A day on the wire: {kb} kB, and {headers} kB of headers at most").format(
        kb=day["bytes"] // 1000, headers=day["header_bytes"] // 1000
    )
    for name, each in day["happenings"].items():
        yield f"  {name}: {each['times']} x {each['bytes']} B = {each['bytes_a_day'] // 1000} kB"
