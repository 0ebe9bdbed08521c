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
    yield from _order_lines(facts)
    zone = _zone(facts)
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


def _zone(facts: Mapping[str, Any]) -> timezone:
    return timezone(timedelta(minutes=facts["time"]["utc_offset_min"]))  # of the policy


def _order_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what silences or quietens the board, and each alert, with who says so and why."""
    words = {
        "hold": _("Hold: only alerts sound"),
        "lockdown": _("Lockdown: nothing sounds"),
        "stop": _("Stopped: only alerts sound"),
        "volume": _("Volume at most {value}"),
        "alert": _("Alert: {title}"),
    }
    levels = {"commune": _("commune"), "province": _("province"), "central": _("central")}
    for order in facts.get("orders", ()):
        if order["what"] not in words:
            continue
        until = _("until it is released")
        if order["until_ms"] is not None:
            at = datetime.fromtimestamp(order["until_ms"] / 1000, _zone(facts))
            until = _("until {time}").format(time=f"{at:%d/%m %H:%M}")
        yield _("{what}, by the {level}, {until} ({reason})").format(
            what=words[order["what"]].format(value=order["value"], title=order["title"]),
            level=levels[order["level"]],
            until=until,
            reason=order["reason"],
        )
    if facts.get("stopped_by_button_s"):
        text = _("Stopped by the button: only alerts sound, for {minutes} minutes")
        yield text.format(minutes=-(-facts["stopped_by_button_s"] // 60))
