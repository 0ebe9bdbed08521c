"""The rules of a province or commune (quy chế), which the device itself enforces."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from loa_protocol.objects.authority import SECONDS
from loa_protocol.schema import Bool, Bytes, Choice, Int, ListOf, MapOf, Nested, Text, Wire, wire
from loa_protocol.scope import SCOPE
from loa_protocol.stream_url import MAX_HOST, is_host

MINUTE_OF_DAY = Int(0, 1440)
VOLUME_MAX = 15  # the trade's volume levels run from 1 to 15
VOLUME = Int(0, VOLUME_MAX)
LANGUAGE = Text(35)  # a BCP 47 tag
CENTI_LUFS = Int(-7000, 0)
HOST = Text(MAX_HOST, rule=is_host)


class AfterAlert(enum.IntEnum):
    """What becomes of the item an alert interrupted."""

    RESUME = 1
    DROP = 2


class OrderRule(enum.IntEnum):
    """Which of two priority bulletins goes first when nobody decided by the deadline."""

    WAIT = 1  # neither, until somebody decides
    HIGHER_FIRST = 2  # the higher level's
    OWN_FIRST = 3  # the commune's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours(Wire):
    """A span of local time in which scheduled sound is allowed."""

    weekdays: int = wire(1, Int(1, 127))  # bit 0 is Monday
    start_min: int = wire(2, MINUTE_OF_DAY)
    end_min: int = wire(3, MINUTE_OF_DAY)  # excluded; after start


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeCap(Wire):
    """The loudest volume level in a span of local time; outside all spans the cap is 15."""

    start_min: int = wire(1, MINUTE_OF_DAY)
    end_min: int = wire(2, MINUTE_OF_DAY)
    level: int = wire(3, VOLUME)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLimits(Wire):
    """How often and how long one holder's alerts may sound in a day."""

    per_day: int = wire(1, Int(0, 1000))
    seconds_per_day: int = wire(2, Int(0, 86_400))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Wire):
    """Signed rules. A commune's own policy may only tighten its province's."""

    scope: str = wire(1, SCOPE)
    epoch: int = wire(2, Int(0, 2**31))
    serial: int = wire(3, Int())
    not_before: int = wire(4, SECONDS)
    expires: int = wire(5, SECONDS)
    utc_offset_min: int = wire(6, Int(-720, 840))
    hours: tuple[Hours, ...] = wire(7, ListOf(Nested(Hours, row=True), 64))
    sessions_per_day: int = wire(8, Int(0, 96))
    minutes_per_session: int = wire(9, Int(0, 1440))
    volume_caps: tuple[VolumeCap, ...] = wire(10, ListOf(Nested(VolumeCap, row=True), 48))
    loudness_clufs: int = wire(11, CENTI_LUFS)  # hundredths of LUFS; -2300 by default
    languages: tuple[str, ...] = wire(12, ListOf(LANGUAGE, 64))  # empty: any
    refused_categories: tuple[str, ...] = wire(13, ListOf(Text(40), 64))
    retention_days: int = wire(14, Int(1, 3660))
    cached_days: int = wire(15, Int(0, 366))  # how long a schedule runs without a fresh head
    thresholds: dict[int, int] = wire(16, MapOf(Int(1, 16), 32))  # kind -> holders, above the floor
    start_wait_s: int = wire(17, Int(0, 600))  # after boot, wait so long for a fresh head
    unsigned_time_s: int = wire(18, Int(0, 2**31))  # how far unsigned clocks may lead the floor
    preapproved: tuple[bytes, ...] = wire(19, ListOf(Bytes(32, 32), 256))
    alert_limits: AlertLimits = wire(20, Nested(AlertLimits))
    alert_without_time: bool = wire(21, Bool())
    after_alert: AfterAlert = wire(22, Choice(AfterAlert))
    unsigned_streams: tuple[str, ...] = wire(23, ListOf(HOST, 16))  # hosts, marked in records
    preapproved_holders: int = wire(24, Int(1, 8))  # of a commune, for alerts of such media
    order_deadline_min: int = wire(25, Int(0, 10_080))  # before a session
    order_rule: OrderRule = wire(26, Choice(OrderRule))
    unsigned_stream_hours: tuple[Hours, ...] | None = wire(  # absent: unsigned streams never sound
        27, ListOf(Nested(Hours, row=True), 64, 1), optional=True
    )
