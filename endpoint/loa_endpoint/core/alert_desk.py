"""The alert desk: when the tone and the sound of the due alert begin, repeat and end.

An alert goes around the fallback machine: its sound is a file in the cache, nothing stands in for
it, and FM has no part in it. Its first sample waits for nothing: no record, no disk, no decoding,
for it is the attention tone's (`loa_endpoint.core.attention`), which the player makes itself.
Everybody repeats on the same instants (those of ``speech_ms``), or one after the other where it
names none.
"""

from __future__ import annotations

from dataclasses import dataclass

from loa_endpoint.core import attention
from loa_endpoint.core.alert_plan import alert_of, next_number, period_ms, planned
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import (
    Effect,
    EndMeasure,
    Judge,
    Measure,
    OpenTone,
    Prepare,
    Release,
    SetGain,
    Silence,
    SoundMedia,
    Tell,
)
from loa_endpoint.core.endings import Endings
from loa_endpoint.core.order_desk import OrderDesk
from loa_endpoint.core.orders import Kept, Step
from loa_endpoint.core.place import Place
from loa_endpoint.core.play import Play, play_id
from loa_endpoint.core.schedule import volume_gain_cdb
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.playlist import BearerKind, Mark
from loa_protocol.record import ClockTrust, Outcome

FADE_MS = 50  # of what an alert interrupts
LEAD_MS = 250  # a common instant is prepared so long before it
LATE_MS = 10_000  # the player gives a sound up that is not there by then
_NEAR_END_MS = 1000  # files end a few frames before or after what was signed
_AGAIN_MS = 5000  # a file that could not be opened is tried again
_TONE = "tone-"  # how the names of tones begin


@dataclass(slots=True, kw_only=True)
class _Sounding:
    """One repeat under way. Instants are monotonic ms."""

    order: bytes
    play: Play
    source: str
    begin_ms: int
    length_ms: int
    is_heard: bool = False  # the player said that it began

    @property
    def end_ms(self) -> int:
        return self.begin_ms + self.length_ms


@dataclass(slots=True, kw_only=True)
class _Tone:
    """The attention tone under way, or over while the speech is still to come."""

    order: bytes
    source: str
    begin_ms: int
    speech: str | None  # the file, opened ahead; None where that failed


class AlertDesk:
    """Sounds the most urgent alert of an order desk, and no other thing."""

    def __init__(self, orders: OrderDesk, endings: Endings, place: Place) -> None:
        self._orders, self._endings, self._place = orders, endings, place
        self._sounding: _Sounding | None = None
        self._tone: _Tone | None = None
        self._rest_until: dict[bytes, int] = {}  # order -> when its next repeat may begin
        self._tries = 0

    @property
    def play(self) -> Play | None:
        """The repeat that sounds."""
        return None if self._sounding is None else self._sounding.play

    @property
    def current(self) -> bytes | None:
        """The alert that sounds, be it by its tone."""
        under_way = self._sounding or self._tone
        return None if under_way is None else under_way.order

    def due(self, now: Reading) -> Kept | None:
        """Return the alert that everything else makes room for now; it may be between repeats."""
        for order in self._orders.alerts_due(now):
            tone_ms, next_ms = self._tone_ms(order, now), self._next_ms(order, now)
            is_near = next_ms <= now.mono_ms + LEAD_MS or (tone_ms or next_ms) <= now.mono_ms
            has_begun = order.id == self.current or order.progress.plays > 0
            if has_begun or is_near or self._is_late(order, now):
                return order
        return None

    def end_what_is_over(self, due: Kept | None, now: Reading) -> list[Effect]:
        """End the repeat that has come to its end, or that *due* has taken the place of."""
        sounding, tone = self._sounding, self._tone
        if tone is not None and (due is None or due.id != tone.order):
            return self._drop_tone()
        if sounding is None:
            return []
        if now.mono_ms >= sounding.end_ms:
            return self._end(now, Outcome.COMPLETE if sounding.is_heard else Outcome.BROKEN)
        if not sounding.is_heard and now.mono_ms >= sounding.begin_ms + LATE_MS:
            return self._end(now, Outcome.BROKEN)
        if due is not None and due.id == sounding.order:
            return []
        return self._end(now, Outcome.STOPPED if due is None else Outcome.PREEMPTED)

    def begin(
        self, due: Kept | None, now: Reading, *, over: bool = False
    ) -> tuple[list[Effect], list[Effect]]:
        """Return what lets the tone or next repeat of *due* sound, and what is written down of it.

        Both are empty where it sounds already, or rests between two repeats.

        Args:
            due: The alert that everything makes room for.
            now: The time.
            over: Something fades out meanwhile, at its own volume.
        """
        if due is None or self._sounding is not None:
            return [], []
        ramp_ms, tone_ms = FADE_MS if over else 0, self._tone_ms(due, now)
        if tone_ms is not None and tone_ms <= now.mono_ms:
            return self._begin_tone(due, ramp_ms, now)
        at_ms = self._next_ms(due, now)
        if at_ms > now.mono_ms + LEAD_MS:
            return [], []
        return self._begin(due, max(at_ms, now.mono_ms), ramp_ms, now)

    def stop(self, now: Reading) -> list[Effect]:
        """Fade out what sounds: a lockdown, a stop, or the end of the agent."""
        if self._tone is not None:
            return self._drop_tone()
        return [] if self._sounding is None else self._end(now, Outcome.STOPPED)

    def on_started(self, at_ms: int, now: Reading, source: str = "") -> bool:
        """Hear that *source* began at monotonic *at_ms*; tell whether it was an alert's."""
        sounding, tone = self._sounding, self._tone
        if tone is not None and source == tone.source and tone.order in self._rest_until:
            self._rest_until[tone.order] = at_ms + attention.LEAST_MS
        if sounding is None:
            return tone is not None
        if source.startswith(_TONE):
            return True
        if not sounding.is_heard and at_ms >= sounding.begin_ms - LEAD_MS:
            sounding.is_heard, sounding.begin_ms = True, at_ms
            sounding.play.carry(BearerKind.MEDIA, at_ms - now.mono_ms + now.unix_ms)
        return True

    def on_source_ended(self, source: str, reason: str, now: Reading) -> list[Effect] | None:
        """Hear that *source* will not sound any more; None where it is no alert's."""
        if source.startswith(_TONE):
            return []
        sounding, tone = self._sounding, self._tone
        if tone is not None and source == tone.speech:
            tone.speech = None
            return []
        if sounding is None or sounding.source != source:
            return None
        is_done = reason == "end" and now.mono_ms >= sounding.end_ms - _NEAR_END_MS
        return self._end(now, Outcome.COMPLETE if is_done else Outcome.BROKEN)

    def on_player_restarted(self, now: Reading) -> list[Effect]:
        """Let a new player go on where the old one was lost."""
        sounding = self._sounding
        if sounding is None:
            return self._resume_tone(now)
        position = max(0, now.mono_ms - sounding.begin_ms)
        order = self._orders.order(sounding.order)
        if order is None or position >= sounding.length_ms:
            return self._end(now, Outcome.COMPLETE if sounding.is_heard else Outcome.BROKEN)
        sounding.play.carry(None, now.unix_ms)
        self._tries += 1  # the first player may have heard the words meant for it after all
        sounding.is_heard, sounding.source = False, _source(order, self._tries)
        sounding.begin_ms, sounding.length_ms = now.mono_ms, sounding.length_ms - position
        sound = self._sound(order, sounding, position_ms=position)
        return [*sound, Measure(sounding.play.name, now.mono_ms, (), is_declared=True)]

    # --- the tone

    def _tone_ms(self, order: Kept, now: Reading) -> int | None:
        """Return when the tone before the first speech of *order* is to begin; None: it is not."""
        is_known = order.progress.plays or order.id in self._rest_until
        if is_known or order.id == self.current:
            return None
        body = alert_of(order)
        if self._common_ms(body, now) is None:
            return attention.alone_from(body, now)
        number, next_ms = next_number(body, now), self._next_ms(order, now)
        return attention.common_from(body, order.taken_ms, number, next_ms, now)

    def _begin_tone(
        self, due: Kept, ramp_ms: int, now: Reading
    ) -> tuple[list[Effect], list[Effect]]:
        if self._common_ms(alert_of(due), now) is None:
            self._rest_until[due.id] = now.mono_ms + attention.LEAST_MS
        self._tone = _Tone(order=due.id, source="", begin_ms=now.mono_ms, speech=None)
        sound = [Silence(0, FADE_MS), *self._sound_tone(due, self._tone, ramp_ms=ramp_ms)]
        begun_ms = due.progress.begun_ms or now.unix_ms
        return sound, self._orders.step(due.id, Step.BEGIN, "", begun_ms=begun_ms)

    def _sound_tone(
        self, order: Kept, tone: _Tone, *, ramp_ms: int = 0, position_ms: int = 0
    ) -> list[Effect]:
        body = alert_of(order)
        assert body.media is not None  # it is due
        self._tries += 1
        tone.source, tone.speech = _source(order, self._tries, _TONE), _source(order, self._tries)
        return [
            OpenTone(tone.source, attention.MOST_MS),
            SetGain(volume_gain_cdb(body.volume), 0, ramp_ms),
            SoundMedia(tone.source, position_ms, 0, 0, FADE_MS),
            Prepare(tone.speech, body.media.sha256, body.media.gain_cdb, 0),
        ]

    def _resume_tone(self, now: Reading) -> list[Effect]:
        """Let a new player go on with the tone, and open what is said after it."""
        tone = self._tone
        order = None if tone is None else self._orders.order(tone.order)
        if tone is None or order is None:
            return []
        return self._sound_tone(order, tone, position_ms=now.mono_ms - tone.begin_ms)

    def _drop_tone(self) -> list[Effect]:
        """End the tone before its alert has spoken; it is owed again if that comes back."""
        tone, self._tone = self._tone, None
        assert tone is not None  # callers have looked
        self._rest_until.pop(tone.order, None)
        let_go: list[Effect] = [] if tone.speech is None else [Release(tone.speech)]
        return [Silence(0, FADE_MS), *let_go]

    # --- inside

    def _next_ms(self, order: Kept, now: Reading) -> int:
        """Return the monotonic instant at which the next repeat of *order* is to begin."""
        body = alert_of(order)
        rest_until = self._rest_until.get(order.id, 0)
        common = self._common_ms(body, now)
        if common is None:
            return max(now.mono_ms, rest_until)
        return common - now.unix_ms + now.mono_ms

    @staticmethod
    def _common_ms(body: Alert, now: Reading) -> int | None:
        """Return the next common instant, unix ms; None where everybody begins for themselves.

        Who comes after the last of them has missed all, and begins at once.
        """
        if not body.speech_ms or now.trust < ClockTrust.T2:
            return None
        number, period = next_number(body, now), period_ms(body)
        return None if number >= body.repeats else body.speech_ms + number * period

    @staticmethod
    def _is_late(order: Kept, now: Reading) -> bool:
        """Whether others sound it already: we are silent with them until the next repeat."""
        body = alert_of(order)
        is_common = bool(body.speech_ms) and now.trust >= ClockTrust.T2
        return is_common and now.unix_ms >= body.speech_ms

    def _begin(
        self, due: Kept, at_ms: int, ramp_ms: int, now: Reading
    ) -> tuple[list[Effect], list[Effect]]:
        body, self._tries = alert_of(due), self._tries + 1
        tone, self._tone = self._tone, None
        assert body.media is not None  # it is due, so it has a sound
        start_ms = at_ms - now.mono_ms + now.unix_ms
        left_ms = min(
            body.duration_s * 1000 - due.progress.sounded_ms, body.expires * 1000 - start_ms
        )
        length_ms = max(1, min(body.media.duration_ms, left_ms))
        key = f"{due.progress.plays}.{self._tries}"
        play = Play(
            id=play_id(due.digest, key, self._place.epoch),
            planned=planned(due, body, start_ms, length_ms),
            volume=body.volume,
            uncertainty_ms=now.uncertainty_ms,
        )
        sounding = self._sounding = _Sounding(
            order=due.id,
            play=play,
            source=(tone and tone.speech) or _source(due, self._tries),
            begin_ms=at_ms,
            length_ms=length_ms,
        )
        instant = at_ms if at_ms > now.mono_ms else 0
        sound = self._sound(due, sounding, at_ms=instant, ramp_ms=ramp_ms)
        if tone is None:  # which else goes on until the speech takes its place
            sound.insert(0, Silence(instant, FADE_MS))
        elif tone.speech is not None:
            sound = [each for each in sound if not isinstance(each, Prepare)]
        return sound, self._write_down(due, sounding, now)

    def _sound(
        self,
        order: Kept,
        sounding: _Sounding,
        *,
        position_ms: int = 0,
        at_ms: int = 0,
        ramp_ms: int = 0,
    ) -> list[Effect]:
        body, source = alert_of(order), sounding.source
        assert body.media is not None  # it sounds
        return [
            Prepare(source, body.media.sha256, body.media.gain_cdb, position_ms),
            SetGain(volume_gain_cdb(body.volume), at_ms, ramp_ms),
            SoundMedia(source, position_ms, at_ms, 0, FADE_MS),
        ]

    def _write_down(self, due: Kept, sounding: _Sounding, now: Reading) -> list[Effect]:
        body = alert_of(due)
        mark = Mark(self._place.mark or body.mark)
        started = sounding.play.started(playlist=due.digest, scope=self._place.scope, mark=mark)
        begun_ms = due.progress.begun_ms or now.unix_ms
        plays = due.progress.plays + 1
        return [
            Judge(sounding.play.name),
            Measure(sounding.play.name, sounding.begin_ms, (), is_declared=True),
            Tell(started),
            *self._orders.step(due.id, Step.BEGIN, "", begun_ms=begun_ms, plays=plays),
        ]

    def _end(self, now: Reading, outcome: Outcome) -> list[Effect]:
        sounding, self._sounding = self._sounding, None
        assert sounding is not None  # callers have looked
        play, order = sounding.play, self._orders.order(sounding.order)
        self._endings.add(play, outcome, end_ms=now.unix_ms, mono_ms=now.mono_ms)
        effects: list[Effect] = [
            Silence(0, FADE_MS),
            EndMeasure(play.name, now.mono_ms),
            Judge(None),
        ]
        if order is None or order.progress.is_over:
            return effects
        body = alert_of(order)
        was_silent = outcome is Outcome.BROKEN and not sounding.is_heard
        rest_ms = _AGAIN_MS if was_silent else body.gap_s * 1000
        self._rest_until[order.id] = now.mono_ms + rest_ms
        sounded_ms = order.progress.sounded_ms
        if sounding.is_heard:
            sounded_ms += max(0, min(now.mono_ms, sounding.end_ms) - sounding.begin_ms)
        plays = order.progress.plays - was_silent
        is_common = bool(body.speech_ms) and now.trust >= ClockTrust.T2
        is_done = (
            plays >= body.repeats
            or sounded_ms >= body.duration_s * 1000
            or (is_common and plays > 0 and next_number(body, now) >= body.repeats)
        )
        step, detail = (Step.FINISH, f"sounded {plays} times") if is_done else (Step.BEGIN, "")
        facts = {"sounded_ms": sounded_ms, "plays": plays}
        return effects + self._orders.step(order.id, step, detail, **facts)


def _source(order: Kept, number: int, kind: str = "alert-") -> str:
    """Return a name for the player that no other opening of a sound has."""
    return f"{kind}{order.id.hex()}#{number}"
