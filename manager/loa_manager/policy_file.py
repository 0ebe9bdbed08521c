"""Policies as people write them: presets, and a TOML file that names what differs from one.

Days are local days at the policy's offset from UTC, times of day are ``"HH:MM"``. Every fault of a
file is named, not only the first. The form is described in docs/policy.md.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Final

from loa_manager.publish.values import read_host
from loa_protocol.envelope import Kind
from loa_protocol.errors import ConfigError, MessageError
from loa_protocol.language import translator
from loa_protocol.objects.policy import AfterAlert, AlertLimits, Hours, OrderRule, Policy, VolumeCap

_ = translator("loa_manager")

VIETNAM_OFFSET_MIN: Final = 420
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LIFE: Final = timedelta(days=365)
_EVERY_DAY: Final = 0b1111111
_WORKDAYS: Final = 0b0011111
# Mornings from 05:00 and evenings to 21:00 in the villages; 21:00 is where the noise limits of the
# national regulation on noise tighten. The commune's own policy narrows it.
_RURAL: Final[dict[str, Any]] = {
    "hours": (Hours(weekdays=_EVERY_DAY, start_min=5 * 60, end_min=21 * 60),),
    "sessions_per_day": 4,
    "minutes_per_session": 45,
}
# What the city is reported to allow its inner wards: two sessions of 15 min on five days a week.
_HANOI: Final[dict[str, Any]] = {
    "hours": (Hours(weekdays=_WORKDAYS, start_min=5 * 60, end_min=21 * 60),),
    "sessions_per_day": 2,
    "minutes_per_session": 15,
}
PRESETS: Final = {"rural": _RURAL, "hanoi": _HANOI}


def preset_policy(preset: str, scope: str, now: datetime) -> Policy:
    """Return the unsigned policy *preset* for *scope*, for a year from *now*.

    Raises:
        ConfigError: there is no such preset.
    """
    if preset not in PRESETS:
        raise ConfigError(_("policy"), [_unknown("preset", preset, PRESETS)])
    start = int(now.timestamp())
    facts: dict[str, Any] = {
        "volume_caps": (),
        "loudness_clufs": -2300,
        "languages": (),
        "refused_categories": ("quảng cáo",),
        "retention_days": 400,
        "cached_days": 30,
        "thresholds": {},
        "start_wait_s": 20,
        "unsigned_time_s": 366 * 86_400,
        "preapproved": (),
        "alert_limits": AlertLimits(per_day=10, seconds_per_day=600),
        "alert_without_time": False,
        "after_alert": AfterAlert.RESUME,
        "unsigned_streams": (),
        "preapproved_holders": 1,
        "order_deadline_min": 60,
        "order_rule": OrderRule.WAIT,
        **PRESETS[preset],
    }
    return Policy(
        scope=scope,
        epoch=0,
        serial=0,
        not_before=start,
        expires=start + int(LIFE.total_seconds()),
        utc_offset_min=VIETNAM_OFFSET_MIN,
        **facts,
    )


def parse_policy(text: str, province: str, now: datetime, where: str = "policy") -> Policy:
    """Return the unsigned policy that the TOML *text* describes.

    Args:
        text: The file's content.
        province: The scope where the file names none.
        now: When it comes into force where the file does not say.
        where: The file's name, for the error.

    Raises:
        ConfigError: with every fault of the file.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(where, [str(error)]) from None
    base = preset_policy(str(table.pop("preset", "rural")), province, now)
    faults: list[str] = []
    facts: dict[str, Any] = {}
    for key, value in table.items():
        try:
            facts.update(_read(key, value))
        except (ValueError, TypeError) as error:
            faults.append(f"{key}: {error}")
    offset = facts.get("utc_offset_min", base.utc_offset_min)
    for key in ("not_before", "expires"):
        if key in facts:
            facts[key] = _instant(facts[key], offset)
    if "not_before" in facts and "expires" not in facts:
        facts["expires"] = facts["not_before"] + int(LIFE.total_seconds())
    if faults:
        raise ConfigError(where, faults)
    policy = dataclasses.replace(base, **facts)
    try:
        policy.to_bytes()  # the wire object's own limits
    except MessageError as error:
        raise ConfigError(where, [str(error)]) from None
    if bool(policy.unsigned_streams) != bool(policy.unsigned_stream_hours):
        fault = _(
            "unsigned streams sound only with both unsigned_streams and unsigned_stream_hours"
        )
        raise ConfigError(where, [fault])
    if policy.expires <= policy.not_before:
        raise ConfigError(where, [_("expires must come after not_before")])
    return policy


def parse_time(text: object) -> int:
    """Return the minute of the day of ``"HH:MM"``; ``"24:00"`` is 1440.

    Raises:
        ValueError: not of that form.
    """
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(_('expected a time such as "05:30", got {value!r}').format(value=text))
    minute = int(match[1]) * 60 + int(match[2])
    if int(match[2]) > 59 or minute > 1440:
        raise ValueError(_("{value} is no time of day").format(value=text))
    return minute


def parse_days(value: object) -> int:
    """Return the weekday bits (bit 0 is Monday) of ``"mon-fri"``, ``"sat"`` or a list of days.

    Raises:
        ValueError: a name is not a day.
    """
    bits = 0
    for part in value if isinstance(value, list) else [value]:
        first, _dash, last = str(part).partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise ValueError(_unknown("day", str(part), DAYS))
        start, end = DAYS.index(first), DAYS.index(last or first)
        span = range(start, end + 1 if end >= start else end + 8)  # "sat-mon" runs over Sunday
        bits |= sum(1 << (day % 7) for day in span)
    return bits


def _read(key: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
    if key in _PLAIN:
        return {key: _typed(value, _PLAIN[key])}
    reader = _READERS.get(key)
    if reader is None:
        raise ValueError(_("is not known here"))
    return reader(value)


def _typed(value: Any, kind: type) -> Any:  # noqa: ANN401 - TOML of any shape
    if kind is tuple:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise ValueError(_("expected a list of texts, got {value!r}").format(value=value))
        return tuple(value)
    if type(value) is not kind:
        raise ValueError(
            _("expected {kind}, got {value!r}").format(kind=kind.__name__, value=value)
        )
    return value


def _hours(rows: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
    return {"hours": _spans(rows)}


def _stream_hours(rows: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
    return {"unsigned_stream_hours": _spans(rows) or None}


def _stream_hosts(value: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
    hosts = [read_host(each) for each in _typed(value, tuple)]
    return {"unsigned_streams": tuple(dict.fromkeys(hosts))}


def _spans(rows: Any) -> tuple[Hours, ...]:  # noqa: ANN401 - TOML of any shape
    hours = []
    for row in _rows(rows, {"days", "from", "to"}):
        start, end = parse_time(row["from"]), parse_time(row["to"])
        if end <= start:
            raise ValueError(_("hours end at or before their start; split them at midnight"))
        days = parse_days(row.get("days", "mon-sun"))
        hours.append(Hours(weekdays=days, start_min=start, end_min=end))
    return tuple(hours)


def _volume_caps(rows: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
    caps = [
        VolumeCap(
            start_min=parse_time(row["from"]),
            end_min=parse_time(row["to"]),
            level=_typed(row.get("level"), int),
        )
        for row in _rows(rows, {"from", "to", "level"})
    ]
    return {"volume_caps": tuple(caps)}


def _rows(rows: Any, keys: set[str]) -> list[Mapping[str, Any]]:  # noqa: ANN401 - TOML of any shape
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(_("expected tables"))
    for row in rows:
        if extra := row.keys() - keys:
            raise ValueError(_unknown("key", ", ".join(sorted(extra)), sorted(keys)))
        if missing := {"from", "to"} - row.keys():
            raise ValueError(_("{keys} is missing").format(keys=", ".join(sorted(missing))))
    return list(rows)


def _offset(value: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
    match = re.fullmatch(r"([+-])(\d{2}):(\d{2})", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            _('expected an offset such as "+07:00", got {value!r}').format(value=value)
        )
    minutes = int(match[2]) * 60 + int(match[3])
    return {"utc_offset_min": minutes if match[1] == "+" else -minutes}


def _loudness(value: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(_("expected {kind}, got {value!r}").format(kind="LUFS", value=value))
    return {"loudness_clufs": round(value * 100)}


def _alerts(value: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
    if not isinstance(value, dict) or value.keys() != {"per_day", "seconds_per_day"}:
        raise ValueError(_("expected per_day and seconds_per_day"))
    return {"alert_limits": AlertLimits(**{k: _typed(v, int) for k, v in value.items()})}


def _choice(key: str, kind: type[enum.IntEnum]) -> Callable[[Any], dict[str, Any]]:
    names = {each.name.lower(): each for each in kind}

    def read(value: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
        if value not in names:
            raise ValueError(_unknown("choice", str(value), names))
        return {key: names[value]}

    return read


def _preapproved(value: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
    return {"preapproved": tuple(bytes.fromhex(each) for each in _typed(value, tuple))}


def _thresholds(value: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
    names = {kind.name.lower(): int(kind) for kind in Kind}
    if not isinstance(value, dict) or not value.keys() <= names.keys():
        raise ValueError(_unknown("kind", str(value), names))
    return {"thresholds": {names[name]: _typed(count, int) for name, count in value.items()}}


def _day(key: str) -> Callable[[Any], dict[str, Any]]:
    def read(value: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
        if not isinstance(value, date):
            raise ValueError(
                _("expected a day such as 2027-01-31, got {value!r}").format(value=value)
            )
        return {key: value}

    return read


def _unsigned_time(value: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
    return {"unsigned_time_s": _typed(value, int) * 86_400}


def _instant(day: date | datetime, offset_min: int) -> int:
    zone = timezone(timedelta(minutes=offset_min))
    if isinstance(day, datetime):
        return int((day if day.tzinfo else day.replace(tzinfo=zone)).astimezone(UTC).timestamp())
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def _unknown(what: str, value: str, allowed: Any) -> str:  # noqa: ANN401 - any iterable of names
    text = _("{what} {value!r} is not one of {allowed}")
    return text.format(what=what, value=value, allowed=", ".join(allowed))


_PLAIN: Final[dict[str, type]] = {
    "scope": str,
    "sessions_per_day": int,
    "minutes_per_session": int,
    "retention_days": int,
    "cached_days": int,
    "start_wait_s": int,
    "preapproved_holders": int,
    "order_deadline_min": int,
    "alert_without_time": bool,
    "languages": tuple,
    "refused_categories": tuple,
}
_READERS: Final[dict[str, Callable[[Any], dict[str, Any]]]] = {
    "hours": _hours,
    "unsigned_streams": _stream_hosts,
    "unsigned_stream_hours": _stream_hours,
    "volume_cap": _volume_caps,
    "utc_offset": _offset,
    "loudness_lufs": _loudness,
    "alerts": _alerts,
    "after_alert": _choice("after_alert", AfterAlert),
    "order_rule": _choice("order_rule", OrderRule),
    "preapproved": _preapproved,
    "thresholds": _thresholds,
    "not_before": _day("not_before"),
    "expires": _day("expires"),
    "unsigned_time_days": _unsigned_time,
}
