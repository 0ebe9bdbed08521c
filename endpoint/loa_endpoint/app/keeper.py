"""The keeper: what the endpoint trusts, on disk first and in force second.

Everything here has passed the acceptance rule. At start the bundles are read back from the board's
own disk; they were judged when they came, and play to their own expiry.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from loa_endpoint.core.agenda import Programme
from loa_endpoint.core.start_wait import STALE_HEAD_S
from loa_endpoint.core.sync import Have
from loa_endpoint.store.identity import (
    BUNDLES,
    NEXT_PLAYLIST,
    NEXT_STANDING,
    POLICIES,
    STANDING,
    IdentityStore,
)
from loa_protocol.envelope import Bundle, Kind, open_seal
from loa_protocol.errors import FormatError
from loa_protocol.hours import DAY_S, local_day, midnight, tighten
from loa_protocol.objects.authority import Root
from loa_protocol.objects.online import Head
from loa_protocol.objects.placement import Assignment, DenyList, Settings
from loa_protocol.objects.playlist import BearerKind, Item, Playlist
from loa_protocol.objects.policy import Policy
from loa_protocol.objects.standing import StandingProgramme
from loa_protocol.schema import Wire
from loa_protocol.scope import is_inside
from loa_protocol.trust import Accepted, Now, Trusted, position_of, subject_of
from loa_protocol.weekly import expand

log = logging.getLogger("loa.endpoint")

Kept = TypeVar("Kept", bound=Wire)

_DAYS: Final = 3  # for which the standing programme is written out
_AIRED: Final = "aired"
_AIRED_S: Final = 2 * DAY_S
_HEAD: Final = "head_s"
_NAMES = {
    Kind.ASSIGNMENT: "assignment",
    Kind.SETTINGS: "settings",
    Kind.PLAYLIST: "playlist",
    Kind.DENY_LIST: "deny-list",
    Kind.STANDING_PROGRAMME: STANDING,
}
_WAITING = {Kind.PLAYLIST: NEXT_PLAYLIST, Kind.STANDING_PROGRAMME: NEXT_STANDING}


@dataclass(frozen=True, slots=True)
class Choice:
    """What is played from, by its name in the store, and the local day it is written out for."""

    name: str
    day: int


class Keeper:
    """What is in force, with the disk behind it."""

    def __init__(self, store: IdentityStore) -> None:
        """Read everything back; what is damaged is left out and said.

        Raises:
            StoreError: the disk refuses.
        """
        self.store = store
        self.root = self._read("root", Root)
        self.assignment = self._read("assignment", Assignment)
        self.settings = self._read("settings", Settings)
        self._policies = {name: self._read(name, Policy) for name in POLICIES}
        self.playlist = self._read("playlist", Playlist)
        self.next_playlist = self._read(NEXT_PLAYLIST, Playlist)
        self.standing = self._read(STANDING, StandingProgramme)
        self.next_standing = self._read(NEXT_STANDING, StandingProgramme)
        self.deny_list = self._read("deny-list", DenyList)
        signer = store.signer()
        self._fingerprint = None if signer is None else signer.public.fingerprint
        self._head_s = int.from_bytes(store.state.fact(_HEAD) or b"")

    @property
    def is_provisioned(self) -> bool:
        """Whether this board belongs to a province, and knows where it hangs."""
        return None not in (self.root, self.assignment, self.settings, self._fingerprint)

    @property
    def scope(self) -> str:
        """The cluster's scope."""
        assert self.assignment is not None  # callers know that the board is provisioned
        return self.assignment.scope

    @property
    def in_force(self) -> Settings:
        """The settings of a provisioned board."""
        assert self.settings is not None  # callers know that the board is provisioned
        return self.settings

    def trusted(self, nonce: bytes = b"") -> Trusted:
        """Return what an object that arrives now is judged against."""
        assert self.root is not None  # callers know that the board is provisioned
        policy, widest = self.effective_policy(), self._policies[POLICIES[0]]
        return Trusted(
            root=self.root,
            root_digest=self.digest("root") or b"",
            scope=None if self.assignment is None else self.assignment.scope,
            fingerprint=self._fingerprint,
            positions=self.store.positions(),
            thresholds={} if policy is None else policy.thresholds,
            widest_thresholds=None if widest is None else widest.thresholds,
            denied=self.denied(),
            denials=() if self.deny_list is None else self.deny_list.entries,
            nonce=nonce or self.store.state.fact("floor_nonce") or b"",
            seen=self.store.state.seen(),
            preapproved=frozenset(() if policy is None else policy.preapproved),
            preapproved_holders=1 if policy is None else policy.preapproved_holders,
            live_slots=self._live_slots(),
        )

    def denied(self) -> frozenset[bytes]:
        """Return the key ids and hashes that the deny list names."""
        entries = () if self.deny_list is None else self.deny_list.entries
        return frozenset(entry.value for entry in entries)

    def effective_policy(self) -> Policy | None:
        """Return the province's policy, tightened by each one between it and this cluster.

        Those of a place where the board no longer hangs are kept, and rule nothing.
        """
        widest, *narrower = (self._policies[name] for name in POLICIES)
        if widest is None or self.assignment is None:
            return widest
        ours = (p for p in narrower if p is not None and is_inside(self.scope, p.scope))
        return functools.reduce(tighten, ours, widest)

    def choice(self, now: Now) -> Choice:
        """Return what to play from at *now*: a playlist that is valid, else the standing programme.

        A playlist rules until it expires, or until the last local day for which it has a session is
        over. While the time is not known nothing scheduled sounds, and the playlist stays.
        """
        policy = self.effective_policy()
        if policy is None:
            return Choice("", 0)
        day = local_day(policy, now.unix_s)
        has_playlist = self._is_ours("playlist", self.playlist)
        if has_playlist and self.playlist is not None and now.unix_s < _end(self.playlist, policy):
            return Choice("playlist", 0)
        standing = self.standing
        is_valid = standing is not None and standing.not_before <= now.unix_s < standing.expires
        if now.is_known and is_valid and self._is_ours(STANDING, standing):
            return Choice(STANDING, day)
        return Choice("playlist" if has_playlist else "", 0)

    def programme(self, now: Now) -> Programme | None:
        """Return what to play from at *now*; None where nothing is accepted and in force."""
        policy, choice = self.effective_policy(), self.choice(now)
        body = self._expanded(self.standing, now) if choice.name == STANDING else self.playlist
        digest = self.digest(choice.name) if choice.name else None
        if body is None or policy is None or digest is None:
            return None
        return Programme(playlist=body, digest=digest, policy=policy, aired=self._aired())

    def playlists(self, now: Now) -> list[Playlist]:
        """Return everything whose media are wanted: in force, waiting, or standing behind it."""
        standing = (self._expanded(each, now) for each in (self.standing, self.next_standing))
        every = (self.playlist, self.next_playlist, *standing)
        return [playlist for playlist in every if playlist is not None]

    def keep_session(self, start: int) -> None:
        """Keep that the session of unix second *start* was on air; those of other days go.

        Raises:
            StoreError: it could not be kept.
        """
        recent = {each for each in self._aired() if abs(each - start) < _AIRED_S}
        data = b"".join(each.to_bytes(8) for each in sorted(recent | {start}))
        self.store.state.set_fact(_AIRED, data)

    def schedule_until_ms(self) -> int | None:
        """Return from when, unix ms, no item begins any more for want of a fresh head.

        Where none ever came it counts from the playlist's not-before.
        """
        policy = self.effective_policy()
        if policy is None:
            return None
        first = self.playlist or self.standing
        since_s = self._head_s or (0 if first is None else first.not_before)
        return (since_s + max(policy.cached_days * DAY_S, STALE_HEAD_S)) * 1000 if since_s else None

    def _expanded(self, programme: StandingProgramme | None, now: Now) -> Playlist | None:
        policy = self.effective_policy()
        if programme is None or policy is None:
            return None
        return expand(programme, policy, now.unix_s, days=_DAYS)

    def _aired(self) -> frozenset[int]:
        data = self.store.state.fact(_AIRED) or b""
        return frozenset(int.from_bytes(data[at : at + 8]) for at in range(0, len(data), 8))

    def _is_ours(self, name: str, body: Playlist | StandingProgramme | None) -> bool:
        """Tell whether *body* was accepted, is not denied, and is of the place where we hang."""
        if body is None or not is_inside(self.scope, body.scope):
            return False  # the board hangs elsewhere now; what it played from there is not ours
        return not self.is_denied(name)

    def digest(self, name: str) -> bytes | None:
        """Return the SHA-256 of the payload kept as *name*."""
        data = self.store.bundle(name)
        return None if data is None else Bundle.from_bytes(data).digest

    def have(self) -> Have:
        """Return what an object that is fetched now is judged against, and what is held."""
        held = (self.digest(name) for name in BUNDLES)
        return Have(self.trusted(), frozenset(digest for digest in held if digest is not None))

    def keep(self, accepted: Accepted, data: bytes) -> None:
        """Keep an accepted object on the disk; it comes into force by `put_into_force`.

        Raises:
            StoreError: it could not be kept, and the one before stays.
        """
        if isinstance(accepted.body, Head):
            self._keep_head(accepted.body.time)
        position = position_of(accepted.body, accepted.digest)
        if position is not None:
            subject = subject_of(accepted.kind, accepted.body)
            self.store.keep(self._name(accepted), data, subject, position)

    def keep_root(self, root: Root, data: bytes) -> None:
        """Keep the root that follows the present one, which agreed to it.

        Raises:
            StoreError: it could not be kept.
        """
        self.store.keep_root(data)
        self.root = root

    def put_into_force(self, accepted: Accepted) -> bool:
        """Let a kept object rule; tell whether that changes what is to be played or done."""
        match accepted.body:
            case Playlist() as body if accepted.is_pending:
                self.next_playlist = body
            case Playlist() as body:
                self.playlist, self.next_playlist = body, None
                self.store.drop(NEXT_PLAYLIST)
            case Policy() as body:
                self._policies[self._policy_name(body)] = body
            case DenyList() as body:
                self.deny_list = body
            case StandingProgramme() as body if accepted.is_pending:
                self.next_standing = body
            case StandingProgramme() as body:
                self.standing, self.next_standing = body, None
                self.store.drop(NEXT_STANDING)
            case Settings() as body:
                self.settings = body
            case Assignment() as body:
                self.assignment = body
            case _:
                return False
        return True

    def come_into_force(self, now_s: int) -> bool:
        """Put what waits into force when its time has come; tell whether anything did.

        Raises:
            StoreError: it could not be kept, and waits on.
        """
        playlist, programme = self.next_playlist, self.next_standing
        has_playlist = playlist is not None and now_s >= playlist.not_before
        if has_playlist and playlist is not None:
            has_playlist = self._promote(NEXT_PLAYLIST, Kind.PLAYLIST, playlist)
            self.playlist, self.next_playlist = playlist if has_playlist else self.playlist, None
        has_programme = programme is not None and now_s >= programme.not_before
        if has_programme and programme is not None:
            has_programme = self._promote(NEXT_STANDING, Kind.STANDING_PROGRAMME, programme)
            self.standing, self.next_standing = programme if has_programme else self.standing, None
        return has_playlist or has_programme

    def _promote(self, waiting: str, kind: Kind, body: Playlist | StandingProgramme) -> bool:
        """Let what waits take its place on the disk; not where it was denied while it waited."""
        data = self.store.bundle(waiting)
        is_good = data is not None and not self._names_denied(data)
        if is_good and data is not None:
            position = position_of(body, Bundle.from_bytes(data).digest)
            assert position is not None  # it is state
            self.store.keep(_NAMES[kind], data, subject_of(kind, body), position)
        self.store.drop(waiting)
        return is_good

    def is_denied(self, name: str = "playlist") -> bool:
        """Tell whether the deny list names what is kept as *name*, or one who signed it."""
        if self.deny_list is None or not self.deny_list.entries:
            return False
        data = self.store.bundle(name)
        return data is not None and self._names_denied(data)

    def _names_denied(self, data: bytes) -> bool:
        entries = () if self.deny_list is None else self.deny_list.entries
        if not entries:
            return False
        bundle = Bundle.from_bytes(data)
        named = {bundle.digest, *(open_seal(each).kid for each in bundle.seals)}
        return any(entry.value in named for entry in entries)

    def _keep_head(self, time_s: int) -> None:
        """Know when a head was last made; kept now and then, to spare the disk."""
        self._head_s = max(self._head_s, time_s)
        kept = self.store.state.fact(_HEAD)
        if kept is None or int.from_bytes(kept) + STALE_HEAD_S <= self._head_s:
            self.store.state.set_fact(_HEAD, self._head_s.to_bytes(8))

    def _live_slots(self) -> dict[tuple[bytes, str], tuple[int, int]]:
        """Return the live slots of the playlists that were accepted, by playlist and item."""
        slots: dict[tuple[bytes, str], tuple[int, int]] = {}
        for name, body in (("playlist", self.playlist), (NEXT_PLAYLIST, self.next_playlist)):
            mine = [] if body is None else list(_slots(body))
            digest = self.digest(name) if mine else None
            if digest is not None:
                slots.update({(digest, item.id): span for item, span in mine})
        return slots

    def _name(self, accepted: Accepted) -> str:
        if isinstance(accepted.body, Policy):
            return self._policy_name(accepted.body)
        if accepted.is_pending and accepted.kind in _WAITING:
            return _WAITING[accepted.kind]
        return _NAMES[accepted.kind]

    def _policy_name(self, policy: Policy) -> str:
        assert self.root is not None  # the policy was judged by it, and lies inside its scope
        return POLICIES[policy.scope.count("/") - self.root.scope.count("/")]

    def _read(self, name: str, layout: type[Kept]) -> Kept | None:
        data = self.store.bundle(name)
        if data is None:
            return None
        try:
            return layout.from_bytes(Bundle.from_bytes(data).payload)
        except FormatError as error:
            log.error("kept_object_damaged", extra={"object": name, "why": str(error)})
            return None


def _end(playlist: Playlist, policy: Policy) -> int:
    """Return until when, unix seconds, *playlist* rules: its expiry, or the end of its last day."""
    if not playlist.sessions:
        return playlist.expires
    last = max(session.start for session in playlist.sessions)
    return min(playlist.expires, midnight(policy, local_day(policy, last) + 1))


def _slots(playlist: Playlist) -> Iterator[tuple[Item, tuple[int, int]]]:
    """Yield the items that are live slots, with the seconds in which they may be filled."""
    for item in playlist.items:
        is_live = any(b.kind is BearerKind.STREAM and b.reference == 0 for b in item.bearers)
        if is_live and item.session < len(playlist.sessions):
            start_ms = playlist.sessions[item.session].start * 1000 + item.offset_ms
            yield item, (start_ms // 1000, (start_ms + item.duration_ms) // 1000)
