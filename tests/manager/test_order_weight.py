"""The seals of an order that stands: nobody puts lighter ones in their place."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from loa_manager import database, tables
from loa_manager.orders import book
from loa_protocol.objects.authority import Level
from loa_protocol.objects.command import Verb
from loa_protocol.trust import Refusal, TrustError
from support.order_desks import AT, Ordering, paper_of
from support.orders import command
from support.province import province


@pytest.fixture
def ordering(tmp_path: Path) -> Ordering:
    return Ordering(tmp_path)


def level(ordering: Ordering) -> Level | None:
    (entry,) = ordering.listed()
    return ordering.desk.level_of(entry.paper)


@pytest.mark.requirement("SEC-8")
def test_a_commune_cannot_take_the_province_s_seal_off_an_order(ordering: Ordering) -> None:
    hold = ordering.command(Verb.HOLD, province().duty[0])  # for this one commune
    ordering.publish(hold, province().wardens[0])  # the same words under the commune's seal
    assert level(ordering) is Level.PROVINCE
    release = command(Verb.RELEASE, references=(hold.id,))
    with pytest.raises(TrustError) as refused:
        ordering.publish(release, *province().wardens)
    assert refused.value.reason is Refusal.LEVEL


def test_whoever_stands_above_may_put_weight_behind_an_order(ordering: Ordering) -> None:
    hold = ordering.command(Verb.HOLD, province().wardens[0])
    assert level(ordering) is Level.COMMUNE
    ordering.publish(hold, province().duty[0])
    assert level(ordering) is Level.PROVINCE
    with database.reading(ordering.engine) as connection:
        rows = connection.execute(select(tables.audit).where(tables.audit.c.what == "order_given"))
        assert [row.who for row in rows] == ["warden-1", "duty-1"], "the account tells of both"


def test_two_who_give_orders_at_once_do_so_one_after_the_other(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account is written between the look at the list and the change to it."""
    both, inside = threading.Event(), []

    def note(*_given: object) -> None:
        inside.append(1)
        if len(inside) == 2:
            both.set()
        both.wait(0.5)  # the other one has time to come in, and must not
        inside.pop()

    monkeypatch.setattr(book, "note", note)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _n: ordering.command(Verb.HOLD), range(2)))
    assert not both.is_set()
    assert len(ordering.listed()) == 2


def test_an_order_whose_seals_count_no_more_can_be_given_again(ordering: Ordering) -> None:
    hold = command(Verb.HOLD)
    paper = paper_of(hold, province().wardens[0])
    ordering.publish(hold, province().wardens[0])
    file = ordering.home.content.path / "objects" / paper.bundle.digest.hex()
    file.write_bytes(paper_of(hold, province().editor).data)  # of a role that is not enough
    book.publish(paper, ordering.home, ordering.desk, at=AT)
    assert level(ordering) is Level.COMMUNE
