"""How far apart twenty endpoints begin, and how far one strays from its instant in a long item.

Twenty players, each a process with a simulated card of its own (``loa-sim card``), on the one clock
of this machine. The cards' clocks are off by up to 400 ppm, their cables up to 25 ms long; their
diaries are the truth, what they played is searched for the sound. Needs PyAudio, gcc and
libasound2-dev. How machines are brought to one clock is not in here.
"""

from __future__ import annotations

import contextlib
import itertools
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
from loa_endpoint.audio.aligned import Aligned  # noqa: E402
from loa_hwsim.sound_card.card import SoundCard  # noqa: E402
from loa_sound.blocks import RATE, Samples  # noqa: E402
from support.player_lab import LivePlayer, in_ms  # noqa: E402
from support.sound_card import MS, config_of, find, make_card, murmur, played  # noqa: E402
from support.sound_files import noise, write_wav  # noqa: E402
from support.waiting import soon  # noqa: E402

POLES = 20
STARTS = 5
APART_MS = 1_500
LONG_S = 20
MOST_PPM = 400
PART = RATE // 10
NEAR = RATE // 2
CALM_S = 5.0
COST_S = 60


def run() -> list[dict[str, object]]:
    """Measure starts, the end of a long item, and what correction costs."""
    with tempfile.TemporaryDirectory() as folder:
        rows = _together(pathlib.Path(folder))
    return [*rows, *_cost()]


def _together(folder: pathlib.Path) -> list[dict[str, object]]:
    lengths_s = [0.4] * STARTS + [float(LONG_S)]
    sounds = [murmur(length) for length in lengths_s]
    media = [write_wav(folder / f"{n}.wav", sound) for n, sound in enumerate(sounds)]
    cards = [_card(folder / f"pole{n}", n) for n in range(POLES)]
    with contextlib.ExitStack() as stack:
        players = [
            stack.enter_context(
                LivePlayer("--sink", "pyaudio:horn", ALSA_CONFIG_PATH=config_of(card))
            )
            for card in cards
        ]
        soon(lambda: all(player.of(m.Ready) for player in players), within_s=60)
        for player in players:
            with contextlib.suppress(PermissionError):  # all of them share this machine's cores
                os.setpriority(os.PRIO_PROCESS, player.process.pid, -10)
        time.sleep(CALM_S)
        dry = sum(_dry(players))
        first = in_ms(3_000)
        instants = [first + n * APART_MS * MS for n in range(len(media))]
        for player in players:
            for n, path in enumerate(media):
                player.send(m.Prepare(source=f"s{n}", path=str(path)))
                player.send(m.Play(source=f"s{n}", at_ns=instants[n], fade_in_ms=0))
        players[0].wait_until(instants[0])
        time.sleep(max(0.0, (instants[-1] - time.monotonic_ns()) / 1e9))
        before = _dry(players)
        time.sleep(LONG_S + 0.5)
        after = _dry(players)
        whole = [card for card, a, b in zip(cards, before, after, strict=True) if a == b]
    starts = [_all_late(cards, sounds[n][:PART], instants[n]) for n in range(STARTS)]
    at = LONG_S * RATE - 2 * PART
    end = instants[-1] + at * 1_000_000_000 // RATE
    ends = _all_late(whole, sounds[-1][at : at + PART], end)
    found = sum(map(len, starts))
    pairs = [apart for round_ in starts for apart in _apart(round_)]
    return [
        *_rows(
            "start: first sample from the planned instant",
            [abs(late) for each in starts for late in each],
        ),
        *_rows("start: two endpoints apart", pairs),
        *_rows(f"after {LONG_S} s: from the planned instant", list(map(abs, ends))),
        *_rows(f"after {LONG_S} s: two endpoints apart", _apart(ends)),
        _row("cards ran dry, all in all", sum(after) - dry, "times"),
        _row(
            "cards that did in the long item, not counted there", POLES - len(ends), f"of {POLES}"
        ),
        _row("starts torn by that, not counted", POLES * STARTS - found, f"of {POLES * STARTS}"),
        _row("what they would be apart without correction", 2 * MOST_PPM * LONG_S / 1e3, "ms"),
    ]


def _dry(players: list[LivePlayer]) -> list[int]:
    return [max((beat.xruns for beat in player.of(m.Beat)), default=0) for player in players]


def _card(folder: pathlib.Path, number: int) -> SoundCard:
    folder.mkdir()
    ppm = MOST_PPM * (2 * number / (POLES - 1) - 1)
    return make_card(folder, ppm=round(ppm, 1), latency=1_200 * number // POLES)


def _all_late(cards: list[SoundCard], part: Samples, instant_ns: int) -> list[float]:
    """Return how late *part* left each card that played it whole."""
    late = list[float]()
    for card in cards:
        with contextlib.suppress(AssertionError):
            late.append(_late_ms(card, part, instant_ns))
    return late


def _apart(late: list[float]) -> list[float]:
    return [abs(a - b) for a, b in itertools.combinations(late, 2)]


def _late_ms(card: SoundCard, part: Samples, instant_ns: int) -> float:
    """Return how late *part* left *card*."""
    heard, diary, sample = played(card), card.diary(), 0
    for _ in range(4):  # each time it ran dry, what follows is later
        sample += round((instant_ns - diary.sounds_ns(sample)) / 1e9 * RATE)
    begin = max(0, sample - NEAR)
    place = begin + find(part, heard[begin : begin + 2 * NEAR])
    return (diary.sounds_ns(place) - instant_ns) / 1e6


def _rows(figure: str, values: list[float]) -> list[dict[str, object]]:
    return [
        _row(f"{figure}, p50", statistics.median(values), "ms"),
        _row(f"{figure}, p95", float(np.percentile(values, 95)), "ms"),
        _row(f"{figure}, max", max(values), "ms"),
    ]


def _cost() -> list[dict[str, object]]:
    """Return the share of a core that it takes to read on time, and to read a corrected sound."""
    return [
        _row("CPU of alignment while on time", _cost_of(0.0), "% of a core"),
        _row("CPU of alignment while correcting 400 ppm", _cost_of(57.6), "% of a core"),
    ]


class _Whole:
    """A sound that is there at once."""

    finish = None

    def __init__(self) -> None:
        self._samples = noise(COST_S + 1)

    def is_ready(self, _position: int, /) -> bool:
        return True

    def read(self, position: int, out: Samples, /) -> int:
        out[:] = self._samples[position : position + len(out)]
        return len(out)


def _cost_of(late: float) -> float:
    sound, aligned, position = _Whole(), Aligned(0, 0), 0
    out = np.zeros(2_400, dtype=np.float32)
    began = time.process_time()
    while position < COST_S * RATE - 4_800:
        aligned.late = late
        count, shift = aligned.read(sound, position, out)
        position += count + shift
    return 100 * (time.process_time() - began) / COST_S


def _row(figure: str, value: float, unit: str) -> dict[str, object]:
    return {"figure": figure, "unit": unit, "value": round(value, 4)}
