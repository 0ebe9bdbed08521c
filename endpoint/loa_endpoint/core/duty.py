"""Duty before schedule: orders are obeyed, and alerts sound, whatever else is planned.

It joins the order desk, the alert desk and the self-test, and tells the director when an item has
to make room. The first sample of an alert comes before every record of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from loa_endpoint.core.alert_desk import FADE_MS, AlertDesk
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import (
    Effect,
    SetGain,
    Silence,
    SoundLineIn,
    SoundMedia,
    Tell,
)
from loa_endpoint.core.endings import Endings
from loa_endpoint.core.order_desk import OrderDesk, Quiet
from loa_endpoint.core.orders import Kept, Step
from loa_endpoint.core.place import Place
from loa_endpoint.core.play import Measured, Play
from loa_endpoint.core.self_test import SelfTest
from loa_protocol.objects.authority import Level
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.policy import Policy
from loa_protocol.record import Evidence, Happening, Outcome

IsFree = Callable[[Reading], bool]
BreakIn = Callable[[Reading, Outcome], list[Effect]]


class Duty:
    """What orders make sound or silent.

    Args:
        place: Which cluster this is.
        endings: Where plays wait for what was measured.
        break_in: Ends the item under way, if there is one, with that outcome.
    """

    def __init__(self, place: Place, endings: Endings, break_in: BreakIn) -> None:
        self.orders = OrderDesk()
        self._alerts = AlertDesk(self.orders, endings, place)
        self._test = SelfTest(self.orders)
        self._break_in = break_in
        self._is_alert_due = False
        self.has_moved_gain = False  # since this was last set to False

    @property
    def play(self) -> Play | None:
        """The play of an alert that is under way."""
        return self._alerts.play

    def may_schedule(self, now: Reading) -> bool:
        """Tell whether an item may sound."""
        return not self._is_alert_due and self.orders.quiet(now) is Quiet.NOTHING

    def is_calm(self, now: Reading, later: Reading) -> bool:
        """Tell whether no order has anything to do from *now* to *later*, by the time alone."""
        is_idle = self._alerts.current is None and not self._test.is_under_way
        return is_idle and not self.has_moved_gain and self.orders.is_calm(now, later)

    def spare(self, said: list[Effect]) -> list[Effect]:
        """Leave out of what the schedule wants all that would touch the sound of an alert."""
        if not self._is_alert_due and self._alerts.play is None:
            return said
        sounds = (Silence, SoundMedia, SoundLineIn, SetGain)
        return [each for each in said if not isinstance(each, sounds)]

    # --- what it is told

    def restore(self, kept: Iterable[Kept], now: Reading) -> list[Effect]:
        """Take up the orders of earlier runs; nothing sounds before this was called."""
        return self._obey(self.orders.restore(kept, now), now)

    def on_policy(self, policy: Policy | None, now: Reading) -> list[Effect]:
        """Know the policy in force, also where there is nothing to play."""
        return self._obey(self.orders.on_policy(policy, now), now)

    def on_denied(self, denied: frozenset[bytes], now: Reading) -> list[Effect]:
        """Know what the deny list names."""
        return self._obey(self.orders.on_denied(denied, now), now)

    def on_order(self, kept: Kept, now: Reading) -> list[Effect]:
        """Obey a new order, which is on the disk."""
        told = self.orders.take(kept, now)
        order = self.orders.order(kept.id)
        is_stop = isinstance(kept.body, Command) and kept.body.verb is Verb.STOP
        if not (is_stop and told and order is not None and order.progress.begun_ms):
            return self._obey(told, now)
        ended = self._break_in(now, Outcome.STOPPED)
        return ended + self._obey(told + self._stop_alert(kept.level, now), now)

    def on_button(self, now: Reading) -> list[Effect]:
        """Somebody pressed the button on the cabinet: what sounds ends, and items for an hour."""
        self.orders.on_button(now)
        told = [*self._stop_alert(None, now), Tell(Happening(name="stopped_by_button", detail=""))]
        return self._obey(told, now)

    def on_round(self, now: Reading, *, is_free: IsFree) -> list[Effect]:
        """Do what the time asks for; *is_free* tells that no item sounds or is about to."""
        effects = self._obey(self.orders.settle(now), now)

        def may_test() -> bool:
            return self.may_schedule(now) and self._alerts.play is None and is_free(now)

        tested = self._test.on_round(now, may_begin=may_test)
        self.has_moved_gain |= bool(tested)
        return effects + tested

    def on_started(self, at_ms: int, now: Reading, source: str = "") -> bool:
        """Hear that a sound began; tell whether it was an alert's."""
        return self._alerts.on_started(at_ms, now, source)

    def on_source_ended(self, source: str, reason: str, now: Reading) -> list[Effect] | None:
        """Hear that *source* will not sound any more; None where it is no alert's."""
        return self._alerts.on_source_ended(source, reason, now)

    def on_measured(self, play: str, measured: Measured) -> list[Effect]:
        """Take the player's measurement of a self-test."""
        return self._test.on_measured(play, measured)

    def on_evidence(self, play: str, grade: Evidence, confirmed_ms: int) -> list[Effect]:
        """Take the output evidence of a self-test."""
        return self._test.on_evidence(play, grade, confirmed_ms)

    def on_player_restarted(self, now: Reading) -> list[Effect]:
        """Let a new player go on with the alert where the old one was lost."""
        return self._alerts.on_player_restarted(now)

    def stop(self, now: Reading) -> list[Effect]:
        """Fade out what sounds: the agent is about to end."""
        return self._alerts.stop(now) + self._test.stop(now)

    # --- inside

    def _obey(self, told: list[Effect], now: Reading) -> list[Effect]:
        """Let sound, or end, what the orders ask for: sound first, records (*told*) after it."""
        due, quiet = self._alerts.due(now), self.orders.quiet(now)
        ended = self._alerts.end_what_is_over(due, now)
        due = self._alerts.due(now)  # its last repeat may just have ended
        self._is_alert_due = due is not None
        if due is not None or quiet:
            outcome = Outcome.STOPPED if due is None else Outcome.PREEMPTED
            ended += self._break_in(now, outcome) + self._test.stop(now)
        is_over = any(isinstance(each, Silence) for each in ended)
        sound, begun = self._alerts.begin(due, now, over=is_over)
        if quiet and self.orders.is_restored:
            told = told + self._test.refuse_all()
        first: list[Effect] = [each for each in ended if isinstance(each, Silence)]
        rest = [each for each in ended if not isinstance(each, Silence)]
        if sound:  # an alert at once ends what sounds by its own words
            self.has_moved_gain = True
            first = sound if Silence(0, FADE_MS) in sound else [*first, *sound]
        # then in the order in which it happened: a newer progress must not be overwritten
        return [*first, *told, *rest, *begun]

    def _stop_alert(self, level: Level | None, now: Reading) -> list[Effect]:
        """End the alert that is under way for good, unless it is above *level*."""
        due = self._alerts.due(now)
        if due is None or not (due.progress.plays or due.id == self._alerts.current):
            return []
        if level is not None and level < due.level:
            return []
        return self.orders.step(due.id, Step.FINISH, "stopped")
