"""Payloads, each plain and valid, for the cases to change."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from loa_protocol.objects.alert import Alert, AlertMessage
from loa_protocol.objects.authority import Level
from loa_protocol.objects.bulletin import Bulletin
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.live import Codec, Grant, LiveChunk
from loa_protocol.objects.online import Head, Receipt, TimeAnswer
from loa_protocol.objects.placement import Assignment, DenyList, Settings
from loa_protocol.objects.playlist import (
    Bearer,
    BearerKind,
    BulletinKind,
    Item,
    Mark,
    Media,
    Playlist,
    Session,
)
from loa_protocol.objects.policy import AfterAlert, AlertLimits, Hours, OrderRule, Policy
from loa_protocol.objects.standing import StandingProgramme, WeeklySession
from loa_protocol.schema import Wire
from vectors.generator.world import CLUSTER, DAY, DEVICE, NOW, SCOPE, SESSION, START, STATION, YEAR


def digest(name: str) -> bytes:
    """Return 32 bytes that follow from *name*."""
    return hashlib.sha256(name.encode()).digest()


def event(name: str) -> bytes:
    """Return the id of the event *name*."""
    return digest(f"event {name}")[:16]


def seen(body: Wire, until: int = NOW.unix_s + 90_000) -> dict[str, Any]:
    """Return what is remembered when *body* has happened."""
    return {"seen": [{"name": hashlib.sha256(body.to_bytes()).digest()[:16].hex(), "until": until}]}


def media_of(content: bytes) -> Media:
    """Return *content* as ten seconds of sound."""
    return Media(
        sha256=hashlib.sha256(content).digest(),
        size=len(content),
        duration_ms=10_000,
        gain_cdb=0,
        loudness_clufs=-2300,
    )


SIREN: Final = b"a siren, as bytes"
NONCE: Final = digest("nonce")[:16]


def item(**changes: Any) -> Item:
    """Return one item of a minute."""
    facts: dict[str, Any] = {
        "id": "i1",
        "session": 0,
        "title": "Bản tin buổi sáng",
        "kind": BulletinKind.NORMAL,
        "level": Level.COMMUNE,
        "language": "vi",
        "category": "thông báo",
        "offset_ms": 0,
        "duration_ms": 60_000,
        "bearers": (Bearer(kind=BearerKind.MEDIA, reference=0, cost=10),),
        "expected_silence": (),
    }
    return Item(**{**facts, **changes})


def playlist(**changes: Any) -> Playlist:
    """Return a week of the station with one session of one item."""
    facts: dict[str, Any] = {
        "scope": STATION,
        "epoch": 1,
        "serial": 5,
        "not_before": START,
        "expires": START + 7 * DAY,
        "media": (media_of(b"news"),),
        "sessions": (Session(id="s1", start=START + 7200, duration_s=60, volume=10),),
        "items": (item(),),
        "fm_windows": (),
    }
    return Playlist(**{**facts, **changes})


def standing(**changes: Any) -> StandingProgramme:
    """Return what plays at six on working days when there is no playlist."""
    facts: dict[str, Any] = {
        "scope": STATION,
        "epoch": 1,
        "serial": 5,
        "not_before": START,
        "expires": START + 300 * DAY,
        "media": (media_of(b"news"),),
        "sessions": (WeeklySession(id="s1", weekdays=31, start_min=360, duration_s=60, volume=9),),
        "items": (item(),),
        "fm_windows": (),
    }
    return StandingProgramme(**{**facts, **changes})


def policy(**changes: Any) -> Policy:
    """Return the province's policy."""
    facts: dict[str, Any] = {
        "scope": SCOPE,
        "epoch": 1,
        "serial": 5,
        "not_before": START,
        "expires": START + YEAR,
        "utc_offset_min": 420,
        "hours": (Hours(weekdays=127, start_min=300, end_min=1260),),
        "sessions_per_day": 4,
        "minutes_per_session": 45,
        "volume_caps": (),
        "loudness_clufs": -2300,
        "languages": (),
        "refused_categories": ("quảng cáo",),
        "retention_days": 400,
        "cached_days": 30,
        "thresholds": {},
        "start_wait_s": 20,
        "unsigned_time_s": YEAR,
        "preapproved": (),
        "alert_limits": AlertLimits(per_day=10, seconds_per_day=600),
        "alert_without_time": False,
        "after_alert": AfterAlert.RESUME,
        "unsigned_streams": (),
        "preapproved_holders": 1,
        "order_deadline_min": 60,
        "order_rule": OrderRule.WAIT,
    }
    return Policy(**{**facts, **changes})


def assignment(**changes: Any) -> Assignment:
    """Return where the board hangs."""
    facts: dict[str, Any] = {
        "endpoint": DEVICE.signer.public.fingerprint,
        "epoch": 1,
        "serial": 5,
        "scope": CLUSTER,
        "village": "ban-1",
    }
    return Assignment(**{**facts, **changes})


def settings(**changes: Any) -> Settings:
    """Return the station's settings."""
    facts: dict[str, Any] = {
        "scope": STATION,
        "epoch": 1,
        "serial": 5,
        "content": ("https://loa.example/content",),
        "broker": ("mqtts://loa.example:8883",),
        "service": ("https://loa.example:8443",),
        "authorities": (b"a certificate authority",),
        "fallback": {},
        "fittings": (),
        "heartbeat_s": 300,
    }
    return Settings(**{**facts, **changes})


def deny_list(**changes: Any) -> DenyList:
    """Return an empty deny list of the province."""
    facts: dict[str, Any] = {"scope": SCOPE, "epoch": 1, "serial": 5, "entries": ()}
    return DenyList(**{**facts, **changes})


def bulletin(**changes: Any) -> Bulletin:
    """Return what the province offers to the station."""
    facts: dict[str, Any] = {
        "id": event("bulletin"),
        "scope": STATION,
        "kind": BulletinKind.PRIORITY,
        "title": "Phòng chống dịch tả lợn",
        "language": "vi",
        "category": "thông báo",
        "not_before": START,
        "expires": START + 7 * DAY,
        "media": media_of(b"news"),
    }
    return Bulletin(**{**facts, **changes})


def alert(**changes: Any) -> Alert:
    """Return a siren at the station, at once."""
    facts: dict[str, Any] = {
        "id": event("alert"),
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
        "media": media_of(SIREN),
    }
    return Alert(**{**facts, **changes})


def cancel(**changes: Any) -> Alert:
    """Return the end of an earlier alert."""
    facts: dict[str, Any] = {
        "id": event("cancel"),
        "message": AlertMessage.CANCEL,
        "references": (event("alert"),),
        "media": None,
    }
    return alert(**{**facts, **changes})


def grant(**changes: Any) -> Grant:
    """Return ten minutes of live sound from now on."""
    public = SESSION.signer.public
    facts: dict[str, Any] = {
        "id": event("grant"),
        "scope": STATION,
        "title": "Chủ tịch xã phát biểu",
        "kind": BulletinKind.NORMAL,
        "language": "vi",
        "category": "thông báo",
        "start": NOW.unix_s,
        "end": NOW.unix_s + 600,
        "algorithm": public.algorithm,
        "raw": public.raw,
        "codec": Codec.OPUS,
        "volume": 10,
        "mark": Mark.NONE,
    }
    return Grant(**{**facts, **changes})


def chunk(**changes: Any) -> LiveChunk:
    """Return a second of live sound, to be heard in two."""
    facts: dict[str, Any] = {
        "grant": event("grant"),
        "number": 7,
        "at_ms": NOW.unix_s * 1000 + 2000,
        "packets": (b"\xfc" + bytes(40),) * 3,
    }
    return LiveChunk(**{**facts, **changes})


def command(verb: Verb, **changes: Any) -> Command:
    """Return an order to the station's clusters."""
    facts: dict[str, Any] = {
        "id": event(f"command {verb.name}"),
        "scope": STATION,
        "number": 41,
        "verb": verb,
        "reason": "Kiểm tra",
        "issued": NOW.unix_s - 5,
        "expires": NOW.unix_s + 600,
        "duration_s": {Verb.LOCKDOWN: 3600, Verb.RECALL: 600}.get(verb, 0),
        "value": 9 if verb is Verb.VOLUME else 0,
        "references": (event("command HOLD"),) if verb is Verb.RELEASE else (),
        "nonce": NONCE if verb is Verb.RESET_FLOOR else None,
        "endpoint": DEVICE.kid if verb is Verb.RECALL else None,
        "since": NOW.unix_s - 3600 if verb is Verb.RECALL else None,
    }
    return Command(**{**facts, **changes})


def head(**changes: Any) -> Head:
    """Return a head of five minutes ago."""
    facts: dict[str, Any] = {
        "scope": SCOPE,
        "time": NOW.unix_s - 300,
        "tree": digest("tree"),
        "leaves": 3,
        "standing_orders": bytes(32),
        "deny_list": bytes(32),
        "root_version": 1,
        "root": digest("root"),
        "policies": (),
    }
    return Head(**{**facts, **changes})


def time_answer(**changes: Any) -> TimeAnswer:
    """Return the time over our nonce."""
    return TimeAnswer(**{"nonce": NONCE, "time_ms": NOW.unix_s * 1000, **changes})


def receipt(**changes: Any) -> Receipt:
    """Return how far our records have come."""
    facts: dict[str, Any] = {
        "endpoint": DEVICE.kid,
        "epoch": 1,
        "next": 7,
        "chain": digest("chain"),
        "time_ms": NOW.unix_s * 1000,
    }
    return Receipt(**{**facts, **changes})
