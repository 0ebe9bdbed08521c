"""The fallback machine against any sequence of weather, faults, items and alerts."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from loa_endpoint.core.bearer import (
    Bearer,
    EmergencyEnded,
    EmergencyStarted,
    Note,
    PauseHeard,
    PiRead,
    ReturnAsked,
    Sound,
    SoundFailed,
    SoundFound,
    WindowClosed,
)
from loa_endpoint.core.fallback_table import State
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.parameters import FallbackParameters
from support.bearer_scene import FM, MEDIA, OTHER_PI, PI, STREAM, Scene, World

QUICK = FallbackParameters(
    fm_baseline_cdbuv=5500,
    fm_fail_ms=1000,
    fm_cci_fail_ms=1500,
    fm_pi_absent_ms=6000,
    noise_fail_ms=1000,
    silence_fail_ms=3000,
    silence_reset_ms=500,
    ip_starved_ms=500,
    ip_no_bytes_ms=900,
    ok_fm_ms=3000,
    ok_ip_ms=3000,
    ok_max_ms=9000,
    dwell_ms=2000,
    flap_window_ms=60_000,
    hold_ms=60_000,
    return_limit_ms=8000,
)
LOCAL = replace(MEDIA, id="local", cost=0)
LISTS = (
    (FM, MEDIA),
    (FM, STREAM, MEDIA),
    (STREAM, MEDIA),
    (FM,),
    (STREAM,),
    (MEDIA,),
    (FM, STREAM),
)


class FallbackMachine(RuleBasedStateMachine):
    """Rules change the world and the programme; the scene checks every step (`Scene._check`)."""

    scene: Scene

    @initialize(seed=st.integers(0, 5), bearers=st.sampled_from(LISTS), window=st.booleans())
    def begin(self, seed: int, bearers: tuple[Bearer, ...], window: bool) -> None:
        self.scene = Scene(QUICK, seed=seed, pace=2)
        self.state = self.scene.state
        self.seen = 0
        if window:
            self.scene.window(120_000)
        self.scene.play(*bearers, announce_ms=1000)
        self.scene.run(1000)

    # --- the world

    @rule(
        level=st.sampled_from([5500, 5500, 5500, 4400, 3000, 1900, 300]),
        ms=st.sampled_from([200, 700, 3500, 8000]),
    )
    def fade(self, level: int, ms: int) -> None:
        self.scene.world.level_cdbuv = level
        self.scene.run(ms)

    @rule(pi=st.sampled_from([PI, PI, OTHER_PI, None]), tuner=st.sampled_from([True, True, False]))
    def receive(self, pi: int | None, tuner: bool) -> None:
        self.scene.world.pi, self.scene.world.tuner = pi, tuner
        self.scene.run(2500)

    @rule()
    def stranger(self) -> None:
        tuned = self.scene.world.tuner and not self.scene.quiet_told
        self.scene.tell(PiRead(OTHER_PI, 0))
        sounding = self.scene.machine.sounding
        if tuned and sounding is not None:
            assert sounding.kind is not BearerKind.FM

    @rule(
        cci=st.sampled_from([0, 0, 900]),
        level=st.sampled_from([-2000, -2000, -12_000]),
        flatness=st.sampled_from([100, 100, 900]),
    )
    def modulate(self, cci: int, level: int, flatness: int) -> None:
        world = self.scene.world
        world.cci_permille, world.programme_cdbfs, world.flatness_permille = cci, level, flatness
        self.scene.run(2000)

    @rule(
        stream=st.sampled_from([True, True, False]),
        starved=st.sampled_from([False, False, True]),
        media=st.sampled_from([True, True, False]),
    )
    def serve(self, stream: bool, starved: bool, media: bool) -> None:
        world = self.scene.world
        world.stream, world.stream_starved, world.media = stream, starved, media
        self.scene.run(700)

    @rule()
    def heal(self) -> None:
        self.scene.world = World()
        self.scene.run(9500)

    @precondition(lambda self: self.scene.audible is not None)
    @rule()
    def break_sounding(self) -> None:
        assert self.scene.audible is not None
        self.scene.ready.discard(self.scene.audible)
        self.scene.tell(SoundFailed(self.scene.audible, "broken"))

    @rule(bearer=st.sampled_from((MEDIA, LOCAL)))
    def a_file_comes(self, bearer: Bearer) -> None:
        self.scene.tell(SoundFound(bearer.id))

    # --- the programme

    @rule(
        what=st.sampled_from(
            ["play", "play", "play", "end", "window", "withdraw", "alert", "back"]
        ),
        bearers=st.sampled_from(LISTS),
        local=st.sampled_from([None, LOCAL]),
        sound=st.sampled_from([Sound.NORMAL, Sound.NORMAL, Sound.QUIET, Sound.EMERGENCY]),
    )
    def programme(
        self, what: str, bearers: tuple[Bearer, ...], local: Bearer | None, sound: Sound
    ) -> None:
        scene = self.scene
        match what:
            case "play":
                scene.play(*bearers, local=local, sound=sound, announce_ms=0)
            case "end":
                scene.end()
            case "window":
                scene.window(scene.now_ms + 60_000)
            case "withdraw":
                scene.window_ms = scene.now_ms
                scene.tell(WindowClosed(FM.id))
            case "alert":
                scene.tell(EmergencyStarted())
                assert scene.audible is None
            case "back":
                scene.tell(ReturnAsked())
        scene.run(300)

    @precondition(lambda self: self.scene.state is State.EMERGENCY)
    @rule()
    def end_alert(self) -> None:
        self.scene.tell(EmergencyEnded())

    @rule()
    def pause(self) -> None:
        self.scene.tell(PauseHeard())

    @rule(ms=st.sampled_from([3100, 6000, 20_000]))
    def wait(self, ms: int) -> None:
        self.scene.run(ms)

    # --- what always holds

    @invariant()
    def no_transition_is_unlogged(self) -> None:
        fresh = self.scene.effects[self.seen :]
        self.seen = len(self.scene.effects)
        if self.scene.state is not self.state:
            assert any(isinstance(effect, Note) for _, effect in fresh)
        self.state = self.scene.state

    @invariant()
    def the_alarm_tells_the_state(self) -> None:
        alarms = self.scene.said("programme_failure_alarm")
        raised = bool(alarms) and alarms[-1][2] == "active"
        assert raised is (self.scene.state in {State.MUTED, State.HOLDING})

    @invariant()
    def what_sounds_is_listed_and_open(self) -> None:
        scene = self.scene
        if scene.audible is not None:
            assert scene.item is not None
            assert scene.audible in {bearer.id for bearer in scene.item.order()}
            assert scene.audible in scene.open

    @invariant()
    def nothing_hangs_between_two_bearers(self) -> None:
        """Opening takes no longer than the acquire time, bearer by bearer."""
        if self.scene.state in {State.ACQUIRING, State.SWITCHING}:
            deadline_ms = self.scene.machine.next_deadline()
            assert deadline_ms is not None
            assert deadline_ms - self.scene.now_ms <= QUICK.acquire_ms


TestFallbackMachine = FallbackMachine.TestCase
TestFallbackMachine.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)


def test_the_same_story_gives_the_same_effects() -> None:
    stories = []
    for _ in range(2):
        scene = Scene(QUICK, seed=3)
        scene.world.stream = False
        scene.play(STREAM, LOCAL)
        scene.run(120_000)
        stories.append(scene.effects)
    assert stories[0] == stories[1]
