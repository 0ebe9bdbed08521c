"""Playlists of one item a session, laid out by hand."""

from __future__ import annotations

from loa_protocol.objects.authority import Level
from loa_protocol.objects.playlist import (
    Bearer,
    BearerKind,
    BulletinKind,
    Item,
    Playlist,
    Session,
)
from support.schedules import MONDAY

HOUR, DAY, MINUTE = 3600, 86_400, 60


def week(*sessions: tuple[int, int], **changes: object) -> Playlist:
    """Return a playlist of one item a session; sessions are (start in s after MONDAY, minutes)."""
    facts: dict[str, object] = {
        "title": "Bản tin",
        "kind": BulletinKind.NORMAL,
        "level": Level.COMMUNE,
        "language": "vi",
        "category": "thông báo",
        "offset_ms": 0,
        "bearers": (Bearer(kind=BearerKind.MEDIA, reference=0, cost=10),),
        "expected_silence": (),
        **changes,
    }
    volume = facts.pop("volume", 10)
    minutes = facts.pop("minutes", None)
    return Playlist(
        scope="vn/ls/st0137",
        epoch=1,
        serial=1,
        not_before=MONDAY,
        expires=MONDAY + 7 * DAY,
        media=(),
        sessions=tuple(
            Session(id=f"s{n}", start=MONDAY + start, duration_s=length * MINUTE, volume=volume)  # type: ignore[arg-type]  # test convenience
            for n, (start, length) in enumerate(sessions)
        ),
        items=tuple(
            Item(id=f"i{n}", session=n, duration_ms=(minutes or length) * MINUTE * 1000, **facts)  # type: ignore[arg-type,operator]  # test convenience
            for n, (_start, length) in enumerate(sessions)
        ),
        fm_windows=(),
    )
