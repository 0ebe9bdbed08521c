"""``loa vectors``: the conformance vectors, for ours and for any other implementation."""

from __future__ import annotations

from pathlib import Path

import click

from loa_manager import vector_suite
from loa_manager.cli.options import json_option
from loa_manager.cli.output import Column, show, show_json, wants_json
from loa_manager.cli.progress import progress
from loa_manager.cli.texts import LoaGroup
from loa_protocol import vectors as door
from loa_protocol.exit_codes import FAILURE
from loa_protocol.language import translator

_ = translator("loa_manager")


@click.group(cls=LoaGroup)
def vectors() -> None:
    """Check implementations of Loa's trust against its conformance vectors."""


@vectors.command(example="loa vectors check --with ./my-implementation")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option(
    "--with",
    "command",
    metavar="CMD",
    help="Program to ask: a request on standard input, a verdict on standard output"
    " (docs/protocol/vectors.md); without it, ours.",
)
@json_option
@click.pass_context
def check(context: click.Context, folder: Path | None, command: str | None) -> None:
    """Ask for a verdict on every vector in FOLDER (default: tests/vectors of the checkout)."""
    cases = vector_suite.load(vector_suite.find_folder(folder))
    judge = door.answer if command is None else vector_suite.program(command)
    outcomes: list[vector_suite.Outcome] = []
    with progress(_("Vectors")) as begin:
        advance = begin("", len(cases))
        for outcome in vector_suite.check(cases, judge):
            outcomes.append(outcome)
            advance(1)
    _show(len(cases), vector_suite.failures(outcomes))
    if any(outcome.differences for outcome in outcomes):
        context.exit(FAILURE)


def _show(count: int, failed: list[dict[str, object]]) -> None:
    passed = count - len(failed)
    if wants_json(click.get_current_context()):
        show_json({"passed": passed, "failed": len(failed), "failures": failed})
        return
    if failed:
        columns = (
            Column("case", _("Vector")),
            Column("differences", _("Difference")),
            Column("why", _("Why")),
        )
        show(failed, columns)
    # in every language the same: other programs read this line
    click.echo(f"{passed} passed, {len(failed)} failed")
