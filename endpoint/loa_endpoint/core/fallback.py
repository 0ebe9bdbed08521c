"""Which bearer carries the present item: the fallback machine.

Told of items, windows and readings, it says which bearers to open, which one sounds, and what to
write in the log. It holds no clock and does no input or output; every call brings the monotonic
time in milliseconds, and :meth:`Fallback.next_deadline` says when it wants to be called again.
The moves are in :mod:`loa_endpoint.core.fallback_table`. What it guards above all:

* FM sounds only inside its signed window and only while it proves to be the signed station;
* what fails is left for the next bearer, and if there is none for silence: never noise;
* going back is slow (time, dwell, a fitting place, a limit on switches), fleeing is fast.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from loa_endpoint.core.bearer import (
    Bearer,
    Cause,
    Effect,
    EmergencyEnded,
    EmergencyStarted,
    Event,
    ItemAnnounced,
    ItemEnded,
    ItemStarted,
    Mute,
    PauseHeard,
    ReturnAsked,
    SwitchTo,
    Tick,
    TunerQuiet,
    WindowClosed,
    WindowOpened,
)
from loa_endpoint.core.fallback_table import MOVES, Act, Signal, State
from loa_endpoint.core.journal import Journal
from loa_endpoint.core.roster import Roster
from loa_endpoint.core.switch_history import SwitchHistory
from loa_endpoint.core.watch import BearerWatch
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.parameters import FallbackParameters, ReturnMode

ALARMING: Final = frozenset({State.MUTED, State.HOLDING})
OPENING: Final = frozenset({State.ACQUIRING, State.SWITCHING, State.MUTED})
MOST_MOVES: Final = 50  # in one call; more would be a loop in the table


class Fallback:
    """The machine of one endpoint.

    Args:
        parameters: From the signed settings.
        rng: For the jitter of probes only; seeded, so that a run can be repeated.
    """

    def __init__(self, parameters: FallbackParameters, rng: random.Random) -> None:
        self.state = State.IDLE
        self._parameters = parameters
        self._roster = Roster(parameters, rng)
        self._history = SwitchHistory(parameters)
        self._now_ms = 0
        self._journal = Journal()
        self._sounding: BearerWatch | None = None
        self._wanted: BearerWatch | None = None
        self._target: BearerWatch | None = None  # whom we wait to return to
        self._cause = Cause.START
        self._acquire_by_ms = 0
        self._waiting_since_ms = 0
        self._entered_ms = 0
        self._fallen_from = ""  # the bearer that was left for a lesser one
        self._warned = self._audible = False
        self._at_place = self._asked = False

    @property
    def sounding(self) -> Bearer | None:
        """The bearer that sounds, None where none does."""
        return self._sounding.bearer if self._sounding is not None else None

    def handle(self, event: Event, now_ms: int) -> tuple[Effect, ...]:
        """Take an event and return what is to be done, in this order.

        Args:
            event: What happened; :class:`Tick` for a deadline.
            now_ms: Monotonic time, never before the last call's.
        """
        self._now_ms = now_ms
        self._roster.tick(now_ms)
        command = self._take(event)
        if command is not None:
            self._move(command)
        for _ in range(MOST_MOVES):
            signal = self._pending()
            if signal is None:
                break
            self._move(signal)
        else:
            raise RuntimeError(f"the fallback machine does not settle in {self.state}")
        self._settle()
        return self._journal.take()

    def next_deadline(self) -> int | None:
        """Return when to call with :class:`Tick` at the latest, None for never."""
        times = [*self._roster.deadlines(self._now_ms), *self._timers()]
        return min((time_ms for time_ms in times if time_ms > self._now_ms), default=None)

    # --- from events to signals

    def _take(self, event: Event) -> Signal | None:
        """Note what an event tells; return the signal of a command."""
        match event:
            case ItemAnnounced(item):
                self._roster.announce(item)
            case ItemStarted(item, position_ms):
                self._roster.begin(item, self._now_ms - position_ms)
                return Signal.STARTED
            case ItemEnded():
                self._roster.end()
                return Signal.ENDED
            case EmergencyStarted():
                return Signal.EMERGENCY_BEGAN
            case EmergencyEnded():
                return Signal.EMERGENCY_OVER
            case WindowOpened(bearer, closes_ms):
                self._roster.open_window(bearer, closes_ms)
                self._roster.tick(self._now_ms)
            case WindowClosed(bearer):
                self._roster.close_window(bearer)
            case TunerQuiet():
                self._roster.hear_no_tuner(self._now_ms)
            case PauseHeard():
                self._at_place = True
            case ReturnAsked():
                self._asked = True
                self._history.release()
            case Tick():
                pass
            case _:
                self._roster.read(event, self._now_ms)
        return None

    def _pending(self) -> Signal | None:
        """Return the first fact that moves the machine from where it stands."""
        moving = (s for s in self._facts() if MOVES[self.state, s][1] is not Act.NOTHING)
        return next(moving, None)

    def _facts(self) -> Iterator[Signal]:
        if self._sounding is not None:
            yield from self._facts_of_sounding(self._sounding)
            yield from self._facts_of_better(self._sounding)
        elif self.state in {State.ACQUIRING, State.SWITCHING}:
            yield from self._facts_of_wanted(self._wanted)
        elif self.state is State.MUTED and self._roster.revived(self._now_ms) is not None:
            yield Signal.REVIVED

    def _facts_of_sounding(self, sounding: BearerWatch) -> Iterator[Signal]:
        if sounding.failure is not None or self._roster.is_barred(sounding):
            yield Signal.FAILED if self._next(besides=sounding) is not None else Signal.EXHAUSTED
        elif sounding.suspicion is not None and not self._warned:
            yield Signal.SUSPECTED
        elif sounding.suspicion is None and self._warned:
            yield Signal.CLEARED

    def _facts_of_wanted(self, wanted: BearerWatch | None) -> Iterator[Signal]:
        if wanted is None:
            yield Signal.ALL_REFUSED
            return
        refused = wanted.failure is not None or self._roster.is_barred(wanted)
        if wanted.is_ready and not refused:
            yield Signal.BEST_READY if self._roster.is_best(wanted) else Signal.OTHER_READY
        elif refused or self._now_ms >= self._acquire_by_ms:
            other = self._next(besides=wanted)
            yield Signal.REFUSED if other is not None else Signal.ALL_REFUSED

    def _facts_of_better(self, sounding: BearerWatch) -> Iterator[Signal]:
        now_ms, better = self._now_ms, self._roster.better_than(sounding)
        if self.state is State.HOLDING:
            if not self._history.is_holding(now_ms):
                yield Signal.HOLD_OVER
            return
        # The switch that would make it too many is the one back; we stay where it is steady.
        coming = 1 if better is not None and self._history.has_dwelt(now_ms) else 0
        if self._history.is_holding(now_ms) or self._history.is_flapping(now_ms, coming=coming):
            yield Signal.FLAPPING
        elif better is None:
            target = self._target  # a suspicion of it is waited out, only a failure is one
            if target is None or target.has_failed or self._roster.is_barred(target):
                yield Signal.BETTER_LOST
        elif self._history.has_dwelt(now_ms):
            yield Signal.BETTER_WELL
            if self._is_due(sounding, better):
                yield Signal.DUE_BEST if self._roster.is_best(better) else Signal.DUE_OTHER

    def _is_due(self, sounding: BearerWatch, better: BearerWatch) -> bool:
        if self._asked:
            return True
        mode = self._parameters.return_mode
        if mode == ReturnMode.BY_BEARER:
            # a file is heard to its end, but not over somebody who speaks now
            media = sounding.bearer.kind is BearerKind.MEDIA
            waits = media and not better.bearer.is_voice
            mode = ReturnMode.ITEM_END if waits else ReturnMode.AUTO
        if mode == ReturnMode.MANUAL:
            return False
        limit_ms = self._waiting_since_ms + self._parameters.return_limit_ms
        return mode == ReturnMode.AUTO or self._at_place or self._now_ms >= limit_ms

    def _next(self, besides: BearerWatch | None = None) -> BearerWatch | None:
        """Return who is tried next; in a hold the bearer that was left comes last."""
        now_ms, history = self._now_ms, self._history
        staying = history.is_holding(now_ms) or not history.has_dwelt(now_ms)
        avoid = {self._fallen_from} if staying else set()
        return next((w for w in self._roster.candidates(avoid=avoid) if w is not besides), None)

    # --- moves

    def _move(self, signal: Signal) -> None:
        state, act = MOVES[self.state, signal]
        lasted_ms = self._now_ms - self._entered_ms
        if state is not self.state:
            self.state, self._entered_ms = state, self._now_ms
        match act:
            case Act.BEGIN:
                self._begin()
            case Act.LAND:
                self._land()
            case Act.LEAVE | Act.TRY_NEXT | Act.GIVE_UP:
                self._leave(lasted_ms)
            case Act.RETURN:
                self._return(lasted_ms)
            case Act.WARN | Act.CLEAR:
                self._warn(act is Act.WARN, lasted_ms)
            case Act.END | Act.YIELD | Act.RESUME:
                self._stand_aside(act, lasted_ms)
            case Act.REVIVE:
                self._revive(lasted_ms)
            case _:
                self._wait(act, lasted_ms)

    def _begin(self) -> None:
        self._sounding = None
        self._journal.begin_item()
        self._want(self._next(), Cause.START)
        assert self._roster.item is not None
        self._journal.say("start", self._wanted, cause=self._roster.item.id)

    def _want(self, watch: BearerWatch | None, cause: Cause) -> None:
        self._wanted, self._cause, self._warned = watch, cause, False
        self._acquire_by_ms = self._now_ms + self._parameters.acquire_ms

    def _land(self) -> None:
        wanted = self._wanted
        assert wanted is not None
        cause = self._cause
        came_back = wanted.bearer.id == self._fallen_from and cause is not Cause.REVIVAL
        self._put_on(wanted, cause)
        if cause is Cause.FAILURE or came_back:
            self._history.add(self._now_ms)
            self._journal.say("switch", wanted, cause=cause.value)
        else:
            self._journal.say("sounds", wanted, cause=cause.value)
        if came_back:  # as a rule at an item's start, the best place there is
            self._mark_return(wanted)
        if self.state is State.FALLBACK:
            self._journal.say("fallback", wanted)

    def _put_on(self, watch: BearerWatch, cause: Cause) -> None:
        planned = self._parameters.fade_planned_ms
        fades = {
            Cause.START: (0, 0),
            Cause.FAILURE: (self._parameters.fade_out_ms, self._parameters.fade_in_ms),
            Cause.RETURN: (planned, planned),
            Cause.REVIVAL: (0, self._parameters.fade_in_ms),
        }
        self._journal.do(SwitchTo(watch.bearer, cause, *fades[cause]))
        self._sounding, self._wanted, self._audible, self._warned = watch, None, True, False

    def _leave(self, lasted_ms: int) -> None:
        """Give up the sounding or the wanted bearer; go on to the next, or to silence."""
        failed = self._sounding or self._wanted
        if failed is not None:
            self._journal.say_failure(failed, self._roster.sound, lasted_ms=lasted_ms)
            if not self._roster.is_barred(failed):
                self._blame(failed)
        self._sounding = None
        self._want(None if self.state is State.MUTED else self._next(), Cause.FAILURE)
        if self.state is State.MUTED:
            self._journal.say("mute", None, lasted_ms=lasted_ms)

    def _blame(self, failed: BearerWatch) -> None:
        sounded = failed is self._sounding
        returned_ms = failed.returned_ms
        if sounded:
            window_ms = self._parameters.flap_window_ms
            soon = returned_ms is not None and self._now_ms - returned_ms < window_ms
            (failed.lengthen_ok if soon else failed.restore_ok)()
        if self._roster.is_best(failed):
            self._fallen_from = failed.bearer.id
        if failed.bearer.kind is not BearerKind.FM or not sounded:
            failed.give_up(self._now_ms)

    def _return(self, lasted_ms: int) -> None:
        assert self._sounding is not None
        better = self._roster.better_than(self._sounding)
        assert better is not None
        self._put_on(better, Cause.RETURN)
        self._history.add(self._now_ms)
        self._journal.say("switch", better, cause=Cause.RETURN.value, lasted_ms=lasted_ms)
        self._mark_return(better)

    def _mark_return(self, watch: BearerWatch) -> None:
        watch.returned_ms = self._now_ms
        self._fallen_from = ""
        self._journal.say("return", watch)

    def _warn(self, warned: bool, lasted_ms: int) -> None:
        sounding = self._sounding
        assert sounding is not None
        self._warned = warned
        cause = sounding.suspicion or ""
        reading = sounding.reading(cause) if cause else None
        name = "suspect" if warned else "clear"
        self._journal.say(name, sounding, cause=cause, reading=reading, lasted_ms=lasted_ms)

    def _revive(self, lasted_ms: int) -> None:
        self._want(self._roster.revived(self._now_ms), Cause.REVIVAL)
        self._journal.say("unmute", self._wanted, lasted_ms=lasted_ms)

    def _stand_aside(self, act: Act, lasted_ms: int) -> None:
        self._sounding = self._wanted = None
        names = {Act.END: "end", Act.YIELD: "emergency_start", Act.RESUME: "emergency_stop"}
        self._journal.say(names[act], None, lasted_ms=lasted_ms)
        if act is Act.RESUME and self._roster.item is not None:
            self._move(Signal.STARTED)

    def _wait(self, act: Act, lasted_ms: int) -> None:
        match act:
            case Act.AWAIT_PLACE:
                assert self._sounding is not None
                self._target = self._roster.better_than(self._sounding)
                self._waiting_since_ms = self._now_ms
                self._journal.say("returning", self._target, lasted_ms=lasted_ms)
            case Act.LENGTHEN:
                if self._target is not None and self._target.has_failed:
                    self._target.lengthen_ok()
                self._journal.say("return_lost", self._target, lasted_ms=lasted_ms)
            case Act.HOLD:
                left_ms = self._history.hold(self._now_ms)
                self._journal.say("hold", self._sounding, reading=left_ms, lasted_ms=lasted_ms)
            case Act.UNHOLD:
                self._history.release()
                self._journal.say("release", self._sounding, lasted_ms=lasted_ms)

    # --- what follows from where the moves ended

    def _settle(self) -> None:
        self._at_place = self._asked = False
        self._journal.say_rejections(self._roster.order, self._roster.sound)
        if self._sounding is None and self._audible:
            self._audible = False
            self._journal.do(Mute(self._parameters.fade_out_ms))
        self._journal.alarm(self.state in ALARMING)
        closed = self._journal.match(self._of_use())
        self._roster.shut(closed, still_open=self._journal.opened)

    def _of_use(self) -> Iterator[Bearer]:
        """Give the bearers to have open; of FM the first alone, for there is one tuner."""
        wishes = list(self._wishes())
        station = next((each.id for each in wishes if each.kind is BearerKind.FM), "")
        yield from (b for b in wishes if b.kind is not BearerKind.FM or b.id == station)

    def _wishes(self) -> Iterator[Bearer]:
        using = self._sounding or self._wanted
        if using is not None:
            yield using.bearer
        if self._roster.item is not None:
            troubled = self._sounding is not None and self._sounding.suspicion is not None
            if troubled or self.state in OPENING:
                yield from self._standby(using)
            listening = self._roster.to_open(using, self._now_ms)
            alert = self.state is State.EMERGENCY  # listen on, but spend no data
            yield from (b for b in listening if b.kind is BearerKind.FM or not alert)
        yield from self._roster.first_of_coming()

    def _standby(self, using: BearerWatch | None) -> Iterator[Bearer]:
        following = self._next(besides=using)
        if following is not None:
            yield following.bearer

    def _timers(self) -> Iterator[int]:
        if self.state in {State.ACQUIRING, State.SWITCHING}:
            yield self._acquire_by_ms
        if self.state is State.MUTED:
            yield from self._roster.revivals()
        if self._sounding is not None:
            yield from self._history.deadlines()
        if self.state is State.RETURNING:
            yield self._waiting_since_ms + self._parameters.return_limit_ms
