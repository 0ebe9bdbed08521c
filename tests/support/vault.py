"""A vault in memory: the endpoint's trust as the wiring keeps it on the disk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from loa_endpoint.content.sync import Outcome
from loa_endpoint.core.sync import Have
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import StoreError
from loa_protocol.objects.authority import Level, Root
from loa_protocol.objects.placement import DenyList
from loa_protocol.objects.playlist import Playlist
from loa_protocol.trust import Accepted, Subject, Trusted, position_of, subject_of
from support.province import province


@dataclass
class MemoryVault:
    """Keeps what was accepted, and how far it came."""

    trusted: Trusted = field(default_factory=lambda: province().trusted())
    kept: dict[Subject, tuple[Accepted, bytes]] = field(default_factory=dict)
    orders: set[bytes] = field(default_factory=set)
    signers: set[bytes] = field(default_factory=set)
    lighter: dict[bytes, Level] = field(default_factory=dict)  # taken at a lower level than all
    is_full: bool = False

    def have(self) -> Have:
        held = frozenset(accepted.digest for accepted, _ in self.kept.values())
        return Have(self.trusted, held, self.taken, frozenset(self.signers))

    @property
    def taken(self) -> dict[bytes, Level]:
        return {digest: self.lighter.get(digest, max(Level)) for digest in self.orders}

    def keep(self, accepted: Accepted, data: bytes) -> None:
        if self.is_full:
            raise StoreError("trust", "the disk is full")
        subject = subject_of(accepted.kind, accepted.body)
        self.kept[subject] = accepted, data
        position = position_of(accepted.body, accepted.digest)
        if position is not None:
            positions = {**self.trusted.positions, subject: position}
            self.trusted = replace(self.trusted, positions=positions)
        if isinstance(accepted.body, DenyList):
            denied = frozenset(entry.value for entry in accepted.body.entries)
            self.trusted = replace(
                self.trusted,
                denied=self.trusted.denied | denied,
                denials=accepted.body.entries,
            )

    def keep_root(self, root: Root, data: bytes) -> None:
        digest = Bundle.from_bytes(data).digest
        self.trusted = replace(self.trusted, root=root, root_digest=digest)

    def playlists(self) -> list[Playlist]:
        bodies = [accepted.body for accepted, _ in self.kept.values()]
        return [body for body in bodies if isinstance(body, Playlist)]

    def serial(self, kind: Kind, scope: str) -> int | None:
        """Return the serial in force."""
        found = self.kept.get((kind, scope))
        return getattr(found[0].body, "serial", None) if found else None


class MemoryInbox:
    """An inbox that takes every order and certificate that it is not told to refuse."""

    def __init__(self, vault: MemoryVault) -> None:
        self.door = asyncio.Lock()
        self.vault = vault
        self.answers: dict[bytes, Outcome] = {}
        self.offered: list[bytes] = []

    @property
    def orders(self) -> dict[bytes, Level]:
        return self.vault.taken

    @property
    def signers(self) -> frozenset[bytes]:
        return frozenset(self.vault.signers)

    async def offer(self, data: bytes, carrier: str) -> Outcome:
        digest = Bundle.from_bytes(data).digest
        self.offered.append(digest)
        outcome = self.answers.get(digest, Outcome.TAKEN)
        if outcome is Outcome.TAKEN:
            self.vault.orders.add(digest)
        return outcome

    async def keep_signer(self, data: bytes) -> Outcome:
        self.vault.signers.add(Bundle.from_bytes(data).digest)
        return Outcome.KEPT
