"""When an order is pushed again, and to whom: cheap for a province, quick for who missed it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager.orders.delivery import (
    MOST,
    PAUSES_S,
    PORTION,
    QUIET_S,
    SETTLE_S,
    Delivery,
    Heard,
    Outgoing,
    Step,
)
from support.province import STATION

PLACE = f"scope/{STATION}/order"
NOBODY = Heard(0)


def outgoing(n: int = 1, **changes: object) -> Outgoing:
    facts: dict[str, object] = {
        "digest": bytes([n]) * 32,
        "id": bytes([n]) * 16,
        "scope": STATION,
        "endpoint": None,
        "expires": 10_000,
    }
    return Outgoing(**{**facts, **changes})  # type: ignore[arg-type]  # test convenience


def ids(count: int) -> tuple[str, ...]:
    return tuple(f"{n:04x}" for n in range(count))


def started(boards: int, order: Outgoing | None = None) -> Delivery:
    """Return the delivery of one order that went to all of so many boards at second 0."""
    order, delivery = order or outgoing(), Delivery()
    delivery.update([order], 0)
    step = delivery.step(order, Heard(boards, ids(boards)), 0)
    delivery.sent(order, step, 0, 0.5)
    return delivery


# --- when


def test_an_order_is_due_at_once_and_again_after_growing_pauses_until_it_is_enough() -> None:
    delivery, order, now_s, waited = Delivery(), outgoing(), 0.0, []
    delivery.update([order], now_s)
    assert delivery.due(now_s, 0) == [(order, True)]
    for _ in range(MOST):
        delivery.sent(order, delivery.step(order, NOBODY, now_s), now_s, 0.5)
        later = delivery.next_due_s()
        if later is not None:
            waited.append(later - now_s)
            assert delivery.due(later - 0.1, 0) == []
            assert delivery.due(later, 0) == [(order, False)]
            now_s = later
    assert waited[:6] == list(PAUSES_S)
    assert len(waited) == MOST - 1
    delivery.update([order], now_s)  # still listed: it is not begun anew
    assert delivery.next_due_s() is None


def test_an_order_is_pushed_no_more_when_it_is_acknowledged_expired_or_gone() -> None:
    delivery, orders = Delivery(), [outgoing(n) for n in (1, 2, 3)]
    delivery.update(orders, 0)
    delivery.done(orders[0])
    delivery.update(orders[:2], 1)
    assert delivery.due(1, 0) == [(orders[1], True)]
    assert delivery.due(1, 10_000) == []


@given(st.floats(0, 0.999), st.floats(0, 0.999))
def test_many_orders_do_not_come_in_step(one: float, other: float) -> None:
    delivery, orders = Delivery(), [outgoing(1), outgoing(2)]
    delivery.update(orders, 0)
    for order, chance in zip(orders, (one, other), strict=True):
        delivery.sent(order, Step((PLACE,)), 0, chance)
    due = delivery.next_due_s()
    assert due is not None
    assert 1.6 <= due <= 2.4


# --- to whom


def test_a_place_is_told_at_once_and_the_few_that_stay_silent_one_by_one() -> None:
    order, delivery = outgoing(), Delivery()
    delivery.update([order], 0)
    assert delivery.step(order, NOBODY, 0).topics == (PLACE,)
    assert delivery.step(order, Heard(3, ids(3)), 0).topics == (PLACE,)
    again = started(3).step(order, Heard(3, ids(2)), 2)
    assert again.topics == ("down/0000/order", "down/0001/order")


def test_an_order_to_one_board_goes_to_it_alone() -> None:
    order, delivery = outgoing(endpoint=bytes(16)), Delivery()
    delivery.update([order], 0)
    for heard in (NOBODY, Heard(1, ("ab",))):
        assert delivery.step(order, heard, 0).topics == (f"down/{'00' * 16}/order",)


def test_who_begins_anew_tells_only_those_who_have_not_answered() -> None:
    order, delivery = outgoing(), Delivery()
    delivery.update([order], 0)
    step = delivery.step(order, Heard(2000, ids(10)), 0)
    assert step.topics == tuple(f"down/{board}/order" for board in ids(10))


def test_a_push_that_nobody_heard_goes_to_all_once_more_and_later_ones_to_the_silent() -> None:
    order, delivery, heard = outgoing(), started(200), Heard(200, ids(200))
    assert not delivery.step(order, heard, QUIET_S - 0.1).topics
    step = delivery.step(order, heard, QUIET_S)
    assert step.topics == (PLACE,)
    delivery.sent(order, step, QUIET_S, 0.5)
    third = delivery.step(order, heard, QUIET_S + PAUSES_S[1])
    assert len(third.topics) == PORTION
    assert not third.is_last


def test_many_are_told_in_portions_and_nobody_twice_in_one_push() -> None:
    order, delivery, silent = outgoing(), started(1000), list(ids(3 * PORTION))
    delivery.step(order, Heard(1000, tuple(silent)), 2)  # answers still arrive
    told: Counter[str] = Counter()
    for round_ in range(3):
        step = delivery.step(order, Heard(1000, tuple(silent)), 3)
        told.update(step.topics)
        silent.pop()  # somebody who was to come last answers in between
        delivery.sent(order, step, 3, 0.5)
        assert step.is_last is (round_ == 2)
    assert set(told.values()) == {1}
    assert len(told) == 3 * PORTION - 2
    assert delivery.next_due_s() == 3 + PAUSES_S[1]


# --- a province


def province_of(
    boards: int, answers_s: Callable[[str], float | None], seed: int
) -> tuple[Counter[str], dict[str, float]]:
    """Push one order to *boards*, of which each answers so long after it was first told.

    Returns:
        How often each was told, and when those were told again whose first push was lost: they are
        the ones for whom *answers_s* says None the first time.
    """
    chance, order, delivery = random.Random(seed), outgoing(), Delivery()
    delivery.update([order], 0)
    told: Counter[str] = Counter()
    again, answered_s, now_s = dict[str, float](), dict[str, float](), 0.0
    while now_s < 30:
        silent = tuple(b for b in ids(boards) if answered_s.get(b, 1e9) > now_s)
        for _order, _is_first in delivery.due(now_s, 0) if silent else ():
            step = delivery.step(order, Heard(boards, silent), now_s)
            for board in _behind(step, boards):
                told[board] += 1
                if (after := answers_s(board)) is not None:
                    answered_s.setdefault(board, now_s + after)
                elif told[board] == 2:
                    again[board] = now_s
                    answered_s[board] = now_s + 1
            if step.topics or step.is_last:
                delivery.sent(order, step, now_s, chance.random())
        now_s += 0.2
    return told, again


def _behind(step: Step, boards: int) -> list[str]:
    if step.topics == (PLACE,):
        return list(ids(boards))
    return sorted(step.told)


@pytest.mark.requirement("MSG-3")
def test_a_province_that_answers_slowly_is_told_once_and_who_missed_it_within_seconds() -> None:
    lost = set(ids(2000)[::50])  # forty boards on bad lines

    def answers_s(board: str) -> float | None:
        return None if board in lost else 0.5 + int(board, 16) * 5.5 / 2000

    told, again = province_of(2000, answers_s, seed=1)
    assert {told[board] for board in ids(2000) if board not in lost} == {1}
    assert again.keys() == lost
    assert max(again.values()) <= SETTLE_S + 0.5


@pytest.mark.requirement("MSG-3")
def test_a_push_lost_on_the_way_to_everybody_comes_again_within_seconds() -> None:
    told, again = province_of(2000, lambda _board: None, seed=2)
    assert set(told.values()) == {2}
    assert max(again.values()) <= QUIET_S + 1.5


@given(st.integers(1, 300), st.sets(st.integers(0, 299)), st.integers(0, 2**32))
def test_whoever_missed_the_first_push_is_told_again_within_ten_seconds(
    boards: int, lost: set[int], seed: int
) -> None:
    missed = {f"{n:04x}" for n in lost if n < boards}
    speed = random.Random(seed)

    def answers_s(board: str) -> float | None:
        return None if board in missed else speed.uniform(0.1, 6)

    told, again = province_of(boards, answers_s, seed)
    assert again.keys() == missed
    assert max(again.values(), default=0) <= SETTLE_S + 2
    assert max(told.values()) <= 3
