"""Orders as they are kept on the disk: what was accepted, by whom, and how far it has come.

An order is an accepted event that an endpoint carries out: an alert, a grant or a command. Its
bundle, what the acceptance rule said of it (`Taking`) and how far it has come (`Progress`) are on
the disk before anything else is told of it, and come back at the next boot.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from loa_protocol.envelope import Bundle, Kind, open_seal
from loa_protocol.errors import MessageError
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Level
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.event import EVENT
from loa_protocol.objects.live import Grant
from loa_protocol.record import MILLIS, OrderState, OrderTaken
from loa_protocol.replay import name_of
from loa_protocol.schema import Choice, Int, ListOf, Text, Wire, wire
from loa_protocol.trust import Accepted

Body = Alert | Grant | Command
QUIETING: Final = frozenset({Verb.STOP, Verb.HOLD, Verb.LOCKDOWN, Verb.VOLUME})
_BODIES: Final[dict[int, type[Body]]] = {
    Kind.ALERT: Alert,
    Kind.GRANT: Grant,
    Kind.COMMAND: Command,
}


class Step(enum.Enum):
    """What can happen to an order."""

    BEGIN = "begin"  # its effect or its sound begins
    FINISH = "finish"  # done, or over
    REFUSE = "refuse"  # it may not begin, or never could


# Every state and every step; what is over stays over.
STEPS: Final[dict[tuple[OrderState, Step], OrderState]] = {
    (OrderState.TAKEN, Step.BEGIN): OrderState.BEGUN,
    (OrderState.TAKEN, Step.FINISH): OrderState.ENDED,  # ended before it began
    (OrderState.TAKEN, Step.REFUSE): OrderState.REFUSED,
    (OrderState.BEGUN, Step.BEGIN): OrderState.BEGUN,
    (OrderState.BEGUN, Step.FINISH): OrderState.ENDED,
    (OrderState.BEGUN, Step.REFUSE): OrderState.ENDED,
    (OrderState.ENDED, Step.BEGIN): OrderState.ENDED,
    (OrderState.ENDED, Step.FINISH): OrderState.ENDED,
    (OrderState.ENDED, Step.REFUSE): OrderState.ENDED,
    (OrderState.REFUSED, Step.BEGIN): OrderState.REFUSED,
    (OrderState.REFUSED, Step.FINISH): OrderState.REFUSED,
    (OrderState.REFUSED, Step.REFUSE): OrderState.REFUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking(Wire):
    """What acceptance said: at which level the order speaks, who stands behind it, and when."""

    level: Level = wire(1, Choice(Level))
    taken_ms: int = wire(2, MILLIS)  # unix, by the clock of then
    holders: tuple[str, ...] = wire(3, ListOf(Text(200), 16))
    event: bytes | None = wire(4, EVENT, optional=True)  # the order's id, when its bundle is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Wire):
    """How far an order has come; replaced as a whole at each step."""

    state: OrderState = wire(1, Choice(OrderState))
    begun_ms: int = wire(2, MILLIS)  # unix: from when its effect counts; 0 before it began
    plays: int = wire(3, Int(0, 2**31))  # how often its sound has begun
    sounded_ms: int = wire(4, MILLIS)  # how much of it has sounded, all plays together

    @property
    def is_over(self) -> bool:
        """Whether nothing will come of it any more."""
        return self.state in (OrderState.ENDED, OrderState.REFUSED)


JUST_TAKEN: Final = Progress(state=OrderState.TAKEN, begun_ms=0, plays=0, sounded_ms=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One order: what was signed, what acceptance said of it, and how far it has come."""

    kind: Kind
    digest: bytes  # of the payload
    body: Body
    taking: Taking
    progress: Progress = field(default=JUST_TAKEN)
    keys: frozenset[bytes] = frozenset()  # ids of the keys that sealed it

    @property
    def id(self) -> bytes:
        """What it is kept and remembered by; nobody can make another that has it."""
        return name_of(self.digest)

    @property
    def event(self) -> bytes:
        """The event's id, by which others refer to it. Two that share one are two orders."""
        return self.body.id

    @property
    def level(self) -> Level:
        """The level at which the order speaks."""
        return self.taking.level

    @property
    def taken_ms(self) -> int:
        """When it was accepted, unix ms by the clock of then."""
        return self.taking.taken_ms

    def stepped(self, step: Step, **facts: int) -> Kept:
        """Return it one step further, with other *facts* of its progress."""
        state = STEPS[self.progress.state, step]
        return replace(self, progress=replace(self.progress, state=state, **facts))

    @property
    def happened(self) -> Happened:
        """What is remembered of it when its bundle is gone."""
        return Happened(self.event, self.kind, self.level, self.taking.holders)

    def after(self, lighter: Kept | None) -> Kept:
        """Return this order with what was done by it when it spoke with less weight.

        Whoever may speak for a part can seal the words of those above them, let them be taken so,
        and take them back. What silences therefore begins anew at its true level; an alert that
        has sounded does not sound again for it.
        """
        if lighter is None or lighter.progress.state is OrderState.REFUSED:
            return self
        is_quieting = isinstance(self.body, Command) and self.body.verb in QUIETING
        return self if is_quieting else replace(self, progress=lighter.progress)

    def record(self, detail: str) -> OrderTaken:
        """Return the record of where it stands."""
        return OrderTaken(
            id=self.event,
            kind=int(self.kind),
            digest=self.digest,
            state=self.progress.state,
            detail=detail[:300],
        )

    @classmethod
    def of(cls, accepted: Accepted, taken_ms: int) -> Kept:
        """Return what is to be kept of an accepted event.

        Raises:
            MessageError: it is no order.
        """
        if not isinstance(accepted.body, Body):
            raise MessageError(f"{accepted.kind.name} is no order")
        holders = tuple(sorted({signer.holder for signer in accepted.signers}))
        event = accepted.body.id
        taking = Taking(level=accepted.level, taken_ms=taken_ms, holders=holders, event=event)
        return cls(
            kind=accepted.kind,
            digest=accepted.digest,
            body=accepted.body,
            taking=taking,
            keys=frozenset(signer.key.kid for signer in accepted.signers),
        )

    @classmethod
    def restored(cls, bundle: bytes, taking: bytes, progress: bytes) -> Kept:
        """Return what was kept: the bundle as it came, `Taking` and `Progress` as bytes.

        Raises:
            FormatError: one of them is not what it should be.
        """
        signed = Bundle.from_bytes(bundle)
        model = _BODIES.get(signed.kind)
        if model is None:
            raise MessageError(f"kind {signed.kind} is no order")
        return cls(
            kind=Kind(signed.kind),
            digest=signed.digest,
            body=model.from_bytes(signed.payload),
            taking=Taking.from_bytes(taking),
            progress=Progress.from_bytes(progress),
            keys=frozenset(open_seal(each).kid for each in signed.seals),
        )


@dataclass(frozen=True, slots=True)
class Happened:
    """What is known of an order that was taken, for as long as its id is remembered."""

    id: bytes
    kind: Kind
    level: Level
    holders: tuple[str, ...] = ()


class OrderBook(Protocol):
    """Where kept orders lie."""

    def keep_progress(self, order: bytes, progress: Progress) -> None:
        """Keep how far *order* has come; it is on the disk when this returns.

        Raises:
            StoreError: the disk refuses.
        """

    def drop(self, order: bytes) -> None:
        """Forget the bundle of *order*; its id stays among those seen for as long as they do.

        Raises:
            StoreError: the disk refuses.
        """
