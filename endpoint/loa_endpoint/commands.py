"""Commands of ``loa-endpoint``, whose help is in its catalogue, and what happens when one fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from loa_protocol.command_line import SpokenCommand, SpokenGroup, begin_speaking
from loa_protocol.errors import LoaError, SilentError
from loa_protocol.exit_codes import FAILURE, INTERRUPTED, OK, USAGE, exit_code
from loa_protocol.language import translator

_ = translator("loa_endpoint")


class Command(SpokenCommand):
    """A command of ``loa-endpoint``."""

    catalogue = "loa_endpoint"


class Group(SpokenGroup):
    """A group of ``loa-endpoint``, whose commands are :class:`Command`."""

    catalogue = "loa_endpoint"
    command_class = Command


def run(group: click.Group, arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; the one place where errors become words."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    begin_speaking(given)
    try:
        with group.make_context(group.name or "loa-endpoint", given) as context:
            group.invoke(context)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo(_("interrupted"), err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return USAGE
    except BrokenPipeError:  # `loa-endpoint status | head`: whoever read us has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except LoaError as error:
        click.echo(_("Error: {text}").format(text=_words(error)), err=True)
        return exit_code(error)
    return OK


def _words(error: LoaError) -> str:
    if not isinstance(error, SilentError):
        return str(error)
    text = _("{port}: no answer after {seconds} s. Is the agent running (loa-endpoint run)?")
    return text.format(port=error.port, seconds=f"{error.after_s:g}")
