"""Streams that nobody signed sound where the policy names host and hours, and nowhere else."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loa_endpoint.core import bearer as machine
from loa_endpoint.core.agenda import Programme
from loa_endpoint.core.effect import OpenStream, Prepare, Release, SoundMedia
from loa_protocol.hours import may_stream, minute_of_day
from loa_protocol.objects.playlist import Bearer, BearerKind, Playlist, Stream
from loa_protocol.objects.policy import Hours
from loa_protocol.record import ClockTrust, Happening, PlayEnded, Refused
from support.director_stage import BEGIN, Stage
from support.province import playlist, policy

HOST = "radio.example.vn"
URL = f"https://{HOST}/live"
MUSIC, SILENCE = (-2000, 100), (-9000, 0)


def with_stream(url: str = URL, **item: Any) -> Playlist:
    """Return a playlist of one minute: a stream, and its file where that is not to be had."""
    base = playlist(items=1)
    bearers = (
        Bearer(kind=BearerKind.STREAM, reference=1, cost=1),
        Bearer(kind=BearerKind.MEDIA, reference=0, cost=10),
    )
    (only,) = base.items
    items = (dataclasses.replace(only, bearers=bearers, **item),)
    sessions = (dataclasses.replace(base.sessions[0], duration_s=900),)
    return dataclasses.replace(base, items=items, sessions=sessions, streams=(Stream(url=url),))


def minute(offset_s: int) -> int:
    """Return the minute of the day so long after the item's start."""
    return minute_of_day(policy(), BEGIN // 1000 + offset_s)


def always(**rules: Any) -> dict[str, Any]:
    hours = (Hours(weekdays=127, start_min=0, end_min=1440),)
    return {"unsigned_streams": (HOST,), "unsigned_stream_hours": hours, **rules}


def until(offset_s: int) -> dict[str, Any]:
    hours = (Hours(weekdays=127, start_min=0, end_min=minute(offset_s)),)
    return always(unsigned_stream_hours=hours)


class Pole(Stage):
    """The stage, and what its player says of the stream that is open."""

    def play(self, until_s: float, level: tuple[int, int] = MUSIC, *, flows: bool = True) -> None:
        """Let time pass until so long after the item's start."""
        while self.now_ms < BEGIN + until_s * 1000:
            for source in self.streams():
                self.do(self.director.on_reading(machine.SoundRead(source, *level), self.reading()))
                flow = machine.FlowRead(source, starved=not flows, receiving=flows)
                self.do(self.director.on_reading(flow, self.reading()))
            self.run(self.now_ms + 100)

    def do(self, effects: list[Any]) -> None:
        super().do(effects)
        for each in effects:
            if isinstance(each, OpenStream) and self.answers:
                self.do(self.director.on_prepared(each.source, self.reading()))

    def streams(self) -> list[str]:
        """Return what is open."""
        closed = {each.source for each in self.all(Release)}
        return [each.source for each in self.all(OpenStream) if each.source not in closed]

    def sounds(self) -> list[tuple[int, str]]:
        """Return what was let sound, ms from the item's start."""
        return [(at - BEGIN, e.source.partition("-")[0]) for at, e in self.done
                if isinstance(e, SoundMedia)]  # fmt: skip

    def notes(self) -> list[tuple[str, str]]:
        kept = self.kept(Happening)
        return [(each.name, each.detail) for each in kept if each.name in ("fail", "return")]


@pytest.mark.requirement("SEC-3")
def test_where_host_and_hour_are_allowed_it_is_opened_ahead_sounds_and_the_record_says_so() -> None:
    pole = Pole(with_stream(), **always())
    pole.play(-5)
    (opened,) = pole.all(OpenStream)
    assert (opened.url, opened.source.startswith("stream-0-")) == (URL, True)
    pole.play(70)
    (sound,) = pole.all(SoundMedia)
    assert sound.source == opened.source
    assert pole.all(Prepare) == []
    (ended,) = pole.kept(PlayEnded)
    assert ended.unsigned_host == HOST
    assert [segment.bearer for segment in ended.segments] == [BearerKind.STREAM]
    assert pole.kept(Refused) == []


@pytest.mark.requirement("SEC-3")
@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ({}, "no host"),
        (always(unsigned_streams=("other.example.vn",)), "no host"),
        (always(unsigned_stream_hours=None), "outside"),
        (until(-60), "outside"),
    ],
)
def test_what_the_policy_does_not_allow_is_neither_asked_for_nor_heard(
    rules: dict[str, Any], why: str
) -> None:
    pole = Pole(with_stream(), **rules)
    pole.play(70)
    assert pole.all(OpenStream) == []
    assert [name for _at, name in pole.sounds()] == ["media"]
    (refused,) = pole.kept(Refused)
    assert (refused.what, refused.reason) == ("item i0", "unsigned_stream")
    assert HOST in refused.detail
    assert why in refused.detail
    (ended,) = pole.kept(PlayEnded)
    assert ended.unsigned_host is None


@pytest.mark.requirement("SEC-3")
def test_when_its_hours_end_the_item_goes_on_by_its_file_and_that_is_written_once() -> None:
    pole = Pole(with_stream(duration_ms=180_000), **until(60))
    pole.play(200)
    (start, first), (left, second) = pole.sounds()
    assert (first, second) == ("stream", "media")
    assert start < 0
    assert 60_000 <= left <= 60_200
    (refused,) = pole.kept(Refused)
    assert "outside" in refused.detail
    (ended,) = pole.kept(PlayEnded)
    assert ended.unsigned_host == HOST
    assert [s.bearer for s in ended.segments] == [BearerKind.STREAM, BearerKind.MEDIA]


def test_hours_that_join_are_one_and_what_begins_with_them_begins_on_the_second() -> None:
    spans = tuple(
        Hours(weekdays=127, start_min=minute(at), end_min=minute(at + 60)) for at in (0, 60, 120)
    )
    pole = Pole(with_stream(duration_ms=180_000), **always(unsigned_stream_hours=spans))
    pole.play(200)
    ((_at, only),) = pole.sounds()
    assert only == "stream"
    (sound,) = pole.all(SoundMedia)
    mono_ms = pole.reading().mono_ms - pole.now_ms + BEGIN
    assert sound.at_ms == mono_ms
    assert pole.kept(Refused) == []


def test_a_policy_that_names_the_host_no_more_ends_it_at_once() -> None:
    pole = Pole(with_stream(), **always())
    pole.play(20)
    programme = Programme(playlist=with_stream(), digest=b"d" * 32, policy=policy())
    pole.do(pole.director.on_programme(programme, pole.reading()))
    pole.play(21)
    assert [name for _at, name in pole.sounds()] == ["stream", "media"]
    assert pole.streams() == []
    assert len(pole.kept(Refused)) == 1


def test_on_a_clock_that_nobody_vouches_for_there_is_no_hour_to_allow_it() -> None:
    pole = Pole(with_stream(), **always())
    pole.play(20)
    pole.trust = ClockTrust.T1
    pole.play(21)
    assert [name for _at, name in pole.sounds()] == ["stream", "media"]


@pytest.mark.requirement("AUD-5")
@pytest.mark.parametrize(
    ("trouble", "least_s", "most_s", "cause"),
    [
        ({"flows": False}, 3, 3.5, "starved"),
        ({"level": SILENCE}, 9, 21, "silence"),
    ],
)
def test_a_stall_and_silence_lead_to_the_file_which_was_opened_meanwhile(
    trouble: dict[str, Any], least_s: float, most_s: float, cause: str
) -> None:
    pole = Pole(with_stream(duration_ms=600_000), **always())
    pole.play(60)
    pole.play(90, **trouble)
    (_start, first), (left, second) = pole.sounds()
    assert (first, second) == ("stream", "media")
    assert least_s <= left / 1000 - 60 <= most_s
    prepared = next(at for at, e in pole.done if isinstance(e, Prepare))
    assert prepared < BEGIN + left - 1000
    assert [cause in detail for name, detail in pole.notes() if name == "fail"] == [True]


@pytest.mark.requirement("AUD-5")
def test_what_breaks_is_left_at_once_and_is_back_with_the_next_item_if_it_is_well() -> None:
    base = with_stream(duration_ms=120_000)
    (first,) = base.items
    second = dataclasses.replace(first, id="n9", offset_ms=120_000)
    pole = Pole(dataclasses.replace(base, items=(first, second)), **always())
    pole.play(30)
    (source,) = pole.streams()
    pole.do(pole.director.on_source_ended(source, "broken", pole.reading()))
    assert pole.sounds()[-1] == (30_000, "media")
    pole.play(119)
    assert len(pole.all(OpenStream)) > 1  # it is asked for again, and found well
    assert [name for _at, name in pole.sounds()] == ["stream", "media"]  # a file is heard out
    pole.play(130)
    assert [name for _at, name in pole.sounds()] == ["stream", "media", "stream"]


def test_another_player_is_told_to_open_it_again() -> None:
    pole = Pole(with_stream(), **always())
    pole.play(20)
    pole.do(pole.director.on_player_restarted(pole.reading()))
    pole.play(22)
    first, again = pole.all(OpenStream)
    assert first.url == again.url
    assert pole.all(SoundMedia)[-1].source == again.source


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(-3, 2), st.integers(1, 3)), max_size=3), st.booleans())
def test_it_never_sounds_where_the_policy_does_not_allow_it(
    spans: list[tuple[int, int]], is_named: bool
) -> None:
    hours = tuple(
        Hours(weekdays=127, start_min=minute(0) + start, end_min=minute(0) + start + length)
        for start, length in spans
    )
    rules: dict[str, Any] = {
        "unsigned_streams": (HOST,) if is_named else (),
        "unsigned_stream_hours": hours or None,
    }
    pole = Pole(with_stream(duration_ms=90_000), **rules)
    judge = policy(**rules)
    pole.play(91)
    (ended,) = pole.kept(PlayEnded)
    for segment in ended.segments:
        if segment.bearer is BearerKind.STREAM:
            assert may_stream(judge, URL, segment.start_ms)
            assert may_stream(judge, URL, segment.end_ms - 200)
    heard = any(segment.bearer is BearerKind.STREAM for segment in ended.segments)
    assert (ended.unsigned_host == HOST) is heard
    assert heard is may_stream(judge, URL, BEGIN)
