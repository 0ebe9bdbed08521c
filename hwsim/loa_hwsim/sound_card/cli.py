"""The command ``loa-sim card``: a simulated sound card for whatever program is started next."""

from __future__ import annotations

from pathlib import Path

import click

from loa_hwsim.cli import print_fact
from loa_hwsim.sound_card.card import SoundCard, plug_in
from loa_hwsim.sound_card.diary import RATE
from loa_hwsim.texts import SimCommand


@click.command(
    "card",
    cls=SimCommand,
    example="loa-sim card --dir sim/c04 --ppm 80",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for the card and for ALSA's configuration.",
)
@click.option("--name", default="horn", help="What ALSA calls the card.")
@click.option(
    "--ppm",
    type=click.FloatRange(-10_000, 10_000),
    default=0.0,
    help="How much too fast its clock is, in millionths.",
)
@click.option(
    "--latency",
    type=click.FloatRange(0, 1_000),
    default=0.0,
    help="Time from its buffer to the plug, ms.",
)
def card_command(*, folder: Path, name: str, ppm: float, latency: float) -> None:
    """Make a simulated sound card that programs find by ALSA_CONFIG_PATH.

    It has no process of its own: it lives in the program that plays to it, keeps what that played
    in its folder, and runs dry, stalls or is unplugged as files in the folder say.
    """
    samples = round(latency * RATE / 1000)
    card = SoundCard(folder / name, name=name, ppm=ppm, latency=samples)
    config = plug_in(folder, [card])
    print_fact(
        {
            "event": "ready",
            "ALSA_CONFIG_PATH": str(config),
            "sink": f"pyaudio:{name}",
            "folder": str(card.folder),
        }
    )
