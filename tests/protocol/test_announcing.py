"""Announcements over a programme: which of them may sound at all."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager.publish.rules import Reason, judge
from loa_protocol.announcing import find_crossing
from loa_protocol.objects.playlist import Bearer, BearerKind, Item, Playlist, Session
from support.province import START, playlist, policy

MINUTE = 60_000


def placed(item: Item, offset_ms: int, duration_ms: int, number: int, duck: int | None) -> Item:
    return dataclasses.replace(
        item, id=f"x{number}", offset_ms=offset_ms, duration_ms=duration_ms, duck_cdb=duck
    )


def week(*rows: tuple[int, int, bool]) -> Playlist:
    """Return a playlist of (start, length in ms, whether it is an announcement)."""
    base = playlist(items=1)
    items = tuple(
        placed(base.items[0], start, length, number, -1500 if over else None)
        for number, (start, length, over) in enumerate(rows)
    )
    session = Session(id="s1", start=START + 3600, duration_s=3600, volume=10)
    return dataclasses.replace(base, items=items, sessions=(session,))


@pytest.mark.requirement("AUD-6")
def test_an_announcement_may_sound_over_one_item() -> None:
    music, next_one = (0, 5 * MINUTE, False), (5 * MINUTE, MINUTE, False)
    assert find_crossing(week(music, (MINUTE, 10_000, True), next_one)) == set()
    assert find_crossing(week(music, (4 * MINUTE, MINUTE, True), next_one)) == set(), "to its end"
    assert find_crossing(week((MINUTE, 10_000, True))) == set(), "over nothing it is an item"


@pytest.mark.requirement("AUD-6")
def test_over_two_items_or_another_announcement_it_is_refused() -> None:
    music, next_one = (0, 5 * MINUTE, False), (5 * MINUTE, MINUTE, False)
    assert find_crossing(week(music, next_one, (5 * MINUTE - 1, 2, True))) == {2}
    twice = week(music, (MINUTE, 10_000, True), (MINUTE + 9_999, 5_000, True))
    assert find_crossing(twice) == {2}
    follow = week(music, (MINUTE, 10_000, True), (MINUTE + 10_000, 5_000, True))
    assert find_crossing(follow) == set()


def test_the_desk_names_what_the_pole_would_refuse() -> None:
    twice = week((0, 5 * MINUTE, False), (MINUTE, 10_000, True), (MINUTE, 5_000, True))
    assert [(each.reason, each.item and each.item.id) for each in judge(twice, policy())] == [
        (Reason.OVERLAP, "x1")
    ]
    assert Reason.OVERLAP.is_forbidden


def test_only_a_file_can_sound_over_something() -> None:
    item = dataclasses.replace(playlist().items[0], duck_cdb=-1500)
    fm = Bearer(kind=BearerKind.FM, reference=0, cost=1)
    assert item.is_announcement
    assert not dataclasses.replace(item, bearers=(fm, *item.bearers)).is_announcement
    assert not dataclasses.replace(item, duck_cdb=None).is_announcement


rows = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 20), st.booleans()), max_size=9, unique=True
)


@given(rows)
def test_what_is_found_is_what_a_slow_look_finds(drawn: list[tuple[int, int, bool]]) -> None:
    found = find_crossing(week(*((a * 1000, b * 1000, over) for a, b, over in drawn)))
    free, expected = 0, set()
    order = sorted((a, a + b, number) for number, (a, b, over) in enumerate(drawn) if over)
    for start, end, number in order:
        hosts = [a for a, b, over in drawn if not over and a < end and a + b > start]
        if start < free or len(hosts) > 1:
            expected.add(number)
        else:
            free = end
    assert found == expected
