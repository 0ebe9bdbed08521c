from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.xdr_lines import (
    MAX_LINE,
    Dialect,
    Echo,
    LineSplitter,
    Pi,
    Quality,
    RdsGroup,
    Started,
    Tuned,
    parse_line,
)
from loa_hwsim.xdr import FM_DX_TUNER
from loa_protocol.rds import CLEAN, LOST, Group


@pytest.mark.requirement("RAD-1")
@pytest.mark.parametrize(
    ("line", "level_dbuv", "stereo", "cci", "aci", "dialect"),
    [
        (b"Ss58.75,3,0,-1", 47.5, True, 30, 0, Dialect.A),  # the two examples of the reference
        (b"Ss58.3,3,1,236", 47.42, True, 0, 10, Dialect.B),
        (b"Sm58,0,-1,-1", 46.75, False, 0, None, Dialect.A),
        (b"SS58.5,100,100,-1", 47.25, True, 1000, 1000, Dialect.A),
        (b"SM-3.25,-1,-1,-1", -14.5, False, None, None, Dialect.A),
        (b"Sm30.8, 12, 7", 19.92, False, 268, 70, Dialect.B),  # an older release of B
        (b"SM30.8,40,0,114", 19.92, False, 1000, 0, Dialect.B),
    ],
)
def test_a_quality_line_of_either_dialect_is_brought_to_dbuv_and_one_scale(
    line: bytes,
    level_dbuv: float,
    stereo: bool,
    cci: int | None,
    aci: int | None,
    dialect: Dialect,
) -> None:
    quality = parse_line(line)
    assert isinstance(quality, Quality)
    assert quality.level_dbuv == pytest.approx(level_dbuv, abs=0.006)
    assert (quality.stereo, quality.cci_permille, quality.aci_permille) == (stereo, cci, aci)
    assert quality.dialect is dialect


@pytest.mark.parametrize("dbuv", [-19.99, -5.5, 0.0, 0.01, 12.3, 47.5, 119.99])
def test_every_level_survives_the_tuners_shortened_decimals(dbuv: float) -> None:
    line = FM_DX_TUNER.quality_line("s", dbuv, 0, -1).rstrip(b"\n")
    quality = parse_line(line)
    assert isinstance(quality, Quality)
    assert quality.level_cdbuv == round(dbuv * 100)


@pytest.mark.requirement("RAD-1")
@pytest.mark.parametrize(
    ("line", "value", "certainty"),
    [(b"P7301", 0x7301, 0), (b"P7301?", 0x7301, 1), (b"P73aF???", 0x73AF, 3)],
)
def test_a_pi_line_carries_its_certainty(line: bytes, value: int, certainty: int) -> None:
    assert parse_line(line) == Pi(value, certainty)


@pytest.mark.requirement("RAD-1")
def test_rds_lines_of_both_lengths_are_groups() -> None:
    new, old = parse_line(b"R73014001DCE2000E00"), parse_line(b"R4001DCE2000E00")
    assert isinstance(new, RdsGroup)
    assert isinstance(old, RdsGroup)
    assert new.group == Group(0x7301, 0x4001, 0xDCE2, 0x000E)
    assert old.group.errors == (LOST, CLEAN, CLEAN, CLEAN)


@pytest.mark.requirement("RAD-1")
def test_tuning_echoes_of_both_dialects_name_the_frequency() -> None:
    assert parse_line(b"T91000,10") == parse_line(b"T91000") == Tuned(91_000)


def test_other_echoes_and_the_start() -> None:
    assert parse_line(b"OK") == Started()
    assert parse_line(b"Y80") == Echo("Y", 80)
    assert parse_line(b"Q4294967295") == Echo("Q", 4_294_967_295)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"OKAY",
        b"P730",
        b"P73011",
        b"P7301????",
        b"R73014001DCE2000E0",
        b"Rxxxx",
        b"T",
        b"T-5",
        b"T91000,",
        b"S",
        b"Sx58.75,3,0,-1",
        b"Ss58.,3,0,-1",
        b"Ss999,3,0,-1",  # beyond any level there is
        b"Ss58.75",
        b"Ss58.75,3,0,-1,5",
        b"U87500=12.5,87600=30.25",
        b"!",
        b"S\xff58.75,3,0,-1",
        b"\x00\x00T91000",
        "T९१०००".encode(),
    ],
)
def test_what_is_not_a_whole_line_is_no_event(line: bytes) -> None:
    assert parse_line(line) is None


@given(st.binary(max_size=80))
def test_no_bytes_break_the_parser(line: bytes) -> None:
    parse_line(line)


@given(st.lists(st.binary(max_size=30).filter(lambda b: b"\n" not in b)), st.integers(1, 9))
def test_lines_survive_any_chunking(lines: list[bytes], size: int) -> None:
    wire = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter()
    chunks = [wire[at : at + size] for at in range(0, len(wire), size)]
    found = [line for chunk in chunks for line in splitter.feed(chunk)]
    assert found == [line.rstrip(b"\r") for line in lines]


def test_an_endless_line_is_dropped_and_the_next_one_read() -> None:
    splitter = LineSplitter()
    for _ in range(20):
        assert splitter.feed(b"x" * 1000) == []
    assert splitter.feed(b"x\nP7301\n") == [b"P7301"]
    assert splitter.dropped == 1
    assert splitter.feed(b"y" * (MAX_LINE + 1) + b"\nOK\n") == [b"OK"]
