"""Whatever comes, in whatever order, under power cuts and doubtful clocks: what never sounds."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from loa_protocol.objects.authority import Level
from loa_protocol.objects.command import Command, Verb
from loa_protocol.record import ClockTrust
from support import orders
from support.order_scene import Scene
from support.province import playlist

LEVELS = st.sampled_from([Level.COMMUNE, Level.PROVINCE, Level.CENTRAL])
LOCKDOWN_S = 60


@dataclass(frozen=True)
class Given:
    """An order as the model knows it."""

    body: Any
    level: Level
    verb: Verb | None  # None: an alert


class Interleaving(RuleBasedStateMachine):
    """The model is what was ordered, as a list; the scene is the endpoint."""

    @initialize(without_time=st.booleans())
    def begin(self, without_time: bool) -> None:
        self.scene = Scene(playlist(20), alert_without_time=without_time, minutes_per_session=45)
        self.given: dict[bytes, Given] = {}
        self.ended: list[tuple[Level, tuple[bytes, ...]]] = []

    @rule(level=LEVELS, repeats=st.integers(1, 3), speech=st.sampled_from([0, 4000]))
    def warn(self, level: Level, repeats: int, speech: int) -> None:
        now_s = self.scene.now_ms // 1000
        body = orders.alert(
            start=now_s - 5, expires=now_s + 300, repeats=repeats, gap_s=1,
            speech_ms=self.scene.now_ms + speech if speech else 0,
        )  # fmt: skip
        self._give(body, level, None)

    @rule(level=LEVELS, verb=st.sampled_from([Verb.HOLD, Verb.LOCKDOWN, Verb.STOP]))
    def silence(self, level: Level, verb: Verb) -> None:
        level = max(level, Level.PROVINCE) if verb is Verb.LOCKDOWN else level
        duration_s = LOCKDOWN_S if verb is Verb.LOCKDOWN else 0
        self._give(self._command(verb, duration_s=duration_s), Level(level), verb)

    @rule(level=LEVELS, pick=st.integers(0, 50))
    def end(self, level: Level, pick: int) -> None:
        known = [given for given in self.given.values() if given.verb is not Verb.STOP]
        if known:
            self._end(level, known[pick % len(known)])

    @rule(level=LEVELS, ender=LEVELS)
    def hold_after_its_release(self, level: Level, ender: Level) -> None:
        body = self._command(Verb.HOLD, duration_s=0)
        self._end(ender, Given(body, level, Verb.HOLD))
        self._give(body, level, Verb.HOLD)

    @rule()
    def cut_the_power(self) -> None:
        self.scene.reboot()

    @rule(trust=st.sampled_from(list(ClockTrust)))
    def doubt_the_time(self, trust: ClockTrust) -> None:
        self.scene.trust = trust

    @rule(seconds=st.integers(1, 25))
    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.scene.wait(1)
            self.nothing_sounds_that_must_not()

    @invariant()
    def nothing_sounds_that_must_not(self) -> None:
        if not hasattr(self, "scene"):
            return
        scene = self.scene
        if self._in_force(Verb.LOCKDOWN):
            assert scene.is_silent()
        if self._in_force(Verb.HOLD):
            assert scene.is_silent() or scene.is_alerting
        counted = Counter(each.source.split("#")[0] for each in scene.alerts())
        for name, count in counted.items():
            alert = self.given[bytes.fromhex(name.removeprefix("alert-"))].body
            assert count <= alert.repeats

    @invariant()
    def what_was_ended_by_who_may_is_silent(self) -> None:
        if not hasattr(self, "scene") or self.scene.sounding is None:
            return
        for given in self.given.values():
            if given.verb is None and self._is_ended(given):
                assert given.body.id.hex() not in self.scene.sounding

    def _give(self, body: Any, level: Level, verb: Verb | None) -> None:
        self.given[body.id] = Given(body, level, verb)
        self.scene.order(body, level=level, holders=(body.id.hex(),))

    def _end(self, level: Level, target: Given) -> None:
        now_s, id_ = self.scene.now_ms // 1000, target.body.id
        body = (
            orders.cancel(id_, start=now_s - 5, expires=now_s + 3600)
            if target.verb is None
            else dataclasses.replace(self._command(Verb.RELEASE), references=(id_,))
        )
        self.ended.append((level, (id_,)))
        self.scene.order(body, level=level)

    def _command(self, verb: Verb, **changes: Any) -> Command:
        now_s = self.scene.now_ms // 1000
        return orders.command(verb, issued=now_s, expires=now_s + 3600, **changes)

    def _is_ended(self, given: Given) -> bool:
        return any(lvl >= given.level and given.body.id in ids for lvl, ids in self.ended)

    def _in_force(self, verb: Verb) -> bool:
        """Tell whether an order of *verb* silences now, by the list of what was ordered alone."""
        mine = [g for g in self.given.values() if g.verb is verb and not self._is_ended(g)]
        if verb is Verb.HOLD:
            return bool(mine)
        now_s = self.scene.now_ms / 1000
        return any(now_s < given.body.issued + LOCKDOWN_S for given in mine)


@pytest.mark.requirement("SEC-8", "MSG-3")
def test_no_order_of_orders_power_cuts_and_clocks_lets_sound_what_must_not() -> None:
    usual = settings(
        max_examples=120,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    run_state_machine_as_test(Interleaving, settings=usual)
