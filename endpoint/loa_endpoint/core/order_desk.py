"""The order desk: which orders are in force, and what they ask for now.

It holds every kept order and says what silences us, how loud we may be and which alert is due. All
of it follows from the set of orders and the time, not from the order in which they came: a cancel
or release that came first ends what it refers to as soon as that comes, and a restart, which brings
the same set back, changes nothing.

* Lockdown over hold over stop; each ends by itself after its duration, a hold without one when it
  is released.
* What ends another order (cancel, update, release, a later volume) counts only at the level of what
  it ends, or above.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import replace

from loa_endpoint.core import order_rules as rules
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import (
    AskTime,
    DropOrder,
    Effect,
    KeepProgress,
    RenewIdentity,
    ResetFloor,
    Restart,
    Tell,
)
from loa_endpoint.core.orders import JUST_TAKEN, Kept, Step
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.live import Grant
from loa_protocol.objects.policy import VOLUME_MAX, Policy
from loa_protocol.record import ClockTrust, OrderState
from loa_protocol.replay import MEMORY_S

BUTTON_MS = 3_600_000  # so long the button on the cabinet stops scheduled sound
AGAIN_MS = 5000  # what could not be kept is tried again
ASK_AGAIN_MS = 30_000  # while an alert waits for the time


class Quiet(enum.IntEnum):
    """What may not sound."""

    NOTHING = 0  # everything may
    SCHEDULE = 1  # by a stop, a hold or the button: only alerts may
    ALL = 2  # by a lockdown


_SILENCE = {Verb.STOP: Quiet.SCHEDULE, Verb.HOLD: Quiet.SCHEDULE, Verb.LOCKDOWN: Quiet.ALL}


class OrderDesk:
    """Every order that is kept. Readings of the clock must come in rising monotonic order."""

    def __init__(self) -> None:
        self._orders: dict[bytes, Kept] = {}
        self._policy: Policy | None = None
        self._cached: frozenset[bytes] = frozenset()
        self._denied: frozenset[bytes] = frozenset()
        self._unkept: dict[bytes, int] = {}  # order -> monotonic ms from which to try again
        self._button_ms: int | None = None  # monotonic: until when the button holds
        self._pressed_ms = 0  # unix: when it was last pressed
        self._asked_ms: int | None = None
        self.is_restored = False

    # --- what it is told

    def restore(self, kept: Iterable[Kept], now: Reading) -> list[Effect]:
        """Take up what was kept before this run; nothing may sound before it was called."""
        self._orders = {each.id: each for each in kept}
        self.is_restored = True
        cut = [effect for each in list(self._orders.values()) for effect in self._count_cut(each)]
        return cut + self.settle(now)

    def take(self, kept: Kept, now: Reading) -> list[Effect]:
        """Take up a new order, or one that weighs more than was known; it is on the disk."""
        before = self._orders.get(kept.id)
        if before is not None and kept.level <= before.level:
            return []
        self._orders[kept.id] = kept
        return self.settle(now)

    def on_policy(self, policy: Policy | None, now: Reading) -> list[Effect]:
        """Know the policy in force."""
        self._policy = policy
        return self.settle(now)

    def on_cached(self, media: Iterable[bytes]) -> None:
        """Know which media are in the cache, whole and verified."""
        self._cached = frozenset(media)

    def on_denied(self, denied: frozenset[bytes], now: Reading) -> list[Effect]:
        """Know what the deny list names; what may speak by it speaks no more.

        What silences stands until it is released: a denial wakes nobody.
        """
        self._denied = denied
        return self.settle(now)

    def on_button(self, now: Reading) -> None:
        """Somebody pressed the button: no scheduled sound for an hour."""
        self._button_ms, self._pressed_ms = now.mono_ms + BUTTON_MS, now.unix_ms

    def on_not_kept(self, order: bytes, now: Reading, *, first: bool) -> None:
        """The disk refused an order's progress; it is tried again.

        Args:
            order: Whose.
            now: The time.
            first: Nothing was to be done without it, and so nothing was.
        """
        self._unkept[order] = now.mono_ms + AGAIN_MS
        if first and order in self._orders:
            self._orders[order] = replace(self._orders[order], progress=JUST_TAKEN)

    def settle(self, now: Reading) -> list[Effect]:
        """Let every order begin or end that should; to be called several times a second."""
        if not self.is_restored:
            return []
        effects = self._keep_again(now)
        for order in list(self._orders.values()):
            is_put_off = order.id in self._unkept and order.progress == JUST_TAKEN
            if not order.progress.is_over and not is_put_off:
                effects += self._judge(order, now)
        effects += self._ask_time(now)
        return effects + self._forget(now)

    # --- what holds now

    def order(self, order: bytes) -> Kept | None:
        """Return the order of that id."""
        return self._orders.get(order)

    def quiet(self, now: Reading) -> Quiet:
        """Return what may not sound now."""
        if not self.is_restored:
            return Quiet.ALL
        by_button = Quiet.SCHEDULE if self.button_left_ms(now) else Quiet.NOTHING
        ordered = (_SILENCE.get(verb, Quiet.NOTHING) for _, verb in self._in_effect(now))
        return max([by_button, *ordered])

    def button_left_ms(self, now: Reading) -> int:
        """Return for how long the button still holds; 0 where it does not."""
        return max(0, (self._button_ms or 0) - now.mono_ms)

    def stopped_ms(self) -> int:
        """Return since when, unix ms, items are stopped for good that had begun before."""
        stops = (
            max(each.progress.begun_ms, each.taken_ms)
            for each in self._orders.values()
            if isinstance(each.body, Command) and each.body.verb is Verb.STOP
            if each.progress.begun_ms
        )
        return max(self._pressed_ms, *stops, 0)

    def volume_cap(self, now: Reading) -> int:
        """Return the highest volume that orders allow scheduled sound."""
        orders = (each for each, verb in self._in_effect(now) if verb is Verb.VOLUME)
        caps = (each.body.value for each in orders if isinstance(each.body, Command))
        return min(caps, default=VOLUME_MAX)

    def alerts_due(self, now: Reading) -> list[Kept]:
        """Return the alerts that may sound now, the most urgent first."""
        if self.quiet(now) is Quiet.ALL:
            return []
        due = [each for each in self._orders.values() if self._is_due(each, now)]
        return sorted(due, key=rules.urgency, reverse=True)

    def waiting(self, verb: Verb) -> list[Kept]:
        """Return the commands of *verb* that were taken and not begun, oldest first."""
        return [
            each
            for each in self._orders.values()
            if each.progress.state is OrderState.TAKEN
            and isinstance(each.body, Command)
            and each.body.verb is verb
        ]

    def unfinished(self, verb: Verb) -> list[Kept]:
        """Return the commands of *verb* that are not over, oldest first."""
        return [
            each
            for each in self._orders.values()
            if isinstance(each.body, Command) and each.body.verb is verb
            if not each.progress.is_over
        ]

    @property
    def policy(self) -> Policy | None:
        """The policy in force, also where there is nothing to play."""
        return self._policy

    def grants(self, now: Reading) -> tuple[Kept, ...]:
        """Return the grants whose sessions may sound now, or will."""
        return tuple(
            each
            for each in self._orders.values()
            if isinstance(each.body, Grant)
            and not each.progress.is_over
            and now.unix_ms < each.body.end * 1000
        )

    def in_force(self, now: Reading) -> list[Kept]:
        """Return every order that silences or quietens us now, and every alert that is not over."""
        lasting = [each for each, _ in self._in_effect(now)]
        alerts = [
            each
            for each in self._orders.values()
            if isinstance(each.body, Alert) and not each.progress.is_over
        ]
        return [*lasting, *alerts]

    def is_calm(self, now: Reading, later: Reading) -> bool:
        """Tell whether nothing here changes from *now* to *later* by the time alone.

        An alert that is not over, and a self-test that waits, are never calm.
        """
        alerts = (o for o in self._orders.values() if isinstance(o.body, Alert))
        if any(not o.progress.is_over for o in alerts) or self.waiting(Verb.SELF_TEST):
            return False
        return (
            not self._unkept
            and self.quiet(now) == self.quiet(later)
            and len(self._in_effect(now)) == len(self._in_effect(later))
            and len(self.grants(now)) == len(self.grants(later))
        )

    # --- steps that others see to

    def step(self, order: bytes, step: Step, detail: str, **facts: int) -> list[Effect]:
        """Let *order* go a step further, and tell where its state changes by it."""
        before = self._orders[order]
        after = self._orders[order] = before.stepped(step, **facts)
        effects: list[Effect] = []
        if after.progress != before.progress:
            effects.append(KeepProgress(order, after.progress))
        if after.progress.state is not before.progress.state:
            effects.append(Tell(after.record(detail)))
        return effects

    # --- inside

    def _count_cut(self, order: Kept) -> list[Effect]:
        """Count a repeat that the end of the last run may have cut as one that sounded whole."""
        body, before = order.body, order.progress
        if not isinstance(body, Alert) or body.media is None or before.is_over:
            return []
        sounded_ms = max(before.sounded_ms, before.plays * body.media.duration_ms)
        is_done = before.plays >= body.repeats or sounded_ms >= body.duration_s * 1000
        if not is_done:
            return self.step(order.id, Step.BEGIN, "", sounded_ms=sounded_ms) if sounded_ms else []
        detail = f"sounded {before.plays} times, the last of them may have been cut"
        return self.step(order.id, Step.FINISH, detail, sounded_ms=sounded_ms)

    def _judge(self, order: Kept, now: Reading) -> list[Effect]:
        if not isinstance(order.body, Command) and rules.is_denied(order, self._denied):
            return self.step(order.id, Step.REFUSE, "denied")
        ender = rules.ender_of(order, self._orders.values())
        if ender is not None:
            return self.step(order.id, Step.FINISH, rules.ended_by(ender))
        match order.body:
            case Alert(is_cancel=True):
                return self.step(order.id, Step.FINISH, "done")
            case Alert():
                return self._judge_alert(order, order.body, now)
            case Grant():
                is_over = now.unix_ms >= order.body.end * 1000
                return self.step(order.id, Step.FINISH, "over") if is_over else []
            case Command():
                return self._judge_command(order, order.body, now)

    def _judge_alert(self, order: Kept, body: Alert, now: Reading) -> list[Effect]:
        assert body.media is not None  # it is no cancel
        if now.unix_ms >= body.expires * 1000:
            has_media = body.media.sha256 in self._cached
            why = "expired" if has_media or order.progress.plays else "no_media"
            return self.step(order.id, Step.REFUSE, why)
        is_new = order.progress.state is OrderState.TAKEN
        if is_new and rules.is_over_limit(order, self._orders.values(), self._policy):
            return [
                *self.step(order.id, Step.REFUSE, "limit"),
                Tell(rules.refused(order, "limit")),
            ]
        return []

    def _judge_command(self, order: Kept, body: Command, now: Reading) -> list[Effect]:
        if body.verb is Verb.RELEASE:
            return self.step(order.id, Step.FINISH, "done")
        if body.verb in rules.LASTING:
            effects: list[Effect] = []
            is_ahead = now.trust >= ClockTrust.T2 and order.progress.begun_ms > now.unix_ms
            if (
                order.progress.state is OrderState.TAKEN or is_ahead
            ):  # taken before we knew the time
                begun_ms = rules.begins_ms(body, now)
                effects = self.step(order.id, Step.BEGIN, "", begun_ms=begun_ms)
            if rules.is_effect_over(self._orders[order.id], now.unix_ms):
                effects += self.step(order.id, Step.FINISH, "over")
            return effects
        is_late = now.trust >= ClockTrust.T2 and now.unix_ms >= body.expires * 1000
        if is_late and body.verb is not Verb.RESET_FLOOR:  # which is there for a wrong time
            return self.step(order.id, Step.REFUSE, "expired")
        return self._carry_out(order, body)

    def _carry_out(self, order: Kept, body: Command) -> list[Effect]:
        """Do what is done once: it is on the disk as done before it is."""
        done: list[Effect]
        match body:
            case Command(verb=Verb.REBOOT):
                done = [Restart()]
            case Command(verb=Verb.RESET_FLOOR, nonce=bytes() as nonce):
                done = [ResetFloor(body.issued * 1000, nonce)]
            case Command(verb=Verb.ROTATE):
                done = [RenewIdentity()]
            case _:
                return []  # a self-test waits until nothing sounds, a recall for the server
        kept, *told = self.step(order.id, Step.FINISH, "done")
        assert isinstance(kept, KeepProgress)
        return [replace(kept, first=True), *told, *done]

    def _is_due(self, order: Kept, now: Reading) -> bool:
        body = order.body
        if not isinstance(body, Alert) or body.media is None or order.progress.is_over:
            return False
        if body.media.sha256 not in self._cached or now.unix_ms >= body.expires * 1000:
            return False
        if now.trust < ClockTrust.T2:
            return self._policy is not None and self._policy.alert_without_time
        return now.unix_ms >= body.start * 1000

    def _in_effect(self, now: Reading) -> list[tuple[Kept, Verb]]:
        return [
            (each, each.body.verb)
            for each in self._orders.values()
            if isinstance(each.body, Command)
            and each.body.verb in rules.LASTING
            and each.progress.state is OrderState.BEGUN
            and not rules.is_effect_over(each, now.unix_ms)
        ]

    def _keep_again(self, now: Reading) -> list[Effect]:
        due = [order for order, at_ms in self._unkept.items() if now.mono_ms >= at_ms]
        for order in due:
            del self._unkept[order]
        kept = [self._orders[order] for order in due if order in self._orders]
        return [
            KeepProgress(each.id, each.progress) for each in kept if each.progress != JUST_TAKEN
        ]

    def _ask_time(self, now: Reading) -> list[Effect]:
        may_sound = self._policy is not None and self._policy.alert_without_time
        if now.trust >= ClockTrust.T2 or may_sound:
            return []
        if not any(
            isinstance(o.body, Alert) and not o.progress.is_over for o in self.in_force(now)
        ):
            return []
        if self._asked_ms is not None and now.mono_ms < self._asked_ms + ASK_AGAIN_MS:
            return []
        self._asked_ms = now.mono_ms
        return [AskTime()]

    def _forget(self, now: Reading) -> list[Effect]:
        """Forget what is over once nothing that comes can refer to it any more."""
        if now.trust < ClockTrust.T2:
            return []
        gone = [
            each.id
            for each in self._orders.values()
            if each.progress.is_over and now.unix_ms >= (each.body.expires + MEMORY_S) * 1000
        ]
        for order in gone:
            del self._orders[order]
        return [DropOrder(order) for order in gone]
