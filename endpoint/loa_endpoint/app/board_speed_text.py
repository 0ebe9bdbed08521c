"""The figures of `loa-endpoint bench` for people: a table, and what the machine is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from loa_protocol.language import translator

_ = translator("loa_endpoint")


def speed_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of what `loa_endpoint.app.board_speed.measure` has found."""
    machine, labels = facts["machine"], _labels()
    yield _("Machine: {model}, {processors} x {architecture}, load {load}").format(**machine)
    yield _("{system}, Python {python}").format(**machine)
    yield _("Disk of: {folder}").format(folder=facts["disk"])
    units = {"x": _("x real time"), "% of a core": _("% of a core")}
    width = max(map(len, labels.values()))
    for each in facts["figures"]:
        unit = units.get(each["unit"], each["unit"])
        yield f"{labels[each['name']]:<{width}}  {each['value']:>8,.4g}  {unit}"
    yield _("These are figures of this machine alone; name it wherever you pass them on.")


def _labels() -> dict[str, str]:
    return {
        "disk_sync": _("4 kB written and on the disk"),
        "disk_sync_worst": _("the slowest of 50"),
        "verify": _("one signature verified"),
        "sign": _("one signature made"),
        "decode": _("Opus decoded"),
        "mixer": _("0.1 s of sound: mixer, one item"),
        "limiter": _("0.1 s of sound: limiter"),
        "meters": _("0.1 s of sound: loudness and gaps of an item"),
        "monitors": _("0.1 s of sound: monitors on what is written"),
        "ear": _("0.1 s of sound: comparing a microphone"),
        "black_box": _("0.1 s of sound: encoding for the black box"),
        "agent_start": _("agent loaded"),
        "agent_memory": _("agent's memory before it runs (PSS)"),
        "player_start": _("player ready, from nothing"),
        "player_processor": _("player while it plays, with meters and black box"),
        "player_memory": _("player's and launcher's memory (PSS)"),
    }
