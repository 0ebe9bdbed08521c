"""The director: which item sounds now, how loud, and what is written down about it.

It joins the schedule, the policy and the trust in the clock; the bearer desk says by which way the
sound comes. Like all of the core it does nothing itself: each call returns effects for the shell,
in the order in which they are to be carried out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loa_endpoint.core import bearer as machine
from loa_endpoint.core.bearer_desk import BearerDesk
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import Effect, EndMeasure, Judge, Keep, Measure, SetGain, Silence
from loa_endpoint.core.endings import Endings
from loa_endpoint.core.play import Measured, Play, play_id
from loa_endpoint.core.schedule import (
    Planned,
    allowed_volume,
    plan,
    sounding,
    upcoming,
    volume_gain_cdb,
)
from loa_protocol.objects.playlist import BearerKind, Mark, Playlist
from loa_protocol.objects.policy import Policy
from loa_protocol.record import ClockTrust, Evidence, Happening, Outcome, PlayEnded, Refused

AHEAD_MS = 10_000  # open bearers so long before an item, for RDS to prove itself on FM
LEAD_MS = 250  # decide so long before an item, for its record to reach the disk
_END_FADE_MS = 20
_CAP_RAMP_MS = 500  # a cap that changes while playing is followed, not jumped to
_TELL_BACK_MS = 60_000  # an item blocked longer ago was told by an earlier run, or is no news


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """What the endpoint plays from: an accepted playlist under the effective policy."""

    playlist: Playlist
    digest: bytes
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which cluster this is, how its plays are marked, and which run of the agent this is."""

    scope: str
    mark: Mark
    epoch: int


class Director:
    """Decides what sounds. Readings of the clock must come in rising monotonic order."""

    def __init__(self, place: Place, desk: BearerDesk) -> None:
        self._place, self._desk = place, desk
        self._programme: Programme | None = None
        self._planned: tuple[Planned, ...] = ()
        self._hold_until_ms: int | None = 0
        self._play: Play | None = None
        self._endings = Endings()
        self._announced: Planned | None = None
        self._told: set[str] = set()  # blocked items, held starts and plays: each once an epoch
        self._gain: int | None = None
        self._gain_known = False

    @property
    def play(self) -> Play | None:
        """The play under way."""
        return self._play

    @property
    def planned(self) -> tuple[Planned, ...]:
        """Everything planned, blocked items included."""
        return self._planned

    # --- what it is told

    def on_programme(self, programme: Programme | None, now: Reading) -> list[Effect]:
        """Play from *programme* from now on; what is in both goes on unbroken."""
        before = None if self._play is None else self._desk.machine_item(self._play.planned)
        self._programme = programme
        self._planned = () if programme is None else plan(programme.playlist, programme.policy)
        self._desk.on_programme(None if programme is None else programme.playlist, self._planned)
        self._announced = None
        if self._play is not None and not self._is_still_planned(self._play, before):
            return self._end(now, Outcome.STOPPED, None)
        return []

    def on_cached(self, media: Iterable[bytes], now: Reading) -> list[Effect]:
        """Know which media are in the cache, whole and verified."""
        return self._desk.on_cached(media, play=self._play, now=now)

    def hold_until(self, mono_ms: int | None) -> None:
        """Begin nothing before *mono_ms* (None: until told): a fresh head may bring a hold."""
        self._hold_until_ms = mono_ms

    def on_reading(self, reading: machine.Event, now: Reading) -> list[Effect]:
        """Hear the tuner."""
        return self._desk.on_reading(reading, self._play, now)

    def on_line_in(self, level_cdbfs: int, flatness_permille: int, now: Reading) -> list[Effect]:
        """Hear the meter of the line-in."""
        return self._desk.on_line_in(level_cdbfs, flatness_permille, play=self._play, now=now)

    def on_started(self, at_ms: int, now: Reading) -> None:
        """The player let a source sound at monotonic *at_ms*, maybe later than it was asked to."""
        if self._play is not None:
            self._play.sounded(at_ms - now.mono_ms + now.unix_ms)

    def on_prepared(self, source: str, now: Reading) -> list[Effect]:
        """The player has opened *source*."""
        return self._desk.on_prepared(source, self._play, now)

    def on_source_ended(self, source: str, reason: str, now: Reading) -> list[Effect]:
        """The player says that *source* will not sound any more."""
        return self._desk.on_source_ended(source, reason, play=self._play, now=now)

    def on_measured(self, play: str, measured: Measured) -> list[Effect]:
        """The player's measurement of a play."""
        return _keep(self._endings.on_measured(play, measured))

    def on_evidence(self, play: str, grade: Evidence, confirmed_ms: int) -> list[Effect]:
        """The output evidence of a play that has ended."""
        return _keep(self._endings.on_evidence(play, grade, confirmed_ms))

    def on_player_restarted(self, now: Reading) -> list[Effect]:
        """A new player knows nothing: let sound what should, at the right place in it."""
        self._gain_known = False
        effects = _keep(self._endings.on_player_lost())
        play = self._play
        if play is None:
            return effects + self._desk.on_player_restarted(None, now)
        play.carry(None, now.unix_ms)
        effects += self._desk.handle(machine.ItemEnded(), play, now)
        effects += self._desk.on_player_restarted(play, now)
        effects.append(_measure(play, now.mono_ms))
        effects += self._volume(now)
        return effects + self._start_item(play, now)

    def on_shutdown(self, now: Reading) -> list[Effect]:
        """Stop what sounds; the agent is about to end."""
        return [] if self._play is None else self._end(now, Outcome.STOPPED, None)

    def write_down_all(self) -> list[Effect]:
        """Give up what still waits for a measurement: nobody will answer any more."""
        return _keep(self._endings.give_up(None))

    def on_round(self, now: Reading) -> list[Effect]:
        """Do what the time asks for; to be called several times a second."""
        effects = self._tell(now)
        effects += self._desk.move_windows(self._play, now)
        effects += self._announce(now)
        effects += self._advance(now)
        effects += self._volume(now)
        effects += self._desk.handle(machine.Tick(), self._play, now)
        return effects + _keep(self._endings.give_up(now.mono_ms))

    # --- the round

    def _tell(self, now: Reading) -> list[Effect]:
        if now.trust < ClockTrust.T2:
            if not self._planned or not self._is_first("no_time"):
                return []
            detail = f"clock trust {now.trust.name}: scheduled items wait for the time"
            return [Keep(Happening(name="held_no_time", detail=detail))]
        blocked = [
            planned
            for planned in upcoming(self._planned, now.unix_ms - _TELL_BACK_MS, now.unix_ms + 1)
            if planned.block is not None and self._is_first(f"{planned.item.id}@{planned.start_ms}")
        ]
        return [
            Keep(Refused(what=f"item {p.item.id}"[:64], reason=p.block or "", detail=p.item.title))
            for p in blocked
        ]

    def _announce(self, now: Reading) -> list[Effect]:
        """Let the next item's bearers be opened ahead: one item, the machine knows no more."""
        if now.trust < ClockTrust.T2:
            return []
        coming = upcoming(self._planned, now.unix_ms + 1, now.unix_ms + AHEAD_MS)
        following = next((p for p in coming if p.block is None), None)
        if following is None or following == self._announced:
            return []
        self._announced = following
        announced = machine.ItemAnnounced(self._desk.machine_item(following))
        return self._desk.handle(announced, self._play, now)

    def _advance(self, now: Reading) -> list[Effect]:
        due = sounding(self._planned, now.unix_ms + LEAD_MS)
        play = self._play
        if due is not None and due != (play and play.planned) and self._id(due).hex() in self._told:
            due = None  # it played in this run already, and never does twice
        if play is not None and due is not None and due == play.planned:
            return []
        effects: list[Effect] = []
        if play is not None:
            effects += self._end(now, Outcome.COMPLETE, due)
        if due is not None and self._may_begin(now):
            effects += self._begin(due, now)
        return effects

    def _may_begin(self, now: Reading) -> bool:
        is_held = self._hold_until_ms is None or now.mono_ms < self._hold_until_ms
        return now.trust >= ClockTrust.T2 and not is_held

    def _begin(self, planned: Planned, now: Reading) -> list[Effect]:
        programme, place = self._programme, self._place
        assert programme is not None  # something is planned
        volume = allowed_volume(planned, programme.policy, max(now.unix_ms, planned.start_ms))
        play = Play(
            id=self._id(planned), planned=planned, volume=volume, uncertainty_ms=now.uncertainty_ms
        )
        self._told.add(play.name)
        self._play, self._announced = play, None
        kept = play.started(playlist=programme.digest, scope=place.scope, mark=place.mark)
        start_ms = max(now.mono_ms, planned.start_ms - now.unix_ms + now.mono_ms)
        effects: list[Effect] = [Keep(kept), Judge(play.name), _measure(play, start_ms)]
        return [*effects, *self._volume(now), *self._start_item(play, now)]

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
            effects.append(Silence(at_ms, _END_FADE_MS))
        self._play = None
        self._endings.add(play, outcome, end_ms=end_ms, mono_ms=at_ms)
        return [*effects, EndMeasure(play.name, at_ms), Judge(None)]

    def _volume(self, now: Reading) -> list[Effect]:
        play, programme = self._play, self._programme
        if play is None or programme is None:
            return []
        at_ms = max(now.unix_ms, play.planned.start_ms)
        level = allowed_volume(play.planned, programme.policy, at_ms)
        if play.bearer is BearerKind.FM:
            level = min(level, self._desk.fm_volume_cap(at_ms))
        gain = volume_gain_cdb(level)
        if self._gain_known and gain == self._gain:
            return []
        self._gain, self._gain_known, play.volume = gain, True, level
        if play.started_ms is None:
            start_ms = max(now.mono_ms, play.planned.start_ms - now.unix_ms + now.mono_ms)
            return [SetGain(gain, start_ms, 0)]
        return [SetGain(gain, now.mono_ms, _CAP_RAMP_MS)]

    def _id(self, planned: Planned) -> bytes:
        assert self._programme is not None  # something is planned
        key = f"{planned.item.id}@{planned.start_ms}"
        return play_id(self._programme.digest, key, self._place.epoch)

    def _is_first(self, key: str) -> bool:
        if key in self._told:
            return False
        self._told.add(key)
        return True

    def _is_still_planned(self, play: Play, before: machine.Item | None) -> bool:
        """Tell whether *play* goes on: the same item, by the same files and frequencies."""
        is_planned = play.planned in self._planned
        return is_planned and self._desk.machine_item(play.planned) == before


def _measure(play: Play, at_ms: int) -> Measure:
    spans = tuple((span.start_ms, span.end_ms) for span in play.planned.item.expected_silence)
    return Measure(play.name, at_ms, spans)


def _keep(records: list[PlayEnded]) -> list[Effect]:
    return [Keep(record) for record in records]
