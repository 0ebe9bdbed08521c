"""From the microphone to the horn: how long live sound takes, and whether horns sound together.

A real province on loopback: ``loa live`` reads a FIFO that stands for a microphone, ``loa serve``
relays, three real agents play into WAV files. Into the microphone goes a tone burst each second;
what is measured is when each of them stands in the written samples. The delay is chosen by whoever
speaks and is common to all boards; shorter ones show from where on chunks come too late.
"""

from __future__ import annotations

import os
import pathlib
import statistics
import sys
import tempfile
import time
from typing import Any

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))

from support.hamlet import STATION, WITHIN_S, Hamlet, Pole, hamlet
from support.live_lab import Microphone, bursts, loa, onsets_ms, speaker
from support.waiting import soon

DELAYS_S = (2.0, 1.0, 0.5)
BURSTS = 20
POLES = 3
LAST_MS = 1500  # the last burst is not asked for: it may be cut by the end


def run() -> list[dict[str, Any]]:
    """Speak for some seconds at each delay, and look at the three recordings."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, hamlet(pathlib.Path(folder), poles=POLES) as here:
        first, second = speaker(here, "first"), speaker(here, "second")
        poles = [here.pole(f"c{number:02}") for number in range(1, POLES + 1)]
        for pole in poles:
            pole.start()
        for pole in poles:
            soon(pole.knows_the_time, within_s=WITHIN_S)
        for delay_s in DELAYS_S:
            spoken = _speak(here, (first.path, second.path), delay_s)
            clocks = [_clock_ms(pole) for pole in poles]
            rows += _rows(delay_s, spoken, [_heard(pole, spoken, delay_s) for pole in poles])
            asked = f"with a delay of {delay_s:g} s"
            apart = round(max(clocks) - min(clocks), 1)
            rows.append(
                {"figure": f"of that by the boards' clocks, {asked}", "unit": "ms", "value": apart}
            )
    load = {
        "figure": "load average of the machine (1 min)",
        "unit": "",
        "value": os.getloadavg()[0],
    }
    return [*rows, load]


def _speak(here: Hamlet, homes: tuple[pathlib.Path, pathlib.Path], delay_s: float) -> list[float]:
    """Return when each burst was spoken, unix ms."""
    name, fifo = f"at-{delay_s}", here.folder / f"micro-{delay_s}"
    way = ("--server", f"https://127.0.0.1:{here.https}", "--yes")
    start = ("live", "start", "--scope", STATION, "--title", name, "--minutes", "1")
    what = ("--from", f"fifo:{fifo}", "--delay", str(delay_s), "--home", homes[0])
    with loa(here, name, *start, *what, *way) as voice:
        given = voice.wait("given")
        with loa(
            here, f"{name}-sign", "order", "sign", given["file"], "--home", homes[1], *way
        ) as by:
            by.process.wait(WITHIN_S)
        voice.wait("open")
        soon(lambda: voice.said("state") and voice.said("state")[-1]["taken"] == POLES, within_s=30)
        with Microphone(fifo, bursts(10)) as micro:
            soon(lambda: voice.sent_s() >= BURSTS + 2, within_s=BURSTS + WITHIN_S)
        voice.end()
    return [micro.began_ms + 1000 * number for number in range(1, BURSTS)]


def _heard(pole: Pole, spoken: list[float], delay_s: float) -> list[float | None]:
    """Return when each burst stood in the samples of *pole*, unix ms; None where it does not."""
    recording = pole.recording()
    from_ms, to_ms = spoken[0] - 500, spoken[-1] + delay_s * 1000 + LAST_MS
    part = recording.part(round(from_ms), round(to_ms)).astype(np.float32) / np.float32(32_768)
    came = onsets_ms(part, round(from_ms))
    return [
        next((at for at in came if abs(at - said - delay_s * 1000) < 450), None) for said in spoken
    ]


def _clock_ms(pole: Pole) -> float:
    """Return how far the clock of *pole* is ahead of this machine's, ms."""
    offsets = []
    for _try in range(5):
        before = time.time()
        told: float = pole.status()["time"]["unix_ms"]
        offsets.append(told - (before + time.time()) * 500)
    return statistics.median(offsets)


def _rows(
    delay_s: float, spoken: list[float], heard: list[list[float | None]]
) -> list[dict[str, Any]]:
    late = [
        round(at - said, 1)
        for board in heard
        for at, said in zip(board, spoken, strict=True)
        if at is not None
    ]
    together = [
        max(instants) - min(instants)
        for each in zip(*heard, strict=True)
        if len(instants := [at for at in each if at is not None]) == POLES
    ]
    asked = f"with a delay of {delay_s:g} s"
    found: list[dict[str, Any]] = [
        {
            "figure": f"bursts heard of those spoken, {asked}",
            "unit": "share",
            "value": round(len(late) / (len(spoken) * POLES), 3),
        }
    ]
    for figure, samples in (
        (f"from the microphone to the written sample, {asked}, median", late),
        (f"between the first and the last of {POLES} boards, {asked}, median", together),
    ):
        if samples:
            value, worst = round(statistics.median(samples), 2), round(max(samples), 2)
            row = {"figure": figure, "unit": "ms", "value": value, "worst": worst}
            found.append({**row, "samples": [round(each, 2) for each in samples]})
    return found
