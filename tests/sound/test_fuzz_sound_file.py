"""Damaged media: measured or refused by name, and nothing else."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.fuzz_sound_file import fuzz


@settings(max_examples=150)
@given(st.binary(max_size=400))
def test_a_damaged_file_is_measured_or_refused(data: bytes) -> None:
    fuzz(data)


@settings(max_examples=100)
@given(st.binary(min_size=3, max_size=3), st.integers(1, 3_000), st.sampled_from([0, 0xFF, 0x55]))
def test_a_long_stretch_of_damage_is_measured_or_refused(
    place: bytes, length: int, value: int
) -> None:
    fuzz(place + bytes([value]) * length)
