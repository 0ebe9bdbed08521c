"""When an order is sent (again), and to whom: until its boards have acknowledged it. Pure.

A push that is lost costs seconds, never the order: the list of what stands has it too. So pushing
ends after :data:`MOST` times, and whoever was away for longer finds it in the head.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

PAUSES_S: Final = (2.0, 5.0, 15.0, 60.0, 300.0, 900.0)  # the last one again and again
MOST: Final = 12  # pushes: about two hours
JITTER: Final = 0.2  # of a pause, either way: many orders must not come in step
FEW: Final = 32  # so many boards are told one by one; more by their place


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An order to be pushed."""

    digest: bytes
    id: bytes
    scope: str
    endpoint: bytes | None
    expires: int  # unix seconds, of the message


@dataclass(frozen=True, slots=True)
class _Push:
    order: Outgoing
    next_s: float
    count: int = 0


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

    def sent(self, order: Outgoing, now_s: float, chance: float) -> None:
        """Note a push of *order*.

        Args:
            order: Which.
            now_s: When.
            chance: Uniform in [0, 1).
        """
        push = self._pushes[order.digest]
        if push.count + 1 >= MOST:
            self.done(order)
            return
        pause = PAUSES_S[min(push.count, len(PAUSES_S) - 1)] * (1 + JITTER * (2 * chance - 1))
        self._pushes[order.digest] = replace(push, next_s=now_s + pause, count=push.count + 1)

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


def topics(order: Outgoing, missing: Sequence[str] | None) -> list[str]:
    """Return the topics under which *order* goes out.

    Args:
        order: Which.
        missing: Ids, in hex, of the boards that have not answered; None where nobody was asked yet.
    """
    if order.endpoint is not None:
        return [f"down/{order.endpoint.hex()}/order"]
    if missing is None or len(missing) > FEW:
        return [f"scope/{order.scope}/order"]
    return [f"down/{board}/order" for board in missing]
