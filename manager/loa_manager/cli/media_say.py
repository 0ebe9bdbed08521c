"""``loa media say``: a recording made from text, for people to hear and sign like any other."""

from __future__ import annotations

from pathlib import Path

import click

from loa_manager.cli.options import json_option
from loa_manager.cli.output import say as tell
from loa_manager.cli.output import show_facts
from loa_manager.cli.texts import LoaCommand
from loa_manager.content_tree import write_durably
from loa_manager.home import read_text
from loa_manager.media.advice import clock_text
from loa_manager.media.speech import BUNDLED, check_name, find_engine
from loa_manager.media.speech import say as speak
from loa_manager.media.utterance import Utterance
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(
    cls=LoaCommand,
    example='loa media say "Mời bà con họp thôn." --language vi --out hop-thon.wav',
)
@click.argument("text", required=False)
@click.option("--file", "source", type=_FILE, help="Say what is in this UTF-8 text file.")
@click.option("--language", required=True, help="A tag such as vi.")
@click.option("--voice", help="The engine's name of a voice, such as vi-vn-x-south.")
@click.option("--engine", default=BUNDLED, show_default=True, help="The speech engine.")
@click.option(
    "--speed",
    type=click.IntRange(60, 400),
    default=140,
    show_default=True,
    help="Words a minute; from a horn, slower is clearer.",
)
@click.option("--out", required=True, type=_FILE, help="The sound to write: .wav or .opus.")
@json_option
def say(
    text: str | None,
    source: Path | None,
    language: str,
    voice: str | None,
    engine: str,
    speed: int,
    out: Path,
) -> None:
    """Let a speech engine read TEXT into a sound file, and write the text beside it.

    The file is a recording like any other: a schedule or an order names it, and it is heard and
    signed by an editor and an approver before it sounds anywhere.
    """
    check_name(out)
    if (text is None) == (source is None):
        raise ConfigError(_("text"), [_("give either TEXT or --file")])
    said = text if source is None else read_text(source)
    assert said is not None  # one of the two was given
    utterance = Utterance(text=said, language=language, voice=voice, words_per_min=speed)
    length_ms = speak(utterance, find_engine(engine), out)
    beside = out.with_suffix(".txt")
    write_durably(beside, f"{said.strip()}\n".encode())
    facts = {
        "file": str(out),
        "text_file": str(beside),
        "duration_ms": length_ms,
        "duration_ms_text": clock_text(length_ms),
        "engine": engine,
        "language": language,
    }
    labels = {"file": _("File"), "text_file": _("Its text"), "duration_ms": _("Length")}
    show_facts(facts, labels)
    tell(unsigned_text())


def unsigned_text() -> str:
    """Return what is still to be done before a made recording may sound."""
    return _(
        "Nobody has signed this. Hear it (loa media play), then put it into a schedule or an"
        " order: an editor and an approver sign it there, as any other recording."
    )
