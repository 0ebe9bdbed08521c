"""The keeper: what the endpoint trusts, on disk first and in force second.

Everything here has passed the acceptance rule. At start the bundles are read back from the board's
own disk; they were judged when they came, and play to their own expiry.
"""

from __future__ import annotations

import functools
import logging
from typing import TypeVar

from loa_endpoint.core.director import Programme
from loa_endpoint.core.sync import Have
from loa_endpoint.store.identity import (
    BUNDLES,
    NEXT_PLAYLIST,
    POLICIES,
    STANDING,
    IdentityStore,
)
from loa_protocol.envelope import Bundle, Kind, open_seal
from loa_protocol.errors import FormatError
from loa_protocol.hours import tighten
from loa_protocol.objects.authority import Root
from loa_protocol.objects.placement import Assignment, DenyList, Settings
from loa_protocol.objects.playlist import Playlist
from loa_protocol.objects.policy import Policy
from loa_protocol.objects.standing import StandingProgramme
from loa_protocol.schema import Wire
from loa_protocol.scope import is_inside
from loa_protocol.trust import Accepted, Trusted, position_of, subject_of

log = logging.getLogger("loa.endpoint")

Kept = TypeVar("Kept", bound=Wire)

_NAMES = {
    Kind.ASSIGNMENT: "assignment",
    Kind.SETTINGS: "settings",
    Kind.PLAYLIST: "playlist",
    Kind.DENY_LIST: "deny-list",
    Kind.STANDING_PROGRAMME: STANDING,
}


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
        self.deny_list = self._read("deny-list", DenyList)
        signer = store.signer()
        self._fingerprint = None if signer is None else signer.public.fingerprint

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
        policy = self.effective_policy()
        denied = () if self.deny_list is None else self.deny_list.entries
        return Trusted(
            root=self.root,
            root_digest=self.digest("root") or b"",
            scope=None if self.assignment is None else self.assignment.scope,
            fingerprint=self._fingerprint,
            positions=self.store.positions(),
            thresholds={} if policy is None else policy.thresholds,
            denied=frozenset(entry.value for entry in denied),
            nonce=nonce,
        )

    def effective_policy(self) -> Policy | None:
        """Return the province's policy, tightened by each one between it and this cluster.

        Those of a place where the board no longer hangs are kept, and rule nothing.
        """
        widest, *narrower = (self._policies[name] for name in POLICIES)
        if widest is None or self.assignment is None:
            return widest
        ours = (p for p in narrower if p is not None and is_inside(self.scope, p.scope))
        return functools.reduce(tighten, ours, widest)

    def programme(self) -> Programme | None:
        """Return what to play from; None without an accepted playlist and policy."""
        policy, digest = self.effective_policy(), self.digest("playlist")
        if self.playlist is None or policy is None or digest is None or self.is_denied():
            return None
        if not is_inside(self.scope, self.playlist.scope):
            return None  # the board hangs elsewhere now; what it played from there is not ours
        return Programme(playlist=self.playlist, digest=digest, policy=policy)

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
            case StandingProgramme() as body:
                self.standing = body
            case Settings() as body:
                self.settings = body
            case Assignment() as body:
                self.assignment = body
            case _:
                return False
        return True

    def come_into_force(self, now_s: int) -> bool:
        """Put the waiting playlist into force when its time has come; tell whether it did.

        Raises:
            StoreError: it could not be kept, and waits on.
        """
        data = self.store.bundle(NEXT_PLAYLIST)
        waiting = self.next_playlist
        if data is None or waiting is None or now_s < waiting.not_before:
            return False
        if self._names_denied(data):  # denied while it waited: the one before stays
            self.store.drop(NEXT_PLAYLIST)
            self.next_playlist = None
            return False
        position = position_of(waiting, Bundle.from_bytes(data).digest)
        assert position is not None  # a playlist is state
        self.store.keep("playlist", data, subject_of(Kind.PLAYLIST, waiting), position)
        self.store.drop(NEXT_PLAYLIST)
        self.playlist, self.next_playlist = waiting, None
        return True

    def is_denied(self) -> bool:
        """Tell whether the deny list names the playlist in force, or one who signed it."""
        data = self.store.bundle("playlist")
        return data is not None and self._names_denied(data)

    def _names_denied(self, data: bytes) -> bool:
        entries = () if self.deny_list is None else self.deny_list.entries
        if not entries:
            return False
        bundle = Bundle.from_bytes(data)
        named = {bundle.digest, *(open_seal(each).kid for each in bundle.seals)}
        return any(entry.value in named for entry in entries)

    def _name(self, accepted: Accepted) -> str:
        if isinstance(accepted.body, Policy):
            return self._policy_name(accepted.body)
        if accepted.kind is Kind.PLAYLIST and accepted.is_pending:
            return NEXT_PLAYLIST
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
