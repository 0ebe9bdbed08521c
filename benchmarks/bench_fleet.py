"""Two thousand virtual endpoints on one server: how soon a province is silent, or warned.

All of them, the server and its broker share this machine; see ``loa_lab.fleet.exercise`` on what
each clock counts. The bytes of a day come from a small fleet of their own, since they do not depend
on how many others there are (but for the depth of the proof of a playlist).
"""

from __future__ import annotations

import os
from typing import Any

from loa_lab.fleet.run import run_fleet

REQUIREMENTS = ("SEC-8", "MSG-3", "PERF-5")
ENDPOINTS = int(os.environ.get("LOA_FLEET", "2000"))
FEW = 12
TARGET_DAY = 300_000
BASELINE = f"the target of {TARGET_DAY:,} bytes a day"


def run() -> list[dict[str, Any]]:
    """Run the exercise with many, and count a day with few."""
    facts = run_fleet(ENDPOINTS, _say, _bar)
    day = run_fleet(FEW, _say, _bar, with_orders=False, with_bytes=True)["day"]
    return [*_orders(facts), *_day(day)]


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


def _bar(_done: int, _total: int) -> None:
    """Say nothing: a bench's output is read later."""


def _orders(facts: dict[str, Any]) -> list[dict[str, Any]]:
    hold, alert, lockdown = facts["hold"], facts["alert"], facts["lockdown"]
    return [
        _row("endpoints, each with a key of its own", "", facts["keys"]),
        _row("memory of the process that holds them", "MB", facts["memory_mb"]),
        _row("until all were on the line", "s", facts["connect_s"]),
        _row("until all had caught up, after that", "s", facts["catch_up_s"]),
        _row("hold: silent within 3 s of receipt", "%", hold["in_time_percent"]),
        *_spread("hold: from receipt to silence", hold["after_receipt_s"]),
        *_spread("hold: from issue to silence", hold["after_issue_s"]),
        _row("hold: until the head names it", "s", hold["in_the_head_after_issue_s"]),
        _row("began to play after a restart", "", facts["restarted"]["began_to_play"]),
        _row("came back, and began to play", "", facts["came_back"]["began_to_play"]),
        _row("alert, bytes of the bundle with its sound", "B", alert["bundle_bytes"]),
        _row("alert, bytes on the wire of one endpoint", "B", alert["wire_bytes_median"]),
        *_spread("alert: from issue to receipt", alert["receipt_after_issue_s"]),
        *_spread("alert: from receipt to acceptance", alert["acceptance_s"]),
        *_spread("alert: from issue to acceptance", alert["after_issue_s"]),
        *_spread("lockdown: from issue to silence", lockdown["after_issue_s"]),
        _row("sounding after the lockdown's end", "", lockdown["sounding_after_its_end"]),
        _row("load average of the machine (1 min)", "", os.getloadavg()[0]),
    ]


def _spread(figure: str, found: dict[str, float]) -> list[dict[str, Any]]:
    return [_row(f"{figure}, {name}", "s", value) for name, value in found.items()]


def _day(day: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [
        _row(f"{name}: {each['times']} times a day", "B each", each["bytes"])
        for name, each in day["happenings"].items()
    ]
    busy = day["bytes"] + 12 * day["proofs_after_it"]["bytes"]
    certificates = day["certificates"]
    times = day["happenings"]["head pushed"]["times"]
    spared = times * certificates["of_them_certificates"]
    times = day["happenings"]["heartbeat and receipt"]["times"]
    spared += times * certificates["of_them_certificates_too"]
    return [
        *rows,
        _row("a playlist of another place", "B each", day["a_playlist_elsewhere"]["bytes"]),
        _row("proofs after it, every two hours at most", "B each", day["proofs_after_it"]["bytes"]),
        _row("head, of it certificates", "B", certificates["of_them_certificates"]),
        _row("receipt, of it certificates", "B", certificates["of_them_certificates_too"]),
        _target("a day without audio", day["bytes"]),
        _target("a day in which something is published elsewhere all the time", busy),
        _target("a day, headers of TCP and IP at most", day["header_bytes"]),
        _target("a day, did certificates travel every time", day["bytes"] + spared),
    ]


def _row(figure: str, unit: str, value: float) -> dict[str, Any]:
    return {"figure": figure, "unit": unit, "value": value}


def _target(figure: str, value: int) -> dict[str, Any]:
    return {**_row(figure, "B", value), "baseline": BASELINE, "ratio": value / TARGET_DAY}
