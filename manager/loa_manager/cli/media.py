"""``loa media``: sound files, measured and kept by hash."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from loa_manager.cli.media_play import play
from loa_manager.cli.media_say import say
from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.output import Column, show, wants_json
from loa_manager.cli.progress import progress
from loa_manager.cli.texts import LoaGroup
from loa_manager.home import Home
from loa_manager.media.advice import advice, clock_text, cut_text
from loa_manager.publish.editing import media_store
from loa_manager.publish.media import Kept
from loa_protocol.errors import StoreError
from loa_protocol.language import translator
from loa_sound.errors import SoundError
from loa_sound.quality import Examination, Finding, examine_file
from loa_sound.trimming import plan_cut

_ = translator("loa_manager")

_FILES = click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False)
)


@click.group(cls=LoaGroup)
def media() -> None:
    """Measure, keep, hear and make sound files."""


@media.command(example="loa media add --home nga gia-lua.wav nhac.mp3")
@_FILES
@click.option("--no-trim", is_flag=True, help="Leave the silence at the ends of FILES.")
@home_option
@json_option
def add(files: tuple[Path, ...], no_trim: bool, home: Path) -> None:
    """Measure FILES and keep them by hash, trimmed, and transcoded to Opus where need be.

    A schedule's files are added by themselves; this is for looking before, and for saying once
    that the silence at a file's ends is meant.
    """
    store = media_store(Home(home))
    with progress(_("Measuring")) as on_file:
        kept = [
            store.add(
                path,
                on_file(path.name, path.stat().st_size if path.is_file() else 0),
                trim=not no_trim,
            )
            for path in files
        ]
    show([_row(each) for each in kept], _columns())
    for each in kept:
        if any(each.cut_ms):
            text = _("{name}: silence cut off, {cut}; --no-trim leaves it")
            _tell(text.format(name=each.name, cut=cut_text(*each.cut_ms)))
        _warn(each.name, each.findings)


@media.command(example="loa media measure gia-lua.wav")
@_FILES
@json_option
def measure(files: tuple[Path, ...]) -> None:
    """Measure FILES by EBU R128, say what is the matter with them, and keep nothing."""
    rows, found = [], []
    for path in files:
        examined = _examined(path)
        measured, loudness = examined.measurement, examined.measurement.integrated_lufs
        cut = plan_cut(examined.outline)
        found.append((path.name, examined.findings))
        rows.append(
            {
                "name": path.name,
                "duration_ms": measured.duration_ms,
                "duration_ms_text": clock_text(_rounded(measured.duration_ms)),
                "loudness_lufs": None if loudness is None else round(loudness, 1),
                "true_peak_dbtp": round(measured.true_peak_dbtp, 1),
                "codec": f"{measured.codec}, {measured.sample_rate} Hz",
                **_judgement((cut.before_ms, cut.behind_ms), examined.findings),
            }
        )
    show(rows, _columns()[:7])
    for name, findings in found:
        _warn(name, findings)


@media.command("list", example="loa media list --home nga")
@home_option
@json_option
def list_command(home: Path) -> None:
    """List the files that are kept."""
    show([_row(each) for each in media_store(Home(home)).list()], _columns())


for _command in (play, say):
    media.add_command(_command)


def _examined(path: Path) -> Examination:
    try:
        return examine_file(path)
    except SoundError as error:
        if error.reason == "unreadable":  # nothing is wrong with the sound: it could not be read
            raise StoreError(str(path), error.detail) from None
        raise


def _row(kept: Kept) -> dict[str, Any]:
    return {
        "name": kept.name,
        "duration_ms": kept.facts.duration_ms,
        "duration_ms_text": clock_text(_rounded(kept.facts.duration_ms)),
        "loudness_lufs": kept.facts.loudness_clufs / 100,
        "true_peak_dbtp": kept.facts.true_peak_cdbtp / 100,
        "codec": kept.codec,
        **_judgement(kept.cut_ms, kept.findings),
        "size": kept.facts.size,
        "transcoded": kept.is_transcoded,
        "sha256": kept.facts.sha256,
    }


def _judgement(cut_ms: tuple[int, int], findings: Iterable[Finding]) -> dict[str, Any]:
    found = list(findings)
    return {
        "cut": {"before_ms": cut_ms[0], "behind_ms": cut_ms[1]},
        "cut_text": cut_text(*cut_ms) or "-",
        "warnings": [
            {
                "code": str(each.trouble),
                "amount": each.amount,
                "at_ms": each.at_ms,
                "text": advice(each),
            }
            for each in found
        ],
        "warnings_text": str(len(found)) if found else "-",
    }


def _columns() -> list[Column]:
    return [
        Column("name", _("Name")),
        Column("duration_ms", _("Length"), right=True),
        Column("loudness_lufs", "LUFS", right=True),
        Column("true_peak_dbtp", "dBTP", right=True),
        Column("codec", _("Codec")),
        Column("cut", _("Silence cut")),
        Column("warnings", _("Warnings"), right=True),
        Column("size", _("Bytes"), right=True),
        Column("transcoded", _("Transcoded")),
        Column("sha256", "SHA-256"),
    ]


def _warn(name: str, findings: Iterable[Finding]) -> None:
    for finding in findings:
        _tell(f"{_('Warning')}: {name}: {advice(finding)}", colour="yellow")


def _tell(text: str, colour: str | None = None) -> None:
    if not wants_json(click.get_current_context(silent=True)):
        click.secho(text, err=True, fg=colour)


def _rounded(ms: int) -> int:
    return round(ms / 1000) * 1000
