"""Catching up with the content tree: what to fetch next, and what to make of it.

A head names by hash the newest of everything. From it follow, in this order: root, deny list and
policies (they decide what is accepted after them), the standing orders, the proof that shows our
playlist under it, the playlist, and certificates of those who give orders. Nothing after a deny
list, policy or standing order that cannot be had is taken from that head: whoever withholds the
denial of a key must not get that key's playlist through. What is in force stays in force whatever
is refused.

Roots are taken one version at a time, whatever the head says is the newest: each is judged by the
one before it. A head that is refused makes us look for the next root too, since whoever signs heads
now may be known to that root only.

Everything is judged here or by the acceptance rule; the shell only fetches and stores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from loa_endpoint.core import want as wants
from loa_endpoint.core.poll import Reach
from loa_endpoint.core.retry import REFUSED_OBJECT, Setbacks
from loa_endpoint.core.standing_list import StandingList
from loa_endpoint.core.want import Step, Want
from loa_protocol import heads
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import FormatError
from loa_protocol.objects.authority import Level, Root
from loa_protocol.objects.online import Head, Inclusion, Leaf
from loa_protocol.scope import is_inside
from loa_protocol.succession import accept_root
from loa_protocol.trust import Accepted, Now, Refusal, Trusted, TrustError

STALE_AFTER_S: Final = heads.STALE_AFTER_S
UNPROVEN: Final = heads.UNPROVEN
FORMAT: Final = "format"
ANOTHER: Final = "another_object"  # well-formed, but not what was asked for

_KINDS: Final = {
    Step.HEAD: Kind.HEAD,
    Step.DENY_LIST: Kind.DENY_LIST,
    Step.POLICY: Kind.POLICY,
    Step.PLAYLIST: Kind.PLAYLIST,
    Step.SETTINGS: Kind.SETTINGS,
    Step.ASSIGNMENT: Kind.ASSIGNMENT,
    Step.STANDING: Kind.STANDING_PROGRAMME,
}
_NEAREST: Final = (Step.SETTINGS, Step.STANDING)  # of the nearest scope that has them
_LISTED: Final = (Step.STANDING_ORDERS, Step.ORDER, Step.SIGNER)
NO_HASH: Final = bytes(32)  # what a head says where there is no such object


@dataclass(frozen=True, slots=True)
class Keep:
    """Store the object: its bytes, then its position, both synced; only then may it act."""

    accepted: Accepted
    data: bytes


@dataclass(frozen=True, slots=True)
class KeepRoot:
    """Store a root that the present one consents to."""

    root: Root
    data: bytes


@dataclass(frozen=True, slots=True)
class Refuse:
    """Report what was not trusted and why; nothing changes."""

    what: str
    reason: str
    detail: str
    digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """Hand an order that stands to the inbox, as any carrier would; say `on_refused` of it."""

    data: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class KeepSigner:
    """Store the certificate of somebody who gives orders."""

    data: bytes


Effect = Keep | KeepRoot | Refuse | Offer | KeepSigner


@dataclass(frozen=True, slots=True)
class Have:
    """What the endpoint trusts, and the digests of the bundles that it really holds."""

    trusted: Trusted
    held: frozenset[bytes]
    orders: Mapping[bytes, Level] = field(default_factory=dict)  # taken at any time, or put by
    signers: frozenset[bytes] = frozenset()  # certificates of those who give orders


@dataclass
class _Round:
    """What one round of catching up has still to do."""

    wants_head: bool = False
    reach: Reach = Reach.HEAD
    nearest: set[Step] = field(default_factory=set)  # found: those of farther scopes do not count
    lacks_head: bool = False  # the one we were given was refused: only a new root helps
    done: set[str] = field(default_factory=set)  # paths that gave all they could
    proves_again: bool = False


class CatchUp:
    """One endpoint's view of the content tree; *now_ms* is a monotonic clock."""

    def __init__(self, identity: bytes, head: Head | None = None) -> None:
        """Begin with the *head* that was kept, if there is one."""
        self.head = head
        self._proofs: dict[str, Leaf | None] = {}
        self._is_behind = False  # the proofs are of an older tree than the head's
        self._setbacks = Setbacks(REFUSED_OBJECT, identity)
        self._standing = StandingList()
        self._round = _Round()

    def begin(self, *, with_head: bool = True, reach: Reach = Reach.STATE) -> None:
        """Begin a round.

        Args:
            with_head: Fetch the head; not where one was pushed.
            reach: How far to look. A round for the head alone makes do with the proofs of an older
                tree: most of what is published is published for others, and whose it is are told.
        """
        self._round = _Round(wants_head=with_head, reach=reach)
        self._standing.begin()
        if reach is Reach.STATE:  # what was not there may have come to be
            self._standing.forget_refusals()
            self._proofs = {scope: leaf for scope, leaf in self._proofs.items() if leaf}

    @property
    def is_behind(self) -> bool:
        """Whether the newest head names a tree whose proofs were not looked at."""
        return self._is_behind

    def next_want(self, have: Have, now_ms: int) -> Want | None:
        """Return what to fetch next, None when nothing more is to be had in this round."""
        if self._round.wants_head:
            return wants.head()
        if self._round.lacks_head:
            return next(self._root(have, now_ms), None)
        if self._is_behind and self._round.reach >= Reach.PLAYLISTS:
            self._proofs.clear()
            self._is_behind = False
        return next(chain(self._of_head(have, now_ms), self._of_state(have)), None)

    @property
    def seeks_root(self) -> bool:
        """Whether a head was refused in this round, so that only a new root helps."""
        return self._round.lacks_head

    def is_fresh(self, have: Have, now: Now) -> bool:
        """Tell whether the head is a fresh one and the orders that stand under it were had."""
        age_s = self.head_age_s(now)
        return age_s is not None and age_s <= STALE_AFTER_S and self.has_orders(have)

    def has_orders(self, have: Have) -> bool:
        """Tell whether the orders that stand under the head, if there is one, were had."""
        return self.head is None or self._standing.is_settled(
            self.head.standing_orders, have.orders
        )

    def may_be_absent(self, want: Want, have: Have) -> bool:
        """Tell whether a server may say that there is no such file; else it withholds it.

        Not every scope has a playlist or settings of its own; where we have seen some, it has.
        There need be no root after ours, unless the head names one.
        """
        if want.step is Step.ROOT:
            return self.head is None or self.head.root_version <= have.trusted.root.version
        if want.step is Step.SIGNER:
            return True  # only short forms of orders need it
        if want.digest or want.step is Step.HEAD:
            return False
        kind = Kind.PLAYLIST if want.step is Step.PROOF else _KINDS[want.step]
        return (kind, want.scope) not in have.trusted.positions

    def head_age_s(self, now: Now) -> int | None:
        """Return how old the newest head is, at least; None where there is none."""
        return None if self.head is None else max(0, now.unix_s - self.head.time)

    def forget_refusals(self) -> None:
        """Try refused objects again: the time became known, or what is trusted changed."""
        self._setbacks.clear()
        self._standing.forget_refusals()

    def on_refused(self, offer: Offer) -> None:
        """Know that the inbox refused an order that stands: it is not asked for again at once."""
        self._standing.on_refused(offer.digest)

    def on_nothing(self, want: Want, *, is_absent: bool = False) -> None:
        """Nothing came for *want*: it is unchanged, could not be fetched, or does not exist."""
        self._round.done.add(want.path)
        if want.step is Step.HEAD:
            self._round.wants_head = False
        elif want.step is Step.PROOF and is_absent:
            self._proofs[want.scope] = None
        elif want.step in _NEAREST and not is_absent:
            self._round.nearest.add(want.step)
        elif want.step is Step.ORDER:
            self._standing.on_asked()

    def on_body(
        self, want: Want, data: bytes, have: Have, *, now: Now, now_ms: int
    ) -> tuple[Effect, ...]:
        """Judge what came for *want*, or a head that was pushed; *now* is the trusted time."""
        self.on_nothing(want)
        try:
            return self._judge(want, data, have, now)
        except FormatError as error:
            refusal = Refuse(want.step, FORMAT, str(error), want.digest or None)
        except TrustError as error:
            refusal = Refuse(want.step, error.reason, error.detail, want.digest or None)
            self._round.lacks_head |= want.step is Step.HEAD
        if key := _setback_key(want):
            self._setbacks.failed(key, now_ms)
        return (refusal,)

    # -- what is wanted

    def _of_head(self, have: Have, now_ms: int) -> Iterator[Want]:
        if self.head is None:
            return
        if self.head.root_version > have.trusted.root.version:
            yield from self._root(have, now_ms)
        for want in self._rules(have):
            if not self._is_shut(want, now_ms):
                yield want
            return  # what comes after is judged by it
        done = self._round.done
        yield from self._standing.wanted(self.head.standing_orders, have.orders, done)
        if not self.has_orders(have):
            return  # nothing may sound by this head that an order under it would silence
        yield from self._playlist(have, now_ms)
        if self.head.standing_orders != NO_HASH:
            yield from self._standing.wanted_signers(have.signers, done)

    def _of_state(self, have: Have) -> Iterator[Want]:
        if self._round.reach is Reach.STATE and have.trusted.scope is not None:
            found = [wants.state(Step.ASSIGNMENT, have.trusted.scope)]
            for step in _NEAREST:
                if step not in self._round.nearest:
                    found += [wants.state(step, scope) for scope in self._scopes(have)]
            yield from (want for want in found if want.path not in self._round.done)

    def _root(self, have: Have, now_ms: int) -> Iterator[Want]:
        want = wants.root(have.trusted.root.version + 1)
        if not self._is_shut(want, now_ms):
            yield want

    def _rules(self, have: Have) -> Iterator[Want]:
        """Yield the deny list and policies that the head names for us and we do not hold."""
        if self.head is None:
            return
        if self.head.deny_list not in (NO_HASH, *have.held):
            yield wants.object_named(Step.DENY_LIST, self.head.deny_list)
        for mark in self.head.policies:
            if mark.scope in self._scopes(have) and mark.digest not in have.held:
                yield wants.object_named(Step.POLICY, mark.digest, mark.scope)

    def _playlist(self, have: Have, now_ms: int) -> Iterator[Want]:
        """Yield the playlist that is proven to be the newest of our nearest scope that has one.

        The proof comes first. A cluster with a playlist of its own plays no other. Only where none
        of its own was ever accepted does one that is refused leave the field to the station's.
        """
        for scope in self._scopes(have):
            proof = wants.proof(scope)
            if scope not in self._proofs and proof.path not in self._round.done:
                yield proof
                return
            leaf = self._proofs.get(scope)
            if leaf is not None and leaf.digest not in have.held:
                want = wants.object_named(Step.PLAYLIST, leaf.digest, scope)
                if not self._is_shut(want, now_ms):
                    yield want
                    return
            is_held = leaf is not None and leaf.digest in have.held
            if is_held or (Kind.PLAYLIST, scope) in have.trusted.positions:
                return  # also where its proof is withheld

    def _scopes(self, have: Have) -> list[str]:
        """Return our scope and those above it down to the root's, nearest first."""
        parts = (have.trusted.scope or "").split("/")
        scopes = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
        return [scope for scope in scopes if is_inside(scope, have.trusted.root.scope)]

    def _is_shut(self, want: Want, now_ms: int) -> bool:
        shut = self._setbacks.is_shut(_setback_key(want), now_ms)
        return want.path in self._round.done or shut

    # -- what came

    def _judge(self, want: Want, data: bytes, have: Have, now: Now) -> tuple[Effect, ...]:
        if want.step is Step.PROOF:
            return self._on_proof(want, Inclusion.from_bytes(data))
        if want.digest and Bundle.from_bytes(data).digest != want.digest:
            return (Refuse(want.step, ANOTHER, "other bytes than were named", want.digest),)
        if want.step in (Step.ROOT, *_LISTED):
            return self._on_named(want, data, have, now)
        accepted = accept(data, have.trusted, now)
        if accepted.kind != _KINDS[want.step]:
            raise TrustError(Refusal.KIND, accepted.kind.name)
        if isinstance(accepted.body, Head):
            return self._on_head(accepted, accepted.body, data, have, now)
        if accepted.is_known and accepted.digest in have.held:
            return ()
        if want.step in (Step.DENY_LIST, Step.POLICY):
            self.forget_refusals()
        return (Keep(accepted, data),)

    def _on_root(self, want: Want, data: bytes, have: Have, now: Now) -> tuple[Effect, ...]:
        root = accept_root(data, have.trusted, now)
        if want.path != wants.root(root.version).path:
            raise TrustError(Refusal.ROLLBACK, f"root {root.version} as {want.path}")
        self.forget_refusals()
        if self._round.lacks_head:  # the head may be one that this root's people signed
            self._round.wants_head, self._round.lacks_head = True, False
        return (KeepRoot(root, data),)

    def _on_named(self, want: Want, data: bytes, have: Have, now: Now) -> tuple[Effect, ...]:
        if want.step is Step.ROOT:
            return self._on_root(want, data, have, now)
        if want.step is Step.SIGNER:
            if Bundle.from_bytes(data).kind != Kind.CERTIFICATE:
                raise TrustError(Refusal.KIND, "listed as a certificate")
            return (KeepSigner(data),)
        if want.step is Step.ORDER:
            self._standing.check_kind(want.digest, data)
            return (Offer(data, want.digest),)
        self._standing.on_list(data, have.trusted.scope or "", now.unix_s)
        return ()

    def _on_head(
        self, accepted: Accepted, head: Head, data: bytes, have: Have, now: Now
    ) -> tuple[Effect, ...]:
        heads.check_follows(head, self.head, have.trusted.root, now)
        if head == self.head:
            return ()
        if self.head is None or (head.tree, head.leaves) != (self.head.tree, self.head.leaves):
            self._is_behind = True
        self.head = head
        return (Keep(accepted, data),)

    def _on_proof(self, want: Want, inclusion: Inclusion) -> tuple[Effect, ...]:
        assert self.head is not None  # proofs are wanted under a head
        if heads.is_proven(inclusion, self.head, want.scope):
            self._proofs[want.scope] = inclusion.leaf
            return ()
        if not self._round.proves_again:  # the tree may have changed since the head was fetched
            self._round.proves_again = self._round.wants_head = True
            self._round.done.discard(want.path)
            return ()
        return (Refuse(want.step, UNPROVEN, f"not under the head of {self.head.time}"),)


def _setback_key(want: Want) -> bytes:
    """Return by what a refusal of *want* is remembered; nothing for files that may change.

    What stands is asked for again at once, of another server: one that gives other bytes must not
    keep it from us for a minute.
    """
    if want.step in _LISTED:
        return b""
    return want.path.encode() if want.step is Step.ROOT else want.digest
