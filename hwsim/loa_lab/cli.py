"""The commands ``loa-sim village`` and ``loa-sim fleet``: arguments, one call, lines as it goes."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from loa_hwsim.texts import SimCommand
from loa_lab.fleet.run import run_fleet
from loa_lab.fleet.summary import summarise
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

    Takes about two minutes: real keys, TLS, broker, database and sound; simulated hardware.
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


@click.command("fleet", cls=SimCommand, example="loa-sim fleet --count 2000 --hold")
@click.option(
    "--count",
    type=click.IntRange(1, 10_000),
    default=200,
    show_default=True,
    help="How many virtual endpoints.",
)
@click.option(
    "--hold",
    is_flag=True,
    help="Hold the whole province, alert through the hold, release it, lock it down.",
)
@click.option("--bytes", "with_bytes", is_flag=True, help="Count what a day costs on the wire.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def fleet_command(*, count: int, hold: bool, with_bytes: bool, as_json: bool) -> None:
    """Hang many virtual endpoints on a real server, all in this process.

    Real keys, certificates, TLS, signatures and records; sound, disk and tuner are left out.
    """
    began = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - began:6.1f} s  {text}", err=as_json)

    bar = _Bar() if sys.stderr.isatty() else None
    facts = run_fleet(
        count,
        say,
        bar or (lambda _done, _total: None),
        with_orders=hold,
        with_bytes=with_bytes,
    )
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        return
    click.echo("")
    for line in summarise(facts):
        click.echo(line)


class _Bar:
    """A bar of progress on a terminal, in one line that is written anew."""

    _WIDTH = 40

    def __call__(self, done: int, total: int) -> None:
        full = self._WIDTH * done // total
        drawn = "#" * full + "." * (self._WIDTH - full)
        click.echo(f"\r          [{drawn}] {done}/{total}", err=True, nl=done == total)
