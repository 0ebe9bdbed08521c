"""What a standing programme lets sound is seen before it is signed: item by item, day by day."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager.cli import week_view
from loa_manager.cli.order_view import confirm_order
from loa_manager.cli.week_view import days_text, show_week, week_remarks
from loa_manager.orders.facts import paper_facts
from loa_manager.orders.giving import Giver
from loa_manager.orders.paper import open_paper
from loa_manager.orders.week import DAYS, day_names, week_facts
from loa_protocol.envelope import Kind
from loa_protocol.errors import ConfigError
from loa_protocol.objects.playlist import BulletinKind, Proof, ProofKind
from loa_protocol.objects.standing import StandingProgramme, WeeklySession, WeeklyWindow
from support.order_desks import AT, Ordering
from support.orders import standing_programme
from support.province import province

NIGHT = WeeklySession(id="đêm", weekdays=0b1000000, start_min=1439, duration_s=300, volume=15)
MORNING = WeeklySession(id="sáng", weekdays=0b0010111, start_min=330, duration_s=600, volume=9)
FM = WeeklyWindow(
    frequency_khz=102_700,
    weekdays=0b11111,
    start_min=330,
    end_min=345,
    volume=9,
    proofs=(Proof(kind=ProofKind.PI, value=0xA123),),
)
VIETNAMESE = {"Mon": "T2", "Wed": "T4", "Fri": "T6", "Sun": "CN", "daily": "hằng ngày"}


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


def programme(*sessions: WeeklySession) -> StandingProgramme:
    """Return a programme with one item in each session, and an FM window."""
    (first, *_rest) = standing_programme().items
    items = [
        dataclasses.replace(first, id=f"{at}", session=at, offset_ms=90_000, duration_ms=65_000)
        for at in range(len(sessions))
    ]
    return standing_programme(sessions=sessions, items=tuple(items), fm_windows=(FM,))


@pytest.fixture
def giver(tmp_path: Path) -> Giver:
    ordering = Ordering(tmp_path)
    return Giver(ordering.home, ordering.desk, AT)


def test_every_item_has_its_days_its_time_its_length_and_its_volume() -> None:
    facts = week_facts(programme(NIGHT, MORNING))
    morning, night = facts["week"]
    assert morning["days"] == ["mon", "tue", "wed", "fri"]
    assert (morning["start"], morning["end"], morning["length_s"]) == ("05:31:30", "05:32:35", 65)
    assert (night["start"], night["volume"], night["days"]) == ("00:00:30", 15, ["sun"])
    assert facts["fm_windows"][0]["frequency_khz"] == 102_700


def test_a_session_without_items_is_shown_and_an_item_without_a_session_never_sounds() -> None:
    body = dataclasses.replace(programme(MORNING), sessions=(NIGHT, MORNING))
    facts = week_facts(dataclasses.replace(body, items=body.items[:0]))
    assert [row.get("title") for row in facts["week"]] == [None, None]
    lost = dataclasses.replace(body.items[0], session=7)
    assert len(week_facts(dataclasses.replace(body, items=(lost,)))["week"]) == 2


@given(st.integers(1, 127))
def test_no_day_is_lost_in_words(weekdays: int) -> None:
    days = day_names(weekdays)
    assert sum(1 << DAYS.index(day) for day in days) == weekdays
    shown = days_text(days)
    assert (shown == "daily") == (weekdays == 127)
    if len(days) < 3:
        assert shown.lower().split(", ") == days


def test_days_are_told_in_the_language_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(week_view, "_", lambda text: VIETNAMESE.get(text, text))
    assert days_text(["mon", "tue", "wed", "fri", "sun"]) == "T2-T4, T6, CN"
    assert days_text(list(DAYS)) == "hằng ngày"


@pytest.mark.requirement("SEC-8")
def test_whoever_signs_sees_what_sounds_and_what_the_policy_forbids(
    giver: Giver, capsys: pytest.CaptureFixture[str]
) -> None:
    body = programme(MORNING, NIGHT)
    show_week(giver, body)
    said = capsys.readouterr()
    assert said.out == ""
    for text in ("Mon-Wed, Fri", "05:31:30", "1:05", "102.7 MHz", "pi", "Sun", "00:00:30"):
        assert text in said.err, text
    assert body.items[0].title in said.err
    assert "FORBIDDEN" in said.err  # the night is
    reasons = {each["reason"] for each in week_remarks(giver, body) if each["forbidden"]}
    assert reasons == {"blocked_quiet_hours"}


def test_a_priority_is_marked(giver: Giver, capsys: pytest.CaptureFixture[str]) -> None:
    body = programme(MORNING)
    urgent = dataclasses.replace(body.items[0], kind=BulletinKind.PRIORITY)
    show_week(giver, dataclasses.replace(body, items=(urgent,)))
    assert "priority" in capsys.readouterr().err


def test_nobody_is_asked_about_what_json_does_not_show(
    giver: Giver, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    here, body = province(), programme(MORNING)
    paper = open_paper(here.sign(Kind.STANDING_PROGRAMME, body, here.editor))
    assert paper_facts(paper)["week"] == week_facts(body)["week"]
    monkeypatch.setattr("sys.stdin", Keyboard("y\n"))
    monkeypatch.setattr("loa_manager.cli.order_view.wants_json", lambda _context: True)
    with pytest.raises(ConfigError, match="--json"):
        confirm_order(giver, [paper], yes=False)
    confirm_order(giver, [paper], yes=True)
