"""All monitors of one bearer, and what they say together.

FM is judged by carrier level, carrier loss, interference, hiss, PI, the line to the tuner, and
silence; a stream by the decoder, the bytes that come in, and silence. Cached media are judged by
the decoder alone: their hash was signed, so a silence in them is the programme.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Final

from loa_endpoint.core.bearer import (
    Bearer,
    FlowRead,
    Item,
    PiRead,
    Reading,
    SignalRead,
    Sound,
    SoundFailed,
    SoundFound,
    SoundRead,
    SoundReady,
    TunerTuned,
)
from loa_endpoint.core.fm_proof import FmProof, Proof
from loa_endpoint.core.limits import NO, YES, base_ok_ms, limits_for
from loa_endpoint.core.monitor import Monitor, Verdict
from loa_endpoint.core.probe import Probe
from loa_endpoint.core.silence import SilenceGauge
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.parameters import FallbackParameters

METERED: Final = ("silence", "noise", "lost", "starved", "bytes")  # need an open bearer


class BearerWatch:
    """Judge one bearer; it lives as long as the bearer is of interest, across items.

    Args:
        bearer: Whom to judge.
        parameters: All numbers.
        rng: For the jitter of probes.

    Attributes:
        is_ready: It could sound this instant.
        suspicion: The gravest monitor that is bad now, failed or not.
        failure: The gravest monitor that has failed and is bad now.
        has_failed: It failed, and has not yet been good for long enough.
        clear_since_ms: Since when it is ready and nothing is bad; None when that is not so.
        returned_ms: When it was last taken again after a failure.
        is_shut_out: It did not open, or gave out: only a probe opens it again.
    """

    def __init__(
        self, bearer: Bearer, parameters: FallbackParameters, *, rng: random.Random
    ) -> None:
        self.bearer = bearer
        self.parameters = parameters
        self.monitors = {
            name: Monitor(limits) for name, limits in limits_for(bearer.kind, parameters).items()
        }
        self.proof = FmProof(bearer.pi, parameters)
        self.probe = Probe(parameters, rng)
        self._gauge = SilenceGauge(parameters.silence_fail_ms, parameters.silence_reset_ms)
        self.is_ready = self.has_failed = self.is_shut_out = False
        self.suspicion: str | None = None
        self.failure: str | None = None
        self.clear_since_ms: int | None = None
        self.returned_ms: int | None = None
        self._window_closes_ms: int | None = None
        self._deadline_ms: int | None = None
        self._delivers = False
        self._level_cdbuv: int | None = None
        self._flatness_permille: int | None = None
        self._level_cdbfs: int | None = None
        self._hisses: bool | None = None
        self._spans: tuple[tuple[int, int], ...] | None = None  # None: no item runs
        self._ok_ms = base_ok_ms(bearer.kind, parameters)

    # --- what it says

    @property
    def is_well(self) -> bool:
        """Tell whether it is worth going back to: ready, nothing bad, no failure lived down."""
        return self.is_ready and not self.has_failed and self.suspicion is None

    def bar(self, sound: Sound) -> str | None:
        """Name the rule that keeps it from sounding at all, whatever its quality; None if none."""
        if not self.bearer.needs_window:
            return None
        if sound is Sound.EMERGENCY:
            return "emergency"
        if self.bearer.kind is BearerKind.FM and self.bearer.pi is None:
            return "no_proof"
        return None if self._window_closes_ms is not None else "no_window"

    def reading(self, name: str) -> int | None:
        """Return what a monitor read last, in the unit that tells a person most."""
        told = {
            "pi": self.proof.other_pi,
            "lost": self._level_cdbuv,
            "noise": self._flatness_permille,
            "silence": self._level_cdbfs,
        }
        return told[name] if name in told else self.monitors[name].reading

    def next_deadline(self, now_ms: int) -> int | None:
        """Return when time alone changes what it says, None for never."""
        times = [self._deadline_ms, self.probe.next_deadline(now_ms) if self.is_shut_out else None]
        return min((each for each in times if each is not None), default=None)

    # --- what it is told

    def handle(self, reading: Reading, now_ms: int) -> None:
        """Take a reading that concerns this bearer."""
        match reading:
            case SoundReady():
                self._delivers, self.is_shut_out = True, False
            case SoundFailed():
                if self.is_shut_out:  # a probe in vain
                    self.probe.schedule(now_ms)
                self._shut_out(now_ms)
            case SoundFound():
                self.monitors["open"] = Monitor(self.monitors["open"].limits)
                self.is_shut_out = False
                self.probe.reset()
            case SoundRead(level_cdbfs=level, flatness_permille=flatness):
                self._level_cdbfs, self._flatness_permille = level, flatness
                self._hisses = self._is_hiss(level, flatness)
                self._read_sound(level, now_ms)
                self._read_hiss(now_ms)
            case FlowRead(starved=starved, receiving=receiving):
                self._read_flow(starved, receiving, now_ms)
            case SignalRead(level_cdbuv=level, cci_permille=cci):
                self._level_cdbuv = level
                self._read_signal(level, cci, now_ms)
                self._read_hiss(now_ms)
            case PiRead(pi=pi, certainty=certainty):
                self.proof.see(pi, certainty, now_ms)
            case TunerTuned(khz=khz):
                if khz != self.bearer.frequency_khz:
                    self._forget_tuner()
        self._settle(now_ms)

    def tick(self, now_ms: int) -> None:
        """Let time pass."""
        if self._deadline_ms is not None and now_ms >= self._deadline_ms:
            self._settle(now_ms)

    def hear_no_tuner(self, now_ms: int) -> None:
        """Take note that the tuner's line is quiet."""
        self.monitors["tuner"].handle(NO, now_ms)
        self._settle(now_ms)

    def set_window(self, closes_ms: int | None) -> None:
        """Let what needs a window sound until *closes_ms*, or no more at all."""
        self._window_closes_ms = closes_ms
        self._summarise()

    def give_up(self, now_ms: int) -> None:
        """Take note that it failed, or was not ready in time.

        A file or stream is opened afresh, by a probe. FM stays tuned: listening costs nothing, and
        only by listening is its recovery seen.
        """
        if self.bearer.kind is BearerKind.FM:
            self.monitors["open"].handle(NO, now_ms)
        else:
            self._shut_out(now_ms)
        self._settle(now_ms)

    def shut(self) -> None:
        """Take note that it was closed: what only an open bearer can show is unknown again."""
        self._delivers = False
        self._flatness_permille = self._hisses = None
        for name in METERED:
            if name in self.monitors:
                self.monitors[name].forget()
        self._summarise()

    def begin(self, item: Item, start_ms: int) -> None:
        """Take note that an item runs whose first instant was at *start_ms*."""
        self._spans = tuple((start_ms + a, start_ms + b) for a, b in item.expected_silence)
        silence = self.monitors.get("silence")
        if silence is not None:
            fail_ms = {
                Sound.NORMAL: self.parameters.silence_fail_ms,
                Sound.QUIET: self.parameters.silence_quiet_fail_ms,
                Sound.EMERGENCY: self.parameters.silence_emergency_fail_ms,
            }[item.sound]
            self._gauge = SilenceGauge(fail_ms, self.parameters.silence_reset_ms)
            silence.limits = replace(silence.limits, fail_ms=fail_ms - self._gauge.patience_ms)
            silence.forget()
            self._summarise()

    def end(self) -> None:
        """Take note that no item runs: silence means nothing now."""
        self._spans = None
        if "silence" in self.monitors:
            self.monitors["silence"].forget()
            self._summarise()

    def lengthen_ok(self) -> None:
        """Double the time it has to be good: it came back and failed again."""
        self._set_ok_ms(min(2 * self._ok_ms, self.parameters.ok_max_ms))

    def restore_ok(self) -> None:
        """Go back to the usual time it has to be good."""
        self._set_ok_ms(base_ok_ms(self.bearer.kind, self.parameters))

    # --- details

    def _settle(self, now_ms: int) -> None:
        if self._window_closes_ms is not None and now_ms >= self._window_closes_ms:
            self._window_closes_ms = None
        for monitor in self.monitors.values():
            monitor.tick(now_ms)
        if self.bearer.kind is BearerKind.FM:
            self._settle_tuner()
            self._settle_proof(now_ms)
        if self._could_sound():
            self.monitors["open"].handle(YES, now_ms)
        self._summarise()
        if not self.is_ready or self.suspicion is not None:
            self.clear_since_ms = None
            return
        if self.clear_since_ms is None:
            self.clear_since_ms = now_ms
        if not self.has_failed:
            self.probe.reset()

    def _summarise(self) -> None:
        """Work out once what is asked often: several readings come in every tenth of a second."""
        self.is_ready = self._could_sound()
        self.suspicion = self.failure = None
        self.has_failed = False
        times = [self.proof.next_deadline(), self._window_closes_ms]
        for name, monitor in self.monitors.items():
            verdict = monitor.verdict
            if verdict is Verdict.GOOD or verdict is Verdict.UNKNOWN:
                continue
            times.append(monitor.next_deadline())
            self.has_failed = self.has_failed or verdict.has_failed
            if verdict.is_bad_now:
                self.suspicion = self.suspicion or name
            if verdict is Verdict.FAILED:
                self.failure = self.failure or name
        if self.suspicion is None and self.proof.proof is Proof.DOUBTED:
            self.suspicion = "pi"
        self._deadline_ms = min((each for each in times if each is not None), default=None)

    def _could_sound(self) -> bool:
        if not self._delivers:
            return False
        if self.bearer.needs_window and self._window_closes_ms is None:
            return False
        if self.bearer.kind is not BearerKind.FM:
            return True
        if not self.proof.proof.may_sound:
            return False
        carrier, tuner = self.monitors["carrier"].verdict, self.monitors["tuner"].verdict
        unheard = carrier is Verdict.UNKNOWN or carrier.is_bad_now
        return not (unheard or tuner.is_bad_now)

    def _shut_out(self, now_ms: int) -> None:
        self.monitors["open"].handle(NO, now_ms)
        self._delivers = False
        if not self.is_shut_out:
            self.is_shut_out = True
            self.probe.schedule(now_ms)

    def _settle_tuner(self) -> None:
        if self.monitors["tuner"].verdict is Verdict.FAILED and self._level_cdbuv is not None:
            self._forget_tuner()

    def _forget_tuner(self) -> None:
        """What a lost tuner proved and measured has to be proved and measured again."""
        self._level_cdbuv = None
        self.proof.start_anew()
        for name in ("carrier", "cci", "noise", "lost"):
            self.monitors[name].forget()

    def _settle_proof(self, now_ms: int) -> None:
        proof, monitor = self.proof.tick(now_ms), self.monitors["pi"]
        if proof.may_sound:
            monitor.handle(YES, now_ms)
        elif proof is not Proof.NONE or monitor.verdict is not Verdict.UNKNOWN:
            monitor.handle(NO, now_ms)  # before the first proof there is nothing to fail

    def _read_signal(self, level_cdbuv: int, cci_permille: int | None, now_ms: int) -> None:
        self.monitors["tuner"].handle(YES, now_ms)
        self.monitors["carrier"].handle(level_cdbuv, now_ms)
        if cci_permille is not None:
            clean = cci_permille <= self.parameters.fm_cci_max_permille
            self.monitors["cci"].handle(YES if clean else NO, now_ms)

    def _read_hiss(self, now_ms: int) -> None:
        """Hiss alone may be applause or rain; with a weak level it is an empty channel."""
        hisses = self._hisses
        if self._level_cdbuv is None or hisses is None or self.bearer.kind is not BearerKind.FM:
            return
        weak = self._level_cdbuv < self.parameters.fm_hi_cdbuv
        gone = self._level_cdbuv < self.parameters.fm_floor_cdbuv
        self.monitors["noise"].handle(NO if hisses and weak else YES, now_ms)
        self.monitors["lost"].handle(NO if hisses and gone else YES, now_ms)

    def _is_hiss(self, level_cdbfs: int, flatness_permille: int) -> bool:
        """Tell noise from sound; what is too low to be sound is a pause, however noise-like."""
        flat = flatness_permille >= self.parameters.noise_flatness_permille
        return flat and level_cdbfs >= self.parameters.silence_level_cdbfs

    def _read_sound(self, level_cdbfs: int, now_ms: int) -> None:
        silence = self.monitors.get("silence")
        if silence is None:
            return
        spans = self._spans
        expected = spans is None or any(start <= now_ms < end for start, end in spans)
        if expected or self._reception_is_poor():
            self._gauge.clear()
            silence.forget()
        else:
            self._gauge.feed(level_cdbfs < self.parameters.silence_level_cdbfs, now_ms)
            dead = silence.verdict.has_failed
            good = self._gauge.is_sounding if dead else not self._gauge.is_silent
            silence.handle(YES if good else NO, now_ms)

    def _reception_is_poor(self) -> bool:
        """What a poor reception sounds like says nothing about the programme (Solidyne 542)."""
        names = ("carrier", "cci") if self.bearer.kind is BearerKind.FM else ()
        return any(self.monitors[name].verdict.is_bad_now for name in names)

    def _read_flow(self, starved: bool, receiving: bool, now_ms: int) -> None:
        if "starved" in self.monitors:
            self.monitors["starved"].handle(NO if starved else YES, now_ms)
        if "bytes" in self.monitors:
            self.monitors["bytes"].handle(YES if receiving else NO, now_ms)

    def _set_ok_ms(self, ok_ms: int) -> None:
        self._ok_ms = ok_ms
        for monitor in self.monitors.values():
            monitor.limits = replace(monitor.limits, ok_ms=ok_ms)
        self._summarise()
