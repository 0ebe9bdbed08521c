"""``loa media``: sound files, measured and kept by hash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.output import Column, show
from loa_manager.cli.progress import progress
from loa_manager.cli.texts import LoaGroup
from loa_manager.home import Home
from loa_manager.publish.editing import media_store
from loa_manager.publish.media import Kept
from loa_protocol.errors import StoreError
from loa_protocol.language import translator
from loa_sound.errors import SoundError
from loa_sound.measure import Measurement, measure_file

_ = translator("loa_manager")

_FILES = click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False)
)


@click.group(cls=LoaGroup)
def media() -> None:
    """Measure and keep sound files."""


@media.command(example="loa media add --home nga gia-lua.wav nhac.mp3")
@_FILES
@home_option
@json_option
def add(files: tuple[Path, ...], home: Path) -> None:
    """Measure FILES and keep them by hash, transcoded to Opus where need be.

    A schedule's files are added by themselves; this is for looking before.
    """
    store = media_store(Home(home))
    with progress(_("Measuring")) as on_file:
        kept = [
            store.add(path, on_file(path.name, path.stat().st_size if path.is_file() else 0))
            for path in files
        ]
    show([_row(each) for each in kept], _columns())


@media.command(example="loa media measure gia-lua.wav")
@_FILES
@json_option
def measure(files: tuple[Path, ...]) -> None:
    """Measure FILES by EBU R128 and keep nothing."""
    rows = []
    for path in files:
        found = _measured(path)
        loudness = found.integrated_lufs
        rows.append(
            {
                "name": path.name,
                "duration_ms": found.duration_ms,
                "duration_ms_text": _length(found.duration_ms),
                "loudness_lufs": None if loudness is None else round(loudness, 1),
                "true_peak_dbtp": round(found.true_peak_dbtp, 1),
                "codec": f"{found.codec}, {found.sample_rate} Hz",
            }
        )
    show(rows, _columns()[:5])


@media.command("list", example="loa media list --home nga")
@home_option
@json_option
def list_command(home: Path) -> None:
    """List the files that are kept."""
    show([_row(each) for each in media_store(Home(home)).list()], _columns())


def _measured(path: Path) -> Measurement:
    try:
        return measure_file(path)
    except SoundError as error:
        if error.reason == "unreadable":  # nothing is wrong with the sound: it could not be read
            raise StoreError(str(path), error.detail) from None
        raise


def _row(kept: Kept) -> dict[str, Any]:
    return {
        "name": kept.name,
        "duration_ms": kept.facts.duration_ms,
        "duration_ms_text": _length(kept.facts.duration_ms),
        "loudness_lufs": kept.facts.loudness_clufs / 100,
        "true_peak_dbtp": kept.facts.true_peak_cdbtp / 100,
        "codec": kept.codec,
        "size": kept.facts.size,
        "transcoded": kept.is_transcoded,
        "sha256": kept.facts.sha256,
    }


def _columns() -> list[Column]:
    return [
        Column("name", _("Name")),
        Column("duration_ms", _("Length"), right=True),
        Column("loudness_lufs", "LUFS", right=True),
        Column("true_peak_dbtp", "dBTP", right=True),
        Column("codec", _("Codec")),
        Column("size", _("Bytes"), right=True),
        Column("transcoded", _("Transcoded")),
        Column("sha256", "SHA-256"),
    ]


def _length(duration_ms: int) -> str:
    seconds = round(duration_ms / 1000)
    return f"{seconds // 60}:{seconds % 60:02}"
