"""Opens the outbox of a board."""

from __future__ import annotations

from loa_endpoint.app.timekeeper import Timekeeper
from loa_endpoint.store.identity import IdentityStore
from loa_endpoint.store.outbox import Outbox, Writer
from loa_protocol.keys import Signer


def open_outbox(store: IdentityStore, signer: Signer, version: str, time: Timekeeper) -> Outbox:
    """Return the board's outbox, made where there is none yet.

    Raises:
        StoreError: it is in use, or cannot be read.
    """
    writer = Writer(
        endpoint=signer.public.kid,
        version=version,
        next_epoch=store.state.next_epoch,
        stamp=time.stamp,
    )
    path = store.home / "outbox.db"
    return Outbox.open(path, writer, create=not path.exists())
