"""Bulletins, alerts, grants and commands for the tests; each call makes another event."""

from __future__ import annotations

import hashlib
from itertools import count
from typing import Any

from loa_protocol.keys import SoftSigner
from loa_protocol.objects.alert import Alert, AlertMessage
from loa_protocol.objects.bulletin import Bulletin
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.live import Codec, Grant
from loa_protocol.objects.playlist import BulletinKind, Mark, Media
from loa_protocol.objects.standing import StandingProgramme, WeeklySession
from support.province import NOW, START, STATION, person, playlist

SIREN = Media(
    sha256=hashlib.sha256(b"siren").digest(),
    size=60_000,
    duration_ms=10_000,
    gain_cdb=0,
    loudness_clufs=-2300,
)
_numbers = count(1)


def event_id() -> bytes:
    """Return an id that no other event of this process has."""
    return hashlib.sha256(f"event {next(_numbers)}".encode()).digest()[:16]


def alert(**changes: Any) -> Alert:
    """Return an alert of the station: a siren of ten seconds, at once."""
    facts: dict[str, Any] = {
        "id": event_id(),
        "scope": STATION,
        "message": AlertMessage.ALERT,
        "title": "Báo động lũ",
        "reason": "Mực nước trên báo động 3",
        "language": "vi",
        "start": NOW.unix_s - 5,
        "expires": NOW.unix_s + 600,
        "duration_s": 120,
        "repeats": 2,
        "gap_s": 5,
        "speech_ms": 0,
        "volume": 12,
        "mark": Mark.NONE,
        "references": (),
        "media": SIREN,
    }
    return Alert(**{**facts, **changes})


def cancel(*references: bytes, **changes: Any) -> Alert:
    """Return the end of earlier alerts."""
    return alert(message=AlertMessage.CANCEL, references=references, media=None, **changes)


def command(verb: Verb, **changes: Any) -> Command:
    """Return an order to the station's clusters."""
    facts: dict[str, Any] = {
        "id": event_id(),
        "scope": STATION,
        "number": next(_numbers),
        "verb": verb,
        "reason": "Kiểm tra",
        "issued": NOW.unix_s - 5,
        "expires": NOW.unix_s + 600,
        "duration_s": {Verb.LOCKDOWN: 3600, Verb.RECALL: 600}.get(verb, 0),
        "value": 9 if verb is Verb.VOLUME else 0,
        "references": (event_id(),) if verb is Verb.RELEASE else (),
        "nonce": bytes(16) if verb is Verb.RESET_FLOOR else None,
        "endpoint": bytes(16) if verb is Verb.RECALL else None,
        "since": NOW.unix_s - 3600 if verb is Verb.RECALL else None,
    }
    return Command(**{**facts, **changes})


def grant(session: SoftSigner | None = None, **changes: Any) -> Grant:
    """Return the permission for ten minutes of live sound, from now on."""
    key = (session or person("session").signer).public
    facts: dict[str, Any] = {
        "id": event_id(),
        "scope": STATION,
        "title": "Chủ tịch xã phát biểu",
        "kind": BulletinKind.NORMAL,
        "language": "vi",
        "category": "thông báo",
        "start": NOW.unix_s,
        "end": NOW.unix_s + 600,
        "algorithm": key.algorithm,
        "raw": key.raw,
        "codec": Codec.OPUS,
        "volume": 10,
        "mark": Mark.NONE,
    }
    return Grant(**{**facts, **changes})


def bulletin(**changes: Any) -> Bulletin:
    """Return what the province offers to the station."""
    facts: dict[str, Any] = {
        "id": event_id(),
        "scope": STATION,
        "kind": BulletinKind.PRIORITY,
        "title": "Phòng chống dịch tả lợn",
        "language": "vi",
        "category": "thông báo",
        "not_before": START,
        "expires": START + 7 * 86_400,
        "media": playlist().media[0],
    }
    return Bulletin(**{**facts, **changes})


def standing_programme(**changes: Any) -> StandingProgramme:
    """Return a session of two items at 06:00 from Monday to Friday."""
    body = playlist()
    facts: dict[str, Any] = {
        "scope": STATION,
        "epoch": 1,
        "serial": 1,
        "not_before": START,
        "expires": START + 300 * 86_400,
        "media": body.media,
        "sessions": (
            WeeklySession(id="sáng", weekdays=0b11111, start_min=360, duration_s=120, volume=9),
        ),
        "items": body.items,
        "fm_windows": (),
    }
    return StandingProgramme(**{**facts, **changes})
