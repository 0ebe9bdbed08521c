"""The schedule on the calendar, and the playlist that comes of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager.publish.compose import SIGNATURE_ROOM
from loa_manager.publish.drafts import Prepared, prepare
from loa_manager.publish.gain import gain_cdb, missing_cdb
from loa_manager.publish.media import Kept
from loa_manager.publish.schedule import parse_schedule
from loa_protocol import cbor
from loa_protocol.objects.playlist import BearerKind, Playlist, ProofKind
from support.province import policy
from support.schedules import MONDAY, facts, item, session, text

CARRIER = '"xa"'
FM = '[fm.xa]\nfrequency = 96.5\npi = "9A01"\nvolume = 8\n'
MINUTE = {"gia-lua.opus": 60_000, "nhac.mp3": 90_500}


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


def kept(name: str, number: int, duration_ms: int) -> Kept:
    return Kept(facts(number, duration_ms=duration_ms), None, name, "opus", False)  # type: ignore[arg-type]  # no file is read here


def prepared(data: bytes, durations: dict[str, int] | None = None, **changes: object) -> Prepared:
    week, faults = parse_schedule(data)
    assert week is not None, faults
    assert not faults
    store = {
        name: kept(name, number, duration)
        for number, (name, duration) in enumerate((durations or MINUTE).items(), start=1)
    }
    return prepare(week, store, policy(**changes), position=(1, 7), now_s=MONDAY)


def composed(data: bytes, durations: dict[str, int] | None = None) -> Playlist:
    ready = prepared(data, durations)
    assert ready.faults == []
    assert ready.playlist is not None
    return ready.playlist


def only_fault(data: bytes, durations: dict[str, int] | None = None) -> str:
    found = prepared(data, durations).faults
    assert len(found) == 1, found
    return str(found[0])


def test_local_time_becomes_utc_by_the_policys_offset() -> None:
    week = composed(text())
    assert week.not_before == MONDAY
    assert week.expires == MONDAY + 7 * 86_400
    assert [each.start for each in week.sessions] == [
        MONDAY + day * 86_400 + 19_800 for day in range(7)
    ]
    first = datetime.fromtimestamp(week.sessions[0].start, UTC)
    assert (first.hour, first.minute) == (22, 30), "05:30 in Vietnam is 22:30 UTC the day before"
    elsewhere = prepared(text(), utc_offset_min=0).playlist
    assert elsewhere is not None
    assert elsewhere.sessions[0].start == week.sessions[0].start + 7 * 3600


def test_items_follow_each_other_unless_a_time_is_given() -> None:
    week = composed(
        text(
            session(
                item(),
                item(file='"nhac.mp3"'),
                item(at='"05:45"'),
                item(length="3"),
                item(),
                days=None,
                date="2027-01-20",
            )
        )
    )
    assert [each.offset_ms for each in week.items] == [0, 60_000, 900_000, 960_000, 1_140_000]
    assert [each.duration_ms for each in week.items] == [60_000, 90_500, 60_000, 60_000, 60_000]
    assert [each.id for each in week.items][:2] == ["sang-20270120-1", "sang-20270120-2"]


@pytest.mark.requirement("MSG-1", "MSG-2")
def test_priority_plays_ahead_of_normal_unless_a_time_holds_an_item() -> None:
    entries = [
        item(id='"chime"', at='"05:30"'),
        item(id='"one"'),
        item(id='"province"', kind='"priority"', level='"province"'),
        item(id='"commune"', kind='"priority"'),
        item(id='"noon"', at='"05:50"'),
        item(id='"two"'),
    ]
    decided = session(*entries, days=None, date="2027-01-18", order='"decided"')
    week = composed(text(decided))
    names = [each.id.rpartition("-")[2] for each in week.items]
    assert names == ["chime", "province", "commune", "one", "noon", "two"]
    offsets = [each.offset_ms // 60_000 for each in week.items]
    assert offsets == [0, 1, 2, 3, 20, 21]


def test_weekdays_pick_their_days() -> None:
    week = composed(text(session(days='["sat", "cn"]')))
    assert [each.id for each in week.sessions] == ["sang-20270123", "sang-20270124"]


def test_the_same_file_is_one_medium_however_often_it_plays() -> None:
    week = composed(text(session(item(), item(file='"nhac.mp3"'), item())))
    assert [media.duration_ms for media in week.media] == [60_000, 90_500]
    assert [each.bearers[0].reference for each in week.items][:3] == [0, 1, 0]
    assert (week.scope, week.epoch, week.serial) == ("vn/ls/st0137", 1, 7)


def test_fm_comes_before_media_inside_windows_no_wider_than_the_items() -> None:
    week = composed(
        text(
            session(
                item(fm=CARRIER),
                item(fm=CARRIER, file='"nhac.mp3"'),
                item(),
                item(fm=CARRIER),
                days=None,
                date="2027-01-18",
            ),
            extra=FM,
        )
    )
    start = MONDAY + 19_800
    assert [(w.start - start, w.end - start) for w in week.fm_windows] == [(0, 151), (210, 271)]
    window = week.fm_windows[0]
    assert (window.frequency_khz, window.volume) == (96_500, 8)
    assert [(proof.kind, proof.value) for proof in window.proofs] == [(ProofKind.PI, 0x9A01)]
    kinds = [[(b.kind, b.reference) for b in each.bearers] for each in week.items]
    assert kinds == [
        [(BearerKind.FM, 0), (BearerKind.MEDIA, 0)],
        [(BearerKind.FM, 0), (BearerKind.MEDIA, 1)],
        [(BearerKind.MEDIA, 0)],
        [(BearerKind.FM, 1), (BearerKind.MEDIA, 0)],
    ]
    assert week.items[0].bearers[0].cost < week.items[0].bearers[1].cost


def test_a_relay_by_fm_lasts_as_long_as_it_says() -> None:
    week = composed(text(session(item(file=None, fm=CARRIER, length="15")), extra=FM))
    assert week.items[0].duration_ms == 900_000
    assert [b.kind for b in week.items[0].bearers] == [BearerKind.FM]
    assert week.media == ()


def test_declared_silence_is_carried() -> None:
    week = composed(text(session(item(expected_silence='["0:10-0:40"]'))))
    (span,) = week.items[0].expected_silence
    assert (span.start_ms, span.end_ms) == (10_000, 40_000)
    assert "goes beyond the end" in only_fault(
        text(session(item(expected_silence='["0:10-1:01"]')))
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (text(session(), session(id='"b"', start='"05:59"')), 'session 2 "b": overlaps with line'),
        (text(session(item(length='"30s"'))), "longer than its length of 00:00:30"),
        (text(session(length='"45s"')), "ends 00:00:15 after its session"),
        (text(session(item(), item(at='"05:30:30"'))), "before the item before it ends, at 05:31"),
        (text(session(item(at='"06:30"'))), "at lies outside the session"),
        (text(session(days=None, date="2027-02-18")), "falls on no day of the schedule"),
        (text(session(days='["mon"]'), to="2027-01-18", from_="2027-01-18"), ""),
        (text(session(days='["tue"]'), to="2027-01-18", from_="2027-01-18"), "falls on no day"),
        (text(session(start='"23:50"')), "runs beyond the schedule's last day"),
    ],
)
def test_what_does_not_fit_is_named(data: bytes, expected: str) -> None:
    if not expected:
        assert prepared(data).faults == []
        return
    assert any(expected in str(fault) for fault in prepared(data).faults), prepared(data).faults


def test_an_overlap_is_named_once_for_the_whole_week() -> None:
    fault = only_fault(text(session(), session(id='"b"', start='"05:40"', length="5")))
    assert "overlaps with line 9, session 1" in fault
    assert "on 2027-01-18" in fault


def test_a_long_session_is_compared_with_every_later_one() -> None:
    inside = text(
        session(length="120"),
        session(id='"b"', start='"06:00"', length="5"),
        session(id='"c"', start='"07:00"', length="5"),
    )
    assert len(prepared(inside).faults) == 2


def test_sessions_side_by_side_do_not_overlap() -> None:
    assert prepared(text(session(), session(id='"b"', start='"06:00"'))).faults == []


def test_a_schedule_that_is_over_is_refused() -> None:
    week, _faults = parse_schedule(text())
    assert week is not None
    late = prepare(
        week,
        {"gia-lua.opus": kept("gia-lua.opus", 1, 60_000)},
        policy(),
        position=(1, 1),
        now_s=MONDAY + 8 * 86_400,
    )
    assert [fault.text for fault in late.faults] == ["its last day is over already"]


def test_a_missing_file_stops_no_other_check() -> None:
    ready = prepared(
        text(session(item(file='"fehlt.mp3"'), item(length='"30s"')), session(id='"b"')),
        {"gia-lua.opus": 60_000},
    )
    assert ready.playlist is None
    texts = [str(fault) for fault in ready.faults]
    assert any("longer than its length" in each for each in texts)
    assert any("overlaps" in each for each in texts)


def test_a_playlist_leaves_room_for_its_signatures() -> None:
    names = [f'"{n:03}{"ặ" * 190}"' for n in range(190)]
    long = [item(title=name, length='"1s"', file='"tick.opus"') for name in names]
    many = text(session(*long, length="60"), to="2027-02-16")
    assert "5700 items; a playlist holds 4096" in only_fault(many, {"tick.opus": 1000})
    fits = composed(text(session(*long[:12], length="60"), to="2027-02-16"), {"tick.opus": 1000})
    assert len(fits.to_bytes()) < cbor.MAX_BYTES - SIGNATURE_ROOM
    over = text(session(*long[:60], length="60"), to="2027-02-16")
    assert "take fewer days" in only_fault(over, {"tick.opus": 1000})


def test_too_many_fm_windows_are_named() -> None:
    often = [item(fm=CARRIER), item()] * 40
    fault = only_fault(text(session(*often, length="90"), extra=FM, to="2027-02-16"))
    assert "1200 FM windows; a playlist holds 1024" in fault


@pytest.mark.requirement("AUD-2")
@pytest.mark.parametrize(
    ("loudness", "peak", "gain"),
    [(-2000, -1000, -300), (-3000, -1000, 700), (-3000, -300, 200), (-6900, -6000, 3000)],
)
def test_gain_reaches_the_target_unless_peaks_forbid(loudness: int, peak: int, gain: int) -> None:
    media = facts(loudness_clufs=loudness, true_peak_cdbtp=peak)
    assert gain_cdb(media, -2300) == gain
    assert missing_cdb(media, -2300) == -2300 - loudness - gain


@pytest.mark.requirement("AUD-2")
@given(st.integers(-7000, 0), st.integers(-12_000, 600), st.integers(-4000, -1000))
def test_no_gain_lifts_a_true_peak_over_minus_one(loudness: int, peak: int, target: int) -> None:
    media = facts(loudness_clufs=loudness, true_peak_cdbtp=peak)
    gain = gain_cdb(media, target)
    assert -6000 <= gain <= 3000
    assert peak + gain <= -100
    assert loudness + gain <= target


def test_a_file_that_cannot_be_as_loud_as_asked_is_told_of() -> None:
    week, _faults = parse_schedule(text())
    assert week is not None
    soft = Kept(facts(1, loudness_clufs=-3000, true_peak_cdbtp=-200), None, "x", "opus", False)  # type: ignore[arg-type]  # no file is read here
    ready = prepare(week, {"gia-lua.opus": soft}, policy(), position=(1, 1), now_s=MONDAY)
    assert ready.faults == []
    assert [each.text for each in ready.warnings] == [
        "gia-lua.opus stays 6.0 LU below the target: its peaks forbid more gain"
    ]


@pytest.mark.requirement("AUD-6")
def test_an_announcement_takes_its_time_and_nobodys_place() -> None:
    over = item(
        title='"Mất điện"', at='"05:30:20"', over='"Làm nền"', volume="12", kind='"ưu tiên"'
    )
    week = composed(text(session(over, item(file='"nhac.mp3"'), item(title='"Sau"'))))
    found = [(each.title, each.offset_ms, each.duck_cdb, each.volume) for each in week.items[:3]]
    assert found == [
        ("Giá lúa", 0, None, None),
        ("Sau", 90_500, None, None),
        ("Mất điện", 20_000, -1500, 12),
    ]
    assert week.items[2].is_announcement


def test_an_announcement_needs_a_time_and_comes_by_no_fm() -> None:
    for wrong in (item(over="12"), item(over="12", at='"05:31"', fm=CARRIER)):
        _, faults = parse_schedule(text(session(wrong), extra=FM))
        assert [str(each).split(": ")[-1] for each in faults] == [
            "an item over another one needs a time (at) and no fm"
        ]
    _, faults = parse_schedule(text(session(item(over="61", at='"05:31"'))))
    assert "expected 0 to 60 (dB) or one of: background, làm nền" in str(faults[0])
