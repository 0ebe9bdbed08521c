"""An inbox with its disk, and a stage that writes down what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from loa_endpoint.app.inbox import Inbox
from loa_endpoint.app.inbox_around import Surroundings
from loa_endpoint.content.cache import Cache
from loa_endpoint.core.orders import Kept
from loa_endpoint.store.state import State
from loa_protocol.errors import StoreError
from loa_protocol.record import Body, OrderState, OrderTaken
from loa_protocol.trust import Accepted, Now
from support.province import NOW
from support.vault import MemoryVault


@dataclass
class Ear:
    """A stage and a listener in one: remembers what it was told, in order."""

    orders: list[Kept] = field(default_factory=list)
    records: list[Body] = field(default_factory=list)
    happenings: list[str] = field(default_factory=list)
    adopted: list[Accepted] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    failures: list[StoreError] = field(default_factory=list)

    def on_order(self, kept: Kept) -> None:
        self.orders.append(kept)
        self.happenings.append("acted")

    def keep(self, body: Body) -> bool:
        self.records.append(body)
        self.happenings.append("told")
        return True

    def kept(self, accepted: Accepted) -> None:
        self.adopted.append(accepted)

    def refused(self, what: str, reason: str, detail: str, digest: bytes | None) -> None:
        self.refusals.append((what, str(reason)))

    def store_failed(self, error: StoreError) -> None:
        self.failures.append(error)

    @property
    def acknowledged(self) -> list[bytes]:
        """Return the ids of orders that were acknowledged."""
        bodies = [body for body in self.records if isinstance(body, OrderTaken)]
        return [body.id for body in bodies if body.state is OrderState.TAKEN]


@dataclass
class InboxLab:
    """One board's inbox; `boot` again is a restart."""

    folder: Path
    vault: MemoryVault = field(default_factory=MemoryVault)
    ear: Ear = field(default_factory=Ear)
    now: Now = NOW
    nonce: bytes = b""
    alert_without_time: bool = False
    asked_time: int = 0
    looked: list[bytes] = field(default_factory=list)
    looked_for_media: int = 0

    def __post_init__(self) -> None:
        self.state = State.open(self.folder / "state.db", create=True)
        self.cache = Cache(self.folder / "media")
        self.boot()

    def boot(self) -> list[Kept]:
        """Start anew on the same disk and return what was kept."""
        around = Surroundings(
            now=lambda: self.now,
            nonce=lambda: self.nonce,
            alert_without_time=lambda: self.alert_without_time,
            want_time=self._want_time,
            look=self.looked.append,
            look_for_media=self._look_for_media,
        )
        self.inbox = Inbox(around, self.state, self.vault, self.cache, self.ear)
        self.inbox.listener = self.ear
        return self.inbox.kept()

    def _want_time(self) -> None:
        self.asked_time += 1

    def _look_for_media(self) -> None:
        self.looked_for_media += 1
