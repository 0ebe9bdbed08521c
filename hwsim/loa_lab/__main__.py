"""The program ``loa-sim``: simulated hardware, as processes of their own."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from loa_hwsim.cli import board_command, cable_command, sms_command
from loa_hwsim.sound_card.cli import card_command
from loa_hwsim.texts import SimGroup
from loa_lab.cli import fleet_command, village_command
from loa_protocol.command_line import begin_speaking
from loa_protocol.errors import LoaError
from loa_protocol.exit_codes import INTERRUPTED, OK, USAGE, exit_code


@click.group(
    "loa-sim",
    cls=SimGroup,
    example="loa-sim --lang en board --dir sim/c04 --air air.toml --hears out/c04.wav",
)
def sim() -> None:
    """Simulate the hardware of village loudspeakers."""


sim.add_command(board_command)
sim.add_command(cable_command)
sim.add_command(sms_command)
sim.add_command(card_command)
sim.add_command(village_command)
sim.add_command(fleet_command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; the one place where errors become words."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    begin_speaking(given)
    try:
        with sim.make_context("loa-sim", given) as context:
            sim.invoke(context)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return USAGE
    except LoaError as error:
        click.echo(str(error), err=True)
        return exit_code(error)
    return OK


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run())


if __name__ == "__main__":
    main()
