"""Options that `loa alert`, `loa order` and `loa bulletin` share: places, lengths, and the way."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from loa_manager.home import Home
from loa_manager.orders.desk import OrderDesk
from loa_manager.orders.giving import Giver
from loa_protocol.language import translator
from loa_protocol.scope import is_scope

_ = translator("loa_manager")
_Command = TypeVar("_Command", bound=Callable[..., Any])
_LENGTH: Final = re.compile(r"(?=\d)(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,7})s)?")
FILE: Final = click.Path(path_type=Path, dir_okay=False)


class Length(click.ParamType[int]):
    """A length of time with its unit, such as 4s, 30m, 1h30m or 2d; in seconds."""

    name = "length"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        """Return the seconds, or fail with an example."""
        if isinstance(value, int):
            return value
        found = _LENGTH.fullmatch(str(value).replace(" ", ""))
        if not found:
            self.fail(
                _("expected a length such as 4s, 30m, 2h or 1d, got {text}").format(text=value),
                param,
                ctx,
            )
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        total = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return int(total.total_seconds())


class Scope(click.ParamType[str]):
    """A place: a scope such as vn/ls/st0137."""

    name = "scope"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        """Return the scope as it is."""
        text = str(value).strip("/")
        if not is_scope(text):
            self.fail(
                _("expected a scope such as vn/ls/st0137, got {text}").format(text=value),
                param,
                ctx,
            )
        return text


def sending_options(command: _Command) -> _Command:
    """Give *command* the arguments ``yes``, ``output`` and ``server``."""
    command = click.option("--yes", is_flag=True, help="Do not ask.")(command)
    command = click.option(
        "-o", "--output", type=FILE, help="Write the order to this file, and send nothing."
    )(command)
    return server_option(command)


def server_option(command: _Command) -> _Command:
    """Give *command* the argument ``server``."""
    return click.option(
        "--server",
        envvar="LOA_SERVER",
        help="Address of the server, if not that of the province's settings.",
    )(command)


def reason_option(command: _Command) -> _Command:
    """Give *command* the argument ``reason``, which nobody may leave out."""
    return click.option("--reason", required=True, help="Why; everybody can read it later.")(
        command
    )


def open_giver(home: Path, server: str | None) -> Giver:
    """Return whoever sits at *home*; raises as Home.open() and OrderDesk.open()."""
    place, now = Home.open(home), datetime.now(UTC)
    return Giver(place, OrderDesk.open(place, now), now, server)
