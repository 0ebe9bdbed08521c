from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.fm_proof import FmProof, Proof
from loa_protocol.parameters import DEFAULTS

OURS, THEIRS = 0x7301, 0x7302


def held() -> FmProof:
    proof = FmProof(OURS, DEFAULTS)
    for at_ms in (0, 90, 180):
        proof.see(OURS, 0, at_ms)
    assert proof.proof is Proof.HELD
    return proof


@pytest.mark.requirement("SRC-2")
def test_three_certain_lines_of_the_signed_pi_prove_the_station() -> None:
    proof = FmProof(OURS, DEFAULTS)
    assert proof.reason == "no_pi"
    assert not proof.see(OURS, 0, 0).may_sound
    assert not proof.see(OURS, 0, 90).may_sound
    assert proof.see(OURS, 0, 180).may_sound
    assert proof.reason == ""


@pytest.mark.parametrize("certainty", [1, 2, 3])
def test_uncertain_lines_prove_nothing_however_many(certainty: int) -> None:
    proof = FmProof(OURS, DEFAULTS)
    for at_ms in range(0, 9000, 90):
        proof.see(OURS, certainty, at_ms)
    assert proof.proof is Proof.NONE


@pytest.mark.requirement("SRC-2")
def test_another_pi_closes_at_once() -> None:
    proof = held()
    assert proof.see(THEIRS, 0, 1000) is Proof.REFUSED
    assert (proof.reason, proof.other_pi) == ("other_pi", THEIRS)


def test_after_a_stranger_the_station_has_to_prove_itself_anew() -> None:
    proof = held()
    proof.see(THEIRS, 0, 1000)
    assert not proof.see(OURS, 0, 1090).may_sound
    assert not proof.see(OURS, 0, 1180).may_sound
    assert proof.see(OURS, 0, 1270).may_sound
    assert proof.other_pi is None


def test_before_it_opens_a_single_stray_line_only_stops_the_vote() -> None:
    proof = FmProof(OURS, DEFAULTS)
    proof.see(OURS, 0, 0)
    proof.see(OURS, 0, 90)
    assert proof.see(THEIRS, 0, 180) is Proof.NONE
    proof.see(OURS, 0, 270)
    assert proof.see(OURS, 0, 360) is Proof.NONE
    assert proof.see(OURS, 0, 450) is Proof.HELD


def test_another_station_on_the_frequency_is_refused_by_name() -> None:
    proof = FmProof(OURS, DEFAULTS)
    states = [proof.see(THEIRS, 0, 90 * n) for n in range(3)]
    assert states == [Proof.NONE, Proof.NONE, Proof.REFUSED]
    assert proof.reason == "other_pi"


def test_uncertain_strangers_raise_doubt_but_do_not_close() -> None:
    proof = held()
    proof.see(THEIRS, 3, 300)
    proof.see(0x1234, 2, 400)
    assert proof.see(THEIRS, 1, 500) is Proof.DOUBTED
    assert proof.proof.may_sound
    assert proof.see(OURS, 0, 600) is Proof.HELD


@pytest.mark.requirement("SRC-2")
def test_a_minute_without_rds_ends_the_proof_and_a_second_less_does_not() -> None:
    proof = held()
    assert proof.next_deadline() == 60_180
    assert proof.tick(60_179) is Proof.HELD
    assert proof.tick(60_180) is Proof.STALE
    assert proof.reason == "no_pi"
    for at_ms in (61_000, 61_090, 61_180):
        proof.see(OURS, 0, at_ms)
    assert proof.proof is Proof.HELD


def test_a_fading_rds_does_not_keep_the_proof_alive() -> None:
    proof = held()
    proof.see(OURS, 2, 59_000)
    assert proof.tick(60_180) is Proof.STALE


@pytest.mark.requirement("SRC-2")
def test_a_window_without_a_pi_is_never_proved() -> None:
    proof = FmProof(None, DEFAULTS)
    for at_ms in range(0, 900, 90):
        assert proof.see(OURS, 0, at_ms) is Proof.REFUSED
    assert proof.reason == "no_proof"
    proof.start_anew()
    assert proof.reason == "no_proof"


def test_a_lost_tuner_takes_the_proof_with_it() -> None:
    proof = held()
    proof.start_anew()
    assert proof.proof is Proof.NONE
    assert proof.next_deadline() is None


def test_the_counts_come_from_the_parameters() -> None:
    proof = FmProof(OURS, replace(DEFAULTS, fm_pi_proof_count=1))
    assert proof.see(OURS, 0, 0) is Proof.HELD


lines = st.tuples(st.sampled_from([OURS, THEIRS, 0]), st.integers(0, 3), st.integers(0, 70_000))


@given(st.lists(lines, max_size=60))
def test_it_may_sound_only_after_three_certain_lines_in_a_row_and_never_after_a_stranger(
    heard: list[tuple[int, int, int]],
) -> None:
    proof, now_ms, last_certain = FmProof(OURS, DEFAULTS), 0, []
    matched_ms = -1
    for pi, certainty, pause_ms in heard:
        now_ms += pause_ms
        if certainty == 0:
            last_certain.append(pi)
        if proof.see(pi, certainty, now_ms).may_sound:
            matched_ms = now_ms if (pi, certainty) == (OURS, 0) else matched_ms
            assert last_certain[-3:] == [OURS] * 3
            assert now_ms - matched_ms < 60_000
