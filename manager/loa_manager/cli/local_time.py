"""A point in time as people write it: local, of today or of a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import click

from loa_manager.cli.output import LOCAL
from loa_protocol.language import translator

_ = translator("loa_manager")

_DAYS: Final = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S")
_HOURS: Final = ("%H:%M", "%H:%M:%S")


def parse_local(text: str, now: datetime) -> datetime | None:
    """Return the instant that *text* names, UTC; None where it is no time.

    A time without a day is the last one that is over. One with an offset (ISO 8601) is taken as it
    is; all others are local.

    Args:
        text: Such as ``03:15``, ``2026-11-23 03:15`` or ``23/11/2026 03:15``.
        now: The time, UTC.
    """
    words = " ".join(text.split())
    for form in _HOURS:
        if (found := _read(words, form)) is not None:
            today = datetime.combine(now.astimezone(LOCAL).date(), found.time(), LOCAL)
            return (today if today <= now else today - timedelta(days=1)).astimezone(UTC)
    for form in _DAYS:
        if (found := _read(words.replace("T", " "), form)) is not None:
            return found.replace(tzinfo=LOCAL).astimezone(UTC)
    try:
        exact = datetime.fromisoformat(words)
        return None if exact.tzinfo is None else exact.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class LocalTime(click.ParamType[datetime]):
    """Such a time; UTC within."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the instant, or fail with an example."""
        found = value if isinstance(value, datetime) else parse_local(str(value), datetime.now(UTC))
        if found is None:
            text = _("expected a local time such as 03:15 or '23/11/2026 03:15', got {text}")
            self.fail(text.format(text=value), param, ctx)
        return found


def _read(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007 - its zone is put on by the caller
    except ValueError:
        return None
