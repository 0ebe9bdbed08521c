"""The black box on a real disk: power cuts, a disk that others fill, and the sound meanwhile."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from loa_endpoint.audio import messages as m
from loa_endpoint.audio.black_box_shelf import Shelf
from loa_endpoint.core.black_box import BoxLimits, parse_name
from loa_protocol.errors import StoreError
from support.loop_disk import LoopDisk, loop_disk
from support.player_lab import at, play
from support.sound_files import chirp, write_wav

UNIX_MS = 1_764_000_000_000
SEED = 20261123
CUTS = 12
LIMITS = BoxLimits(bytes=4_000_000, reserve_bytes=0)


def minute(number: int) -> bytes:
    """Return bytes in place of a minute of sound."""
    return random.Random(number).randbytes(60_000 + number % 40_000)


def store_until_killed(folder: Path, life: int) -> None:
    """Store minutes and tell each over a pipe once it is kept; killed in the middle of its work."""
    shelf = Shelf(folder, LIMITS)
    for step in range(1000):
        number = life * 1000 + step
        try:
            segment = shelf.store(UNIX_MS + number * 60_000, 60_000, minute(number))
        except StoreError:
            os._exit(0)  # the power is gone
        os.write(1, f"{segment.name}\n".encode())


def live(disk: LoopDisk, life: int, chance: random.Random) -> list[str]:
    """Run one life up to a power cut; return what it has told."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.dup2(writing, 1)
        store_until_killed(disk.path / "box", life)
        os._exit(0)
    os.close(writing)
    told, wanted = b"", chance.randrange(1, 12)
    while told.count(b"\n") < wanted and (data := os.read(reading, 4096)):
        told += data
    time.sleep(chance.random() / 200)  # somewhere within a write: not to wait for anything
    disk.lose_power()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while data := os.read(reading, 4096):
        told += data
    os.close(reading)
    disk.come_up()
    return told.decode().splitlines()


@pytest.mark.requirement("AUD-7")
def test_a_power_cut_leaves_no_half_file_and_loses_none_that_was_told(tmp_path: Path) -> None:
    chance, told = random.Random(SEED), list[str]()
    print(f"seed {SEED}")
    with loop_disk(tmp_path) as disk:
        for life in range(CUTS):
            told += live(disk, life, chance)
            kept = Shelf(disk.path / "box", LIMITS).kept
            for each in kept:
                data = (disk.path / "box" / each.name).read_bytes()
                assert hashlib.sha256(data).digest() == each.sha256, each.name
            names = {each.name for each in kept}
            newest = told[-20:]  # the older ones may have made room
            assert set(newest) <= names
            left = {each.name for each in (disk.path / "box").iterdir()} - names
            assert not left, left
    assert len(told) > CUTS


@pytest.mark.requirement("AUD-7")
def test_on_a_disk_that_others_have_filled_the_oldest_goes_for_the_newest(tmp_path: Path) -> None:
    with loop_disk(tmp_path) as disk:
        shelf = Shelf(disk.path / "box", LIMITS)
        for number in range(8):
            shelf.store(UNIX_MS + number * 60_000, 60_000, minute(number))
        disk.fill()
        for number in range(8, 12):
            shelf.store(UNIX_MS + number * 60_000, 60_000, minute(number))
        numbers = [(each.start_ms - UNIX_MS) // 60_000 for each in shelf.kept]
        assert numbers[-4:] == [8, 9, 10, 11]
        assert numbers == list(range(numbers[0], 12))
        for each in shelf.kept:
            data = (disk.path / "box" / each.name).read_bytes()
            assert hashlib.sha256(data).digest() == each.sha256


@pytest.mark.requirement("AUD-7")
def test_with_no_room_at_all_the_sound_goes_on_and_the_box_says_so_once(tmp_path: Path) -> None:
    write_wav(tmp_path / "one.wav", chirp(4))

    def commands() -> list[m.Command]:
        pauses: list[m.Command] = [
            each
            for n in range(3)
            for each in (
                m.Prepare(source=f"one{n}", path=str(tmp_path / "one.wav")),
                m.Play(source=f"one{n}", at_ns=at(1 + 15 * n), fade_in_ms=0),
            )
        ]
        clock = m.Clock(unix_ms=UNIX_MS, at_ns=at(0))
        item: list[m.Command] = [
            m.BeginItem(item="p", at_ns=at(1)),
            m.EndItem(item="p", at_ns=at(5)),
        ]
        return [clock, *pauses, *item, m.Quit(at_ns=at(48))]

    alone = play(tmp_path, commands())
    with loop_disk(tmp_path) as disk:
        disk.fill()
        beside = play(tmp_path, commands(), options=("--black-box", str(disk.path / "box")))
    assert np.array_equal(beside.samples, alone.samples)
    faults = [each for each in beside.of(m.Fault) if each.name == "black_box"]
    assert len(faults) == 1
    assert "full" in faults[0].detail
    (measured,) = beside.of(m.ItemMeasured)
    assert measured.recorded == ()
    assert beside.of(m.Ended)


def test_a_disk_that_fills_between_the_look_and_the_write_costs_the_oldest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf(tmp_path, LIMITS)
    for number in range(4):
        shelf.store(UNIX_MS + number, 1, minute(number))
    write, refusals = Shelf._write_once, 2

    def refuse(self: Shelf, name: str, data: bytes) -> None:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, name, data)

    monkeypatch.setattr(Shelf, "_write_once", refuse)
    shelf.store(UNIX_MS + 4, 1, minute(4))
    assert [each.start_ms - UNIX_MS for each in shelf.kept] == [2, 3, 4]
    found = sorted(each.name for each in tmp_path.iterdir())
    assert found == [each.name for each in shelf.kept]
    assert all(parse_name(name, 1) for name in found)
