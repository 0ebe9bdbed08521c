"""A virtual endpoint: a board's own cores, keys and connections, without sound, disk and tuner.

The acceptance rule, the inbox, the order desk, catching up with the content tree, the conversation
about batches: all are the real ones (``loa_endpoint.core``). What is left out is said here and
nowhere hidden: its memory is no disk, its time is the machine's (trusted as if the server had told
it), and what would sound is a word, :class:`Sounding`, with the instant at which it changed.

Its programme has something to play all day, so that silence is never by chance.
"""

from __future__ import annotations

import asyncio
import enum
import functools
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from loa_endpoint.core import inbox as rules
from loa_endpoint.core import message
from loa_endpoint.core.address import Address
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import DropOrder, Effect, KeepProgress, Tell
from loa_endpoint.core.message import REACH, Topic
from loa_endpoint.core.order_desk import OrderDesk, Quiet
from loa_endpoint.core.orders import Kept
from loa_endpoint.core.poll import Reach
from loa_endpoint.core.sending import Effect as Sending
from loa_endpoint.core.sending import Event, Sender
from loa_endpoint.core.sync import Have, Keep, Refuse
from loa_endpoint.uplink.tls import ClientIdentity, EndpointContext, client_context
from loa_lab.fleet.broker_link import BrokerLink
from loa_lab.fleet.line import Meter
from loa_lab.fleet.memory import Log, Memory
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind, seal
from loa_protocol.errors import FormatError
from loa_protocol.hours import tighten
from loa_protocol.keys import SoftSigner
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Root
from loa_protocol.objects.online import Receipt
from loa_protocol.objects.placement import DenyList
from loa_protocol.objects.policy import Policy
from loa_protocol.record import Body, ClockTrust, Heartbeat, OrderState, OrderTaken, State
from loa_protocol.trust import Now, Trusted, TrustError


class Sounding(enum.Enum):
    """What would come out of the loudspeaker."""

    NOTHING = "nothing"
    PROGRAMME = "programme"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Change:
    """What sounds from an instant on; monotonic seconds."""

    at_s: float
    sounding: Sounding


@dataclass(frozen=True, slots=True)
class Heard:
    """An order that was taken: when its last byte was here, and when it was accepted."""

    came_s: float
    taken_s: float
    carrier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What all endpoints of a fleet have in common."""

    root: Root
    root_digest: bytes
    broker: Address
    content: Address
    authorities: tuple[bytes, ...]
    clock: Callable[[], Reading]  # of the laboratory, which may let it run ahead


@dataclass(frozen=True, slots=True, repr=False)
class Board:
    """What makes an endpoint this one: its key, the file with its 30-day certificate, its place."""

    signer: SoftSigner
    identity: ClientIdentity
    scope: str

    @property
    def id(self) -> bytes:
        """The endpoint id."""
        return self.signer.public.kid

    @classmethod
    def at(cls, signer: SoftSigner, file: Path, scope: str) -> Board:
        """Return the board whose certificate and key are both in *file*."""
        return cls(signer, ClientIdentity(file, file), scope)


@dataclass(slots=True)
class Meters:
    """Bytes of the message session and of HTTPS."""

    messages: Meter = field(default_factory=Meter)
    content: Meter = field(default_factory=Meter)


class FleetEndpoint:
    """One endpoint, from a start to its end; what it keeps is in *memory* for the next start."""

    def __init__(
        self, board: Board, place: Place, memory: Memory | None = None, meters: Meters | None = None
    ) -> None:
        """Start: read back what was kept, which silences before anything could sound."""
        self.board, self.place = board, place
        self.memory = memory or Memory(Log(board.id))
        self.meters = meters or Meters()
        self.link = BrokerLink(self.meters.messages, self._on_message, self._on_end)
        self.withholds = False  # a hostile broker: no order and no head comes through
        self.is_fresh = False  # whether a fresh head and the orders under it were had
        self.sounding, self.changes = Sounding.NOTHING, [Change(time.monotonic(), Sounding.NOTHING)]
        self.heard: dict[bytes, Heard] = {}  # by order
        self.refusals: Counter[str] = Counter()
        self.newest_receipt = b""
        self.door = asyncio.Lock()
        self.pushed: bytes | None = None
        self.reach = Reach.HEAD
        self.stir = asyncio.Event()
        self._inbox = rules.Inbox(self.memory.happened, self.memory.certificates)
        self._desk, self._sender = OrderDesk(), Sender()
        self._is_sending_due = False
        self._in_flight = b""
        self._orders: set[asyncio.Task[None]] = set()
        now = place.clock()
        self.memory.log.begin(now.unix_ms)
        self._desk.on_policy(self._policy(), now)
        self._desk.on_cached(self.memory.cached)
        self._carry_out(self._desk.restore(self.memory.kept(), now))
        self.settle()

    # -- what is trusted

    def now(self) -> Now:
        """Return the trusted time."""
        reading = self.place.clock()
        return Now(reading.unix_ms // 1000, reading.trust)

    def have(self) -> Have:
        """Return what is trusted, and what is held."""
        policy = self._policy()
        trusted = Trusted(
            root=self.place.root,
            root_digest=self.place.root_digest,
            scope=self.board.scope,
            fingerprint=self.board.signer.public.fingerprint,
            positions=self.memory.positions,
            thresholds={} if policy is None else policy.thresholds,
            denied=self.memory.denied,
            denials=self.memory.denials,
            seen=self.memory.seen,
            preapproved=frozenset(() if policy is None else policy.preapproved),
            preapproved_holders=1 if policy is None else policy.preapproved_holders,
        )
        return Have(
            trusted,
            frozenset(self.memory.held.values()),
            self._inbox.known,
            frozenset(self._inbox.certificates),
        )

    def _policy(self) -> Policy | None:
        policies = sorted(self.memory.policies.values(), key=lambda each: each.scope)
        return functools.reduce(tighten, policies) if policies else None

    # -- orders and state, whoever brings them

    def offer(self, data: bytes, carrier: str, came_s: float) -> bool:
        """Judge a bundle, keep it, act on it, acknowledge it; tell whether it was not refused.

        Args:
            data: The bundle, as it came.
            carrier: Who brought it.
            came_s: When its last byte was here, monotonic.
        """
        policy = self._policy()
        verdict = self._inbox.judge(
            data,
            self.have(),
            self.now(),
            alert_without_time=policy is not None and policy.alert_without_time,
        )
        match verdict:
            case rules.Take():
                self._take(verdict, carrier, came_s)
            case rules.Again():
                self.tell(_taken(verdict.id, verdict.kind, verdict.digest, carrier))
            case rules.Raise(kept=kept):
                self.memory.happened[kept.digest] = kept.happened
                self._inbox.raised(kept)
                self._carry_out(self._desk.take(kept, self.place.clock()))
                self.tell(_taken(kept.event, kept.kind, kept.digest, carrier))
            case Keep():
                self.keep(verdict)
            case rules.KeepCertificate():
                self.keep_signer(verdict.data, b"")
            case Refuse():
                self.refuse(verdict)
                return False
        return True

    def keep(self, verdict: Keep) -> None:
        """Keep a state object; then it is in force."""
        self.memory.keep(verdict.accepted)
        body = verdict.accepted.body
        if isinstance(body, DenyList):
            self.memory.denied = frozenset(entry.value for entry in body.entries)
            self.memory.denials = body.entries
        if isinstance(body, Policy):
            self._carry_out(self._desk.on_policy(self._policy(), self.place.clock()))

    def keep_signer(self, data: bytes, digest: bytes) -> None:
        """Keep the certificate of somebody who may give orders."""
        self.memory.certificates[digest or Bundle.from_bytes(data).digest] = data
        self._inbox.keep_certificates(self.memory.certificates)

    def refuse(self, refusal: Refuse) -> None:
        """Count what was not trusted."""
        self.refusals[f"{refusal.what}: {refusal.reason}"] += 1

    def _take(self, take: rules.Take, carrier: str, came_s: float) -> None:
        kept = take.kept
        if isinstance(kept.body, Alert) and kept.body.media and kept.body.sound is not None:
            self.memory.cached.add(kept.body.media.sha256)
            self._desk.on_cached(self.memory.cached)
        self.memory.take(take)
        self._inbox.took(take)
        self._carry_out(self._desk.take(kept, self.place.clock()))
        self.settle()
        self.heard[kept.event] = Heard(came_s, time.monotonic(), carrier)
        self.tell(_taken(kept.event, kept.kind, kept.digest, carrier))

    # -- what sounds

    def settle(self) -> None:
        """Let orders begin and end that should, and what sounds follow from them."""
        now = self.place.clock()
        self._carry_out(self._desk.settle(now))
        quiet = self._desk.quiet(now)
        sounding = Sounding.NOTHING
        if self._desk.alerts_due(now):  # none under a lockdown
            sounding = Sounding.ALERT
        elif self.is_fresh and quiet is Quiet.NOTHING:
            sounding = Sounding.PROGRAMME
        if sounding is not self.sounding:
            self.sounding = sounding
            self.changes.append(Change(time.monotonic(), sounding))

    def in_force(self) -> list[Kept]:
        """Return the orders in force."""
        return self._desk.in_force(self.place.clock())

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, KeepProgress):
                self.memory.keep_progress(effect.order, effect.progress)
            elif isinstance(effect, DropOrder):
                self.memory.drop(effect.order)
            elif isinstance(effect, Tell):
                self.tell(effect.body)

    # -- records

    def tell(self, body: Body) -> None:
        """Keep a record, and send it in the next turn of the loop with all others of this one."""
        self.memory.log.append(body, self.place.clock().unix_ms)
        if self.link.is_open and not self._is_sending_due:
            self._is_sending_due = True
            asyncio.get_running_loop().call_soon(self._send_due)

    def beat(self) -> None:
        """Write a heartbeat."""
        state = State.CONNECTED if self.sounding is Sounding.NOTHING else State.PLAYING
        self.tell(Heartbeat(state=state, uptime_s=3600, free_bytes=10**9, faults=()))

    def tick(self) -> None:
        """Let a second pass for what waits for an answer."""
        self._send(self._sender.on_time(_now_ms()))
        self.link.keep_alive(time.monotonic())

    def _send_due(self) -> None:
        self._is_sending_due = False
        self._send(self._sender.handle(Event.RECORDS, _now_ms()))

    def _send(self, effects: tuple[Sending, ...]) -> None:
        for effect in effects:
            if effect is Sending.HANG_UP:
                self.disconnect()
                return
            batch = self.memory.log.next_batch() if effect is Sending.SEND_NEXT else None
            if effect is Sending.SEND_NEXT and batch is None:
                self._send(self._sender.handle(Event.EMPTY, _now_ms()))
                continue
            if batch is not None:
                label = Kind.BATCH.label()
                self._in_flight = seal(batch.to_bytes(), label, self.board.signer, detached=False)
            self.link.publish(message.batch_topic(self.board.id), self._in_flight)
            self._send(self._sender.handle(Event.SENT, _now_ms()))

    def _on_receipt(self, data: bytes) -> None:
        try:
            whole = self.memory.receipts.complete(data)
            body = accept(whole, self.have().trusted, self.now()).body
        except (FormatError, TrustError) as error:
            self.refusals[f"receipt: {error}"] += 1
            return
        if isinstance(body, Receipt):
            self.memory.receipts.remember(whole)
            self.newest_receipt = whole
            verdict = self.memory.log.mark(body)
            self._send(self._sender.on_receipt(verdict, _now_ms()))

    # -- the message session

    async def connect(self) -> None:
        """Open the message session.

        Raises:
            PeerError: the broker does not let us in.
        """
        context = self.context(self.board.identity)
        topics = message.subscriptions(self.board.id, self.board.scope)
        await self.link.open(self.place.broker, context, self.board.id.hex(), topics)
        self._send(self._sender.handle(Event.CONNECTED, _now_ms()))

    def context(self, identity: ClientIdentity | None = None) -> EndpointContext:
        """Return the TLS context of one connection, as a real board makes it."""
        return client_context(self.now, authorities=self.place.authorities, identity=identity)

    def disconnect(self) -> None:
        """Be off the line, as by a power cut or a lost network."""
        self.link.close()
        self._on_end()

    def _on_end(self) -> None:
        self._sender.handle(Event.DISCONNECTED, _now_ms())

    def _on_message(self, topic: str, payload: bytes, came_s: float) -> None:
        kind = message.kind_of(topic)
        if kind is Topic.RECEIPT:
            self._on_receipt(payload)
        elif self.withholds:
            return  # the broker never sent it: whoever owns it can do that
        elif kind in REACH:
            self.pushed, self.reach = payload or None, max(self.reach, REACH[kind])
            self.stir.set()
        elif kind is Topic.ORDER and not self.door.locked():
            self.offer(payload, "mqtt", came_s)  # at once, as a board with a processor of its own
        elif kind is Topic.ORDER:
            task = asyncio.get_running_loop().create_task(self._ordered(payload, came_s))
            self._orders.add(task)
            task.add_done_callback(self._orders.discard)

    async def _ordered(self, bundle: bytes, came_s: float) -> None:
        async with self.door:  # between judging and keeping nothing else comes into force
            self.offer(bundle, "mqtt", came_s)


def _taken(order: bytes, kind: int, digest: bytes, carrier: str) -> OrderTaken:
    return OrderTaken(
        id=order, kind=int(kind), digest=digest, state=OrderState.TAKEN, detail=carrier
    )


def reading(shift_s: float = 0.0) -> Reading:
    """Return the machine's time, *shift_s* ahead, as trusted as a time answer."""
    unix_ms = round((time.time() + shift_s) * 1000)
    mono_ms = _now_ms() + round(shift_s * 1000)
    return Reading(mono_ms=mono_ms, unix_ms=unix_ms, trust=ClockTrust.T3, uncertainty_ms=50)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
