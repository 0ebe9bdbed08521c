"""A week's schedule as an officer writes it: a TOML text into entries, every fault named by place.

Pure. What the text means on the calendar is :mod:`loa_manager.publish.calendar`, what the policy
says to it :mod:`loa_manager.publish.rules`. The form is described in docs/schedule.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, Final

from loa_manager.publish.entries import Schedule
from loa_manager.publish.fields import Fields
from loa_manager.publish.places import Fault, find_places
from loa_manager.publish.reading import read_schedule
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")

MAX_BYTES: Final = 256 * 1024


def load_schedule(data: bytes, where: str) -> Schedule:
    """Parse *data*; raise ConfigError with every fault when there is one."""
    schedule, faults = parse_schedule(data)
    if faults or schedule is None:
        raise ConfigError(where, [str(fault) for fault in faults])
    return schedule


def parse_schedule(data: bytes) -> tuple[Schedule | None, list[Fault]]:
    """Return what could be read of *data*, and everything that is wrong with it.

    The schedule is None where the text is no TOML or its header does not say where and when.
    Entries with faults are left out of it, so that later checks can look at the rest.
    """
    faults: list[Fault] = []
    text = _decode(data, faults)
    table = None if text is None else _parse_toml(text, faults)
    if text is None or table is None:
        return None, faults
    top = Fields(table, (), places=find_places(text), faults=faults)
    schedule = read_schedule(top)
    top.finish()
    return schedule, faults


def _decode(data: bytes, faults: list[Fault]) -> str | None:
    if len(data) > MAX_BYTES:
        fault = _("{size} bytes; a schedule has at most {limit}")
        faults.append(Fault(_("file"), fault.format(size=len(data), limit=MAX_BYTES)))
        return None
    try:
        return data.decode().replace("\r\n", "\n").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        place = _("line {line}").format(line=line)
        faults.append(Fault(place, _("not UTF-8; save the file with the encoding UTF-8")))
        return None


def _parse_toml(text: str, faults: list[Fault]) -> Mapping[str, Any] | None:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # huge numbers and deep nesting fail besides TOML
        faults.append(Fault(_("file"), _("not TOML: {why}").format(why=error)))
        return None
