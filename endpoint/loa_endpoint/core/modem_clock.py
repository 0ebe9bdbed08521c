"""The modem's clock: the answer to ``AT+CCLK?`` (3GPP TS 27.007 section 8.15).

The network tells the modem the time (NITZ), unsigned: it is a source like any other. What a modem
says that never heard of a network is old (1970, 1980, 2004), and so refused by the clock's floor.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from loa_protocol.errors import MessageError

MAX_LINE: Final = 64  # characters
MAX_ZONE: Final = 96  # quarters of an hour
_ANSWER: Final = re.compile(
    r'\+CCLK: ?"(\d\d)/(\d\d)/(\d\d),(\d\d):(\d\d):(\d\d)([+-]\d\d)"', re.ASCII
)
_CENTURY_TURNS: Final = 70  # from here on a two-digit year is one of the past: 80 is GPS's 1980


def parse_modem_clock(line: str) -> int:
    """Return the unix ms of a line such as ``+CCLK: "26/11/22,14:03:05+28"``.

    The time is local; ``+28`` are quarters of an hour east of UTC. An answer without them is
    refused: nobody could say which time it is.

    Raises:
        MessageError: the line is not that, or names a day or a zone that does not exist.
    """
    match = _ANSWER.fullmatch(line.strip()) if len(line) <= MAX_LINE else None
    if match is None:
        raise MessageError(f"no clock of a modem: {line[:MAX_LINE]!r}")
    year, month, day, hour, minute, second, quarters = (int(part) for part in match.groups())
    if abs(quarters) > MAX_ZONE:
        raise MessageError(f"no time zone: {quarters} quarters of an hour")
    century = 1900 if year >= _CENTURY_TURNS else 2000
    try:
        local = datetime(century + year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError as error:
        raise MessageError(f"no clock of a modem: {line[:MAX_LINE]!r}: {error}") from error
    if second > 60:  # 60 is a leap second
        raise MessageError(f"no clock of a modem: {second} seconds")
    utc = local + timedelta(seconds=second - local.second, minutes=-15 * quarters)
    return round(utc.timestamp()) * 1000
