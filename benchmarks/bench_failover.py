"""How long the loudspeaker is silent when the FM carrier dies, from the samples that were written.

Several FM items, in each of which the carrier is lost once: the agent goes over to the cached file,
and back to FM with the next item (the waiting before that is shortened, as in the village; what
decides the gap is not). The sound is a sweep, so that silence in the recording is a gap and never a
pause of the programme. Between the loss and the switch a listener hears the receiver's hiss.
"""

from __future__ import annotations

import os
import pathlib
import statistics
import tempfile
import time
from typing import Any

from sqlalchemy import select

from benchmarks.pole import Pole, pole
from loa_lab.village.crew import wait_for
from loa_lab.village.heard import Recording
from loa_lab.village.plan import Piece
from loa_manager import database, tables
from loa_manager.home import Home
from support.sound_files import chirp

LOSSES = 6
PIECE_S = 24
LOST_MS = 10_000  # into each item
AWAY_MS = 5_000
LISTEN_MS = 4_000  # after a loss: the switch lies within


def run() -> list[dict[str, Any]]:
    """Let the carrier go once in each of several FM items, and measure every switch."""
    sounds = [
        (
            Piece(
                file=f"tin-{number}",
                title=f"Tin {number}",
                length_ms=PIECE_S * 1000,
                by_fm=True,
            ),
            chirp(PIECE_S),
        )
        for number in range(LOSSES)
    ]
    faults = "".join(
        f'[[fault]]\nat = {{{number}:+{LOST_MS}}}\nfor = "{AWAY_MS}ms"\nkind = "carrier_off"\n\n'
        for number in range(LOSSES)
    )
    with tempfile.TemporaryDirectory() as folder, pole(pathlib.Path(folder), sounds, faults) as at:
        time.sleep(max(0.0, at.starts[-1] / 1000 + PIECE_S + 3 - time.time()))
        began_ms = at.status()["sound"]["epoch_unix_ms"]
        wait_for("records on their way", lambda: at.status()["records"]["unsent"] == 0, 30)
        at.stop_agent()
        recording = Recording(at.recording().samples, began_ms)
        switches = _switches(at)
    return _rows(recording, [start + LOST_MS for start in at.starts], switches)


def _rows(recording: Recording, losses: list[int], switches: list[int]) -> list[dict[str, Any]]:
    gaps = [recording.longest_gap_ms(lost, lost + LISTEN_MS) for lost in losses]
    after = [
        next(at - lost for at in switches if lost <= at < lost + LISTEN_MS)
        for lost in losses
        if any(lost <= at < lost + LISTEN_MS for at in switches)
    ]
    return [
        _row("silence in the samples at a switch from FM to the cached file", gaps),
        _row("from the loss of the carrier to the switch", after),
        {"figure": "losses", "unit": "count", "value": len(losses)},
        {"figure": "losses followed by a switch", "unit": "count", "value": len(after)},
        {"figure": "load average of the machine (1 min)", "unit": "", "value": os.getloadavg()[0]},
    ]


def _row(figure: str, samples: list[int]) -> dict[str, Any]:
    return {
        "figure": f"{figure}, median",
        "unit": "ms",
        "value": statistics.median(samples),
        "worst": max(samples),
        "samples": samples,
    }


def _switches(at: Pole) -> list[int]:
    """Return when the agent went over to the file because FM failed, unix ms, oldest first."""
    engine = database.open(Home.open(at.village.province).database_url)
    event = tables.event
    failure = event.c.detail.endswith("failure")
    wanted = select(event.c.at_ms).where(event.c.name == "switch", failure)
    try:
        with engine.connect() as connection:
            return sorted(connection.execute(wanted).scalars())
    finally:
        engine.dispose()
