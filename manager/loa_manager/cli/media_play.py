"""``loa media play``: hear a file at the desk, as it is or as it will sound on the pole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.order_options import Scope
from loa_manager.cli.output import show_facts
from loa_manager.cli.texts import LoaCommand
from loa_manager.home import Home
from loa_manager.media.advice import clock_text
from loa_manager.media.speaker import play as play_here
from loa_manager.publish.desk import Desk
from loa_manager.publish.editing import media_store
from loa_manager.publish.gain import MediaFacts, gain_cdb
from loa_protocol.errors import ConfigError, StoreError
from loa_protocol.language import translator
from loa_sound.blocks import RATE, Samples
from loa_sound.decoder import decode
from loa_sound.errors import SoundError
from loa_sound.measure import measure_file
from loa_sound.wave_file import write_wav

_ = translator("loa_manager")

_TARGET_CLUFS: Final = -2300  # EBU R128; where no policy says otherwise
_SHORTEST_HASH: Final = 6


@click.command(cls=LoaCommand, example="loa media play --home nga --gain gia-lua.wav")
@click.argument("source", metavar="FILE|HASH")
@click.option("--gain", is_flag=True, help="At the loudness that it will have on the pole.")
@click.option("--scope", type=Scope(), help="Whose policy says how loud (else -23 LUFS).")
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what would sound into this WAV file instead.",
)
@click.option("--device", help="The start of a sound device's name (else the default one).")
@home_option
@json_option
def play(
    source: str,
    gain: bool,
    scope: str | None,
    target: Path | None,
    device: str | None,
    home: Path,
) -> None:
    """Play a sound file, or a kept one by the first digits of its hash, as one channel.

    FILE sounds as it is, with whatever silence is at its ends; HASH is what travels.
    """
    path, facts = _find(Home(home), source)
    gain_db = _gain_db(facts or _measured(path), Home(home), scope) if gain or scope else 0.0
    blocks = _louder(path, gain_db)
    count = write_wav(target, blocks) if target is not None else play_here(blocks, device)
    shown = {
        "file": path,
        "duration_ms": count * 1000 // RATE,
        "duration_ms_text": clock_text(count * 1000 // RATE),
        "gain_db": round(gain_db, 2),
        "to": None if target is None else str(target),
        "to_text": target or device or _("the default device"),
    }
    labels = {
        "file": _("File"),
        "duration_ms": _("Length"),
        "gain_db": _("Gain, dB"),
        "to": _("Played to"),
    }
    show_facts({**shown, "file": str(path)}, labels)


def _find(home: Home, source: str) -> tuple[Path, MediaFacts | None]:
    """Return the file that *source* means, and what is known of it if it is a kept one."""
    path = Path(source)
    if path.is_file():
        return path, None
    digits = source.lower()
    if len(digits) < _SHORTEST_HASH or set(digits) - set("0123456789abcdef"):
        raise StoreError(source, "No such file or directory")
    facts = {each.facts.sha256: each.facts for each in media_store(home).list()}
    found = [each for sha256, each in facts.items() if sha256.hex().startswith(digits)]
    if len(found) != 1:
        fault = _("{count} kept files begin so; see loa media list").format(count=len(found))
        raise ConfigError(source, [fault])
    return media_store(home).folder / found[0].sha256.hex(), found[0]


def _measured(path: Path) -> MediaFacts:
    try:
        found = measure_file(path)
    except SoundError as error:
        if error.reason == "unreadable":
            raise StoreError(str(path), error.detail) from None
        raise
    if found.integrated_lufs is None:
        raise ConfigError(str(path), [_("too short or too soft to be measured; leave out --gain")])
    return MediaFacts(
        sha256=b"",
        size=0,
        duration_ms=found.duration_ms,
        loudness_clufs=round(found.integrated_lufs * 100),
        true_peak_cdbtp=round(found.true_peak_dbtp * 100),
    )


def _gain_db(facts: MediaFacts, home: Home, scope: str | None) -> float:
    target = _TARGET_CLUFS
    if scope is not None:
        desk = Desk.open(Home.open(home.path), datetime.now(UTC))
        target = desk.policy_for(scope).loudness_clufs
    return gain_cdb(facts, target) / 100


def _louder(path: Path, gain_db: float) -> Iterator[Samples]:
    ratio = float(10 ** (gain_db / 20))
    for block in decode(path):
        yield block * ratio
