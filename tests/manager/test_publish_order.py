"""Two priorities in one session: the commune decides, and nobody else before the deadline."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from loa_manager import database, tables
from loa_manager.content_tree import write_durably
from loa_manager.publish.drafts import Draft, Prepared, prepare
from loa_manager.publish.editing import check_draft, check_schedule
from loa_manager.publish.media import Kept
from loa_manager.publish.order import (
    Choice,
    NeedsOrderError,
    Terms,
    choose,
    find_collisions,
    put_in_order,
)
from loa_manager.publish.publication import publish
from loa_manager.publish.schedule import parse_schedule
from loa_protocol.envelope import Kind
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.playlist import BulletinKind
from loa_protocol.objects.policy import OrderRule
from support.desks import LATER, NOW, make_desks
from support.province import policy, province
from support.schedules import MONDAY, facts, item, schedule, session, text

pytestmark = pytest.mark.requirement("MSG-2")
SOURCE = item(id='"source"', title='"Của tỉnh"', kind='"priority"', level='"province"')
OWN = item(id='"own"', title='"Của xã"', kind='"priority"')
PLAIN = item(id='"plain"', title='"Thường"')
SESSION_S = MONDAY + 19_800  # 05:30 on the first day


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


def one_day(*items: str, **changes: str | None) -> bytes:
    day = {"days": None, "date": "2027-01-18", **changes}
    return text(session(*items, **day))


def prepared(data: bytes, *, now_s: int = MONDAY, **changes: object) -> Prepared:
    week, faults = parse_schedule(data)
    assert week is not None, faults
    kept = {"gia-lua.opus": Kept(facts(), None, "gia-lua.opus", "opus", False)}  # type: ignore[arg-type]  # no file is read here
    return prepare(week, kept, policy(**changes), position=(1, 7), now_s=now_s)


def names(ready: Prepared) -> list[str]:
    assert ready.faults == []
    assert ready.playlist is not None
    return [each.id.rpartition("-")[2] for each in ready.playlist.items]


def test_nothing_is_chosen_while_nobody_has_decided() -> None:
    ready = prepared(one_day(PLAIN, SOURCE, OWN))
    assert ready.playlist is not None
    (collision,) = find_collisions(ready.playlist)
    assert not collision.is_decided
    assert {each.offset_ms for each in collision.items} == {0}, "neither stands before the other"
    (normal,) = [i for i in ready.playlist.items if i.kind is BulletinKind.NORMAL]
    assert normal.offset_ms == 120_000, "and the rest is where it will be in any order"


@pytest.mark.parametrize("order", [(SOURCE, OWN), (OWN, SOURCE)])
def test_the_officers_own_order_holds_once_it_is_called_decided(order: tuple[str, str]) -> None:
    ready = prepared(one_day(PLAIN, *order, order='"decided"'))
    first = "source" if order[0] is SOURCE else "own"
    assert names(ready)[0] == first
    assert names(ready)[2] == "plain"
    assert ready.playlist is not None
    (collision,) = find_collisions(ready.playlist)
    assert collision.is_decided


def test_the_vietnamese_word_decides_too() -> None:
    assert names(prepared(one_day(OWN, SOURCE, order='"đã chọn"'))) == ["own", "source"]


@pytest.mark.parametrize(
    "items",
    [
        (SOURCE, PLAIN),
        (OWN, PLAIN),
        (SOURCE, SOURCE.replace("source", "other").replace("province", "central")),
        (OWN, OWN.replace("own", "other")),
        (OWN + 'at = "05:40"\n', SOURCE),
    ],
)
def test_priorities_of_one_side_or_at_a_given_time_do_not_collide(items: tuple[str, ...]) -> None:
    ready = prepared(one_day(*items))
    assert ready.playlist is not None
    starts = [each.offset_ms for each in ready.playlist.items]
    assert len(set(starts)) == len(starts)


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        (OrderRule.WAIT, Choice.OPEN, Choice.OPEN),
        (OrderRule.HIGHER_FIRST, Choice.OPEN, Choice.HIGHER_FIRST),
        (OrderRule.OWN_FIRST, Choice.OPEN, Choice.OWN_FIRST),
    ],
)
def test_the_rule_chooses_from_the_deadline_on_and_not_a_second_earlier(
    rule: OrderRule, before: Choice, after: Choice
) -> None:
    deadline = SESSION_S - 3600
    for now_s, expected in ((deadline - 1, before), (deadline, after), (SESSION_S + 1, after)):
        terms = Terms(deadline_min=60, rule=rule, now_s=now_s)
        assert choose(SESSION_S, terms, is_decided=False) is expected
        assert choose(SESSION_S, terms, is_decided=True) is Choice.COMMUNE


def test_what_the_rule_chose_is_warned_of_and_only_on_the_days_it_concerns() -> None:
    data = text(session(OWN, SOURCE, PLAIN))
    rules = {"order_deadline_min": 60, "order_rule": OrderRule.HIGHER_FIRST}
    ready = prepared(data, now_s=SESSION_S - 1800, **rules)
    assert ready.playlist is not None
    first, *rest = find_collisions(ready.playlist)
    assert first.is_decided
    assert [each.level for each in first.items] == [Level.PROVINCE, Level.COMMUNE]
    assert len(rest) == 6
    assert not any(each.is_decided for each in rest), "later days still wait for the commune"
    (warning,) = ready.warnings
    assert 'the policy\'s rule orders its priorities: "Của tỉnh", "Của xã"' in str(warning)


ENTRIES = {
    each.id: each
    for each in schedule(session(OWN, SOURCE, PLAIN, item(id='"also"', kind='"priority"')))
    .sessions[0]
    .items
}


@given(st.permutations(sorted(ENTRIES)), st.sampled_from(Choice))
def test_an_order_loses_nothing_and_keeps_what_no_rule_moves(
    ids: list[str], choice: Choice
) -> None:
    ordered = [each.id for each in put_in_order([ENTRIES[name] for name in ids], choice)]
    assert sorted(ordered) == sorted(ids)
    assert ordered[-1] == "plain", "priority plays ahead of normal"
    written = [name for name in ids if name in ("own", "also")]
    assert [name for name in ordered if name in ("own", "also")] == written
    if choice is Choice.HIGHER_FIRST:
        assert ordered[0] == "source"
    elif choice is Choice.OWN_FIRST:
        assert ordered[2] == "source"
    else:
        assert ordered[:3] == [name for name in ids if name != "plain"]


def week_of(*items: str, **changes: str) -> bytes:
    return text(session(*items, **changes)).replace(b"gia-lua.opus", b"gia-lua.wav")


def test_an_undecided_week_is_shown_and_drafted_but_never_signed_or_published(
    tmp_path: Path,
) -> None:
    desks = make_desks(tmp_path, week_of(SOURCE, OWN))
    here, desk = province(), desks.desk(desks.editor)
    assert check_schedule(desks.week, desks.editor, desk).needs_order
    draft = desks.draft()
    with pytest.raises(NeedsOrderError, match="needs an order"):
        desks.seal(draft, here.editor, Role.EDITOR)
    assert check_draft(draft.path, desk)[1].needs_order
    # even when two people seal it by other means, it does not get into the tree
    data = here.sign(Kind.PLAYLIST, draft.playlist, here.editor, here.approver)
    write_durably(draft.path, data)
    forced = Draft(draft.path, data, draft.bundle, draft.playlist)
    with pytest.raises(NeedsOrderError):
        publish(forced, desks.server, desks.desk(desks.server), at=NOW)
    assert desks.server.content.leaves() == []


def test_who_chose_which_order_stands_in_the_account(tmp_path: Path) -> None:
    desks = make_desks(tmp_path, week_of(OWN, SOURCE, order='"decided"'))
    publish(desks.signed(), desks.server, desks.desk(desks.server), at=LATER)
    engine = database.open(desks.server.database_url)
    with database.reading(engine) as connection:
        rows = connection.execute(
            select(tables.audit.c.who, tables.audit.c.detail).where(
                tables.audit.c.what == "order_decided"
            )
        ).all()
    engine.dispose()
    assert len(rows) == 7, "one for each day's session"
    assert {row.who for row in rows} == {"editor + approver"}
    assert '"order": ["Của xã", "Của tỉnh"]' in rows[0].detail
