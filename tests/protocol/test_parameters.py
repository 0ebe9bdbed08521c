from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_parameters import fuzz
from loa_protocol.errors import MessageError
from loa_protocol.parameters import DEFAULTS, FallbackParameters, ReturnMode

NUMBERS = {each.name: each.metadata["number"] for each in fields(FallbackParameters)}


def test_the_defaults_are_those_of_the_reference() -> None:
    chosen = {
        "fm_lo_below_cdb": 1500,
        "fm_hi_below_cdb": 800,
        "fm_floor_cdbuv": 2000,
        "fm_fail_ms": 5000,
        "fm_lost_ms": 500,
        "fm_cci_max_permille": 600,
        "fm_cci_fail_ms": 10_000,
        "fm_pi_proof_count": 3,
        "fm_pi_mismatch_count": 3,
        "fm_pi_absent_ms": 60_000,
        "tuner_reopen_ms": 1000,
        "tuner_fail_ms": 3000,
        "silence_level_cdbfs": -4000,
        "silence_fail_ms": 20_000,
        "silence_quiet_fail_ms": 60_000,
        "silence_emergency_fail_ms": 5000,
        "silence_reset_ms": 4000,
        "noise_fail_ms": 3000,
        "ip_starved_ms": 3000,
        "ip_no_bytes_ms": 5000,
        "ip_probe_min_ms": 10_000,
        "ip_probe_max_ms": 180_000,
        "ip_probe_jitter_permille": 200,
        "ok_fm_ms": 30_000,
        "ok_ip_ms": 30_000,
        "ok_max_ms": 300_000,
        "dwell_ms": 30_000,
        "flap_switches": 4,
        "flap_window_ms": 600_000,
        "hold_ms": 1_800_000,
        "return_limit_ms": 600_000,
        "fade_planned_ms": 500,
        "fade_out_ms": 20,
        "fade_in_ms": 200,
        "blend_aligned_ms": 1,
    }
    assert {name: getattr(DEFAULTS, name) for name in chosen} == chosen


def test_wire_numbers_are_distinct_and_never_move() -> None:
    assert sorted(NUMBERS.values()) == list(range(1, len(NUMBERS) + 1))
    assert (NUMBERS["fm_baseline_cdbuv"], NUMBERS["fm_lost_ms"], NUMBERS["hold_ms"]) == (1, 6, 32)


def test_every_default_lies_in_its_range_and_every_value_is_an_integer() -> None:
    for each in fields(FallbackParameters):
        assert each.metadata["low"] <= each.default <= each.metadata["high"], each.name
        assert each.type == "int"


def test_only_what_differs_from_the_default_goes_on_the_wire() -> None:
    assert DEFAULTS.to_map() == {}
    changed = replace(DEFAULTS, fm_baseline_cdbuv=5500, return_mode=ReturnMode.MANUAL)
    assert changed.to_map() == {1: 5500, NUMBERS["return_mode"]: 3}
    assert all(type(value) is int for value in changed.to_map().values())


def test_an_empty_map_is_the_defaults() -> None:
    assert FallbackParameters.from_map({}) == DEFAULTS


def test_every_fault_of_a_map_is_named_at_once() -> None:
    with pytest.raises(MessageError) as refusal:
        FallbackParameters.from_map({99: 1, NUMBERS["fm_fail_ms"]: 1, NUMBERS["hold_ms"]: -5, 0: 0})
    text = str(refusal.value)
    for part in ("parameter 99", "parameter 0 ", "fm_fail_ms must be from 500", "hold_ms must"):
        assert part in text


def test_parameters_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(MessageError, match="fm_fail_ms must be below ok_fm_ms"):
        FallbackParameters.from_map({NUMBERS["ok_fm_ms"]: 4000})
    with pytest.raises(MessageError, match="ip_probe_min_ms must not be above ip_probe_max_ms"):
        FallbackParameters.from_map({NUMBERS["ip_probe_max_ms"]: 5000})


@pytest.mark.parametrize("value", [True, 5000.0, "5000", None])
def test_what_is_no_integer_is_refused(value: object) -> None:
    with pytest.raises(MessageError, match="fm_fail_ms"):
        FallbackParameters.from_map({NUMBERS["fm_fail_ms"]: value})  # type: ignore[dict-item]  # the point


def test_true_is_not_parameter_number_one() -> None:
    with pytest.raises(MessageError, match="True is not known"):
        FallbackParameters.from_map({True: 5000})


def test_our_own_code_cannot_build_parameters_out_of_range() -> None:
    with pytest.raises(ValueError, match="flap_switches"):
        replace(DEFAULTS, flap_switches=1)


@pytest.mark.parametrize("baseline", [0, 2000, 4000, 5500, 9000])
def test_the_two_carrier_levels_never_cross_nor_sink_below_the_floor(baseline: int) -> None:
    parameters = replace(DEFAULTS, fm_baseline_cdbuv=baseline)
    assert DEFAULTS.fm_floor_cdbuv <= parameters.fm_lo_cdbuv < parameters.fm_hi_cdbuv
    if baseline >= 4000:
        assert parameters.fm_lo_cdbuv == baseline - 1500
        assert parameters.fm_hi_cdbuv == baseline - 800


@given(st.dictionaries(st.integers(1, len(NUMBERS)), st.integers(-10_000, 4_000_000), max_size=6))
def test_what_is_accepted_comes_back_the_same(values: dict[int, int]) -> None:
    try:
        parameters = FallbackParameters.from_map(values)
    except MessageError:
        return
    again = FallbackParameters.from_map(parameters.to_map())
    assert again == parameters
    assert again.to_map().items() <= values.items()


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading_of_a_map(data: bytes) -> None:
    fuzz(data)
