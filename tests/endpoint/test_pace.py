"""Rounds are rare while nothing is near, and nothing that is done or written is another by it."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from loa_endpoint.core import bearer as machine
from loa_endpoint.core.effect import Effect
from loa_endpoint.core.pace import BRISK_MS, CALM_MS, STIRRED_MS, Pace
from loa_protocol.objects.command import Verb
from loa_protocol.objects.playlist import Item, Playlist, Session
from loa_protocol.objects.policy import VolumeCap
from loa_protocol.record import ClockTrust, PlayStarted
from support.director_stage import BEGIN, GOOD_FM, HISS, MUSIC, with_fm
from support.order_scene import Scene
from support.orders import alert, command
from support.province import playlist

DEAD_FM = (machine.TunerTuned(61_500), machine.SignalRead(500, 0))
MINUTE_MS = 60_000


class PacedScene(Scene):
    """A scene whose rounds come as often as the pace asks for: always, where it *is_brisk*."""

    def __init__(self, *facts: Any, is_brisk: bool = False, **rules: Any) -> None:
        self.pace, self.is_brisk, self.rounds = Pace(), is_brisk, 0
        self.station: tuple[machine.Event, ...] = ()
        self.line_in: tuple[int, int] | None = None
        super().__init__(*facts, **rules)

    def do(self, effects: list[Effect]) -> None:
        if effects:
            self.stir()
        super().do(effects)

    def stir(self) -> None:
        self.pace.stir(self.reading().mono_ms)

    def run(self, until_ms: int, *_readings: Any, **_facts: Any) -> None:
        while self.now_ms < until_ms:
            self.now_ms += 100
            self._let_sound()
            if self.line_in is not None:
                self.do(self.director.on_line_in(*self.line_in, self.reading()))
            for reading in self.station:
                self.do(self.director.on_reading(reading, self.reading()))
            self._turn()
            self._let_sound()

    def _turn(self) -> None:
        now = self.reading()
        if not self.is_brisk and now.mono_ms < self.pace.due_ms:
            return
        self.rounds += 1
        self.do(self.director.on_round(now))
        self.pace.turned(now.mono_ms, is_calm=self.director.is_calm(now))


Deed = tuple[int, Any]  # milliseconds after BEGIN, and what is done to a scene


def play(schedule: Playlist, deeds: list[Deed], *, is_brisk: bool, **rules: Any) -> PacedScene:
    scene = PacedScene(schedule, is_brisk=is_brisk, **rules)
    for after_ms, deed in sorted(deeds, key=lambda each: each[0]):
        scene.run(BEGIN + after_ms)
        deed(scene)
        scene.stir()
    scene.run(BEGIN + 4 * MINUTE_MS)
    return scene


def both(schedule: Playlist, deeds: list[Deed], **rules: Any) -> tuple[PacedScene, PacedScene]:
    """Let the same happen with a round every 100 ms, and with as many as are asked for."""
    brisk = play(schedule, deeds, is_brisk=True, **rules)
    return brisk, play(schedule, deeds, is_brisk=False, **rules)


# --- random days


def schedules(rng: random.Random) -> Playlist:
    base, items, at_ms = with_fm(start=BEGIN // 1000 + rng.randrange(60)), list[Item](), 0
    model = base.items[0]
    for number in range(rng.randrange(1, 7)):
        at_ms += rng.choice((0, 0, rng.randrange(40_000)))
        length_ms = rng.randrange(700, 60_000)
        over = {"bearers": model.bearers[1:], "duck_cdb": -1500} if not rng.randrange(4) else {}
        bearers = {"bearers": model.bearers[rng.randrange(2) :]}
        facts: dict[str, Any] = {
            **bearers,
            **over,
            "category": rng.choice(("thông báo", "quảng cáo")),
        }
        offset_ms = max(0, at_ms - length_ms // 2) if over else at_ms
        items.append(
            dataclasses.replace(
                model, id=f"i{number}", offset_ms=offset_ms, duration_ms=length_ms, **facts
            )
        )
        at_ms += 0 if over else length_ms
    session = Session(id="s1", start=BEGIN // 1000, duration_s=600, volume=10)
    windows = tuple(
        dataclasses.replace(each, end=each.start + rng.randrange(20, 300))
        for each in base.fm_windows
    )
    return dataclasses.replace(base, items=tuple(items), sessions=(session,), fm_windows=windows)


def happenings(rng: random.Random) -> list[Deed]:
    """Return what comes from outside; each call of one of them does the same to any scene."""

    def hear(station: tuple[machine.Event, ...], line_in: tuple[int, int]) -> Any:
        def tell(scene: PacedScene) -> None:
            scene.station, scene.line_in = station, line_in

        return tell

    def trust(level: ClockTrust) -> Any:
        return lambda scene: setattr(scene, "trust", level)

    def order(body: Any) -> Any:
        return lambda scene: scene.order(body)

    at_ms = rng.randrange(4 * MINUTE_MS)
    issued = (BEGIN + at_ms) // 1000
    span = {"issued": issued, "expires": issued + 600}
    begins = {"start": issued, "expires": issued + rng.randrange(5, 120)}
    speech_ms = BEGIN + at_ms + rng.randrange(40_000)
    choices: list[Deed] = [
        (0, hear(GOOD_FM, MUSIC)),
        (at_ms, hear(DEAD_FM, HISS)),
        (at_ms, hear(GOOD_FM, MUSIC)),
        (at_ms, trust(rng.choice(tuple(ClockTrust)))),
        (at_ms, trust(ClockTrust.T3)),
        (at_ms, order(command(Verb.HOLD, duration_s=rng.randrange(1, 60), **span))),
        (at_ms, order(command(Verb.LOCKDOWN, duration_s=rng.randrange(1, 60), **span))),
        (at_ms, order(command(Verb.VOLUME, duration_s=rng.randrange(1, 60), **span))),
        (at_ms, order(command(Verb.STOP, **span))),
        (at_ms, order(command(Verb.SELF_TEST, **span))),
        (at_ms, order(alert(**begins))),
        (at_ms, order(alert(**{**begins, "speech_ms": speech_ms, "expires": issued + 300}))),
        (at_ms, lambda scene: scene.do(scene.director.duty.on_button(scene.reading()))),
        (at_ms, lambda scene: scene.fetch()),
    ]
    return rng.choices(choices, k=rng.choice((0, 1, 2, 4)))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_a_day_of_rare_rounds_is_the_same_as_one_of_a_round_every_tenth_of_a_second(
    seed: int,
) -> None:
    rng = random.Random(seed)
    schedule, deeds = schedules(rng), happenings(rng)
    minute = (BEGIN // MINUTE_MS + 420) % 1440 + rng.randrange(4)
    caps = (VolumeCap(start_min=minute, end_min=minute + 1, level=rng.randrange(1, 12)),)
    brisk, paced = both(schedule, deeds, volume_caps=caps)
    assert paced.done == brisk.done
    assert paced.heard == brisk.heard


def test_while_a_cached_file_plays_two_rounds_a_second_are_enough() -> None:
    long = dataclasses.replace(playlist(items=1).items[0], duration_ms=3 * MINUTE_MS)
    session = Session(id="s1", start=BEGIN // 1000, duration_s=180, volume=10)
    brisk, paced = both(dataclasses.replace(playlist(), items=(long,), sessions=(session,)), [])
    assert paced.done == brisk.done
    assert len(paced.kept(PlayStarted)) == 1
    assert paced.rounds < brisk.rounds * 0.35


def test_while_fm_sounds_its_carrier_is_watched_ten_times_a_second() -> None:
    scene = PacedScene(with_fm())
    scene.station, scene.line_in = GOOD_FM, MUSIC
    scene.run(BEGIN + 20_000)
    before = scene.rounds
    scene.run(BEGIN + 30_000)
    assert scene.rounds - before == 100


# --- the pace itself


def test_rounds_are_brisk_at_first_and_rare_when_all_is_calm() -> None:
    pace = Pace()
    pace.turned(1000, is_calm=False)
    assert pace.due_ms == 1000 + BRISK_MS
    pace.turned(1100, is_calm=True)
    assert pace.due_ms == 1100 + CALM_MS


def test_what_happens_brings_the_next_round_forward_and_keeps_them_brisk_for_a_while() -> None:
    pace = Pace()
    pace.turned(1000, is_calm=True)
    pace.stir(1350)
    assert pace.due_ms == 1350, "a brisk round would be over due"
    pace.turned(1350, is_calm=True)
    assert pace.due_ms == 1350 + BRISK_MS
    pace.turned(1350 + STIRRED_MS, is_calm=True)
    assert pace.due_ms == 1350 + STIRRED_MS + CALM_MS


def test_right_after_a_round_nothing_brings_another_before_a_tenth_of_a_second() -> None:
    pace = Pace()
    pace.turned(1000, is_calm=True)
    pace.stir(1010)
    assert pace.due_ms == 1000 + BRISK_MS


def test_a_round_is_turned_with_whatever_wakes_the_agent_but_not_twice_for_it() -> None:
    pace = Pace()
    pace.turned(1000, is_calm=True)
    assert not pace.is_worth(1000 + CALM_MS // 2 - 1)
    assert pace.is_worth(1000 + CALM_MS // 2)
    pace.turned(1000 + CALM_MS // 2, is_calm=True)
    assert pace.due_ms == 1000 + CALM_MS // 2 + CALM_MS


@given(st.integers(0, 399), st.integers(380, 420))
def test_the_reports_of_a_player_soon_bring_every_round_whatever_the_phase(
    phase_ms: int, every_ms: int
) -> None:
    pace, wakes = Pace(), 0
    reports = set(range(phase_ms, 20_000, every_ms))
    for now_ms in range(20_000):
        is_report = now_ms in reports
        if now_ms >= pace.due_ms or (is_report and pace.is_worth(now_ms)):
            pace.turned(now_ms, is_calm=True)
            wakes += not is_report and now_ms > 5000
    assert wakes == 0, "no round wakes the agent by itself"


def test_a_late_round_is_not_made_up_for() -> None:
    pace = Pace()
    pace.turned(1000, is_calm=False)
    pace.turned(1130, is_calm=False)
    assert pace.due_ms == 1200, "in step"
    pace.turned(5000, is_calm=False)
    assert pace.due_ms == 5000 + BRISK_MS


def test_a_window_that_opens_in_the_middle_of_an_item_is_met() -> None:
    schedule = with_fm(start=BEGIN // 1000 + 30)
    brisk, paced = both(schedule, [(0, lambda scene: setattr(scene, "station", GOOD_FM))])
    assert paced.done == brisk.done
