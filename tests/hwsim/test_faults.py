"""Fault scripts: what they say, when it happens, and everything that can be wrong with one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.fuzz_fault_script import fuzz
from loa_hwsim.fault_file import load_faults, parse_faults
from loa_hwsim.faults import RULES, Fault, FaultPlan, Kind, Place
from loa_protocol.errors import ConfigError

START_MS = 1_800_000_000_000


def plan(text: str) -> FaultPlan:
    return parse_faults(text, where="faults.toml", start_ms=START_MS)


def only(text: str) -> Fault:
    (fault,) = plan("[[fault]]\n" + text).faults
    return fault


def faults_of(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        plan(text)
    assert caught.value.where == "faults.toml"
    return caught.value.faults


def test_a_fault_is_read_with_its_span() -> None:
    fault = only('at = "+12.5s"\nfor = "20s"\nkind = "carrier_off"\nfrequency_khz = 91000')
    assert (fault.kind, fault.place, fault.frequency_khz) == (Kind.CARRIER_OFF, Place.AIR, 91_000)
    assert (fault.start_ms, fault.end_ms) == (START_MS + 12_500, START_MS + 32_500)


@pytest.mark.parametrize(
    ("span", "begins", "ends"),
    [
        ("at = 5000", 5000, None),
        ('at = 5000\nuntil = "+2min"', 5000, START_MS + 120_000),
        ('at = "+250ms"\nuntil = 1900000000000', START_MS + 250, 1_900_000_000_000),
        ('at = "+0s"\nfor = "1h"', START_MS, START_MS + 3_600_000),
    ],
)
def test_times_are_absolute_or_after_the_start(span: str, begins: int, ends: int | None) -> None:
    fault = only(f'kind = "rds_off"\n{span}')
    assert (fault.start_ms, fault.end_ms) == (begins, ends)


def test_an_empty_script_is_no_fault() -> None:
    assert plan("").faults == ()
    assert plan("").next_change_ms() is None


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_can_be_written(kind: Kind) -> None:
    rule = RULES[kind]
    lines = [f'kind = "{kind}"', "at = 1"]
    if len(rule.places) > 1:
        lines.append(f'device = "{rule.places[-1]}"')
    for name, allowed in rule.numbers.items():
        lines.append('pi = "1234"' if name == "pi" else f"{name} = {allowed.high}")
    fault = only("\n".join(lines))
    assert fault.place is rule.places[-1]
    assert {name: fault.number(name) for name in rule.numbers} == {
        name: 0x1234 if name == "pi" else allowed.high for name, allowed in rule.numbers.items()
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('at = 1\nkind = "carrier_of"', "kind 'carrier_of' is not one of"),
        ("at = 1", "kind must be a text"),
        ('kind = "rds_off"', "at must be unix milliseconds"),
        ('kind = "rds_off"\nat = "12s"', "at must be unix milliseconds"),
        ('kind = "rds_off"\nat = "+12"', "at must be unix milliseconds"),
        ('kind = "rds_off"\nat = -1', "at must be unix milliseconds"),
        ('kind = "rds_off"\nat = true', "at must be unix milliseconds"),
        ('kind = "rds_off"\nat = 9\nuntil = 9', "ends before it begins"),
        ('kind = "rds_off"\nat = 9\nfor = "0s"', "for must be a duration"),
        ('kind = "rds_off"\nat = 9\nfor = 5', "for must be a duration"),
        ('kind = "rds_off"\nat = 9\nfor = "1s"\nuntil = 99', "until or for, not both"),
        ('kind = "tuner_reset"\nat = 9\nfor = "1s"', "over at once"),
        ('kind = "wrong_pi"\nat = 9', "pi must be four hexadecimal"),
        ('kind = "wrong_pi"\nat = 9\npi = 7301', "pi must be four hexadecimal"),
        ('kind = "carrier_level"\nat = 9', "level_dbuv must be a number from -20 to 120, got noth"),
        ('kind = "carrier_level"\nat = 9\nlevel_dbuv = nan', "level_dbuv must be"),
        ('kind = "carrier_off"\nat = 9\nfrequency_khz = 91', "frequency_khz must be"),
        ('kind = "tuner_mute"\nat = 9\nfrequency_khz = 91000', "unknown key 'frequency_khz'"),
        ('kind = "garbage"\nat = 9', "device must be a text"),
        ('kind = "garbage"\nat = 9\ndevice = "air"', "device must be tuner or bus or bench"),
        ('kind = "rds_off"\nat = 9\nlength = 7', "unknown key 'length'"),
    ],
)
def test_a_wrong_fault_is_named(text: str, complaint: str) -> None:
    found = faults_of("[[fault]]\n" + text)
    assert any(re.search(complaint, each) for each in found), found
    assert all(each.startswith("fault 1: ") for each in found)


def test_every_fault_of_the_file_is_listed() -> None:
    found = faults_of('colour = 1\n[[fault]]\nat = 1\n[[fault]]\nkind = "rds_off"\nfo = 2')
    assert len(found) == 4
    assert found[0].startswith("fault 1: kind")
    assert found[-1] == "unknown key 'colour'"


def test_a_table_that_is_no_list_is_named() -> None:
    assert faults_of("fault = 3") == ("fault must be written as [[fault]]",)
    assert faults_of("fault = [1]") == ("fault 1: must be a table",)


def test_what_is_not_toml_is_named() -> None:
    assert faults_of("[[fault")[0].startswith("not TOML: ")
    assert "longer than" in faults_of("#" * (1 << 21))[0]


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_faults(tmp_path / "none.toml", start_ms=0)
    (tmp_path / "latin.toml").write_bytes(b"# \xe9")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_faults(tmp_path / "latin.toml", start_ms=0)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text('[[fault]]\nat = "+1s"\nkind = "line_open"\n', encoding="utf-8")
    (fault,) = load_faults(path, start_ms=START_MS).faults
    assert (fault.place, fault.start_ms) == (Place.LINE, START_MS + 1000)


def test_changes_are_told_once_and_in_order() -> None:
    script = plan(
        '[[fault]]\nat = 100\nuntil = 300\nkind = "rds_off"\n'
        '[[fault]]\nat = 200\nkind = "tuner_reset"\n'
        '[[fault]]\nat = 300\nuntil = 400\nkind = "carrier_off"\n'
    )
    told = [(c.when_ms, c.begins, c.fault.kind.value) for c in script.take_changes(300)]
    assert told == [
        (100, True, "rds_off"),
        (200, True, "tuner_reset"),
        (300, False, "rds_off"),
        (300, True, "carrier_off"),
    ]
    assert script.next_change_ms() == 400
    assert script.take_changes(399) == []
    assert len(script.take_changes(400)) == 1
    assert script.next_change_ms() is None


def test_a_momentary_fault_never_stands() -> None:
    script = plan('[[fault]]\nat = 100\nkind = "garbage"\ndevice = "bus"')
    assert script.standing(Place.BUS, 100) == []
    assert len(script.take_changes(100)) == 1


def test_standing_faults_are_those_of_the_place_and_moment() -> None:
    script = plan(
        '[[fault]]\nat = 100\nuntil = 200\nkind = "line_open"\n'
        '[[fault]]\nat = 100\nkind = "amplifier_dead"\n'
    )
    assert [f.kind for f in script.standing(Place.LINE, 100)] == [Kind.LINE_OPEN]
    assert script.standing(Place.LINE, 200) == []
    assert [f.kind for f in script.standing(Place.AMPLIFIER, 1e15)] == [Kind.AMPLIFIER_DEAD]


def test_on_air_are_the_standing_faults_of_a_frequency() -> None:
    script = plan(
        '[[fault]]\nat = 100\nuntil = 200\nkind = "carrier_off"\nfrequency_khz = 91000\n'
        '[[fault]]\nat = 150\nuntil = 200\nkind = "rds_off"\n'
        '[[fault]]\nat = 100\nkind = "line_open"\n'
    )
    kinds = [[f.kind.value for f in script.on_air(91_000, at)] for at in (99, 100, 150, 200)]
    assert kinds == [[], ["carrier_off"], ["carrier_off", "rds_off"], []]
    assert [f.kind.value for f in script.on_air(95_000, 150)] == ["rds_off"]


def test_a_number_without_default_must_be_given() -> None:
    fault = Fault(kind=Kind.CARRIER_LEVEL, place=Place.AIR, start_ms=0)
    assert fault.number("ramp_s") == 0
    with pytest.raises(KeyError):
        fault.number("level_dbuv")


@given(st.binary(max_size=200))
@example(b'level_dbuv = 1e999\nfor = "999999999h"')
@example(b'kind = "rds_off"\nat = "+1s"')
@example(b"[" * 200)
def test_any_script_raises_nothing_but_config_errors(data: bytes) -> None:
    fuzz(data)


words = st.sampled_from(
    [
        "at = 5",
        'at = "+1s"',
        'for = "2s"',
        "until = 9",
        'kind = "garbage"',
        'kind = "rds_off"',
        'device = "bus"',
        "bytes = 5",
        'pi = "zz"',
        "frequency_khz = 91000",
        "[[fault]]",
        "x = 1",
    ]
)


@given(st.lists(words, max_size=10))
def test_any_mixture_of_good_words_raises_nothing_but_config_errors(chosen: list[str]) -> None:
    fuzz("\n".join(chosen).encode())
