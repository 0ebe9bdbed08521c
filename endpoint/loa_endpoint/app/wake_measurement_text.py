"""What `loa-endpoint measure wake` says to people: how it goes, and what the settings get."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from loa_endpoint.core.amplifier import WAKE_MS
from loa_endpoint.core.wake_time import Wake
from loa_protocol.language import translator

_ = translator("loa_endpoint")

_ONCE_S: Final = 4.0  # of each time, beside standby


def begin_line(times: int, standby_s: float) -> str:
    """Return what is about to happen, and how long it takes."""
    text = _("Measuring {times} times, about {seconds} s; a quiet tone sounds from the horn ...")
    return text.format(times=times, seconds=round(times * (standby_s + _ONCE_S)))


def step_line(number: int, times: int, wake: Wake) -> str:
    """Return how one time went."""
    text = _("{number} of {times}: {wake} ms")
    return text.format(number=number, times=times, wake=wake.wake_ms)


def wake_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was found, and what belongs into the settings."""
    sensors = {
        "line_current": _("current of the line"),
        "line_voltage": _("voltage of the line"),
        "microphone": _("microphone"),
    }
    yield _("Measured by: {sensor}").format(sensor=sensors[facts["measured_by"]])
    yield _("From standby to full level: median {median_ms} ms, worst {worst_ms} ms").format(
        **facts
    )
    yield _("Doubt: {doubt_ms} ms").format(**facts)
    in_force = facts["in_force"] or WAKE_MS
    yield _("In force: {wake} ms").format(wake=in_force)
    fitting = facts["fitting"]
    if facts["worst_ms"] > in_force:
        yield _("Too short: the beginning of what comes first is lost.")
    yield _("In the settings of this cluster:")
    yield "[[fitting]]"
    yield 'device = "amplifier"'
    yield f'port = "{fitting["port"]}"'
    yield f"option = {fitting['option']}"
