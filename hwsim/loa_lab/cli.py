"""The command ``loa-sim village``: arguments, one call, lines as the story goes."""

from __future__ import annotations

import time
from pathlib import Path

import click

from loa_hwsim.texts import SimCommand
from loa_lab.village.run import run_village
from loa_protocol.language import translator

_ = translator("loa_lab")


@click.command("village", cls=SimCommand, example="loa-sim village --out demo-out")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-out"),
    show_default=True,
    help="Folder for what it leaves behind.",
)
def village_command(*, out: Path) -> None:
    """Put a whole village on the air, from blank boards to the report.

    Takes under two minutes: real keys, TLS, broker, database and sound; simulated hardware.
    """
    began = time.monotonic()

    def say(text: str) -> None:
        passed = time.monotonic() - began
        first, *rest = text.splitlines() or [""]
        click.echo(f"{passed:6.1f} s  {first}")
        for line in rest:
            click.echo(f"          {line}")

    summary = run_village(out.absolute(), say)
    gaps = max(each["max_gap_ms"] for each in summary["endpoints"])
    click.echo("")
    click.echo(_("Longest gap inside an item: {gap} ms").format(gap=gaps))
    click.echo(_("Refused: {count} attempts, none of them sounded").format(
        count=len(summary["refused"])))  # fmt: skip
    click.echo(_("Open {page} and listen to {folder}").format(
        page=out / "timeline.html", folder=out / "loudspeakers"))  # fmt: skip
