"""Bearers as they are signed, in the words of the fallback machine."""

from __future__ import annotations

import hashlib
from typing import Final

from loa_endpoint.core import bearer as machine
from loa_protocol.objects.playlist import (
    Bearer,
    BearerKind,
    Item,
    Media,
    Playlist,
    ProofKind,
    Stream,
)

_EBU_CLUFS: Final = -2300  # EBU R128; where a playlist has no file, and so no loudness of its own
LIVE: Final = 0  # the reference of a stream bearer that stands for live sound under a grant


def machine_bearer(playlist: Playlist | None, item: Item, index: int) -> machine.Bearer | None:
    """Return the bearer *index* of *item* as the fallback machine knows it; None for no way."""
    signed = item.bearers[index]
    if is_live(signed):
        name = live_id(item)
        return machine.Bearer(id=name, kind=signed.kind, cost=signed.cost, is_voice=True)
    if playlist is None:
        return None
    if signed.kind is BearerKind.MEDIA and signed.reference < len(playlist.media):
        media = playlist.media[signed.reference]
        return machine.Bearer(id=media_id(item, media), kind=signed.kind, cost=signed.cost)
    if signed.kind is BearerKind.FM and signed.reference < len(playlist.fm_windows):
        window = playlist.fm_windows[signed.reference]
        pis = [proof.value for proof in window.proofs if proof.kind is ProofKind.PI]
        return machine.Bearer(
            id=fm_id(window.frequency_khz),
            kind=signed.kind,
            cost=signed.cost,
            frequency_khz=window.frequency_khz,
            pi=pis[0] if pis else None,
        )
    streams = playlist.streams or ()
    if signed.is_unsigned and signed.reference <= len(streams):
        name = stream_id(item, streams[signed.reference - 1])
        return machine.Bearer(id=name, kind=signed.kind, cost=signed.cost, is_unsigned=True)
    return None  # a file or a window that is not there: no way to this item's sound


def is_live(bearer: Bearer) -> bool:
    """Tell whether a bearer is live sound under a grant."""
    return bearer.kind is BearerKind.STREAM and bearer.reference == LIVE


def live_id(item: Item) -> str:
    """Name the live bearer of an item."""
    return f"live-{item.session}-{item.id}"


def media_id(item: Item, media: Media) -> str:
    """Name a media bearer of an item."""
    # with the file's hash: another file under the same item must never count as opened already
    return f"media-{item.session}-{item.id}-{media.sha256.hex()[:16]}"


def stream_id(item: Item, stream: Stream) -> str:
    """Name the bearer of an item that is an unsigned stream."""
    # with the address's hash, as a file's: another stream under the same item is another bearer
    return f"stream-{item.session}-{item.id}-{hashlib.sha256(stream.url.encode()).hexdigest()[:16]}"


def loudness_beside(playlist: Playlist | None, item: Item) -> int:
    """Return how loud what nobody measured has to be: as the item's file, or else as the others."""
    media = () if playlist is None else playlist.media
    own = [
        media[bearer.reference]
        for bearer in item.bearers
        if bearer.kind is BearerKind.MEDIA and bearer.reference < len(media)
    ]
    levels = sorted(each.loudness_clufs + each.gain_cdb for each in own or media)
    return levels[len(levels) // 2] if levels else _EBU_CLUFS


def fm_id(frequency_khz: int) -> str:
    """Name the FM bearer on a frequency."""
    return f"fm-{frequency_khz}"
