"""The desk: each command carried out at its instant, each event told with the right one."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loa_endpoint.audio import messages as m
from loa_endpoint.audio.desk import Desk
from loa_endpoint.audio.item_meter import MAX_ITEMS
from loa_endpoint.audio.line_in import LineIn
from loa_endpoint.audio.mixer import Mixer
from loa_endpoint.audio.sink import NullSink
from loa_endpoint.audio.sounds import MAX_SOUNDS
from loa_sound.blocks import CHUNK, RATE, Samples
from support.sound_files import noise, to_pcm, tone, write, write_wav
from support.waiting import soon

CEILING = 10 ** (-1 / 20)
EPOCH = 7_000_000_000_000
MS = 1_000_000


class Hiss:
    """A capture that always has a block of noise."""

    def take(self) -> bytes:
        return to_pcm(noise(0.1, 0.1)).tobytes()

    def close(self) -> None:
        pass


class Bench:
    """A desk with its events and its time, without pipes, device or clock."""

    def __init__(self, folder: pathlib.Path, *, with_line_in: bool = True) -> None:
        self.folder = folder
        self.events: list[m.Event] = []
        self.line_in = LineIn(Hiss(), CHUNK) if with_line_in else None
        self.desk = Desk(Mixer(), NullSink(EPOCH), self.events.append, self.line_in)

    def at(self, seconds: float) -> int:
        return EPOCH + round(seconds * 1e9)

    def do(self, *commands: m.Command) -> None:
        for command in commands:
            self.desk.handle(command)

    def prepare(self, name: str, file: str = "tone.wav", **facts: float) -> None:
        """Prepare and wait until it is decoded, as a busy machine may take its time."""
        path = str(self.folder / file)
        self.do(m.Prepare(source=name, path=path, **facts))  # type: ignore[arg-type]  # numbers
        self.desk.wait_for_sounds(0)

    def render(self, seconds: float, block: int = CHUNK) -> Samples:
        heard, left = [], round(seconds * RATE)
        while left:
            if self.line_in is not None:
                self.line_in.pump(block)
            self.desk.wait_for_sounds(min(block, left))
            part = np.full(min(block, left), np.nan, dtype=np.float32)
            self.desk.render(part)
            heard.append(part)
            left -= len(part)
        return np.concatenate(heard) if heard else np.zeros(0, dtype=np.float32)

    def is_calm(self) -> bool:
        return self.desk.is_calm

    def hears_line_in(self) -> bool:
        return self.desk.hears_line_in

    def told(self, kind: type[m.Message]) -> list[m.Event]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("media")
    write_wav(folder / "tone.wav", tone(6, 1000, 0.1))
    write_wav(folder / "short.wav", tone(0.25, 1000, 0.1))
    write(folder / "cut.mp3", tone(4))
    cut = (folder / "cut.mp3").read_bytes()
    (folder / "cut.mp3").write_bytes(cut[: len(cut) // 2])
    (folder / "text.wav").write_text("no sound")
    return folder


@pytest.fixture
def bench(media: pathlib.Path) -> Iterator[Bench]:
    bench = Bench(media)
    yield bench
    bench.do(m.Stop(fade_ms=0))
    bench.render(0.1)


def test_an_instant_is_a_sample_of_the_timeline(bench: Bench) -> None:
    bench.prepare("a")
    bench.do(m.Play(source="a", at_ns=bench.at(0.25) + 10_000, fade_in_ms=0))  # 0.48 of a sample
    heard = bench.render(0.5)
    assert np.flatnonzero(heard)[0] == RATE // 4 + 1  # a sine begins with a zero
    assert bench.told(m.Started) == [m.Started(source="a", at_ns=bench.at(0.25), offset_ms=0)]


def test_a_beat_says_what_sounds_and_where(bench: Bench) -> None:
    bench.prepare("a")
    bench.do(m.Play(source="a", position_ms=1_000, at_ns=bench.at(1)))
    bench.render(0.9)
    bench.desk.beat(RATE, bench.at(1))
    bench.render(1.1)
    bench.desk.beat(2 * RATE, bench.at(1.7504))
    first, second = bench.told(m.Beat)
    assert first == m.Beat(
        samples=RATE, at_ns=bench.at(1), source="", position_ms=0, rms_dbfs=-120, xruns=0
    )
    assert isinstance(second, m.Beat)
    assert (second.source, second.position_ms, second.samples) == ("a", 1_750, 2 * RATE)
    assert second.rms_dbfs == pytest.approx(-23, abs=0.6)


def test_what_fades_out_is_not_what_sounds(bench: Bench) -> None:
    bench.prepare("a")
    bench.do(m.Play(source="a"))
    bench.render(0.5)
    bench.do(m.Stop(fade_ms=1_000))
    bench.render(0.5)
    bench.desk.beat(RATE, bench.at(1))
    (beat,) = bench.told(m.Beat)
    assert isinstance(beat, m.Beat)
    assert beat.source == ""
    assert beat.rms_dbfs > -40


def test_the_end_of_a_source_closes_it_and_frees_its_name(bench: Bench) -> None:
    for _ in range(MAX_SOUNDS + 4):
        bench.prepare("again", "short.wav")
        bench.do(m.Play(source="again"))
        bench.render(0.3)
    reasons = [e.reason for e in bench.told(m.Ended) if isinstance(e, m.Ended)]
    assert reasons == ["end"] * (MAX_SOUNDS + 4)
    bench.do(m.Play(source="again"))
    assert bench.told(m.Fault) == [m.Fault(name="unknown_source", detail="again")]


def test_a_prepared_source_may_be_replaced_until_it_sounds(bench: Bench) -> None:
    bench.prepare("a", "text.wav")
    bench.prepare("a", "tone.wav")
    bench.do(m.Play(source="a", fade_in_ms=0))
    assert bench.render(1)[RATE // 2 :].any()
    assert bench.told(m.Ended) == []  # the one that was no sound is nobody's concern any more


@pytest.mark.parametrize("position", [0, 3_000])
def test_a_source_that_cannot_be_opened_is_told_before_its_time(
    bench: Bench, position: int
) -> None:
    path = str(bench.folder / "text.wav")
    bench.do(m.Prepare(source="a", path=path, position_ms=position))
    bench.do(m.Play(source="a", position_ms=position, at_ns=bench.at(600)))

    def is_told() -> bool:
        bench.render(0.1)
        return bool(bench.told(m.Ended))

    soon(is_told)
    (ended,) = bench.told(m.Ended)
    assert isinstance(ended, m.Ended)
    assert (ended.reason, ended.at_ns, ended.detail.split(":")[0]) == ("broken", 0, "not_audio")
    assert bench.desk.mixer.is_idle


def test_a_file_that_sounds_can_be_asked_back_where_it_is_and_nowhere_else(bench: Bench) -> None:
    bench.prepare("a")
    bench.do(m.Play(source="a", at_ns=bench.at(0.1)))
    bench.render(1)
    bench.do(m.Stop(fade_ms=2_000))
    bench.render(0.5)
    bench.do(m.Play(source="a", position_ms=1_900, at_ns=bench.at(2), fade_in_ms=100))
    bench.do(m.Play(source="a", position_ms=0, at_ns=bench.at(2)))
    bench.render(1)
    bench.desk.beat(RATE, bench.at(2.5))
    beat = bench.told(m.Beat)[0]
    assert isinstance(beat, m.Beat)
    assert (beat.source, beat.position_ms) == ("a", 2_400)
    assert bench.told(m.Fault) == [m.Fault(name="already_sounding", detail="a")]


def test_the_line_in_comes_and_goes_and_comes_back(bench: Bench) -> None:
    bench.prepare("copy")
    bench.do(m.PlayLineIn(source="fm", position_ms=500))
    bench.render(1)
    bench.do(m.Play(source="copy", fade_in_ms=500, fade_out_ms=500))
    bench.render(0.25)
    bench.do(m.PlayLineIn(source="fm", position_ms=1_750, at_ns=bench.at(1.25)))
    bench.render(1)
    bench.desk.beat(RATE, bench.at(2.25))
    beat = bench.told(m.Beat)[0]
    assert isinstance(beat, m.Beat)
    assert (beat.source, beat.position_ms) == ("fm", 2_750)
    said = [
        (type(e).__name__, e.source) for e in bench.events if isinstance(e, m.Started | m.Ended)
    ]
    assert said == [
        ("Started", "fm"),
        ("Started", "copy"),
        ("Started", "fm"),
        ("Ended", "copy"),
    ]


def test_without_a_line_in_it_cannot_be_played(media: pathlib.Path) -> None:
    bench = Bench(media, with_line_in=False)
    bench.do(m.PlayLineIn())
    assert bench.told(m.Fault) == [m.Fault(name="no_line_in", detail="line_in")]


def test_items_are_named_once_and_few(bench: Bench) -> None:
    bench.do(*(m.BeginItem(item=str(n)) for n in range(MAX_ITEMS)), m.BeginItem(item="0"))
    bench.do(m.EndItem(item="0"), m.EndItem(item="x"))
    bench.render(0.1)
    bench.do(m.BeginItem(item="0"))
    assert [e.name for e in bench.told(m.Fault) if isinstance(e, m.Fault)] == ["item"] * 2
    (measured,) = bench.told(m.ItemMeasured)
    assert isinstance(measured, m.ItemMeasured)
    assert measured.lufs is None


def test_an_item_counts_only_its_own_xruns(bench: Bench) -> None:
    bench.desk.sink_xruns = 3
    bench.do(m.BeginItem(item="a"))
    bench.render(0.2)
    bench.desk.sink_xruns = 5
    bench.do(m.EndItem(item="a"))
    bench.render(0.1)
    (measured,) = bench.told(m.ItemMeasured)
    assert isinstance(measured, m.ItemMeasured)
    assert measured.xruns == 2
    assert (measured.started_ns, measured.ended_ns) == (bench.at(0), bench.at(0.2))


def test_an_item_that_ends_before_it_begins_is_measured_as_nothing(bench: Bench) -> None:
    bench.do(m.BeginItem(item="a", at_ns=bench.at(9)), m.EndItem(item="a", at_ns=bench.at(1)))
    bench.render(2)
    (measured,) = bench.told(m.ItemMeasured)
    assert isinstance(measured, m.ItemMeasured)
    assert (measured.lufs, measured.silent_ms) == (None, 0)


def test_quitting_fades_first(bench: Bench) -> None:
    bench.prepare("a")
    bench.do(m.Play(source="a"), m.Quit(at_ns=bench.at(0.5)))
    heard = bench.render(0.515)
    assert not bench.desk.over
    assert np.abs(heard[-240:]).max() < 0.08
    bench.render(0.1)
    assert bench.desk.over


names = st.sampled_from(["a", "b", "c"])
files = st.sampled_from(["tone.wav", "short.wav", "cut.mp3", "text.wav", "nowhere.wav"])
instants = st.one_of(st.just(0), st.integers(0, 3_000).map(lambda ms: EPOCH + ms * MS))
fades = st.integers(0, 800)
positions = st.integers(0, 7_000)
parts = st.sampled_from(["all", "programme", "over"])
messages = st.one_of(
    st.builds(
        m.Prepare, source=names, path=files, gain_db=st.floats(-100, 40), position_ms=positions
    ),
    st.builds(m.Release, source=names),
    st.builds(
        m.Play,
        source=names,
        position_ms=positions,
        at_ns=instants,
        fade_in_ms=fades,
        fade_out_ms=fades,
    ),
    st.builds(m.PlayLineIn, at_ns=instants, fade_in_ms=fades, gain_db=st.floats(-100, 40)),
    st.builds(
        m.Play,
        source=names,
        position_ms=positions,
        at_ns=instants,
        duck_db=st.floats(-100, 0),
        duck_ms=fades,
    ),
    st.builds(m.Stop, fade_ms=fades, at_ns=instants, part=parts),
    st.builds(m.Volume, gain_db=st.floats(-100, 40), ramp_ms=fades, at_ns=instants, part=parts),
    st.builds(m.Profile, horn=st.booleans()),
    st.builds(m.BeginItem, item=names, at_ns=instants),
    st.builds(m.EndItem, item=names, at_ns=instants),
    st.integers(1, 400),  # ms to render
)


@pytest.mark.requirement("AUD-3")
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(messages, min_size=5, max_size=25))
def test_no_conversation_crashes_the_desk_or_passes_the_ceiling(
    media: pathlib.Path, said: list[m.Command | int]
) -> None:
    bench = Bench(media)
    for word in said:
        if isinstance(word, int):
            heard = bench.render(word / 1000, block=960)
            assert np.isfinite(heard).all()
            assert np.abs(heard).max(initial=0) <= CEILING
        elif isinstance(word, m.Prepare):
            bench.do(m.Prepare(source=word.source, path=str(media / word.path)))
        else:
            bench.do(word)
    bench.do(m.Quit())
    bench.render(0.1)
    assert bench.desk.over
    for event in bench.events:
        assert m.parse_event(m.encode(event)) == event


def test_with_files_and_tones_it_is_calm_and_not_with_what_arrives_as_it_is_heard(
    bench: Bench,
) -> None:
    assert bench.is_calm()
    bench.prepare("a")
    bench.do(m.Play(source="a"))
    bench.render(0.5)
    assert bench.is_calm()
    bench.do(m.PlayLineIn(source="fm", at_ns=bench.at(2)))
    assert bench.hears_line_in()
    assert bench.is_calm()  # FM is to sound, but not within a second
    bench.render(0.7)
    assert not bench.is_calm()
    bench.render(1.5)
    assert not bench.is_calm()
    bench.do(m.Stop(fade_ms=0))
    bench.render(0.5)
    assert bench.is_calm()
    assert not bench.hears_line_in()


def test_live_sound_is_not_rendered_further_ahead_than_it_must(bench: Bench) -> None:
    bench.do(m.OpenLive(source="live"), m.Play(source="live"))
    bench.render(0.2)
    assert not bench.is_calm()
