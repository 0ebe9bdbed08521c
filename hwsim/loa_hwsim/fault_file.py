"""The fault script: a TOML file of ``[[fault]]`` tables, read into a plan.

.. code-block:: toml

    [[fault]]
    at = "+12.5s"             # after the start; or unix milliseconds
    for = "20s"               # or until = ..., or neither: for ever
    kind = "carrier_off"
    frequency_khz = 91000     # left out: every transmitter

    [[fault]]
    at = "+40s"
    kind = "garbage"
    device = "bus"            # only where a kind could strike in several places
    bytes = 64
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from loa_hwsim.faults import FREQUENCY, RULES, Fault, FaultPlan, Kind, Place, Rule
from loa_hwsim.table import Table, parse_toml
from loa_protocol.errors import ConfigError

_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|min|h)\Z")
_UNIT_MS: Final = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000}
_LATEST_MS: Final = 1 << 53


def load_faults(path: Path, *, start_ms: int) -> FaultPlan:
    """Read the script at *path* for a run that starts at *start_ms*.

    Raises:
        ConfigError: Not readable, not UTF-8, or wrong; every fault in the file is listed.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [f"cannot be read: {error}"]) from None
    return parse_faults(text, where=str(path), start_ms=start_ms)


def parse_faults(text: str, *, where: str, start_ms: int) -> FaultPlan:
    """Read a script's text; relative times count from *start_ms* (unix milliseconds).

    Raises:
        ConfigError: Every fault in the file is listed.
    """
    root = parse_toml(text, where)
    faults = [_read_fault(table, start_ms) for table in root.tables("fault")]
    root.refuse_unknown()
    if root.faults:
        raise ConfigError(where, root.faults)
    return FaultPlan([fault for fault in faults if fault])


def _read_fault(table: Table, start_ms: int) -> Fault | None:
    name = table.text("kind")
    if name not in [kind.value for kind in Kind]:
        if name:
            table.fault(f"kind {name!r} is not one of {', '.join(kind.value for kind in Kind)}")
        _pass_over(table)
        return None
    kind = Kind(name)
    rule = RULES[kind]
    begin, end = _read_span(table, start_ms)
    if rule.is_momentary and end is not None:
        table.fault(f"{kind} is over at once: neither until nor for")
    frequency = 0
    if Place.AIR in rule.places and table.raw("frequency_khz") is not None:
        frequency = table.integer("frequency_khz", int(FREQUENCY.low), int(FREQUENCY.high))
    numbers = {
        key: table.number(key, allowed.low, allowed.high, allowed.default)
        if key != "pi"
        else _read_pi(table)
        for key, allowed in rule.numbers.items()
    }
    return Fault(
        kind=kind,
        place=_read_place(table, rule),
        start_ms=begin,
        end_ms=begin if rule.is_momentary else end,
        frequency_khz=frequency,
        numbers=numbers,
    )


def read_pi(value: object) -> int | None:
    """Return a programme identification written as four hexadecimal digits, None if it is not."""
    if isinstance(value, str) and re.fullmatch(r"[0-9A-Fa-f]{4}", value):
        return int(value, 16)
    return None


def _read_pi(table: Table) -> int:
    pi = read_pi(table.raw("pi"))
    if pi is None:
        table.fault('pi must be four hexadecimal digits, such as "7301"')
    return pi or 0


def _read_place(table: Table, rule: Rule) -> Place:
    name = table.text("device", rule.places[0].value if len(rule.places) == 1 else None)
    if name not in [place.value for place in rule.places]:
        allowed = " or ".join(place.value for place in rule.places)
        if name:
            table.fault(f"device must be {allowed}, got {name!r:.40}")
        return rule.places[0]
    return Place(name)


def _read_span(table: Table, start_ms: int) -> tuple[int, int | None]:
    begin = _read_moment(table, "at", start_ms)
    until, length = table.raw("until"), table.raw("for")
    if until is not None and length is not None:
        table.fault("give until or for, not both")
    end = None
    if until is not None:
        end = _read_moment(table, "until", start_ms)
    elif length is not None:
        duration = _read_duration(length)
        if not duration:
            table.fault('for must be a duration such as "20s"')
        end = begin + (duration or 1)
    if end is not None and end <= begin:
        table.fault("ends before it begins")
    return begin, end


def _read_moment(table: Table, key: str, start_ms: int) -> int:
    value = table.raw(key)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LATEST_MS:
        return value
    after = _read_duration(value[1:]) if isinstance(value, str) and value[:1] == "+" else None
    if after is None:
        table.fault(f'{key} must be unix milliseconds, or a time after the start such as "+12.5s"')
    return start_ms + (after or 0)


def _read_duration(value: object) -> int | None:
    match = _DURATION.match(value) if isinstance(value, str) else None
    return round(float(match[1]) * _UNIT_MS[match[2]]) if match else None


def _pass_over(table: Table) -> None:
    """Take all keys of a fault whose kind is not known: one complaint is enough."""
    for key in table.values:
        table.raw(key)
