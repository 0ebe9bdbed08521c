"""Whoever owns the servers can silence a village, and cannot make it say a word: over virtual days.

A real agent (its wiring, disk, director and player core) lives through days in which a server with
its own keys, and a broker, do everything they can. Every sample that is written is weighed: against
the attacker's tone, and against what people had signed by then. Each run has open live grants, a
hold that stands for a day, a lockdown, alerts under the hold, and a playlist that is denied.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from loa_protocol.envelope import Seal
from support.hostile_broker import FORGERIES, MOODS, VOICES
from support.hostile_days import Days
from support.hostile_line import SERVER_CARDS
from support.hostile_oracle import LIVE_HZ
from support.hostile_world import DAY

ATTACKS = {*SERVER_CARDS, *FORGERIES, *VOICES, *MOODS, "lying wall clock", "restart"}
REFUSED = {
    "alert signature",
    "alert chain",
    "alert role",
    "alert threshold",
    "alert scope",
    "bundle format",
    "command threshold",
    "grant threshold",
    "playlist threshold",
    "head rollback",
    "head not_yet",
    "live_chunk unknown_signer",
    "live_chunk signature",
    "live_chunk replayed",
    "live_chunk expired",
}
LEAST_S = 30  # of signed sound, or the run shows nothing


def live_through(days: Days, patch: pytest.MonkeyPatch) -> None:
    """Run, tell, and look at what must hold of every run."""
    days.run(patch)
    patch.undo()
    print(days.told())
    meter = days.meter
    assert (meter.unsigned, meter.marked) == (0, 0), meter.faults
    assert days.oracle.strangers == [], "kept or taken, and nobody had signed it"


@pytest.mark.requirement("SEC-2", "SEC-3", "SEC-4", "SEC-8")
def test_no_attacker_makes_a_village_say_a_word_in_three_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = Days(tmp_path, seed=1)
    live_through(days, monkeypatch)
    heard_s = {hz: samples / 48_000 for hz, samples in days.meter.heard.items()}
    assert sum(heard_s.values()) > LEAST_S
    assert heard_s[LIVE_HZ] > 10
    assert days.held_s > DAY / 2, "a hold stood"
    assert days.open_s > 300, "a grant was open"
    assert days.clock_off_ms < 5000
    assert ATTACKS - set(days.tried) == set()
    assert REFUSED - set(days.refusals) == set()


@pytest.mark.requirement("SEC-8")
def test_who_owns_the_time_key_moves_signed_sound_and_adds_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = Days(tmp_path, seed=2, days=1, time_lie_ms=3 * 3_600_000)
    live_through(days, monkeypatch)
    assert days.clock_off_ms > 3_500_000, "the lie was believed: the threat model says so"


def test_where_seals_are_not_checked_the_attacker_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Seal, "is_by", lambda *_: True)
    days = Days(tmp_path, seed=3, days=1)
    days.run(monkeypatch)
    monkeypatch.undo()
    assert days.meter.marked > 48_000
    assert days.meter.unsigned > 48_000
    assert days.oracle.strangers


@pytest.mark.requirement("SEC-2", "SEC-3", "SEC-4", "SEC-8")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [11, 12, 13])
@pytest.mark.on_request
def test_nor_in_thirty_days(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    days = Days(tmp_path, seed=seed, days=30)
    live_through(days, monkeypatch)
    assert ATTACKS - set(days.tried) == set()
