"""The black box: what was written, in whole files that a play's record names."""

from __future__ import annotations

import hashlib
import itertools
import pathlib
import threading
from collections.abc import Callable

import numpy as np
import pytest

from loa_endpoint.audio import messages as m
from loa_endpoint.audio.black_box import AHEAD, BlackBox
from loa_endpoint.audio.black_box_shelf import Shelf
from loa_endpoint.audio.black_box_writer import Close, Piece, Writer
from loa_endpoint.audio.sink import NullSink
from loa_endpoint.core.black_box import DAY_MS, BoxLimits, Segment, between, parse_name
from loa_protocol.errors import StoreError
from loa_sound.blocks import CHUNK, RATE
from support.listening import place_of, read_sound
from support.player_lab import at, play
from support.sound_files import chirp, tone, write_wav
from support.waiting import soon

UNIX_MS = 1_764_000_000_000
CLOCK = m.Clock(unix_ms=UNIX_MS, at_ns=at(0))
ROOMY = BoxLimits(reserve_bytes=0)


def segments(folder: pathlib.Path) -> list[Segment]:
    found = (parse_name(each.name, each.stat().st_size) for each in folder.iterdir())
    return sorted((each for each in found if each), key=lambda each: each.name)


def item(name: str, begin_s: float, end_s: float) -> m.ItemMeasured:
    return m.ItemMeasured(
        item=name, lufs=None, true_peak_dbtp=0.0, silent_ms=0, longest_gap_ms=0, xruns=0,
        started_ns=at(begin_s), ended_ns=at(end_s),
    )  # fmt: skip


class Box:
    """A black box in virtual time, fed by the test."""

    def __init__(self, folder: pathlib.Path, limits: BoxLimits = ROOMY) -> None:
        self.folder = folder
        self.box = BlackBox(folder, NullSink(at(0)), limits=limits, is_virtual=True)
        self.sample = 0

    def feed(self, sound: np.ndarray) -> None:
        for start in range(0, len(sound), CHUNK):
            block = sound[start : start + CHUNK]
            self.box.feed(self.sample, block)
            self.sample += len(block)

    def rest(self, seconds: float) -> None:
        self.feed(np.zeros(round(seconds * RATE), dtype=np.float32))

    def close(self) -> list[m.ItemMeasured]:
        return [each for each in self.box.close() if isinstance(each, m.ItemMeasured)]


@pytest.mark.requirement("AUD-7")
def test_a_play_is_recorded_as_it_was_written_and_its_measure_names_the_file(
    tmp_path: pathlib.Path,
) -> None:
    write_wav(tmp_path / "one.wav", chirp(8))
    folder = tmp_path / "box"
    played = play(
        tmp_path,
        [
            CLOCK,
            m.Prepare(source="one", path=str(tmp_path / "one.wav")),
            m.Volume(gain_db=-6.0, ramp_ms=0),
            m.BeginItem(item="play", at_ns=at(1)),
            m.Play(source="one", at_ns=at(1), fade_in_ms=0),
            m.EndItem(item="play", at_ns=at(6)),
            m.Stop(at_ns=at(8), fade_ms=20),
            m.Quit(at_ns=at(9)),
        ],
        options=("--black-box", str(folder)),
    )
    (measured,) = played.of(m.ItemMeasured)
    (named,) = measured.recorded
    first, second = segments(folder)
    assert (named.start_ms, named.sha256) == (first.start_ms, first.sha256)
    assert first.start_ms == UNIX_MS + 1000
    assert first.duration_ms == pytest.approx(5000, abs=1)
    assert second.start_ms == pytest.approx(UNIX_MS + 6000, abs=1)  # what follows is kept too
    file = folder / first.name
    assert hashlib.sha256(file.read_bytes()).digest() == first.sha256
    heard = (played.samples[RATE : 6 * RATE] / 32768).astype(np.float32)
    recorded = read_sound(file)
    assert len(recorded) == pytest.approx(5 * RATE, abs=RATE // 50)
    place, alike = place_of(recorded[RATE : 3 * RATE], heard)
    assert place == pytest.approx(1000, abs=10)
    assert alike > 0.9
    level = np.sqrt(np.mean(recorded**2) / np.mean(heard**2))
    assert level == pytest.approx(1, abs=0.15)  # after the volume, not before


def test_silence_is_not_stored_and_a_pause_ends_the_file(tmp_path: pathlib.Path) -> None:
    lab = Box(tmp_path)
    lab.box.set_clock(CLOCK)
    lab.rest(30)
    lab.feed(tone(3, 440))
    lab.rest(5)  # shorter than a pause: part of the file
    lab.feed(tone(2, 550))
    lab.rest(11)
    soon(lambda: len(segments(tmp_path)) == 1)  # before anything else comes
    lab.feed(tone(1, 660))
    lab.close()
    first, second = segments(tmp_path)
    assert (first.start_ms - UNIX_MS, first.duration_ms) == (30_000, 10_000)
    assert (second.start_ms - UNIX_MS, second.duration_ms) == (51_000, 1_000)
    assert first.size < 10 * 2000


def test_a_file_is_a_minute_long_and_grows_where_a_play_goes_on(tmp_path: pathlib.Path) -> None:
    jobs: list[m.Event] = []
    writer = Writer(tmp_path, ROOMY, jobs.append)
    writer.thread.start()
    second = tone(1, 300)
    for number in range(16 * 60 + 250):
        writer.jobs.put(Piece(number * RATE, UNIX_MS + number * 1000, second))
    writer.jobs.put(Close(item("play", 0, 1210), 0, 1210 * RATE))
    writer.jobs.put(None)
    writer.thread.join(60)
    lengths = [each.duration_ms for each in segments(tmp_path)]
    assert lengths == [60_000] * 16 + [240_000, 10_000]
    (event,) = jobs
    assert isinstance(event, m.ItemMeasured)
    assert [each.duration_ms for each in event.recorded] == lengths
    ends = itertools.pairwise(segments(tmp_path))
    assert all(one.end_ms == two.start_ms for one, two in ends)


def test_each_play_is_told_with_the_files_that_cover_it(tmp_path: pathlib.Path) -> None:
    lab = Box(tmp_path)
    lab.box.set_clock(CLOCK)
    lab.feed(tone(2, 300))
    lab.box.end_item(item("over", 1, 2.5))  # an announcement over a programme
    lab.feed(tone(2, 400))
    lab.box.end_item(item("programme", 0, 4.01))
    lab.feed(tone(1, 500))
    told = {each.item: each.recorded for each in lab.close()}
    files = segments(tmp_path)
    assert [each.duration_ms for each in files] == [2_500, 1_510, 990]
    assert [each.sha256 for each in told["over"]] == [files[0].sha256]
    assert [each.sha256 for each in told["programme"]] == [files[0].sha256, files[1].sha256]


def test_nothing_is_kept_before_the_time_is_told_and_an_item_still_ends(
    tmp_path: pathlib.Path,
) -> None:
    lab = Box(tmp_path / "box")
    lab.feed(tone(2, 300))
    lab.box.end_item(item("early", 0, 2.05))
    lab.feed(tone(1, 300))
    (told,) = lab.close()
    assert told.recorded == ()
    assert not (tmp_path / "box").exists()


def test_a_clock_that_is_set_begins_a_new_file(tmp_path: pathlib.Path) -> None:
    lab = Box(tmp_path)
    lab.box.set_clock(CLOCK)
    lab.feed(tone(2, 300))
    lab.box.set_clock(m.Clock(unix_ms=UNIX_MS + 3_600_000, at_ns=at(0)))
    lab.feed(tone(2, 300))
    lab.close()
    starts = [each.start_ms - UNIX_MS for each in segments(tmp_path)]
    assert starts == [0, 3_602_000]


@pytest.mark.requirement("AUD-7")
def test_the_ring_keeps_within_its_bytes_and_drops_the_oldest(tmp_path: pathlib.Path) -> None:
    shelf = Shelf(tmp_path, BoxLimits(bytes=10_000, reserve_bytes=0))
    for number in range(40):
        shelf.store(UNIX_MS + number * 1000, 1000, bytes([number]) * 1500)
        assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= 10_000
    starts = [(each.start_ms - UNIX_MS) // 1000 for each in segments(tmp_path)]
    assert starts == [34, 35, 36, 37, 38, 39]
    again = Shelf(tmp_path, BoxLimits(bytes=10_000, reserve_bytes=0))
    assert again.kept == shelf.kept


def test_what_is_older_than_two_weeks_goes_but_slowly(tmp_path: pathlib.Path) -> None:
    shelf = Shelf(tmp_path, ROOMY)
    for number in range(10):
        shelf.store(UNIX_MS + number * 60_000, 60_000, b"a minute")
    shelf.store(UNIX_MS + 14 * DAY_MS + 61_000, 60_000, b"later")
    assert len(shelf.kept) == 9
    shelf.store(UNIX_MS + 900 * DAY_MS, 1000, b"by a clock that is wrong for a moment")
    assert len(shelf.kept) == 8


def test_a_leftover_of_a_power_cut_is_no_segment(tmp_path: pathlib.Path) -> None:
    shelf = Shelf(tmp_path, ROOMY)
    kept = shelf.store(UNIX_MS, 1000, b"whole")
    (tmp_path / "next.new").write_bytes(b"hal")
    (tmp_path / "lost+found").mkdir()
    assert Shelf(tmp_path, ROOMY).kept == (kept,)
    assert not (tmp_path / "next.new").exists()


def test_a_slow_disk_costs_sound_in_the_box_and_never_the_loop(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_slow, begun = threading.Event(), threading.Event()
    store = Shelf.store

    def wait(shelf: Shelf, start_ms: int, duration_ms: int, data: bytes) -> Segment:
        begun.set()
        assert is_slow.wait(30)
        return store(shelf, start_ms, duration_ms, data)

    monkeypatch.setattr(Shelf, "store", wait)
    box = BlackBox(tmp_path, NullSink(at(0)), limits=ROOMY)
    box.set_clock(CLOCK)
    sound, sample = tone(0.1, 300), 0
    for _ in range(610):  # a minute, at a pace that the thread can hold
        box.feed(sample, sound)
        sample += CHUNK
        soon(lambda: box._writer.jobs.qsize() < 2)
    assert begun.wait(10)
    for _ in range(600):  # returns, though the disk answers only when the test lets it
        box.feed(sample, sound)
        sample += CHUNK
    assert box._writer.jobs.qsize() <= AHEAD + 1
    box.end_item(item("late", 0, 121))
    box.feed(sample, sound)
    told: list[m.Event] = []

    def is_told() -> bool:
        told.extend(box.take_events())
        return bool(told)

    soon(is_told)
    assert told == [item("late", 0, 121)]  # without its files: its record is not held up
    is_slow.set()
    box.close()


def test_a_disk_that_refuses_is_told_once_and_again_after_it_was_well(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Shelf.store

    def refuse(*_: object) -> Segment:
        raise StoreError(str(tmp_path), "the card does not answer as it should; replace it")

    def feed(lab: Box, pauses: int) -> None:
        for _ in range(pauses):
            lab.feed(tone(1, 300))
            lab.rest(11)

    told: list[m.Event] = []
    lab = Box(tmp_path)
    lab.box.set_clock(CLOCK)
    patches: list[tuple[Callable[..., Segment], int]] = [(refuse, 3), (store, 1), (refuse, 1)]
    for patch, pauses in patches:
        monkeypatch.setattr(Shelf, "store", patch)
        feed(lab, pauses)
        soon(lambda: lab.box._writer._open is None and lab.box._writer.jobs.empty())
        told += lab.box.take_events()
    told += lab.box.close()
    assert [each.name for each in told if isinstance(each, m.Fault)] == ["black_box"] * 2


def test_segments_between_two_instants_are_those_that_touch_it() -> None:
    rows = [
        Segment(start_ms=start, duration_ms=100, sha256=bytes(32), size=1)
        for start in (300, 100, 200)
    ]
    assert [each.start_ms for each in between(rows, 150, 300)] == [100, 200]
    assert between(rows, 400, 500) == []
