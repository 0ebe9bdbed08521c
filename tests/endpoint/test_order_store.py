"""Orders on the disk: with the memory of their ids, bounded, and never half."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from loa_endpoint.core.orders import Step
from loa_endpoint.store import orders
from loa_endpoint.store.database import Database
from loa_endpoint.store.orders import MOST_CERTIFICATES, MOST_ORDERS, OrderStore
from loa_endpoint.store.state import State
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import StoreError
from loa_protocol.objects.alert import MAX_SOUND, Alert
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.live import Grant
from loa_protocol.objects.playlist import Media
from loa_protocol.record import OrderState
from loa_protocol.replay import name_of
from support.content_lab import sha256
from support.kept import kept_order
from support.orders import alert, cancel, command, grant
from support.province import NOW, province


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State.open(tmp_path / "state.db", create=True)
    yield state
    state.close()


@pytest.fixture
def store(state: State) -> OrderStore:
    return OrderStore(state)


def loud_alert(size: int = MAX_SOUND, seed: int = 0) -> Alert:
    sound = bytes([seed]) * size
    media = Media(
        sha256=sha256(sound), size=size, duration_ms=90_000, gain_cdb=0, loudness_clufs=-2300
    )
    return alert(media=media, sound=sound)


@pytest.mark.requirement("SEC-8")
def test_orders_come_back_after_a_restart_as_they_were(tmp_path: Path) -> None:
    state = State.open(tmp_path / "state.db", create=True)
    orders: list[Alert | Command | Grant] = [alert(), command(Verb.HOLD), grant()]
    orders.append(cancel(bytes(16)))
    for body in orders:
        OrderStore(state).take(*kept_order(body))
    begun = kept_order(orders[1])[0].stepped(Step.BEGIN, begun_ms=7)
    OrderStore(state).keep_progress(begun.id, begun.progress)
    state.close()

    state = State.open(tmp_path / "state.db")
    kept, damaged = OrderStore(state).load()
    assert [each.body for each in kept] == orders
    assert [each.progress.state for each in kept][1] is OrderState.BEGUN
    assert {each.id for each in kept} == state.seen().keys()
    assert damaged == []
    state.close()


def test_the_bundle_of_what_is_over_goes_and_its_id_stays(store: OrderStore, state: State) -> None:
    kept, data, seen = kept_order(alert())
    store.take(kept, data, seen)
    assert store.bundle(kept.digest) == data
    store.drop(kept.id)
    assert store.bundle(kept.digest) is None
    assert store.load() == ([], [])
    assert store.happened()[kept.digest].id == kept.event
    assert kept.id in state.seen()


@pytest.mark.requirement("SEC-3", "TIM-4")
def test_a_row_is_forgotten_only_with_its_id(
    store: OrderStore, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    over, holding = kept_order(alert()), kept_order(command(Verb.HOLD))
    store.take(*over)
    store.take(*holding)
    store.drop(over[0].id)
    store.forget(over[2].forget_at - 1)
    assert over[0].digest in store.happened()
    store.forget(over[2].forget_at)
    assert over[0].digest in store.happened()  # one of the newest: the floor may be set back
    monkeypatch.setattr(orders, "NEWEST", 0)
    store.forget(over[2].forget_at)
    assert state.seen() == {}
    assert store.happened().keys() == {holding[0].digest}  # in force, however long ago it came


@pytest.mark.requirement("SEC-8")
def test_when_room_runs_short_no_hold_goes(store: OrderStore) -> None:
    hold = kept_order(command(Verb.HOLD))
    spoken = [kept_order(loud_alert(seed=seed)) for seed in range(12)]
    store.take(*hold)
    store.keep_progress(hold[0].id, hold[0].stepped(Step.BEGIN).progress)
    for each in spoken[:3]:
        store.take(*each)
    store.keep_progress(spoken[2][0].id, spoken[2][0].stepped(Step.FINISH).progress)
    for each in spoken[3:]:
        store.take(*each)
    left = [each.digest for each in store.load()[0]]
    assert hold[0].digest in left
    assert spoken[2][0].digest not in left  # over: it went first
    assert left[-1] == spoken[-1][0].digest
    assert len(store.happened()) == 13  # none will happen again


def test_holds_alone_can_fill_the_book_and_then_the_next_is_refused_by_name(
    store: OrderStore, state: State
) -> None:
    kept, data, seen = kept_order(command(Verb.HOLD))
    with state.database.transaction() as connection:
        for number in range(MOST_ORDERS):
            connection.execute(
                "INSERT INTO taken SELECT ?, ?, 13, 3, 0, 0, x'', x'', x'00'",
                (number.to_bytes(16), number.to_bytes(32)),
            )
    with pytest.raises(StoreError, match="release"):
        store.take(kept, data, seen)
    assert kept.id not in state.seen()


def test_what_the_disk_damaged_is_named_and_the_rest_comes_back(
    store: OrderStore, state: State
) -> None:
    good, bad = kept_order(alert()), kept_order(alert())
    store.take(*good)
    store.take(*bad)
    with state.database.transaction() as connection:
        connection.execute("UPDATE taken SET bundle = x'00' WHERE id = ?", (bad[0].id,))
    kept, damaged = store.load()
    assert [each.id for each in kept] == [good[0].id]
    assert damaged == [bad[0].id]


def test_a_board_of_the_first_release_gets_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    State.open(path, create=True).close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE taken")
        connection.execute("DROP TABLE certificate")
    connection.close()
    state = State.open(path)
    OrderStore(state).take(*kept_order(alert()))
    state.close()


def test_an_order_and_its_memory_are_one_transaction(
    store: OrderStore, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, data, seen = kept_order(alert())
    store.take(kept, data, seen)
    state.forget_events(seen.forget_at)
    with pytest.raises(StoreError):
        store.take(kept, data, seen)  # its row is there: the second statement fails
    assert state.seen() == {}


def test_another_root_forgets_the_orders_of_the_one_before(store: OrderStore, state: State) -> None:
    store.take(*kept_order(command(Verb.HOLD)))
    state.start_over()
    assert store.load() == ([], [])
    assert store.happened() == {}


def test_certificates_are_kept_for_short_forms_and_their_number_is_bounded(
    store: OrderStore,
) -> None:
    chain = province().wardens[0].chain
    for each in chain:
        store.keep_certificate(each)
        store.keep_certificate(each)
    digests = {Bundle.from_bytes(each).digest for each in chain}
    assert store.certificates().keys() == digests
    assert set(store.certificates().values()) == set(chain)
    for number in range(MOST_CERTIFICATES + 20):
        junk = Bundle(
            kind=Kind.CERTIFICATE,
            version=1,
            payload=number.to_bytes(4) + os.urandom(4000),
            seals=(),
            certificates=(),
        )
        store.keep_certificate(junk.to_bytes())
    kept = store.certificates()
    assert junk.digest in kept
    assert len(kept) <= MOST_CERTIFICATES
    assert sum(map(len, kept.values())) <= 256 * 1024
    assert not digests & kept.keys()


@pytest.mark.requirement("SEC-8")
def test_an_old_small_file_takes_orders_within_its_size(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    Database.create(path, ["CREATE TABLE seen (id BLOB PRIMARY KEY, forget_at INTEGER NOT NULL)"],
                    capacity_bytes=1_000_000)  # fmt: skip
    state = State.open(path)
    store = OrderStore(state)
    for seed in range(8):
        store.take(*kept_order(loud_alert(seed=seed)))
    store.take(*kept_order(command(Verb.HOLD)))
    assert len(store.happened()) == 9
    assert state.seen().keys() == {name_of(each) for each in store.happened()}
    assert NOW.unix_s < min(state.seen().values())
    state.close()
