"""Health for monitoring: one level from many checks, and unknown is never taken for well."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from loa_manager import health
from loa_manager.health import Check, Level, Limits
from loa_manager.key_warnings import Term


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


def check(level: Level) -> Check:
    return Check(id="x", level=level, text="")


def counts(fleet: int, lost: int, fault: int) -> dict[str, int]:
    return {"fleet": fleet, "lost": lost, "fault": fault, "playing": 0, "connected": 0}


def test_critical_outweighs_unknown_outweighs_warning_outweighs_ok() -> None:
    order = [Level.OK, Level.WARNING, Level.UNKNOWN, Level.CRITICAL]
    for low, high in itertools.combinations_with_replacement(order, 2):
        assert health.worst([check(low), check(high)]) is high
        assert health.worst([check(high), check(low)]) is high


def test_nothing_looked_at_is_unknown() -> None:
    assert health.worst([]) is Level.UNKNOWN


@pytest.mark.parametrize(
    ("fleet", "lost", "fault", "level"),
    [
        (0, 0, 0, Level.OK),
        (100, 0, 0, Level.OK),
        (100, 1, 0, Level.WARNING),
        (100, 0, 1, Level.WARNING),
        (100, 0, 100, Level.WARNING),
        (100, 19, 0, Level.WARNING),
        (100, 20, 0, Level.CRITICAL),
        (3, 1, 0, Level.CRITICAL),
    ],
)
def test_the_fleet_is_critical_from_a_share_on(
    fleet: int, lost: int, fault: int, level: Level
) -> None:
    assert health.judge_fleet(counts(fleet, lost, fault), Limits()).level is level


@pytest.mark.parametrize(
    ("age", "level"),
    [(None, Level.WARNING), (-5, Level.OK), (3600, Level.OK), (3601, Level.CRITICAL)],
)
def test_a_stale_head_is_critical(age: int | None, level: Level) -> None:
    assert health.judge_head(age).level is level


@pytest.mark.parametrize(
    ("left", "level"),
    [(7.01, Level.OK), (7, Level.WARNING), (0, Level.CRITICAL), (-1, Level.CRITICAL)],
)
def test_certificates_of_a_fortnight_warn_seven_days_before_they_end(
    left: float, level: Level
) -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    terms = [
        Term(
            folder="server",
            name=name,
            holder="",
            starts=now + timedelta(days=days - 14),
            ends=now + timedelta(days=days),
        )
        for name, days in (("head", 10), ("time", left))
    ]
    found = health.judge_certificates(terms, now)
    assert found.level is level
    assert set(found.evidence["seconds_left"]) == {"server/head", "server/time"}  # type: ignore[call-overload]  # JSON
    if level is not Level.OK:
        assert "time" in found.text
        assert "head" not in found.text


@pytest.mark.parametrize(("behind", "level"), [(1000, Level.OK), (1001, Level.WARNING)])
def test_rows_that_lag_behind_warn(behind: int, level: Level) -> None:
    found = health.judge_records(behind, {"unknown": 2, "repeated": 1})
    assert (found.level, found.evidence["behind"]) == (level, behind)
    assert "3 records" in found.text


def test_a_broken_account_is_critical_and_names_the_row() -> None:
    found = health.judge_audit(17, 16)
    assert (found.level, found.evidence["broken"]) == (Level.CRITICAL, 17)
    assert health.judge_audit(None, 16).level is Level.OK


@pytest.mark.parametrize(
    ("free", "level"),
    [(2 * 10**9, Level.OK), (2 * 10**9 - 1, Level.WARNING), (199 * 10**6, Level.CRITICAL)],
)
def test_a_full_disk_is_seen_before_it_is_full(free: int, level: Level) -> None:
    assert health.judge_disk(free).level is level
