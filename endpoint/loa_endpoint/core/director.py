"""The director: what sounds now, how loud, and what is written down about it.

It joins the schedule, the policy and the trust in the clock; the bearer desk says by which way the
sound comes, duty (orders and alerts) when an item may sound at all, and the announcer what is said
over it. Like all of the core it does nothing itself: each call returns effects for the shell, in
the order in which they are to be carried out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from loa_endpoint.core import bearer as machine
from loa_endpoint.core.agenda import Agenda, Programme
from loa_endpoint.core.announcer import Announcer
from loa_endpoint.core.bearer_desk import BearerDesk
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.duty import Duty
from loa_endpoint.core.effect import Effect, EndMeasure, Judge, Keep, KeepSession, Shape, Silence
from loa_endpoint.core.endings import Endings
from loa_endpoint.core.evidence import FaultChanged
from loa_endpoint.core.fader import Fader
from loa_endpoint.core.gate import Gate
from loa_endpoint.core.pace import SOON_MS
from loa_endpoint.core.place import Place
from loa_endpoint.core.play import Measured, Play
from loa_endpoint.core.schedule import LEAD_MS, Planned, allowed_volume, sounding
from loa_endpoint.core.self_test import FREE_MS
from loa_endpoint.core.sound_alarms import SoundGuard
from loa_endpoint.core.turns import Turns, tell_held
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.objects.policy import AfterAlert
from loa_protocol.record import ClockTrust, Evidence, Outcome, PlayEnded, PlayStarted

_END_FADE_MS = 20
_AFTER_MS = 1000  # an item's last sample comes after its play is over for us
_AGAIN_MS = 5000  # after a play whose beginning could not be written down


class Director:
    """Decides what sounds. Readings of the clock must come in rising monotonic order.

    Args:
        place: Which cluster this is.
        desk: What knows by which way an item sounds.
        is_horn: The sound is shaped for a horn loudspeaker.
    """

    def __init__(self, place: Place, desk: BearerDesk, *, is_horn: bool = False) -> None:
        self._place, self._desk = place, desk
        self._agenda = Agenda()
        self._gate = Gate()
        self._play: Play | None = None
        self._endings = Endings()
        self._turns = Turns(place.epoch)
        self.guard = SoundGuard()
        self._fader, self._is_horn = Fader("programme", self.guard), is_horn
        self.announcer = Announcer(place, self._turns, self._endings, self.guard)
        self.duty = Duty(place, self._endings, self._break_in)
        self._announced: Planned | None = None

    @property
    def play(self) -> Play | None:
        """The play under way: an alert's before an item's."""
        return self.duty.play or self._play

    @property
    def planned(self) -> tuple[Planned, ...]:
        """Everything planned, blocked items included."""
        return self._agenda.planned

    # --- what it is told

    def on_programme(self, programme: Programme | None, now: Reading) -> list[Effect]:
        """Play from *programme* from now on; what is in both goes on unbroken."""
        self._agenda.on_programme(programme)
        return self._plan_anew(now)

    def on_cached(self, media: Iterable[bytes], now: Reading) -> list[Effect]:
        """Know which media are in the cache, whole and verified."""
        held = frozenset(media)
        self.duty.orders.on_cached(held)
        self.announcer.on_cached(held)
        return self.duty.spare(self._desk.on_cached(held, play=self._play, now=now))

    def on_denied(self, denied: frozenset[bytes], now: Reading) -> list[Effect]:
        """Know what the deny list names: what sounds by it ends."""
        said = self._desk.on_denied(denied, self._play, now)
        said = self.duty.spare(said + self.announcer.on_denied(denied, now))
        return said + self.duty.on_denied(denied, now)

    def on_live_chunk(self, data: bytes, now: Reading) -> list[Effect]:
        """Hear a chunk of live sound, whoever brought it.

        Raises:
            FormatError, TrustError: it is not of an open session; nothing is changed.
        """
        return self.duty.spare(self._desk.on_live_chunk(data, self._play, now))

    def hold_until(self, mono_ms: int | None) -> None:
        """Begin no item before *mono_ms* (None: until told): a fresh head may bring a hold."""
        self._gate.hold_until_ms = mono_ms

    def schedule_until(self, unix_ms: int | None) -> None:
        """Begin no item from *unix_ms* on: so long a schedule runs without a fresh head."""
        self._gate.schedule_until_ms = unix_ms

    def on_reading(self, reading: machine.Event, now: Reading) -> list[Effect]:
        """Hear the tuner, or a stream of others."""
        return self.duty.spare(self._desk.on_reading(reading, self._play, now))

    def on_line_in(self, level_cdbfs: int, flatness_permille: int, now: Reading) -> list[Effect]:
        """Hear the meter of the line-in."""
        said = self._desk.on_line_in(level_cdbfs, flatness_permille, play=self._play, now=now)
        return self.duty.spare(said)

    def on_started(self, at_ms: int, now: Reading, source: str = "") -> None:
        """The player let *source* sound at monotonic *at_ms*, maybe later than it was asked to."""
        if self.announcer.on_started(source, at_ms, now):
            return
        if not self.duty.on_started(at_ms, now, source) and self._play is not None:
            self._play.sounded(at_ms - now.mono_ms + now.unix_ms)

    def on_prepared(self, source: str, now: Reading) -> list[Effect]:
        """The player has opened *source*."""
        return self.duty.spare(self._desk.on_prepared(source, self._play, now))

    def on_source_ended(self, source: str, reason: str, now: Reading) -> list[Effect]:
        """The player says that *source* will not sound any more."""
        of_alert = self.duty.on_source_ended(source, reason, now)
        if of_alert is not None:
            return of_alert
        of_announcement = self.announcer.on_source_ended(source, reason, now)
        if of_announcement is not None:
            return self.duty.spare(of_announcement)
        said = self._desk.on_source_ended(source, reason, play=self._play, now=now)
        return self.duty.spare(said)

    def on_measured(self, play: str, measured: Measured) -> list[Effect]:
        """The player's measurement of a play, or of a self-test."""
        tested = self.duty.on_measured(play, measured)
        return tested + _keep(self._endings.on_measured(play, measured))

    def on_evidence(self, play: str, grade: Evidence, confirmed_ms: int) -> list[Effect]:
        """The output evidence of a play that has ended, or of a self-test."""
        tested = self.duty.on_evidence(play, grade, confirmed_ms)
        return tested + _keep(self._endings.on_evidence(play, grade, confirmed_ms))

    def on_fault(self, fault: FaultChanged) -> str:
        """Hear of a fault of the sound; tell what is done, in the next round, never to an alert."""
        plays = () if self.duty.play else (self._play, self.announcer.play)
        return self.guard.on_fault(fault, [each.name for each in plays if each is not None])

    def on_player_restarted(self, now: Reading) -> list[Effect]:
        """A new player knows nothing: let sound what should, at the right place in it."""
        self._fader.forget()
        effects: list[Effect] = [Shape(horn=True)] if self._is_horn else []
        effects += self.duty.on_player_restarted(now) + _keep(self._endings.on_player_lost())
        effects += self.announcer.on_player_restarted(now)
        play = self._play
        if play is None:
            return effects + self._desk.on_player_restarted(None, now)
        play.carry(None, now.unix_ms)
        effects += self._desk.handle(machine.ItemEnded(), play, now)
        effects += self._desk.on_player_restarted(play, now)
        effects.append(play.measure(now))
        effects += self._volume(now)
        return effects + self._start_item(play, now)

    def on_not_kept(self, now: Reading, play_id: bytes = b"") -> list[Effect]:
        """An item's beginning could not be written down, and it does not sound: try again later."""
        self._gate.again_ms = now.mono_ms + _AGAIN_MS
        if self.announcer.on_not_kept(play_id):
            return []
        play, self._play = self._play, None
        if play is None:
            return []
        self._turns.give_back(play.name)
        said = self._desk.handle(machine.ItemEnded(), None, now)
        return [*(each for each in said if not isinstance(each, (Keep, Silence))), _quiet(0)]

    def on_shutdown(self, now: Reading) -> list[Effect]:
        """Stop what sounds; the agent is about to end."""
        said = self.announcer.break_in(now, Outcome.STOPPED, is_dropped=True)
        return (
            said
            + self.duty.stop(now)
            + ([] if self._play is None else self._end(now, Outcome.STOPPED, None))
        )

    def write_down_all(self) -> list[Effect]:
        """Give up what still waits for a measurement: nobody will answer any more."""
        return _keep(self._endings.give_up(None))

    def on_round(self, now: Reading) -> list[Effect]:
        """Do what the time asks for; to be called several times a second."""
        effects = self.duty.on_round(now, is_free=self._is_free)
        if self.duty.has_moved_gain:
            self.duty.has_moved_gain = False
            self._fader.forget()
            self.announcer.fader.forget()
        effects += self._follow_grants(now)
        is_stale = self._gate.is_stale(now)
        effects += tell_held(self._agenda.planned, self._turns, now, is_stale=is_stale)
        said = self._desk.end_stalled(self._play, now)
        said += self._desk.move_windows(self._play, now)
        said += self._announce(now)
        said += self._advance(now)
        said += self._volume(now)
        said += self._desk.handle(machine.Tick(), self._play, now)
        said += self._speak(now, may_begin=not any(map(_is_beginning, said)))
        effects += self.duty.spare(said)
        return effects + _keep(self._endings.give_up(now.mono_ms))

    def is_calm(self, now: Reading) -> bool:
        """Tell whether nothing is half done, nor comes within `SOON_MS` by the time alone.

        Where it says so, rounds may be rare until somebody tells the director something.
        """
        later = replace(now, mono_ms=now.mono_ms + SOON_MS, unix_ms=now.unix_ms + SOON_MS)
        plays = [each for each in (self._play, self.announcer.play) if each is not None]
        return (
            all(each.started_ms is not None for each in plays)
            and all(self._level(each, now) == self._level(each, later) for each in plays)
            and not self._endings.is_waiting
            and not self._agenda.is_edge_near(now.unix_ms, SOON_MS)
            and self._gate.is_calm(now, later)
            and self.duty.is_calm(now, later)
            and self._desk.is_calm(now, later)
        )

    def _break_in(self, now: Reading, outcome: Outcome) -> list[Effect]:
        """End the item that sounds; what is left of it may follow as a play of its own."""
        play, programme = self._play, self._agenda.programme
        is_alert = outcome is Outcome.PREEMPTED
        drops = programme is None or programme.policy.after_alert is AfterAlert.DROP
        is_dropped = is_alert and drops
        said = self.announcer.break_in(now, outcome, is_dropped=is_dropped)
        if play is None:
            return said
        if not is_dropped:
            self._turns.break_off(play.planned)
        return said + self._end(now, outcome, None)

    def _is_free(self, now: Reading) -> bool:
        """Tell whether nothing sounds, has just sounded, or is about to."""
        is_quiet = self.play is None and self.announcer.play is None
        return is_quiet and self._agenda.is_free(now.unix_ms - _AFTER_MS, now.unix_ms + FREE_MS)

    # --- the round

    def _follow_grants(self, now: Reading) -> list[Effect]:
        grants = self.duty.orders.grants(now)
        if not self._agenda.on_grants(grants, self._desk.voices(now)):
            return []
        effects = self._plan_anew(now)
        return effects + self.duty.spare(self._desk.on_grants(grants, self._play, now))

    def _plan_anew(self, now: Reading) -> list[Effect]:
        """Work out what is planned; what was planned before goes on unbroken."""
        before = None if self._play is None else self._desk.machine_item(self._play.planned)
        agenda = self._agenda
        agenda.plan_anew(self.duty.orders.policy)
        programme = [each for each in agenda.planned if not each.item.is_announcement]
        self._desk.on_programme(agenda.playlist, programme, agenda.digest, agenda.judge)
        self._announced = None
        said = self.announcer.on_programme(agenda.playlist, agenda.planned, now)
        if self._play is not None and not self._is_still_planned(self._play, before):
            self._turns.break_off(self._play.planned)  # a voice may come back
            return said + self._end(now, Outcome.STOPPED, None)
        return said

    def _announce(self, now: Reading) -> list[Effect]:
        """Let the next item's bearers be opened ahead: one item, the machine knows no more."""
        if now.trust < ClockTrust.T2:
            return []
        begun = None if self._play is None else self._play.planned  # a moment before its start
        following = self._agenda.coming(now.unix_ms + 1, besides=begun)
        if following is None or following == self._announced:
            return []
        self._announced = following
        announced = machine.ItemAnnounced(self._desk.machine_item(following))
        return self._desk.handle(announced, self._play, now)

    def _advance(self, now: Reading) -> list[Effect]:
        due, play = sounding(self._agenda.planned, now.unix_ms + LEAD_MS), self._play
        if due is not None and due != (play and play.planned) and self._is_spent(due):
            due = None
        if play is not None and due is not None and due == play.planned:
            return []
        effects: list[Effect] = []
        if play is not None:
            if due is not None and due.rank > play.planned.rank:
                self._turns.break_off(play.planned)
            effects += self._end(now, Outcome.COMPLETE, due)
        if due is not None and self._may_begin(now):
            effects += self._begin(due, now)
        return effects

    def _is_spent(self, planned: Planned) -> bool:
        """Tell whether an item played in this run already, or was stopped: it never does twice."""
        is_stopped = planned.start_ms < self.duty.orders.stopped_ms() + LEAD_MS
        return is_stopped or self._turns.is_spent(planned)

    def _may_begin(self, now: Reading) -> bool:
        return self._gate.is_open(now) and self.duty.may_schedule(now)

    def _begin(self, planned: Planned, now: Reading) -> list[Effect]:
        place, at_ms = self._place, max(now.unix_ms, planned.start_ms)
        volume = allowed_volume(planned, self._agenda.policy, at_ms)
        name, uncertainty_ms = self._turns.id_of(planned), now.uncertainty_ms
        play = Play(id=name, planned=planned, volume=volume, uncertainty_ms=uncertainty_ms)
        self._turns.is_first(play.name)
        self._play, self._announced = play, None
        kept = play.started(playlist=planned.source, scope=place.scope, mark=place.mark)
        effects: list[Effect] = [Keep(kept), Judge(play.name), play.measure(now)]
        effects += [*self._volume(now), *self._start_item(play, now)]
        if self._agenda.on_air(planned):
            effects.append(KeepSession(planned.session.start))
        return effects

    def _start_item(self, play: Play, now: Reading) -> list[Effect]:
        position = max(0, now.unix_ms - play.planned.start_ms)
        started = machine.ItemStarted(self._desk.machine_item(play.planned), position)
        return self._desk.handle(started, play, now)

    def _end(self, now: Reading, outcome: Outcome, successor: Planned | None) -> list[Effect]:
        play = self._play
        assert play is not None  # callers have looked
        end_ms = now.unix_ms
        if outcome is Outcome.COMPLETE:
            end_ms = play.planned.end_ms
            if successor is not None:
                end_ms = min(end_ms, max(now.unix_ms, successor.start_ms))
            if play.started_ms is None:
                outcome = Outcome.BROKEN
        at_ms = max(now.mono_ms, end_ms - now.unix_ms + now.mono_ms)
        effects: list[Effect] = []
        if successor is None or not self._may_begin(now):
            # the machine would mute now; the sound ends on its instant, a moment later
            said = self._desk.handle(machine.ItemEnded(), None, now)
            effects += [each for each in said if not isinstance(each, Silence)]
            # with 0 the player forgets also what was to begin in a moment
            stop_ms = at_ms if outcome in (Outcome.COMPLETE, Outcome.BROKEN) else 0
            effects.append(_quiet(stop_ms))
        self._play = None
        self._endings.add(play, outcome, end_ms=end_ms, mono_ms=at_ms)
        return [*effects, EndMeasure(play.name, at_ms), Judge(None)]

    def _volume(self, now: Reading) -> list[Effect]:
        play = self._play
        if play is None:
            return []
        level = self._level(play, now)
        return self._fader.move(play, level, now) + self._fader.tell_cap(play, level)

    def _level(self, play: Play, now: Reading) -> int:
        """Return how loud *play* may be: as asked, below every cap that holds now."""
        at_ms = max(now.unix_ms, play.planned.start_ms)
        level = allowed_volume(play.planned, self._agenda.policy, at_ms)
        level = min(level, self.duty.orders.volume_cap(now))
        if play.bearer is BearerKind.FM:
            level = min(level, self._desk.fm_volume_cap(at_ms))
        return level

    def _speak(self, now: Reading, *, may_begin: bool) -> list[Effect]:
        """Let the announcer do what the time asks for; it begins in another round than an item.

        For where one record cannot be kept, what comes after it in the same round is not done.
        """
        before, announcer = self.announcer.play, self.announcer
        level = None if before is None else self._level(before, now)
        stopped_ms = self.duty.orders.stopped_ms() + LEAD_MS
        may_begin = may_begin and self._may_begin(now)
        said = announcer.follow(now, may_begin=may_begin, level=level, stopped_ms=stopped_ms)
        if announcer.play not in (None, before) and self._agenda.on_air(announcer.play.planned):
            said.append(KeepSession(announcer.play.planned.session.start))
        return said

    def _is_still_planned(self, play: Play, before: machine.Item | None) -> bool:
        """Tell whether *play* goes on: the same item, by the same files and frequencies."""
        is_planned = play.planned in self._agenda.planned
        return is_planned and self._desk.machine_item(play.planned) == before


def _quiet(at_ms: int) -> Silence:
    return Silence(at_ms, _END_FADE_MS, "programme")


def _is_beginning(effect: Effect) -> bool:
    return isinstance(effect, Keep) and isinstance(effect.body, PlayStarted)


def _keep(records: list[PlayEnded]) -> list[Effect]:
    return [Keep(record) for record in records]
