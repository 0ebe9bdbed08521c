"""The words between agent and player: they come back as they went, or are refused."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_player_messages import fuzz
from loa_endpoint.audio import messages as m
from loa_protocol.errors import MessageError

names = st.text(min_size=1, max_size=40)
instants = st.integers(0, 2**62)
fades = st.integers(0, 60_000)
positions = st.integers(0, 86_400_000)
gains = st.floats(-100, 40)

commands = st.one_of(
    st.builds(m.Prepare, source=names, path=names, gain_db=gains, position_ms=positions),
    st.builds(m.Release, source=names),
    st.builds(
        m.Play,
        source=names,
        position_ms=positions,
        at_ns=instants,
        fade_in_ms=fades,
        fade_out_ms=fades,
    ),
    st.builds(m.PlayLineIn, source=names, at_ns=instants, gain_db=gains),
    st.builds(m.Stop, fade_ms=fades, at_ns=instants),
    st.builds(m.Volume, gain_db=gains, ramp_ms=fades, at_ns=instants),
    st.builds(
        m.BeginItem,
        item=names,
        expected_silence=st.lists(st.tuples(positions, positions), max_size=5).map(tuple),
    ),
    st.builds(m.EndItem, item=names, at_ns=instants),
    st.builds(m.Quit, at_ns=instants),
)


@given(commands)
def test_a_command_comes_back_as_it_went(command: m.Command) -> None:
    line = m.encode(command)
    assert line.endswith(b"\n")
    assert b"\n" not in line[:-1]
    assert m.parse_command(line[:-1]) == command


@given(st.floats(-120, 10), st.one_of(st.none(), st.floats(-70, 0)), st.integers(0, 2**62))
def test_an_event_comes_back_as_it_went(level: float, lufs: float | None, at_ns: int) -> None:
    for event in (
        m.LineInLevel(rms_dbfs=level, flatness=0.5, at_ns=at_ns),
        m.ItemMeasured(
            item="bản tin",
            lufs=lufs,
            true_peak_dbtp=level,
            silent_ms=0,
            longest_gap_ms=0,
            xruns=0,
            started_ns=at_ns,
            ended_ns=at_ns,
        ),
        m.Ended(source="a", reason="broken", at_ns=at_ns, detail="truncated: …"),
    ):
        assert m.parse_event(m.encode(event)) == event


@pytest.mark.parametrize(
    "line",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"type":"play"}',
        '{"type":"dance"}',
        '{"type":"play","source":""}',
        '{"type":"play","source":"a","position_ms":-1}',
        '{"type":"play","source":"a","fade_in_ms":60001}',
        '{"type":"play","source":"a","at_ns":1.5}',
        '{"type":"play","source":"a","loud":true}',
        '{"type":"volume","gain_db":41}',
        '{"type":"volume","gain_db":NaN}',
        '{"type":"beat","samples":1}',
        '{"type":"quit"} {"type":"quit"}',
    ],
)
def test_what_is_no_command_is_refused(line: str) -> None:
    with pytest.raises(MessageError):
        m.parse_command(line.encode())


def test_an_endless_line_is_refused_unread() -> None:
    with pytest.raises(MessageError):
        m.parse_command(b'{"type":"quit"}' + b" " * m.MAX_LINE)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(MessageError):
        m.parse_command(b"[" * 30_000)


def test_a_command_is_plain_json_with_its_kind() -> None:
    told = json.loads(m.encode(m.Play(source="tin", position_ms=5, at_ns=7)))
    assert told == {
        "type": "play",
        "source": "tin",
        "position_ms": 5,
        "at_ns": 7,
        "fade_in_ms": 20,
        "fade_out_ms": 20,
        "duck_db": None,
        "duck_ms": 100,
    }


@given(st.lists(st.binary(max_size=30).filter(lambda b: b"\n" not in b), max_size=8), st.data())
def test_lines_survive_any_chunking(lines: list[bytes], data: st.DataObject) -> None:
    wire = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    splitter, found = m.LineSplitter(), []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        found += splitter.feed(wire[start:end])
    assert found == lines


def test_an_endless_line_is_dropped_and_the_next_one_heard() -> None:
    splitter = m.LineSplitter()
    found = [line for _ in range(40) for line in splitter.feed(b"x" * 10_000)]
    assert found == []
    assert splitter.feed(b"x\nhello\n") == [b"", b"hello"]


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    fuzz(data)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_json_value_in_any_field_is_parsed_or_refused(value: object) -> None:
    for name in ("source", "at_ns", "gain_db", "fade_ms", "expected_silence"):
        for kind in ("prepare", "play", "stop", "volume", "begin_item"):
            fuzz(json.dumps({"type": kind, "source": "a", "path": "b", name: value}).encode())


@pytest.mark.requirement("PERF-1")
@pytest.mark.parametrize("module", ["messages", "supervisor"])
def test_the_agents_side_imports_no_numpy_and_no_av(module: str) -> None:
    code = (
        f"import sys, loa_endpoint.audio.{module}\n"
        "print([name for name in ('numpy', 'av', 'loa_sound') if name in sys.modules])"
    )
    paths = [p for p in sys.path if pathlib.Path(p).is_dir()]
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(paths)},
    )
    assert told.stdout == "[]\n"
