"""Who stands around the inbox: what it asks, where it keeps, who acts and who is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from loa_endpoint.core.orders import Kept
from loa_endpoint.core.sync import Have
from loa_protocol.errors import StoreError
from loa_protocol.objects.authority import Root
from loa_protocol.record import Body
from loa_protocol.trust import Accepted, Now


class Vault(Protocol):
    """What the endpoint keeps of trust; calls may wait for the disk."""

    def have(self) -> Have:
        """Return what is trusted now, and which bundles are held."""

    def keep(self, accepted: Accepted, data: bytes) -> None:
        """Store an accepted object. Raises StoreError."""

    def keep_root(self, root: Root, data: bytes) -> None:
        """Store the root that follows the present one. Raises StoreError."""


class Stage(Protocol):
    """Where orders act."""

    def on_order(self, kept: Kept) -> None:
        """An order is kept: let it act."""

    def keep(self, body: Body) -> bool:
        """Keep a record."""


class Listener(Protocol):
    """Who is told; every call returns at once."""

    def kept(self, accepted: Accepted) -> None:
        """A state object was stored and may come into force."""

    def refused(self, what: str, reason: str, detail: str, digest: bytes | None) -> None:
        """Something was not trusted; repetitions come once a minute, counted."""

    def store_failed(self, error: StoreError) -> None:
        """Something accepted could not be stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the inbox asks; the callables are asked anew for each bundle."""

    now: Callable[[], Now]
    nonce: Callable[[], bytes]  # over which the time floor may be reset
    alert_without_time: Callable[[], bool]
    want_time: Callable[[], None]  # something waits for the time
    look: Callable[[bytes], None]  # a newer head came: catch up with it
    look_for_media: Callable[[], None]  # an alert names media that may not be here
