"""How the sounds of a playlist are shown: a waveform for each, on the terminal or as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from loa_manager.cli.output import Column, say, show
from loa_manager.content_tree import write_durably
from loa_manager.media.advice import clock_text
from loa_manager.media.waveform import CLIPPED, SILENT, Drawn, line, to_png, to_svg
from loa_manager.publish.media import MediaStore
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_protocol.objects.playlist import BearerKind, Playlist

_ = translator("loa_manager")

picture_option = click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw its sounds into this file, .svg or .png.",
)
_WIDTH: Final = 40  # characters: beside a title there is room for it in 80 columns


def draw_sounds(playlist: Playlist, folder: Path, store: MediaStore) -> list[Drawn]:
    """Return what each sound of *playlist* looks like, under the titles that it has there.

    Args:
        playlist: Names media by hash.
        folder: Where they lie.
        store: Keeps what they look like, so that a second look decodes nothing.

    Raises:
        SoundError: one is no sound.
        StoreError: one cannot be read.
    """
    titles: dict[int, dict[str, None]] = {}
    for item in playlist.items:
        for bearer in item.bearers:
            if bearer.kind is BearerKind.MEDIA:
                titles.setdefault(bearer.reference, {})[item.title] = None
    return [
        Drawn(
            ", ".join(titles.get(at, {media.sha256.hex()[:12]: None})),
            store.sketch(folder / media.sha256.hex(), media.sha256),
        )
        for at, media in enumerate(playlist.media)
    ]


def show_sounds(sounds: Sequence[Drawn]) -> None:
    """Show a line for each sound, and what its marks mean where there are any."""
    if not sounds:
        return
    columns = [
        Column("title", _("Title")),
        Column("length", _("Length"), right=True),
        Column("wave", _("Sound")),
    ]
    rows = [
        {
            "title": each.title,
            "length": clock_text(each.sketch.length_ms),
            "wave": line(each.sketch, _WIDTH),
        }
        for each in sounds
    ]
    show(rows, columns, title=_("What sounds:"))
    drawn = "".join(row["wave"] for row in rows)
    meanings = [(SILENT, _("silence")), (CLIPPED, _("clipped"))]
    if found := [f"{mark} {meaning}" for mark, meaning in meanings if mark in drawn]:
        say("  ".join(found))


def sound_facts(sound: Drawn) -> dict[str, Any]:
    """Return what is marked in a sound, as facts for programs."""
    return {
        "title": sound.title,
        "length_ms": sound.sketch.length_ms,
        "silences_ms": [list(each) for each in sound.sketch.silences],
        "clipped_ms": list(sound.sketch.clipped),
    }


def write_picture(path: Path, sounds: Sequence[Drawn]) -> None:
    """Write the picture of *sounds* to *path*, SVG or PNG by its name.

    Raises:
        ConfigError: its name is neither's.
        StoreError: the place is not writable.
    """
    check_picture_name(path)
    data = to_png(sounds) if path.suffix == ".png" else _svg(sounds)
    write_durably(path, data)


def check_picture_name(path: Path) -> None:
    """Refuse a name that says neither SVG nor PNG.

    Raises:
        ConfigError: so it is.
    """
    if path.suffix not in (".svg", ".png"):
        raise ConfigError(str(path), [_("the name of a picture ends in .svg or .png")])


def _svg(sounds: Sequence[Drawn]) -> bytes:
    return to_svg(sounds, silence=_("silence"), clipped=_("clipped")).encode()
