"""One door for whatever arrives, whoever carried it: what it is, and what is to be done about it.

Content tree, broker, memory stick, neighbour, text message: none of them is trusted, so none of
them matters here. The same bytes of an order that was taken are acknowledged again and are no
attack; all else is judged by the acceptance rule.

Two things wait, in memory and bounded. What has good seals, and may be out of date for all we know
before the time is known: it waits for the time. What is sealed by keys whose certificates are not
here: it waits for certificates, apart from the first, so that junk cannot push it out.

What makes a loudspeaker quieter never waits for the time: an order that is long over would be
obeyed at the worst by silence, which whoever owns the network can have anyway.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from loa_endpoint.core.orders import QUIETING, Happened, Kept
from loa_endpoint.core.sync import FORMAT, Have, Keep, KeepRoot, Refuse
from loa_protocol.accept import accept
from loa_protocol.chain import MAX_DEPTH, resolve
from loa_protocol.companions import Companions
from loa_protocol.envelope import MAX_CERTIFICATES, Bundle, Kind, open_seal
from loa_protocol.errors import FormatError
from loa_protocol.heads import check_follows
from loa_protocol.keys import PublicKey
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Certificate, Level, Root
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.live import Grant
from loa_protocol.objects.online import Head
from loa_protocol.replay import MEMORY_S, Seen, name_of
from loa_protocol.scope import is_inside
from loa_protocol.succession import accept_root
from loa_protocol.trust import Accepted, Now, Refusal, Trusted, TrustError

NEARER: Final = "nearer"  # one of a nearer scope is in force: this one is not for us
_ORDERS: Final = (Kind.ALERT, Kind.GRANT, Kind.COMMAND)
_NEAREST_ONLY: Final = (Kind.PLAYLIST, Kind.STANDING_PROGRAMME, Kind.SETTINGS)
_STATE: Final = (*_NEAREST_ONLY, Kind.POLICY, Kind.ASSIGNMENT, Kind.DENY_LIST)
_WAITING, _WAITING_BYTES = 16, 1_000_000  # for the time: their seals are good
_UNSIGNED, _UNSIGNED_BYTES = 32, 128_000  # for certificates: anybody may have sent them


@dataclass(frozen=True, slots=True)
class Take:
    """Keep an order and that it happened; then let it act, then acknowledge it."""

    kept: Kept
    seen: Seen
    data: bytes


@dataclass(frozen=True, slots=True)
class Again:
    """Acknowledge an order that was taken before."""

    id: bytes
    kind: Kind
    digest: bytes


@dataclass(frozen=True, slots=True)
class Raise:
    """Keep that an order which was taken before speaks with more weight than was known."""

    kept: Kept
    data: bytes


@dataclass(frozen=True, slots=True)
class Look:
    """Catch up with a newer head."""

    data: bytes


@dataclass(frozen=True, slots=True)
class KeepCertificate:
    """Keep a certificate that leads to the root, for short forms of orders."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """It was put by, until the time or a certificate is known."""

    wants_time: bool


@dataclass(frozen=True, slots=True)
class Nothing:
    """It is here already."""


Verdict = Take | Again | Raise | Look | KeepCertificate | Keep | KeepRoot | Wait | Nothing | Refuse


class Inbox:
    """Judges what arrives; remembers what happened, what waits and whose certificates are here."""

    def __init__(
        self, happened: Mapping[bytes, Happened], certificates: Mapping[bytes, bytes]
    ) -> None:
        """Begin with what was kept.

        Args:
            happened: Each order that was taken, by the digest of its payload.
            certificates: Bundles of certificates, by the digest of their payload.
        """
        self._happened = dict(happened)
        self._weighed: dict[bytes, frozenset[bytes]] = {}  # order -> keys whose seals were judged
        self.keep_certificates(certificates)
        self._for_time = _Waiting(_WAITING, _WAITING_BYTES)
        self._for_signer = _Waiting(_UNSIGNED, _UNSIGNED_BYTES)
        self._head_time = 0

    @property
    def known(self) -> Mapping[bytes, Level]:
        """The orders that were taken, by digest, and at which level; and what waits for the time.

        What waits is judged when the time is known, with whatever seals it has then.
        """
        taken = {digest: each.level for digest, each in self._happened.items()}
        return {**dict.fromkeys(self._for_time.digests, max(Level)), **taken}

    @property
    def count(self) -> int:
        """How many bundles wait."""
        return len(self._for_time) + len(self._for_signer)

    @property
    def waits_for_time(self) -> bool:
        """Whether something here may act as soon as the time is known."""
        return len(self._for_time) > 0

    def judge(self, data: bytes, have: Have, now: Now, *, alert_without_time: bool) -> Verdict:
        """Return what is to be done about *data*; nothing but the waiting changes.

        Args:
            data: A bundle, as it came.
            have: What is trusted, with the ids of the events that happened, and what is held.
            now: The trusted time.
            alert_without_time: The policy's word on alerts while the time is not known.
        """
        bundle: Bundle | None = None
        try:
            bundle = Bundle.from_bytes(data)
            if bundle.digest in self._happened:
                return self._again(bundle, data, have.trusted, now)
            return self._judge(bundle, data, have, now, alert_without_time)
        except FormatError as error:
            return Refuse(_name(bundle), FORMAT, str(error), bundle.digest if bundle else None)
        except TrustError as error:
            assert bundle is not None  # seals are judged after the bundle is parsed
            return Refuse(_name(bundle), error.reason, error.detail, bundle.digest)

    def took(self, take: Take) -> None:
        """Know that an order was taken; call it whether it could be written or not."""
        self._know(take.kept)
        self._for_time.drop(take.kept.digest)

    def raised(self, kept: Kept) -> None:
        """Know that *kept* speaks at its level now."""
        self._know(kept)

    def remember(self, happened: Mapping[bytes, Happened]) -> None:
        """Know what is remembered now, after the oldest was forgotten."""
        self._happened = dict(happened)
        self._weighed = {order: keys for order, keys in self._weighed.items() if order in happened}

    def keep_certificates(self, certificates: Mapping[bytes, bytes]) -> None:
        """Know whose certificates are here now."""
        self.certificates = dict(certificates)
        self._has_news = True
        self._sound: tuple[Root, frozenset[bytes]] | None = None
        self._companions = Companions(certificates.values())

    def sound(self, root: Root) -> frozenset[bytes]:
        """Return the digests of certificates here whose seals lead to *root*, out of date or not.

        A digest says nothing of the seals: a server that lists one may have given it false ones.
        """
        if self._sound is None or self._sound[0] != root:
            self._sound = root, _sound(self.certificates, root)
        return self._sound[1]

    def waiting(self, now: Now) -> list[bytes]:
        """Take out what can be judged now: the time is known, certificates came."""
        found = self._for_signer.take_out() if self._has_news else []
        self._has_news = False
        return [*self._for_time.take_out(), *found] if now.is_known else found

    def _know(self, kept: Kept) -> None:
        self._happened[kept.digest] = kept.happened
        self._weighed[kept.digest] = kept.keys

    def _again(self, bundle: Bundle, data: bytes, trusted: Trusted, now: Now) -> Again | Raise:
        """Judge what was taken before; other seals than those judged so far may weigh more."""
        known, digest = self._happened[bundle.digest], bundle.digest
        again = Again(known.id, known.kind, digest)
        keys = frozenset(open_seal(each).kid for each in bundle.seals)
        if keys <= self._weighed.get(digest, frozenset()):
            return again
        own = name_of(digest)
        seen = {name: until for name, until in trusted.seen.items() if name != own}
        try:
            accepted, whole = self._accept(data, replace(trusted, seen=seen), now)
        except TrustError:
            return again  # seals that do not hold change nothing, and are no news
        self._weighed[digest] = self._weighed.get(digest, frozenset()) | keys
        if accepted.level <= known.level:
            return again
        return Raise(Kept.of(accepted, now.unix_s * 1000), whole)

    # -- kinds

    def _judge(
        self, bundle: Bundle, data: bytes, have: Have, now: Now, alert_without_time: bool
    ) -> Verdict:
        kind = Kind(bundle.kind) if bundle.kind in set(Kind) else None
        if kind is Kind.ROOT:
            return _root(data, have.trusted, now)
        if kind is Kind.CERTIFICATE:
            return self._certificate(bundle, data, have.trusted, now)
        if kind not in (Kind.HEAD, *_STATE, *_ORDERS):
            raise TrustError(Refusal.KIND, _name(bundle))
        return self._signed(bundle, data, have, now, alert_without_time)

    def _signed(
        self, bundle: Bundle, data: bytes, have: Have, now: Now, alert_without_time: bool
    ) -> Verdict:
        try:
            accepted, data = self._accept(data, have.trusted, now)
        except TrustError as error:
            if error.reason is Refusal.UNKNOWN_SIGNER and self._for_signer.put(bundle, data):
                return Wait(wants_time=False)
            raise
        if isinstance(accepted.body, Head):
            return self._head(accepted.body, data, have.trusted, now)
        if accepted.kind in _STATE:
            return _state(accepted, data, have)
        if not now.is_known and _needs_time(accepted, alert_without_time):
            self._for_time.put(bundle, data)
            return Wait(wants_time=True)
        return _order(accepted, data, now)

    def _head(self, head: Head, data: bytes, trusted: Trusted, now: Now) -> Verdict:
        check_follows(head, None, trusted.root, now)
        if head.time <= self._head_time:
            return Nothing()
        self._head_time = head.time
        return Look(data)

    def _certificate(self, bundle: Bundle, data: bytes, trusted: Trusted, now: Now) -> Verdict:
        if bundle.digest in self.sound(trusted.root):
            return Nothing()
        certificate = Certificate.from_bytes(bundle.payload)
        scope = trusted.scope or ""
        if not any(is_inside(scope, each) for each in certificate.scopes):
            raise TrustError(Refusal.NOT_ADDRESSED, f"{certificate.holder} speaks elsewhere")
        chain = self._companions.above(bundle.seals, MAX_CERTIFICATES - 1)
        resolve([*chain, data], trusted, now)
        return KeepCertificate(data)

    # -- certificates that did not come along

    def _accept(self, data: bytes, trusted: Trusted, now: Now) -> tuple[Accepted, bytes]:
        """Judge it; where signers are not known, once more with the certificates that are here."""
        try:
            return accept(data, trusted, now), data
        except TrustError as error:
            if error.reason not in (Refusal.UNKNOWN_SIGNER, Refusal.CHAIN):
                raise
            completed = self._companions.complete(data)
            if completed == data:
                raise
            return accept(completed, trusted, now), completed


class _Waiting:
    """Bundles that wait, a bounded number of them and of their bytes; the oldest goes first."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._held: OrderedDict[bytes, tuple[bytes, bytes]] = OrderedDict()  # by their own hash

    def __len__(self) -> int:
        return len(self._held)

    @property
    def digests(self) -> frozenset[bytes]:
        return frozenset(digest for digest, _ in self._held.values())

    def put(self, bundle: Bundle, data: bytes) -> bool:
        if len(data) > self._most_bytes:
            return False
        self._held[hashlib.sha256(data).digest()] = bundle.digest, data
        while (
            len(self._held) > self._most
            or sum(len(each) for _, each in self._held.values()) > self._most_bytes
        ):
            self._held.popitem(last=False)
        return True

    def drop(self, digest: bytes) -> None:
        for name in [name for name, (each, _) in self._held.items() if each == digest]:
            del self._held[name]

    def take_out(self) -> list[bytes]:
        found = [data for _, data in self._held.values()]
        self._held.clear()
        return found


def must_obey(kept: Kept) -> bool:
    """Tell whether *kept* is obeyed though it cannot be written: silence, or a warning of danger.

    What loosens, what costs (a reboot over and over) and what may speak waits for the disk.
    """
    if isinstance(kept.body, Command):
        return kept.body.verb in QUIETING
    return kept.kind is Kind.ALERT


def _root(data: bytes, trusted: Trusted, now: Now) -> Verdict:
    root = accept_root(data, trusted, now)
    return Nothing() if root.version == trusted.root.version else KeepRoot(root, data)


def _state(accepted: Accepted, data: bytes, have: Have) -> Verdict:
    scope = getattr(accepted.body, "scope", "")
    if accepted.kind in _NEAREST_ONLY and any(
        kind is accepted.kind
        and subject != scope
        and is_inside(subject, scope)
        and is_inside(have.trusted.scope or "", subject)
        for kind, subject in have.trusted.positions
    ):
        return Refuse(accepted.kind.name.lower(), NEARER, f"of {scope}", accepted.digest)
    if accepted.is_known and accepted.digest in have.held:
        return Nothing()
    return Keep(accepted, data)


def _needs_time(accepted: Accepted, alert_without_time: bool) -> bool:
    match accepted.body:
        case Alert() as alert:
            return not alert.is_cancel and not alert_without_time
        case Command(verb=Verb.RESET_FLOOR):
            return False  # it brings the time, over our own nonce
        case Command(verb=verb):
            return verb not in QUIETING
        case _:
            return True


def _order(accepted: Accepted, data: bytes, now: Now) -> Take:
    body = accepted.body
    assert isinstance(body, Alert | Command | Grant)  # the kinds of _ORDERS
    kept = Kept.of(accepted, now.unix_s * 1000)
    return Take(kept, Seen(kept.id, body.expires + MEMORY_S), data)


def _sound(certificates: Mapping[bytes, bytes], root: Root) -> frozenset[bytes]:
    keys = {each.key.kid: each.key for each in root.keys}
    found: set[bytes] = set()
    for _ in range(MAX_DEPTH):
        for digest, data in certificates.items():
            if digest not in found and (key := _sealed_key(data, keys)) is not None:
                found.add(digest)
                keys[key.kid] = key
    return frozenset(found)


def _sealed_key(data: bytes, keys: Mapping[bytes, PublicKey]) -> PublicKey | None:
    """Return the key of a certificate that is sealed by some of *keys* alone; None for others."""
    try:
        bundle = Bundle.from_bytes(data)
        seals = [open_seal(each) for each in bundle.seals]
        key = Certificate.from_bytes(bundle.payload).key
    except FormatError:
        return None
    label = Kind.CERTIFICATE.label()
    is_sealed = all(s.kid in keys and s.is_by(keys[s.kid], bundle.payload, label) for s in seals)
    return key if seals and is_sealed else None


def _name(bundle: Bundle | None) -> str:
    """Return what to call it in a record."""
    if bundle is None or bundle.kind not in set(Kind):
        return "bundle"
    return Kind(bundle.kind).name.lower()
