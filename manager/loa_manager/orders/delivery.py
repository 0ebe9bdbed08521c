"""When an order is sent (again), and to whom: until its boards have acknowledged it. Pure.

A push that is lost costs seconds, never the order: the list of what stands has it too. So pushing
ends after :data:`MOST` times, and whoever was away for longer finds it in the head.

A province takes seconds to answer, and an alert may be thirty kilobytes on a paid line. So nobody
is told twice while answers still arrive, and who has answered is told again only where most have
not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

PAUSES_S: Final = (2.0, 5.0, 15.0, 60.0, 300.0, 900.0)  # the last one again and again
MOST: Final = 12  # pushes: about two hours
JITTER: Final = 0.2  # of a pause, either way: many orders must not come in step
FEW: Final = 32  # so many silent boards are told again at once, one by one
PORTION: Final = 64  # boards told one by one in a round: other orders and heads go in between
LOOK_AGAIN_S: Final = 1.0  # while answers arrive
QUIET_S: Final = 4.0  # after a push that nobody has answered: then it counts as lost
SETTLE_S: Final = (
    8.0  # after a push, for as long as answers arrive; whoever is silent then missed it
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An order to be pushed."""

    digest: bytes
    id: bytes
    scope: str
    endpoint: bytes | None
    expires: int  # unix seconds, of the message


@dataclass(frozen=True, slots=True)
class Heard:
    """How far an order has come."""

    boards: int  # that it is for; 0 where none is registered there
    silent: tuple[str, ...] = ()  # ids, in hex, of those that have not answered


@dataclass(frozen=True, slots=True)
class Step:
    """What to send now.

    Attributes:
        topics: Where to; none while it is better to wait.
        told: The boards behind them, where they are told one by one.
        silent: How many boards had not answered.
        is_last: Whether this push is complete with it.
    """

    topics: tuple[str, ...]
    told: frozenset[str] = frozenset()
    silent: int = 0
    is_last: bool = True


@dataclass(frozen=True, slots=True)
class _Push:
    order: Outgoing
    next_s: float
    count: int = 0
    at_s: float = 0.0  # of the last complete push
    silent: int = 0  # boards, at the last look
    told: frozenset[str] = frozenset()  # in a push that has begun


@dataclass(slots=True)
class Delivery:
    """The orders that are still being pushed. Times are monotonic seconds but where it says so."""

    _pushes: dict[bytes, _Push] = field(default_factory=dict)
    _done: set[bytes] = field(default_factory=set)

    def update(self, orders: Iterable[Outgoing], now_s: float) -> None:
        """Know the orders that stand: new ones are due at once, others that left are dropped."""
        standing = {order.digest: order for order in orders}
        self._done &= standing.keys()
        self._pushes = {
            digest: self._pushes.get(digest, _Push(order, now_s))
            for digest, order in standing.items()
            if digest not in self._done
        }

    def due(self, now_s: float, unix_s: int) -> list[tuple[Outgoing, bool]]:
        """Return what to push now, each with whether it is the first time; what expired is dropped.

        Args:
            now_s: Monotonic.
            unix_s: The time of day, for the expiry of messages.
        """
        for push in [*self._pushes.values()]:
            if unix_s >= push.order.expires:
                self.done(push.order)
        ready = [push for push in self._pushes.values() if now_s >= push.next_s]
        return [(push.order, push.count == 0) for push in ready]

    def step(self, order: Outgoing, heard: Heard, now_s: float) -> Step:
        """Return what to send of *order* now; :meth:`sent` has to be told when it went.

        Where it is better to wait, *order* is due again in a moment.
        """
        push = self._pushes[order.digest]
        silent = len(heard.silent)
        if order.endpoint is not None:
            return Step((f"down/{order.endpoint.hex()}/order",))
        if _is_settling(push, heard, now_s):
            self._pushes[order.digest] = replace(push, next_s=now_s + LOOK_AGAIN_S, silent=silent)
            return Step((), is_last=False)
        if _is_for_all(push, heard):
            return Step((f"scope/{order.scope}/order",), silent=silent)
        left = [board for board in heard.silent if board not in push.told]
        told, is_last = left[:PORTION], len(left) <= PORTION
        topics = tuple(f"down/{board}/order" for board in told)
        return Step(topics, frozenset(told), silent, is_last)

    def sent(self, order: Outgoing, step: Step, now_s: float, chance: float) -> None:
        """Note that *step* of *order* went out.

        Args:
            order: Which.
            step: What of it.
            now_s: When.
            chance: Uniform in [0, 1).
        """
        push = self._pushes[order.digest]
        if not step.is_last:
            self._pushes[order.digest] = replace(push, next_s=now_s, told=push.told | step.told)
            return
        if push.count + 1 >= MOST:
            self.done(order)
            return
        pause = PAUSES_S[min(push.count, len(PAUSES_S) - 1)] * (1 + JITTER * (2 * chance - 1))
        after = now_s + pause
        self._pushes[order.digest] = _Push(order, after, push.count + 1, now_s, step.silent)

    def postponed(self, order: Outgoing, now_s: float, pause_s: float) -> None:
        """Note that *order* could not be pushed: there is no broker now."""
        push = self._pushes[order.digest]
        self._pushes[order.digest] = replace(push, next_s=now_s + pause_s)

    def done(self, order: Outgoing) -> None:
        """Push *order* no more."""
        self._pushes.pop(order.digest, None)
        self._done.add(order.digest)

    def next_due_s(self) -> float | None:
        """Return when something is due next."""
        return min((push.next_s for push in self._pushes.values()), default=None)


def _is_settling(push: _Push, heard: Heard, now_s: float) -> bool:
    """Tell whether the answers to the last push are still on their way."""
    silent, waited_s = len(heard.silent), now_s - push.at_s
    if push.count == 0 or push.told or silent <= FEW:
        return False
    if silent == heard.boards:
        return waited_s < QUIET_S
    return silent < push.silent and waited_s < SETTLE_S


def _is_for_all(push: _Push, heard: Heard) -> bool:
    """Tell whether to tell a whole place at once, those who have answered included.

    That is the first time, and once more where most have not heard it: afterwards who is silent is
    not there, and the others need not pay for it.
    """
    silent = len(heard.silent)
    if heard.boards == 0 or (push.count == 0 and silent == heard.boards):
        return True
    return push.count <= 1 and not push.told and silent > FEW and 2 * silent > heard.boards
