"""The player on the simulated sound card: when it sounds, what it says of that, how soon again.

The card (``loa-sim card``) is 80 ppm fast and has 25 ms of cable behind its buffer; its own diary
is the truth. Needs PyAudio, gcc and libasound2-dev.
"""

from __future__ import annotations

import asyncio
import os
import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np

TESTS = pathlib.Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from loa_endpoint.audio import messages as m  # noqa: E402 - after the path to the tests' parts
from support.player_lab import LivePlayer, in_ms  # noqa: E402
from support.sound_card import MS, Pole, config_of, find, make_card, played  # noqa: E402
from support.sound_files import noise, write_wav  # noqa: E402

STARTS = 20
FAILURES = 5
DRIFT_S = 15


def run() -> list[dict[str, object]]:
    """Measure starts, drift, and recovery."""
    with tempfile.TemporaryDirectory() as folder:
        rows = _starts(pathlib.Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        return [*rows, *asyncio.run(_recoveries(pathlib.Path(folder)))]


def _starts(folder: pathlib.Path) -> list[dict[str, object]]:
    card = make_card(folder, ppm=80, latency=1_200)
    media = [write_wav(folder / f"{seed}.wav", noise(0.4, seed=seed)) for seed in range(STARTS)]
    wanted: list[int] = []
    with LivePlayer("--sink", "pyaudio:horn", ALSA_CONFIG_PATH=config_of(card)) as player:
        player.wait(m.Ready)
        for number, path in enumerate(media):
            wanted.append(in_ms(500))
            player.send(
                m.Prepare(source=f"s{number}", path=str(path)),
                m.Play(source=f"s{number}", at_ns=wanted[-1], fade_in_ms=0),
            )
            player.wait_until(wanted[-1] + 450 * MS)
        end = time.monotonic() + DRIFT_S
        while time.monotonic() < end:
            time.sleep(0.1)
        beat, said = player.of(m.Beat)[-1], player.of(m.Started)
    heard, diary = played(card), card.diary()
    places = [find(noise(0.4, seed=seed)[:4_800], heard) for seed in range(STARTS)]
    truth = [diary.sounds_ns(place) for place in places]
    late = [abs(there - due) / 1e6 for there, due in zip(truth, wanted, strict=True)]
    wrong = [abs(event.at_ns - there) / 1e6 for event, there in zip(said, truth, strict=True)]
    return [
        _row("start beside its instant, p95 of 20", "ms", _p95(late)),
        _row("started, as told, beside the truth, p95", "ms", _p95(wrong)),
        _row("drift told beside the card's 80 ppm", "ppm", abs(beat.drift_ppm - 80)),
        _row("xruns meanwhile", "", float(beat.xruns)),
    ]


async def _recoveries(folder: pathlib.Path) -> list[dict[str, object]]:
    card = make_card(folder)
    os.environ["ALSA_CONFIG_PATH"] = config_of(card)
    pole = Pole(folder, "pyaudio:horn")
    await pole.begin()
    rows = []
    for fault, figure in (("gone", "a plug"), ("stalled", "a stall")):
        took = [
            await pole.survive(
                lambda fault=fault: card.suffer(fault),  # type: ignore[misc]  # default argument
                lambda fault=fault: card.recover(fault),  # type: ignore[misc]  # likewise
                away_s=1.5 + number * 0.3,
            )
            for number in range(FAILURES)
        ]
        rows.append(
            _row(f"sound is back after {figure}, median of 5", "s", statistics.median(took))
        )
        rows.append(_row(f"sound is back after {figure}, longest", "s", max(took)))
    await pole.end()
    return rows


def _p95(values: list[float]) -> float:
    return float(np.percentile(values, 95))


def _row(figure: str, unit: str, value: float) -> dict[str, object]:
    return {"figure": figure, "unit": unit, "value": value}
