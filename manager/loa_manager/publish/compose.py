"""Slots and media into the playlist that is signed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from loa_manager.publish.entries import Schedule, Transmitter
from loa_manager.publish.gain import MediaFacts, gain_cdb
from loa_manager.publish.layout import Placed, Slot, end_of, start_of
from loa_protocol import cbor
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_protocol.objects.playlist import (
    Bearer,
    BearerKind,
    FmWindow,
    Item,
    Media,
    Playlist,
    Proof,
    ProofKind,
    Session,
    Span,
    Stream,
)
from loa_protocol.objects.policy import Policy

_ = translator("loa_manager")

SIGNATURE_ROOM: Final = 24 * 1024
"""Bytes of the envelope's 256 KiB that stay free for seals and certificates.

Eight seals of 128 bytes and sixteen certificates; one signed by two holders has about 500."""
MAX_SESSIONS: Final = 1024  # these four as in objects/playlist.py
MAX_ITEMS: Final = 4096
MAX_WINDOWS: Final = 1024
FM_COST: Final = 0
MAX_STREAMS: Final = 16
LIVE_COST: Final = 5  # between FM, where the air brings the same voice, and what stands behind it
STREAM_COST: Final = 7  # it is asked for; signed sound stands behind it
MEDIA_COST: Final = 10  # dearer than FM: the network is paid by the megabyte


def compose(
    schedule: Schedule,
    slots: Sequence[Slot],
    media: Mapping[str, MediaFacts],
    *,
    policy: Policy,
    position: tuple[int, int],
) -> Playlist:
    """Return the playlist of *slots*.

    Args:
        schedule: The entries; gives scope and days.
        slots: What :func:`loa_manager.publish.layout.lay_out` made of it, without faults.
        media: The facts of each file that an item names.
        policy: Gives local time and loudness.
        position: The playlist's (epoch, serial).

    Raises:
        ConfigError: the playlist would be larger than an object may be.
    """
    _check_counts(slots)
    by_hash = {media[name].sha256: media[name] for name in schedule.files}
    order = {sha256: row for row, sha256 in enumerate(by_hash)}
    rows = {name: order[media[name].sha256] for name in schedule.files}
    windows, streams = _Windows(), _streams(slots)
    playlist = Playlist(
        scope=schedule.scope,
        epoch=position[0],
        serial=position[1],
        not_before=start_of(schedule, policy.utc_offset_min),
        expires=end_of(schedule, policy.utc_offset_min),
        media=tuple(_media(facts, policy) for facts in by_hash.values()),
        sessions=tuple(_session(slot) for slot in slots),
        items=tuple(
            _item(slot, placed, at, _bearers(slot, placed, windows, rows, streams))
            for at, slot in enumerate(slots)
            for placed in slot.items
        ),
        fm_windows=windows.rows,
        streams=tuple(Stream(url=url) for url in streams) or None,
    )
    _check_size(playlist)
    return playlist


def wire_id(slot: Slot, placed: Placed | None = None) -> str:
    """Return the id of a session or item on its day, such as ``sang-20270118-2``."""
    session = f"{slot.entry.id}-{slot.date:%Y%m%d}"
    return session if placed is None else f"{session}-{placed.entry.id}"


class _Windows:
    """FM windows as narrow as the items that need them; neighbours on one carrier share one."""

    def __init__(self) -> None:
        self._rows: list[FmWindow] = []

    @property
    def rows(self) -> tuple[FmWindow, ...]:
        return tuple(self._rows)

    def reference(self, transmitter: Transmitter, start: int, end: int) -> int:
        proofs = tuple(Proof(kind=kind, value=0) for kind in transmitter.proofs)
        if transmitter.pi is not None:
            proofs = (Proof(kind=ProofKind.PI, value=transmitter.pi), *proofs)
        if self._rows:
            last = self._rows[-1]
            facts = last.frequency_khz, last.volume, last.proofs
            is_same = facts == (transmitter.frequency_khz, transmitter.volume, proofs)
            if is_same and last.start <= start <= last.end:
                start, end = last.start, max(end, last.end)
                self._rows.pop()
        self._rows.append(
            FmWindow(
                frequency_khz=transmitter.frequency_khz,
                start=start,
                end=end,
                volume=transmitter.volume,
                proofs=proofs,
            )
        )
        return len(self._rows) - 1


def _streams(slots: Sequence[Slot]) -> dict[str, int]:
    """Number the addresses from 1 on: a reference of 0 is live sound under a grant."""
    urls = (placed.entry.stream for slot in slots for placed in slot.items)
    found = dict.fromkeys(url for url in urls if url is not None)
    if len(found) > MAX_STREAMS:
        fault = _("{count} streams; a playlist holds {limit}")
        raise ConfigError("playlist", [fault.format(count=len(found), limit=MAX_STREAMS)])
    return {url: number for number, url in enumerate(found, start=1)}


def _media(facts: MediaFacts, policy: Policy) -> Media:
    return Media(
        sha256=facts.sha256,
        size=facts.size,
        duration_ms=facts.duration_ms,
        gain_cdb=gain_cdb(facts, policy.loudness_clufs),
        loudness_clufs=facts.loudness_clufs,
    )


def _session(slot: Slot) -> Session:
    return Session(
        id=wire_id(slot),
        start=slot.start,
        duration_s=slot.entry.length_s,
        volume=slot.entry.volume,
    )


def _bearers(
    slot: Slot,
    placed: Placed,
    windows: _Windows,
    rows: Mapping[str, int],
    streams: Mapping[str, int],
) -> tuple[Bearer, ...]:
    bearers: list[Bearer] = []
    if placed.entry.fm is not None:
        start = slot.start + placed.offset_ms // 1000
        end = slot.start - (-(placed.offset_ms + placed.duration_ms) // 1000)
        window = windows.reference(placed.entry.fm, start, end)
        bearers.append(Bearer(kind=BearerKind.FM, reference=window, cost=FM_COST))
    if placed.entry.is_live:
        bearers.append(Bearer(kind=BearerKind.STREAM, reference=0, cost=LIVE_COST))
    if placed.entry.stream is not None:
        reference = streams[placed.entry.stream]
        bearers.append(Bearer(kind=BearerKind.STREAM, reference=reference, cost=STREAM_COST))
    if placed.entry.file is not None:
        row = rows[placed.entry.file]
        bearers.append(Bearer(kind=BearerKind.MEDIA, reference=row, cost=MEDIA_COST))
    return tuple(bearers)


def _item(slot: Slot, placed: Placed, session: int, bearers: tuple[Bearer, ...]) -> Item:
    entry = placed.entry
    return Item(
        id=wire_id(slot, placed),
        session=session,
        title=entry.title,
        kind=entry.kind,
        level=entry.level,
        language=entry.language,
        category=entry.category,
        offset_ms=placed.offset_ms,
        duration_ms=placed.duration_ms,
        bearers=bearers,
        expected_silence=tuple(Span(start_ms=a, end_ms=b) for a, b in entry.expected_silence),
        bulletin=entry.bulletin,
        duck_cdb=entry.over_cdb,
        volume=entry.volume,
    )


def _check_counts(slots: Sequence[Slot]) -> None:
    items = sum(len(slot.items) for slot in slots)
    rows = (
        (len(slots), MAX_SESSIONS, _("{count} sessions; a playlist holds {limit}")),
        (items, MAX_ITEMS, _("{count} items; a playlist holds {limit}")),
    )
    faults = [text.format(count=n, limit=limit) for n, limit, text in rows if n > limit]
    if faults:
        raise ConfigError("playlist", faults)


def _check_size(playlist: Playlist) -> None:
    limit = cbor.MAX_BYTES - SIGNATURE_ROOM
    if len(playlist.fm_windows) > MAX_WINDOWS:
        fault = _("{count} FM windows; a playlist holds {limit}")
        texts = {"count": len(playlist.fm_windows), "limit": MAX_WINDOWS}
        raise ConfigError("playlist", [fault.format(**texts)])
    size = len(playlist.to_bytes())
    if size > limit:
        fault = _("{size} bytes, {limit} are allowed; take fewer days or shorter titles")
        raise ConfigError("playlist", [fault.format(size=size, limit=limit)])
