"""Transcripts are written and read back without loss."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_hwsim.transcript import Entry, Transcript, parse_entry
from loa_protocol.errors import MessageError


@given(st.integers(0, 1 << 45), st.sampled_from(["bus>", "tuner<"]), st.binary(min_size=1))
def test_entries_survive_their_text(tenths: int, direction: str, data: bytes) -> None:
    entry = Entry(tenths / 10, direction, data)
    assert parse_entry(entry.to_text()) == entry


@pytest.mark.parametrize("text", ["", "1.0 bus>", "x bus> 00", "1.0 bus 00", "1.0 bus> 0g"])
def test_what_is_no_entry_is_refused(text: str) -> None:
    with pytest.raises(MessageError):
        parse_entry(text)


@given(st.text(max_size=40))
def test_any_text_raises_nothing_but_named_errors(text: str) -> None:
    try:
        parse_entry(text)
    except MessageError:
        return


def test_entries_are_on_disk_at_once(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "t.log")
    transcript.note(12.34, "bus>", b"\x01\xff")
    assert (tmp_path / "t.log").read_text() == "12.3 bus> 01 ff\n"
    transcript.close()
