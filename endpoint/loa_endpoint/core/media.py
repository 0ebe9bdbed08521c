"""Which media to fetch, in which order, and which to drop when room is wanted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from loa_protocol.objects.playlist import BearerKind, Media, Playlist

DEFAULT_BUDGET: Final = 2_000_000_000  # bytes; a month of two hours a day at 64 kbit/s, and again


@dataclass(frozen=True, slots=True)
class Held:
    """A media file in the cache: its size, and when it came."""

    size: int
    since: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about media: fetch in this order, drop these, and these have no room at all."""

    fetch: tuple[Media, ...]
    drop: tuple[bytes, ...]
    no_room: tuple[Media, ...]


def needed(playlists: Iterable[Playlist], now_s: int) -> list[Media]:
    """Return the media of items that have not ended, in order of their first need.

    Args:
        playlists: Accepted ones, in force or waiting.
        now_s: The time, or the floor under it: what ended before that is over in any case.
    """
    first: dict[bytes, tuple[int, Media]] = {}
    for playlist in playlists:
        for start_ms, media in _uses(playlist, now_s * 1000):
            if media.sha256 not in first or start_ms < first[media.sha256][0]:
                first[media.sha256] = (start_ms, media)
    return [media for _, media in sorted(first.values(), key=lambda pair: pair[0])]


def first(urgent: Iterable[Media], planned: Iterable[Media]) -> list[Media]:
    """Return all of both, each once, the *urgent* before the *planned*."""
    found = {media.sha256: media for media in (*urgent, *planned)}
    return list(found.values())


def plan(
    wanted: Iterable[Media],
    held: Mapping[bytes, Held],
    *,
    denied: Collection[bytes],
    budget_bytes: int,
) -> Plan:
    """Return what to fetch and what to drop, so that the cache stays within its budget.

    What is needed first has room first. Files that nothing needs stay as long as there is room
    (a jingle comes back next week), and go oldest first.
    """
    fetch: list[Media] = []
    no_room: list[Media] = []
    room, named = budget_bytes, set()
    for media in wanted:
        if media.sha256 in denied:
            continue
        if media.size > room:
            no_room.append(media)
            continue
        room -= media.size
        named.add(media.sha256)
        if media.sha256 not in held:
            fetch.append(media)
    drop = [digest for digest in held if digest in denied]
    spare = sorted((facts.since, digest) for digest, facts in held.items() if digest not in named)
    left = sum(held[digest].size for _, digest in spare) - room
    for _, digest in spare:
        if left > 0 and digest not in drop:
            drop.append(digest)
            left -= held[digest].size
    return Plan(tuple(fetch), tuple(drop), tuple(no_room))


def spare(wanted: Iterable[Media], held: Collection[bytes]) -> list[bytes]:
    """Return what nothing needs: it goes when the disk is full, whatever the budget says."""
    named = {media.sha256 for media in wanted}
    return [digest for digest in held if digest not in named]


def _uses(playlist: Playlist, now_ms: int) -> Iterable[tuple[int, Media]]:
    """Yield when each media file of items that have not ended is first needed."""
    for item in playlist.items:
        if item.session >= len(playlist.sessions):
            continue
        start_ms = playlist.sessions[item.session].start * 1000 + item.offset_ms
        if start_ms + item.duration_ms <= now_ms:
            continue
        for bearer in item.bearers:
            if bearer.kind is BearerKind.MEDIA and bearer.reference < len(playlist.media):
                yield start_ms, playlist.media[bearer.reference]
