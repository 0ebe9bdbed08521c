"""What stands, as the head names it: rows that lead to orders, and how long they stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_order_files import fuzz
from loa_manager.content_index import ContentIndex
from loa_manager.orders import book
from loa_manager.orders.facts import told_facts
from loa_manager.orders.giving import Known
from loa_manager.orders.standing import (
    MOST_ROWS,
    RELEASED_STAY_S,
    OrderList,
    SignerRow,
    parse_standing,
)
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle
from loa_protocol.errors import ConfigError, MessageError
from loa_protocol.objects.command import Verb
from loa_protocol.objects.online import OrderMark
from support.order_desks import CLUSTERS, Ordering, paper_of
from support.orders import alert, command
from support.province import CLUSTER, NOW, STATION, province


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture
def ordering(tmp_path: Path) -> Ordering:
    return Ordering(tmp_path)


def test_the_head_names_the_list_and_each_row_leads_to_an_order_a_board_takes(
    ordering: Ordering,
) -> None:
    hold, tree = ordering.command(Verb.HOLD), ordering.home.content
    standing = parse_standing(tree.object(tree.head_facts().standing_orders))
    (row,) = standing.orders
    assert (row.scope, row.until) == (STATION, hold.expires)
    accepted = accept(tree.object(row.digest), province().trusted(), NOW)
    assert accepted.body == hold
    holders = {Bundle.from_bytes(tree.object(signer.digest)).digest for signer in standing.signers}
    assert len(holders) == 3  # the warden, and the two officers who certified them


def test_a_released_hold_and_its_release_stay_for_boards_that_were_off(ordering: Ordering) -> None:
    hold = ordering.command(Verb.HOLD, expires=NOW.unix_s + 365 * 86_400)
    release = command(Verb.RELEASE, references=(hold.id,), expires=NOW.unix_s + 365 * 86_400)
    ordering.publish(release, *province().wardens)
    until = release.issued + RELEASED_STAY_S
    assert [each.until for each in ordering.listed()] == [until, until]
    book.tidy(ordering.home, until - 1)
    assert len(ordering.listed()) == 2
    book.tidy(ordering.home, until)
    assert not ordering.listed()


def test_a_release_of_one_cluster_leaves_the_commune_s_hold_standing(ordering: Ordering) -> None:
    hold = ordering.command(Verb.HOLD, expires=NOW.unix_s + 9999)
    release = command(Verb.RELEASE, references=(hold.id,), scope=CLUSTERS[0])
    ordering.publish(release, *province().wardens)
    states = {each.entry.paper.id: each.state(NOW.unix_s) for each in ordering.survey()}
    assert states == {hold.id: "in_force", release.id: "given"}
    assert ordering.listed()[0].until == hold.expires


def test_an_old_index_without_a_list_is_read_and_damage_is_named() -> None:
    index = ContentIndex()
    text = index.to_json().decode()
    assert ContentIndex.from_json(text.encode()) == index
    value = json.loads(text)
    del value["orders"]
    assert ContentIndex.from_json(json.dumps(value).encode()) == index
    broken_lists: list[object] = [{}, [], {"orders": [{}], "signers": [], "bulletins": []}]
    for broken in broken_lists:
        with pytest.raises(MessageError):
            ContentIndex.from_json(json.dumps({**value, "orders": broken}).encode())


_KEYS = st.sampled_from(
    ["id", "scope", "title", "what", "language", "expires", "mark", "cap", "orders", "signers"]
)
_DIGESTS = st.binary(min_size=32, max_size=32)
_MARKS = st.builds(
    OrderMark,
    scope=st.sampled_from(["vn/ls", STATION, CLUSTER]),
    kind=st.integers(1, 255),
    digest=_DIGESTS,
    until=st.integers(0, 2**40),
)


@given(st.lists(_MARKS, max_size=20), st.integers(0, 2**40))
def test_a_list_survives_json_and_the_wire_and_pruning_takes_only_what_is_over(
    marks: list[OrderMark], now_s: int
) -> None:
    orders = OrderList(tuple(marks))
    assert OrderList.from_json(orders.to_json()) == orders
    document = orders.document()
    assert (document is None) == (not marks)
    if document is not None:
        assert sorted(parse_standing(document).orders, key=repr) == sorted(marks, key=repr)
    kept = orders.pruned(now_s).orders
    assert set(kept) == {mark for mark in marks if mark.until > now_s}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=8),
    max_leaves=12,
)


@given(st.binary(max_size=200) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_order_a_list_or_a_named_error(data: bytes) -> None:
    fuzz(data)


@given(st.integers(0), st.binary(min_size=1, max_size=4))
def test_an_order_with_other_bytes_in_it_is_one_or_a_named_error(at: int, put: bytes) -> None:
    data = paper_of(alert(), province().wardens[0]).data
    at %= len(data)
    fuzz(data[:at] + put + data[at + len(put) :])


def test_what_a_server_tells_has_no_control_over_the_terminal(ordering: Ordering) -> None:
    ordering.alert()
    (told,) = ordering.survey()
    facts = told_facts(told, NOW.unix_s)
    assert Known.of({**facts, "title": "x\x1b[2J\u202ey"}).title == "x[2Jy"
    for name in ("id", "boards", "answers", "expires"):
        with pytest.raises(MessageError):
            Known.of({**facts, name: None})


def test_a_full_list_refuses_orders_and_keeps_the_signers_that_last_longest() -> None:
    def mark(n: int) -> OrderMark:
        return OrderMark(scope=STATION, kind=13, digest=n.to_bytes(32), until=100)

    full = OrderList(tuple(mark(n) for n in range(MOST_ROWS)))
    with pytest.raises(ConfigError):
        full.with_order(mark(MOST_ROWS), 0)
    assert len(full.with_order(mark(MOST_ROWS), 100).orders) == 1
    rows = [SignerRow(scope=STATION, digest=n.to_bytes(32), until=n) for n in range(2000)]
    kept = OrderList().with_signers(rows, 0).signers
    assert [row.until for row in kept] == list(range(2000 - MOST_ROWS, 2000))
