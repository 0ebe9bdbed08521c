"""One batch at a time, the next after its receipt."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.batch import Verdict
from loa_endpoint.core.sending import MOVES, PAUSE_MS, Effect, Event, Phase, Sender

SEND = (Effect.SEND_NEXT,)


def waiting(patience: tuple[int, ...] = (100, 200)) -> Sender:
    sender = Sender(patience)
    assert sender.handle(Event.CONNECTED, 0) == SEND
    assert sender.handle(Event.SENT, 0) == ()
    return sender


def test_the_table_answers_every_event_in_every_phase() -> None:
    assert set(MOVES) == set(product(Phase, Event))


def test_a_new_connection_sends_what_is_there() -> None:
    assert Sender().handle(Event.CONNECTED, 0) == SEND


def test_nothing_is_sent_without_a_connection() -> None:
    sender = Sender()
    assert sender.handle(Event.RECORDS, 0) == ()
    assert sender.on_receipt(Verdict.ADVANCED, 0) == ()


def test_new_records_wait_for_the_receipt_of_the_batch_before() -> None:
    sender = waiting()
    assert sender.handle(Event.RECORDS, 1) == ()
    assert sender.on_receipt(Verdict.ADVANCED, 2) == SEND
    assert sender.deadline_ms is None


def test_records_that_come_while_the_outbox_is_read_are_not_overlooked() -> None:
    sender = Sender()
    sender.handle(Event.CONNECTED, 0)
    assert sender.handle(Event.RECORDS, 0) == ()
    assert sender.handle(Event.EMPTY, 0) == SEND
    assert sender.handle(Event.EMPTY, 0) == ()
    assert sender.handle(Event.RECORDS, 0) == SEND


def test_a_batch_without_a_receipt_is_sent_again_and_then_the_line_is_given_up() -> None:
    sender = waiting((100, 200))
    assert sender.on_time(99) == ()
    assert sender.on_time(100) == (Effect.SEND_AGAIN,)
    sender.handle(Event.SENT, 100)
    assert sender.on_time(299) == ()
    assert sender.on_time(300) == (Effect.HANG_UP,)
    assert sender.phase is Phase.OFFLINE


def test_an_old_receipt_leaves_the_deadline_running() -> None:
    sender = waiting((100,))
    assert sender.on_receipt(Verdict.STALE, 50) == ()
    assert sender.deadline_ms == 100


def test_a_receipt_for_the_place_we_are_at_asks_for_the_batch_once_more() -> None:
    """A server that sees a hole before a new epoch asks once, and then takes it as it is."""
    sender = waiting((100_000, 200_000, 300_000))
    assert sender.on_receipt(Verdict.SAME, 50) == ()
    assert sender.on_time(50 + PAUSE_MS) == (Effect.SEND_AGAIN,)
    sender.handle(Event.SENT, 2000)
    assert sender.on_receipt(Verdict.SAME, 2050) == ()
    assert sender.on_time(2050 + PAUSE_MS) == ()  # not at every answer
    assert sender.deadline_ms == 202_000


@pytest.mark.parametrize("verdict", [Verdict.REWOUND, Verdict.LOST, Verdict.FORKED])
def test_a_receipt_that_sends_us_elsewhere_is_followed_after_a_pause(verdict: Verdict) -> None:
    """Two servers that disagree must not make a board send without end."""
    sender = waiting()
    assert sender.on_receipt(verdict, 10) == ()
    assert sender.on_receipt(verdict, 20) == ()
    assert sender.on_time(10 + PAUSE_MS - 1) == ()
    assert sender.on_time(10 + PAUSE_MS) == SEND


def test_servers_that_disagree_are_followed_ever_more_slowly_until_all_is_sent() -> None:
    sender, now, pauses = waiting(), 0, []
    for _ in range(9):
        assert sender.on_receipt(Verdict.REWOUND, now) == ()
        assert sender.deadline_ms is not None
        pauses.append(sender.deadline_ms - now)
        now = sender.deadline_ms
        assert sender.on_time(now) == SEND
        sender.handle(Event.SENT, now)
        sender.on_receipt(Verdict.ADVANCED, now)
        sender.handle(Event.SENT, now)
    assert pauses == [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 64_000, 64_000]
    sender.on_receipt(Verdict.ADVANCED, now)
    sender.handle(Event.EMPTY, now)
    sender.on_receipt(Verdict.REWOUND, now)
    assert sender.deadline_ms == now + 1000


def test_a_receipt_that_comes_unasked_rewinds_an_idle_line() -> None:
    sender = waiting()
    sender.on_receipt(Verdict.ADVANCED, 1)
    sender.handle(Event.EMPTY, 1)
    assert sender.on_receipt(Verdict.REWOUND, 2) == ()
    assert sender.on_time(2 + PAUSE_MS) == SEND


@given(st.lists(st.tuples(st.sampled_from(Event), st.integers(0, 500)), max_size=60))
def test_two_batches_are_never_on_their_way_at_once(events: list[tuple[Event, int]]) -> None:
    sender, now, open_requests = Sender((100, 200)), 0, 0
    for event, step in events:
        now += step
        if event in (Event.SENT, Event.EMPTY):  # the shell answers only what it was asked
            if not open_requests:
                continue
            open_requests -= 1
        effects = sender.handle(event, now)
        if event in (Event.CONNECTED, Event.DISCONNECTED):
            open_requests = 0
        open_requests += effects.count(Effect.SEND_NEXT)
        assert open_requests <= 1
