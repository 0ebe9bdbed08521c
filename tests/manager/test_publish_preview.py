"""What will play next, and the policy's remarks, before anything acts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from loa_manager.cli.playlist_view import playlist_facts, show_plays, show_remarks
from loa_manager.publish.preview import Preview, make_preview, reason_text
from loa_manager.publish.rules import Finding, Reason
from loa_protocol.objects.policy import VolumeCap
from support.plans import DAY, HOUR, week
from support.province import policy
from support.schedules import MONDAY


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


def daily(hour_s: int, **changes: object) -> Preview:
    playlist = week(*((day * DAY + hour_s, 10) for day in range(7)), **changes)
    return make_preview(playlist, policy(), MONDAY)


@pytest.mark.requirement("TIM-3")
def test_the_next_24_hours_are_shown_in_local_time() -> None:
    preview = daily(7 * HOUR)
    (play,) = preview.plays
    start = preview.local(play.start_ms)
    assert f"{start:%d/%m/%Y %H:%M}" == "18/01/2027 07:00"
    assert start.utcoffset() == timedelta(hours=7)
    assert not preview.is_later


@pytest.mark.requirement("TIM-3")
def test_where_nothing_is_near_the_first_day_of_plays_is_shown() -> None:
    playlist = week((3 * DAY + 7 * HOUR, 10), (3 * DAY + 17 * HOUR, 10), (5 * DAY, 10))
    preview = make_preview(playlist, policy(), MONDAY)
    assert preview.is_later
    assert f"{preview.start:%d/%m %H:%M}" == "21/01 07:00"
    assert len(preview.plays) == 2


def test_what_is_over_is_neither_shown_nor_remarked_on() -> None:
    playlist = week(*((day * DAY + 3 * HOUR, 10) for day in range(7)))
    later = make_preview(playlist, policy(), MONDAY + 3 * DAY + 4 * HOUR)
    assert [remark.days for remark in later.forbidden] == [3]
    over = make_preview(playlist, policy(), MONDAY + 8 * DAY)
    assert (over.plays, over.remarks) == ([], [])


def test_one_remark_speaks_for_all_its_days() -> None:
    preview = daily(3 * HOUR + 900)
    (remark,) = preview.forbidden
    assert (remark.days, f"{remark.first:%d/%m %H:%M}") == (7, "18/01 03:15")
    assert remark.text == (
        'session 03:15, "Bản tin": outside the allowed hours (18/01/2027 03:15 and 6 more times)'
    )


def test_a_single_day_has_no_more_times() -> None:
    preview = make_preview(week((3 * HOUR, 10)), policy(), MONDAY)
    assert preview.forbidden[0].text.endswith("outside the allowed hours (18/01/2027 03:00)")


def test_places_of_the_officers_text_are_used_where_there_are_any() -> None:
    playlist = week((3 * HOUR, 10))
    places = {"s0": "line 3, session 1", "i0": "line 7, session 1, item 1"}
    preview = make_preview(playlist, policy(), MONDAY, places)
    assert [remark.place for remark in preview.remarks] == [
        "line 3, session 1",
        "line 7, session 1, item 1",
    ]


def test_different_reasons_are_different_remarks() -> None:
    rules = policy(
        minutes_per_session=5, volume_caps=(VolumeCap(start_min=0, end_min=1440, level=4),)
    )
    playlist = week((3 * HOUR, 10), category="quảng cáo")
    reasons = {each.finding.reason for each in make_preview(playlist, rules, MONDAY).remarks}
    assert reasons == {
        Reason.QUIET_HOURS,
        Reason.SLOT_HOURS,
        Reason.MINUTES,
        Reason.CATEGORY,
        Reason.VOLUME,
    }


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words(reason: Reason) -> None:
    (session,) = week((7 * HOUR, 10)).sessions
    text = reason_text(Finding(reason=reason, session=session, item=None, start_ms=0, limit=9))
    assert text
    assert "{" not in text
    assert str(reason) not in text


def test_a_volume_over_the_cap_says_both_levels() -> None:
    rules = policy(volume_caps=(VolumeCap(start_min=0, end_min=1440, level=9),))
    (remark,) = make_preview(week((7 * HOUR, 10), volume=15), rules, MONDAY).remarks
    assert "volume 15 is over the cap; devices will play at 9" in remark.text
    assert not remark.finding.reason.is_forbidden


def test_the_table_marks_what_is_forbidden(capsys: pytest.CaptureFixture[str]) -> None:
    playlist = week((3 * HOUR, 10), (7 * HOUR, 10))
    preview = make_preview(playlist, policy(), MONDAY)
    show_plays(preview)
    show_remarks(preview.remarks, ["a.wav stays 3.0 LU below the target"])
    out, err = capsys.readouterr()
    night, morning = out.splitlines()[2:]
    assert night.endswith("FORBIDDEN")
    assert "FORBIDDEN" not in morning
    assert err.count("FORBIDDEN: ") == 1
    assert "Warning: a.wav stays 3.0 LU below the target" in err


def test_an_empty_future_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    show_plays(make_preview(week(), policy(), MONDAY))
    assert capsys.readouterr().out == "Nothing will play any more.\n"


def test_facts_are_those_of_the_signed_bytes() -> None:
    facts = playlist_facts(week((7 * HOUR, 10)), ["nga"])
    assert (facts["scope"], facts["sessions"], facts["items"]) == ("vn/ls/st0137", 1, 1)
    assert (facts["media"], facts["media_bytes"], facts["signers"]) == (0, 0, ["nga"])
    assert facts["not_before"].timestamp() == MONDAY
