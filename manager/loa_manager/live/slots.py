"""Live slots of the playlist in force: who fills one needs no second holder.

Two people have approved the slot with its playlist. The province's home has that playlist; a
person's home asks the server for it, and judges it as a board would.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import quote

from loa_manager.orders.desk import OrderDesk, find_slot
from loa_manager.service_client import ServiceClient
from loa_protocol.accept import accept
from loa_protocol.errors import ConfigError, MessageError, RefusedError
from loa_protocol.language import translator
from loa_protocol.objects.online import Inclusion
from loa_protocol.objects.playlist import Playlist

_ = translator("loa_manager")


@dataclass(frozen=True, slots=True)
class Slot:
    """A live slot: what it is called, and from when to when it may be filled, unix seconds."""

    item: str
    title: str
    playlist: bytes  # its digest
    scope: str
    start: int
    end: int


def find_slots(desk: OrderDesk, client: ServiceClient | None, scope: str) -> list[Slot]:
    """Return the live slots of the playlist of *scope* that are not over, the next one first.

    Args:
        desk: What the playlist is judged by.
        client: Asks the server; None in the province's home.
        scope: Whose playlist.

    Raises:
        ConfigError: the scope has no playlist.
        LoaError: the server is not reached, or what it shows is not to be trusted.
    """
    data = _from_tree(desk, scope) if client is None else _from_server(client, scope)
    if data is None:
        raise ConfigError(scope, [_("no playlist is in force there")])
    thresholds = desk.policy_for(scope).thresholds
    accepted = accept(data, dataclasses.replace(desk.trusted, thresholds=thresholds), desk.now)
    if not isinstance(accepted.body, Playlist) or accepted.body.scope != scope:
        raise MessageError("the server shows another object than the playlist")
    found = _slots(accepted.body, accepted.digest)
    left = [each for each in found if each.end > desk.now.unix_s]
    return sorted(left, key=lambda each: (each.start, each.item))


def choose(slots: list[Slot], pattern: str, playlist: str | None = None) -> Slot:
    """Return the first of *slots* whose id fits *pattern*; raise ConfigError where there is none.

    Args:
        slots: As :func:`find_slots` returns them.
        pattern: An id, or one with ``*`` and ``?`` in it.
        playlist: The first digits of the playlist's digest, where it must be that one.
    """
    for each in slots:
        is_its = playlist is None or each.playlist.hex().startswith(playlist.lower())
        if is_its and fnmatchcase(each.item, pattern):
            return each
    names = ", ".join(each.item for each in slots) or "-"
    fault = _("no live slot of that name is left in the playlist in force; there are: {names}")
    raise ConfigError(pattern, [fault.format(names=names)])


def _slots(playlist: Playlist, digest: bytes) -> Iterator[Slot]:
    for item in playlist.items:
        span = find_slot(playlist, item.id)
        if span is not None:
            yield Slot(item.id, item.title, digest, playlist.scope, *span)


def _from_tree(desk: OrderDesk, scope: str) -> bytes | None:
    tree = desk.home.content
    for leaf in tree.leaves():
        if leaf.scope == scope:
            return tree.object(leaf.digest)
    return None


def _from_server(client: ServiceClient, scope: str) -> bytes | None:
    try:
        proof = client.call("GET", f"/content/proof/{quote(scope)}/_").body
    except RefusedError as refused:
        if refused.code == "not_here":
            return None
        raise
    leaf = Inclusion.from_bytes(proof).leaf
    return client.call("GET", f"/content/objects/{leaf.digest.hex()}").body
