"""The command ``loa``: finds the command, and turns every error into words and an exit code.

Commands live in ``cli/<command>.py`` and are registered by one line in ``COMMANDS``; their modules
are loaded when they are called, after the language is chosen.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from loa_manager.cli.key_notice import tell_expiry
from loa_manager.cli.options import home_option
from loa_manager.cli.output import failure_code, report, wants_json
from loa_manager.cli.texts import LoaCommand, LoaGroup
from loa_protocol.command_line import begin_speaking
from loa_protocol.errors import LoaError
from loa_protocol.exit_codes import FAILURE, INTERRUPTED, OK, USAGE, exit_code

# name -> where its click command stands
COMMANDS: Final = {
    "init": "loa_manager.cli.init:init",
    "key": "loa_manager.cli.key:key",
    "root": "loa_manager.cli.root:root",
    "unit": "loa_manager.cli.unit:unit",
    "station": "loa_manager.cli.station:station",
    "cluster": "loa_manager.cli.cluster:cluster",
    "policy": "loa_manager.cli.policy:policy",
    "settings": "loa_manager.cli.settings:settings",
    "media": "loa_manager.cli.media:media",
    "phrases": "loa_manager.cli.phrases:phrases",
    "playlist": "loa_manager.cli.playlist:playlist",
    "bulletin": "loa_manager.cli.bulletin:bulletin",
    "alert": "loa_manager.cli.alert:alert",
    "order": "loa_manager.cli.order:order",
    "live": "loa_manager.cli.live:live",
    "relay": "loa_manager.cli.relay:relay",
    "provision": "loa_manager.cli.provision:provision",
    "serve": "loa_manager.cli.serve:serve",
    "sms": "loa_manager.cli.sms:sms",
    "carry": "loa_manager.cli.carry:carry",
    "mirror": "loa_manager.cli.carry:mirror",
    "status": "loa_manager.cli.status:status",
    "health": "loa_manager.cli.health:health",
    "doctor": "loa_manager.cli.doctor:doctor",
    "report": "loa_manager.cli.report:report",
    "recall": "loa_manager.cli.recall:recall",
    "records": "loa_manager.cli.records:records",
    "audit": "loa_manager.cli.audit:audit",
    "database": "loa_manager.cli.database:database",
    "vectors": "loa_manager.cli.vectors:vectors",
}


class Loa(LoaGroup):
    """The group that knows its commands by name and loads them when they are called."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return all names, in the order of ``COMMANDS``."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _colon, name = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, (LoaCommand, LoaGroup)), cmd_name
        return command


@click.group(cls=Loa, example="loa --lang en init --home ls --province vn/ls --test")
@home_option
def loa(**_options: Any) -> None:  # noqa: ANN401 - click's own
    """Run a province's village loudspeakers."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    The one place where errors become words and numbers; errors of our own making pass through.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    begin_speaking(given)
    context: click.Context | None = None
    try:
        with loa.make_context("loa", given) as context:
            loa.invoke(context)
            tell_expiry(context)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        report(None, as_json=wants_json(context))
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = USAGE
    except BrokenPipeError:  # `loa ... | head`: whoever read us has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILURE
    except LoaError as error:
        report(error, as_json=wants_json(context))
        code = exit_code(error)
    else:
        return OK
    return failure_code(context) or code


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run())
