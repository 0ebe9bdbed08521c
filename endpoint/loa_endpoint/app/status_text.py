"""The local status, for a technician in front of the pole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from loa_protocol.language import translator

_ = translator("loa_endpoint")


def status_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each thing worth knowing, times as the province's clocks show them."""
    states = {
        "connected": _("waiting"),
        "playing": _("playing"),
        "fault": _("fault"),
    }
    yield f"{facts['scope']}: {states.get(str(facts['state']), facts['state'])}"
    if facts["faults"]:
        yield _("Faults: {names}").format(names=", ".join(facts["faults"]))
    if facts["item"]:
        text = _("Now: {item}, by {bearer}, volume {volume}")
        yield text.format(item=facts["item"], bearer=facts["bearer"] or "-", volume=facts["volume"])
    clock = facts["time"]
    zone = timezone(timedelta(minutes=clock["utc_offset_min"]))  # of the policy: boards have none
    for planned in facts["next"]:
        at = datetime.fromtimestamp(planned["at_ms"] / 1000, zone)
        mark = f" [{planned['block']}]" if planned["block"] else ""
        yield _("Next: {time} {item}").format(
            time=f"{at:%d/%m %H:%M:%S}", item=planned["item"] + mark
        )
    yield _("Clock trust: {trust}").format(trust=clock["trust"])
    if clock["trust"] in {"T0", "T1"}:
        yield _("Nothing scheduled plays until the time is known; the server tells it.")
        yield from _floor(clock)
    link = _("connected") if facts["connected"] else _("not connected")
    yield _("Server: {link}; {unsent} records wait to be received").format(
        link=link, unsent=facts["records"]["unsent"]
    )
    media = facts["media"]
    yield _("Media: {cached} in the cache, {missing} missing").format(**media)
    yield from _carriers(facts["carriers"])


def _floor(clock: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a province needs to know where the time floor may be wrong."""
    if clock["floor_ahead_ms"]:
        minutes = -(-clock["floor_ahead_ms"] // 60_000)
        text = _("The time floor is {minutes} min ahead of the server: the province must reset it.")
        yield text.format(minutes=minutes)
    yield _("Nonce for a reset of the time floor: {nonce}").format(nonce=clock["nonce"])


def _carriers(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what came beside the network."""
    states = {
        "reading": _("being read"),
        "read": _("read, may be pulled out"),
        "incomplete": _("not all of it could be taken"),
    }
    for stick in facts["sticks"]:
        text = _("Stick {path}: {state}; {taken} new, {refused} refused")
        yield text.format(**{**stick, "state": states.get(stick["state"], stick["state"])})
    modem = facts["modem"]
    if modem is not None:
        signal = "-" if modem["signal_dbm"] is None else f"{modem['signal_dbm']} dBm"
        text = _("Modem: SIM {sim}, {operator}, {signal}; {orders} orders by text message")
        yield text.format(**{**modem, "operator": modem["operator"] or "-", "signal": signal})
