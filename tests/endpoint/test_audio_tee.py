"""Two sinks at once: the second never disturbs the first, whatever it does."""

from __future__ import annotations

import errno
import pathlib
from collections.abc import Callable
from threading import Event

import numpy as np
import pytest

from loa_endpoint.audio.sink import NullSink, Sink, WavSink
from loa_endpoint.audio.sink_url import look_for_sink, open_sink
from loa_endpoint.audio.tee import AHEAD, TeeSink
from loa_protocol.errors import ConfigError, StoreError
from loa_sound.blocks import Samples
from support.sound_files import read_wav
from support.waiting import soon

S = 48_000
BLOCK = np.full(960, 0.5, dtype=np.float32)


class Paper:
    """A sink of which a test decides what it does."""

    paces, block, epoch_ns, drift_ppm, xruns = False, 960, 0, 0.0, 0

    def __init__(self) -> None:
        self.written: list[int] = []
        self.error: Exception | None = None
        self.go = Event()
        self.go.set()
        self.closed = False

    def write(self, sample: int, block: Samples) -> None:
        self.go.wait(20)
        if self.error:
            raise self.error
        self.written.append(sample)

    def close(self) -> None:
        self.closed = True


def join(first: Sink, second: Sink) -> tuple[TeeSink, list[str]]:
    told: list[str] = []
    return TeeSink(first, lambda _: second, told.append), told


def write_until(tee: Sink, condition: Callable[[], object]) -> None:
    """Write the same block again and again, as the thread of the second takes its time."""

    def write_and_look() -> object:
        tee.write(0, BLOCK)
        return condition()

    soon(write_and_look)


def test_both_get_everything(tmp_path: pathlib.Path) -> None:
    urls = ",".join(f"wav:{tmp_path}/{name}.wav" for name in ("a", "b"))
    tee = open_sink(f"tee:{urls}", epoch_ns=5, now_ns=9, is_virtual=True)
    for number in range(100):
        tee.write(number * 960, BLOCK * (number / 100))
    tee.close()
    one, two = (read_wav(tmp_path / f"{name}.wav") for name in ("a", "b"))
    assert len(one) == 96_000
    assert np.array_equal(one, two)


def test_a_second_that_hangs_is_told_once_and_loses_what_does_not_fit() -> None:
    first, second = Paper(), Paper()
    second.go.clear()
    tee, told = join(first, second)
    for number in range(3 * AHEAD):
        tee.write(number, BLOCK)
    assert first.written == list(range(3 * AHEAD))
    assert told == ["too slow"]
    second.go.set()
    soon(lambda: second.written)
    tee.close()
    assert len(second.written) <= AHEAD + 1


def test_a_file_that_fails_is_told_again_only_after_it_worked() -> None:
    first, second = Paper(), Paper()
    tee, told = join(first, second)
    second.error = StoreError("x", "disk full")
    for number in range(10):
        tee.write(number, BLOCK)
    write_until(tee, lambda: told)
    second.error = None
    write_until(tee, lambda: second.written)
    second.error = StoreError("x", "disk full")
    write_until(tee, lambda: len(told) == 2)
    tee.close()
    assert second.closed


def test_a_card_that_goes_is_told_and_let_go() -> None:
    first, second = Paper(), Paper()
    tee, told = join(first, second)
    second.error = OSError(errno.ENODEV, "gone")
    write_until(tee, lambda: told)
    tee.write(1, BLOCK)
    assert first.written[-1] == 1
    tee.close()
    assert len(told) == 1


def test_a_second_that_cannot_be_opened_is_told_and_the_first_plays(
    tmp_path: pathlib.Path,
) -> None:
    told: list[str] = []
    url = f"tee:wav:{tmp_path}/a.wav,wav:{tmp_path}/no/b.wav"
    tee = open_sink(url, epoch_ns=0, now_ns=0, is_virtual=False, tell=told.append)
    write_until(tee, lambda: told)
    tee.close()
    assert len(read_wav(tmp_path / "a.wav")) == 960


def test_what_the_first_says_is_what_the_tee_says() -> None:
    first = Paper()
    first.epoch_ns, first.drift_ppm, first.xruns = 7, 1.5, 3
    tee, _ = join(first, Paper())
    assert (tee.epoch_ns, tee.drift_ppm, tee.xruns) == (7, 1.5, 3)
    first.error = StoreError("x", "disk full")
    with pytest.raises(StoreError):
        tee.write(0, BLOCK)
    tee.close()
    assert first.closed


def test_a_file_that_goes_on_as_the_second_keeps_its_place_in_time(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.wav"
    begun = WavSink(path, 0, 0)
    begun.write(0, BLOCK)
    begun.close()
    told: list[str] = []
    tee = TeeSink(
        NullSink(1_000_000_000), lambda epoch_ns: WavSink(path, None, epoch_ns), told.append
    )
    tee.write(0, BLOCK)
    tee.close()
    assert not told
    heard = read_wav(path)
    assert len(heard) == S + 960
    assert not heard[960:S].any()
    assert heard[S:].all()


@pytest.mark.parametrize("url", ["tee:", "tee:wav:/x", "tee:null:,null:,null:", "wave:/x", "wav:"])
def test_a_url_that_is_none_is_refused_with_what_there_is(url: str) -> None:
    with pytest.raises(ConfigError, match="tee:SINK,SINK"):
        open_sink(url, epoch_ns=0, now_ns=0, is_virtual=False)


def test_a_card_that_is_away_is_told_once_and_looked_for_ever_less_than_a_fifth_of_the_time() -> (
    None
):
    told: list[str] = []
    waits: list[float] = []

    def look() -> Sink:
        if len(waits) < 4:
            raise OSError(errno.ENODEV, "not there")
        return NullSink(0)

    sink = look_for_sink(look, told.append, waits.append)
    assert isinstance(sink, NullSink)
    assert len(told) == 1
    assert waits == [0.25] * 4
