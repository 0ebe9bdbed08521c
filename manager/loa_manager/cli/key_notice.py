"""A line on standard error for each certificate that ends soon, after commands that open keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import click

from loa_manager.cli.options import OPENS_KEYS, home_of
from loa_manager.cli.output import wants_json
from loa_manager.home import Home
from loa_manager.key_terms import terms_of
from loa_manager.key_warnings import KeyWarning, judge_terms
from loa_protocol.errors import LoaError
from loa_protocol.language import translator

# the server opens its own key folder alone, and tells in its log; `init` has just made everything
_SILENT: Final = ("serve", "init")
_ALWAYS: Final = ("status",)
MOST_LINES: Final = 5

_ = translator("loa_manager")


def tell_expiry(context: click.Context) -> None:
    """Warn of certificates in the command's home that end soon; with ``--json`` as JSON lines."""
    command = context.invoked_subcommand
    if command in _SILENT or not (context.meta.get(OPENS_KEYS) or command in _ALWAYS):
        return
    warnings = _warnings(Home(home_of(context)))
    lines = [_json_line(each) for each in warnings] if wants_json(context) else brief(warnings)
    for line in lines:
        click.echo(line, err=True)


def brief(warnings: Sequence[KeyWarning]) -> list[str]:
    """Return a line for each of the first *warnings*, and one for all others."""
    lines = [each.text for each in warnings[:MOST_LINES]]
    if len(warnings) > MOST_LINES:
        more = _("{n} more certificates end soon: loa key list")
        lines.append(more.format(n=len(warnings) - MOST_LINES))
    return lines


def _warnings(home: Home) -> list[KeyWarning]:
    now = datetime.now(UTC)
    try:
        return judge_terms(now, terms_of(home, now))
    except LoaError:  # the command is done; what is damaged shows where it is used
        return []


def _json_line(warning: KeyWarning) -> str:
    facts = {"warning": "certificate_ends", **warning.facts()}
    return json.dumps(facts, ensure_ascii=False, default=lambda value: value.isoformat())
