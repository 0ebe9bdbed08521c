"""Whoever owns the servers can silence a village, and cannot make it say a word: on the real wire.

A real agent process, over real TLS, whose content server and broker are in hostile hands: they have
the server's TLS key and every online key, and play their cards one by one (the virtual days of
`test_hostile_days` try more of them, and for longer). What the horn played is in a recording.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hamlet import hamlet
from support.hostile_oracle import LIVE_HZ, MARKER_HZ, SLACK_MS
from support.hostile_wire_broker import BREAKERS, FLOOD, RECEIPTS
from support.hostile_wire_ear import weigh, with_tone
from support.hostile_wire_front import front
from support.hostile_wire_night import AGAIN, CLOCK_MS, FORGED, LATE, PUSHED, VOICES, Night
from support.hostile_wire_people import ALERT_HZ, LIVE_S, LONG_HZ
from support.hostile_wire_tricks import CARDS
from support.hostile_wire_vitals import watched
from support.hostile_wire_web import LIES, MEDIA_CARDS, TIME_LIES

pytestmark = [pytest.mark.story, pytest.mark.timeout(400)]
SEED = 20_261
RATE = 48_000
MOST_MIB = 160  # of any process; about 60 at rest
MOST_MORE_MIB = 40  # than at rest: the messages that may wait are 16
MOST_GROWTH_MIB = 8  # from the second quarter of the attack to the last
MOST_FILES = 40  # about 20 at rest
MOST_LOG_LINES = 600  # of two runs under attack
ATTACKS = {
    *CARDS, *LIES, *MEDIA_CARDS, *TIME_LIES, *FORGED, *VOICES, *RECEIPTS, *BREAKERS,
    AGAIN, FLOOD, LATE, PUSHED, "receipt withheld",
}  # fmt: skip
REFUSED = {
    ("alert", "chain"),
    ("alert", "expired"),
    ("alert", "role"),
    ("alert", "signature"),
    ("alert", "threshold"),
    ("bundle", "format"),
    ("head", "not_yet"),
    ("head", "rollback"),
    ("live_chunk", "not_addressed"),
    ("live_chunk", "replayed"),
    ("live_chunk", "unknown_signer"),
    ("media", "media_hash"),
    ("message", "unknown_topic"),
    ("receipt", "chain"),
    ("receipt", "not_addressed"),
    ("receipt", "stale"),
    ("standing_orders", "another_object"),
    ("time answer", "chain"),
    ("time answer", "nonce"),
}


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    print(f"seed {SEED}")
    with begun(tmp_path_factory.mktemp("hamlet")) as night:
        with (
            watched(lambda: night.pids[-1]) as night.vitals,
            front(night.commune, night.forger, night.keys, night.chance) as hostile,
        ):
            night.attack(hostile)
        night.end()
        yield night


@contextlib.contextmanager
def begun(folder: Path) -> Iterator[Night]:
    """Give a night whose server has just been taken."""
    with hamlet(folder, poles=1) as here:
        night = Night(here, seed=SEED)
        night.begin()
        yield night


@pytest.mark.requirement("SEC-2", "SEC-3", "SEC-4", "SEC-8")
def test_no_sample_sounds_that_people_did_not_sign(night: Night) -> None:
    meter = weigh(night.pole.recording(), night.windows)
    assert (meter.unsigned, meter.marked) == (0, 0), meter.faults
    assert meter.heard[LIVE_HZ] > (LIVE_S - 4) * RATE
    assert meter.heard[LONG_HZ] > RATE
    assert meter.heard[ALERT_HZ] > RATE


@pytest.mark.requirement("SEC-8")
def test_while_the_hold_stands_not_one_sample_sounds(night: Night) -> None:
    ((begin_ms, end_ms),) = night.windows.silent
    assert end_ms - begin_ms > 10_000
    assert not night.pole.recording().part(begin_ms + SLACK_MS, end_ms).any()


def test_what_the_broker_keeps_for_itself_is_silence(night: Night) -> None:
    begin_ms, end_ms = night.withheld_ms + CLOCK_MS + 50, night.withheld_ms + 950 - CLOCK_MS
    missing = night.pole.recording().part(begin_ms, end_ms)
    assert len(missing)
    assert not missing.any()


@pytest.mark.parametrize("hz", [MARKER_HZ, 440])
def test_the_ear_finds_whatever_is_mixed_into_the_recording(night: Night, hz: int) -> None:
    ((begin_ms, _),) = night.windows.silent
    for at_ms in (begin_ms + 3000, night.withheld_ms - 2000):
        meter = weigh(with_tone(night.pole.recording(), hz, at_ms, 500), night.windows)
        assert meter.unsigned > RATE // 5
        assert bool(meter.marked) is (hz == MARKER_HZ)


@pytest.mark.requirement("SEC-8")
def test_memory_open_files_and_the_log_stay_bounded(night: Night) -> None:
    vitals = night.vitals
    for pid, seen in vitals.memory_mib.items():
        rest = vitals.at_rest_mib(pid)
        told = f"{pid}: {rest:.0f} to {max(seen):.0f} MiB, {max(vitals.files[pid])} files"
        assert max(seen) < MOST_MIB, told
        assert max(seen) - rest < MOST_MORE_MIB, told
        assert vitals.growth_mib(pid) < MOST_GROWTH_MIB, told
        assert max(vitals.files[pid]) < MOST_FILES, told
    assert set(night.pids) <= vitals.memory_mib.keys()
    assert len(night.pole.events()) < MOST_LOG_LINES


def test_every_attack_was_tried(night: Night) -> None:
    assert ATTACKS - {card for card, times in night.tried.items() if times} == set()
    assert night.flooded > 2000
    assert all(night.ended[card] for card in (*BREAKERS[:3], "abrupt close"))


@pytest.mark.requirement("SEC-8")
def test_nobody_is_led_elsewhere(night: Night) -> None:
    assert night.tried["redirect"]
    assert night.strayed == []


@pytest.mark.requirement("SEC-8")
def test_refusals_are_in_the_books_by_name(night: Night) -> None:
    found = set(night.here.refusals(night.pole))
    assert REFUSED - found == set()
    assert any(what == "playlist" for what, _ in found)


@pytest.mark.requirement("SEC-8")
def test_a_true_alert_is_obeyed_afterwards_and_no_record_is_lost(night: Night) -> None:
    assert night.obeyed_ms
    assert night.here.is_chain_whole()


_CREDULOUS = """
import sys
if "loa_endpoint" in sys.orig_argv:
    from loa_protocol.envelope import Seal
    Seal.is_by = lambda *_: True
"""


@pytest.mark.on_request
def test_where_seals_are_not_checked_the_attacker_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(_CREDULOUS)  # every Python process begins with it
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    with begun(tmp_path) as night:
        with front(night.commune, night.forger, night.keys, night.chance) as hostile:
            night.provoke(hostile)
        meter = weigh(night.pole.recording(), night.windows)
    assert meter.marked > RATE
    assert meter.unsigned > RATE
