"""Ingest: whatever a broker loses, repeats, reorders or forges, each record is stored once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text

from fuzz.fuzz_ingest import fuzz
from loa_manager import database, devices, tables
from loa_manager.ingest import Ingest, Outcome
from loa_manager.keyring import Identity
from loa_manager.records import told
from loa_protocol.accept import accept
from loa_protocol.companions import Companions
from loa_protocol.envelope import Bundle
from loa_protocol.errors import StoreError
from loa_protocol.objects.online import Batch, Receipt
from loa_protocol.record import Happening
from support import registry
from support.province import NOW, province
from support.telling import AT_MS, Teller, chain_of, sealed

CLUSTERS = ("vn/ls/st0137/c01", "vn/ls/st0137/c02", "vn/ls/st0137/c03")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = registry.new_database(tmp_path)
    with database.writing(engine) as connection:
        registry.load_village(connection)
    return engine


@pytest.fixture
def ingest(engine: Engine) -> Iterator[Ingest]:
    online = province().online
    ingest = Ingest(engine, Identity("ingest", online.signer, online.chain))
    yield ingest
    ingest.close()


@pytest.fixture
def teller(engine: Engine) -> Teller:
    teller = Teller()
    with database.writing(engine) as connection:
        teller.register(connection, CLUSTERS[0])
    teller.boot()
    for n in range(9):
        teller.play(n)
    return teller


def stored(engine: Engine, endpoint: str) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    table = tables.batch
    with database.reading(engine) as connection:
        match = table.c.endpoint == endpoint
        rows = connection.execute(
            select(table).where(match).order_by(table.c.epoch, table.c.first)
        ).all()
    for each in told(rows):
        records = found.setdefault(each.epoch, [])
        assert each.sequence == len(records)  # in order, without hole or repetition
        records.append(each.data)
    return found


def receipt(outcome: Outcome, teller: Teller) -> Receipt:
    """Judge a receipt as the board would."""
    assert outcome.receipt is not None
    trusted = province().trusted(fingerprint=teller.signer.public.fingerprint)
    whole = Companions(province().online.chain).complete(outcome.receipt)
    body = accept(whole, trusted, NOW).body
    assert isinstance(body, Receipt)
    return body


@pytest.mark.requirement("PERF-5")
def test_only_the_first_receipt_and_the_answer_to_a_repeated_batch_carry_certificates(
    ingest: Ingest, teller: Teller
) -> None:
    def is_whole(outcome: Outcome) -> bool:
        assert outcome.receipt is not None
        return bool(Bundle.from_bytes(outcome.receipt).certificates)

    batches = [teller.batch(first, 3) for first in (0, 3, 6)]
    assert [is_whole(ingest.take(batch, AT_MS)) for batch in batches] == [True, False, False]
    assert is_whole(ingest.take(batches[2], AT_MS))  # it could not judge the bare one


def accounts(engine: Engine, what: str) -> list[dict[str, str]]:
    with database.reading(engine) as connection:
        match = tables.audit.c.what == what
        details = connection.scalars(select(tables.audit.c.detail).where(match)).all()
    return [json.loads(detail) for detail in details]


def test_a_stored_batch_is_receipted_for_the_board(ingest: Ingest, teller: Teller) -> None:
    outcome = ingest.take(teller.batch(0, 7), AT_MS)
    assert (outcome.endpoint, outcome.stored, outcome.reason) == (teller.id, True, "stored")
    told_place = receipt(outcome, teller)
    assert (told_place.epoch, told_place.next) == (1, 7)
    assert told_place.chain == chain_of(teller.epochs[1][:7])


def test_the_evidence_is_the_bytes_as_they_came(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    data = teller.batch(0, 7)
    ingest.take(data, AT_MS)
    with database.reading(engine) as connection:
        assert connection.scalars(select(tables.batch.c.data)).all() == [data]


def test_a_repeated_batch_is_stored_once_and_receipted_again(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    data = teller.batch(0, 19)
    first, again = ingest.take(data, AT_MS), ingest.take(data, AT_MS)
    assert (again.stored, again.reason) == (False, "duplicate")
    assert receipt(again, teller).next == receipt(first, teller).next == 19
    assert stored(engine, teller.id) == teller.epochs


def test_no_two_receipts_of_a_board_have_the_same_time(ingest: Ingest, teller: Teller) -> None:
    times = [receipt(ingest.take(teller.batch(0, n), AT_MS), teller).time_ms for n in (1, 2, 3)]
    assert times == sorted(set(times))


def test_an_overlap_is_stored_from_where_it_is_new(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    outcomes = ingest.take_many([teller.batch(0, 8), teller.batch(5, 14)], AT_MS)
    assert [outcome.reason for outcome in outcomes] == ["stored", "stored"]
    assert stored(engine, teller.id) == teller.epochs


def test_a_gap_is_not_stored_and_its_receipt_asks_for_it(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    ingest.take(teller.batch(0, 5), AT_MS)
    outcome = ingest.take(teller.batch(9, 5), AT_MS)
    assert (outcome.stored, outcome.reason) == (False, "gap")
    assert receipt(outcome, teller).next == 5
    assert [len(records) for records in stored(engine, teller.id).values()] == [5]


def test_a_group_tells_every_board_its_own_place(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    other = Teller()
    with database.writing(engine) as connection:
        other.register(connection, CLUSTERS[1])
    other.boot()
    outcomes = ingest.take_many([teller.batch(0, 3), other.batch(0, 1), teller.batch(3, 3)], AT_MS)
    places = [
        receipt(outcome, who).next
        for outcome, who in zip(outcomes, (teller, other, teller), strict=True)
    ]
    assert places == [6, 1, 6]  # one receipt a board: its present place


def test_a_new_epoch_that_leaves_records_out_is_asked_then_accounted_for(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    ingest.take(teller.batch(0, 5), AT_MS)
    teller.boot()
    asked = ingest.take(teller.batch(0, 1), AT_MS)
    assert (asked.reason, receipt(asked, teller).epoch, receipt(asked, teller).next) == (
        "gap",
        1,
        5,
    )
    taken = ingest.take(teller.batch(0, 1), AT_MS)
    assert taken.stored
    (account,) = accounts(engine, "chain_gap")
    assert account == {"endpoint": teller.id, "detail": "2 follows 1/19, here is 1/5"}


def test_a_history_that_contradicts_itself_is_refused_and_accounted_for_once(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    ingest.take(teller.batch(0, 5), AT_MS)
    teller.epochs[1][4] = teller.epochs[1][3]
    for _ in range(3):  # replays of it must not fill the account
        assert ingest.take(teller.batch(5, 3), AT_MS).reason == "broken"
    assert len(accounts(engine, "chain_broken")) == 1


# --- what is forged, foreign or damaged -----------------------------------------------------


def test_a_batch_of_an_unknown_board_is_refused(ingest: Ingest) -> None:
    stranger = Teller()
    stranger.boot()
    outcome = ingest.take(stranger.batch(0, 1), AT_MS)
    assert (outcome.receipt, outcome.stored, outcome.reason) == (None, False, "unknown")


def test_a_batch_in_the_name_of_another_board_is_refused(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    attacker = Teller()
    with database.writing(engine) as connection:
        attacker.register(connection, CLUSTERS[1])
    attacker.boot()
    body = Batch(
        endpoint=teller.signer.public.kid,
        epoch=1,
        number=0,
        first=0,
        previous=bytes(32),
        records=tuple(attacker.epochs[1]),
    )
    outcome = ingest.take(sealed(body, attacker.signer), AT_MS)
    assert (outcome.receipt, outcome.reason) == (None, "format")
    assert stored(engine, teller.id) == {}


def test_a_signature_by_another_key_is_refused(ingest: Ingest, teller: Teller) -> None:
    data = teller.batch(0, 3)
    outcome = ingest.take(data[:-64] + a_stranger().batch(0, 1)[-64:], AT_MS)
    assert (outcome.receipt, outcome.reason) == (None, "signature")


def test_a_revoked_board_is_refused_at_once(engine: Engine, ingest: Ingest, teller: Teller) -> None:
    assert ingest.take(teller.batch(0, 3), AT_MS).stored
    with database.writing(engine) as connection:
        devices.revoke(connection, teller.id, at_ms=AT_MS)
    outcome = ingest.take(teller.batch(3, 3), AT_MS)
    assert (outcome.receipt, outcome.reason) == (None, "revoked")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(place=st.integers(0, 2**20))
def test_no_changed_bit_is_stored(
    engine: Engine, ingest: Ingest, teller: Teller, place: int
) -> None:
    changed = bytearray(teller.batch(0, 3))
    bit = place % (len(changed) * 8)
    changed[bit // 8] ^= 1 << bit % 8
    outcome = ingest.take(bytes(changed), AT_MS)
    assert outcome.receipt is None
    assert stored(engine, teller.id) == {}


def test_what_is_refused_is_counted_by_reason(ingest: Ingest, teller: Teller) -> None:
    ingest.take_many([b"", b"\xd2", teller.batch(0, 3), a_stranger().batch(0, 1)], AT_MS)
    assert ingest.counts == {"format": 2, "stored": 1, "unknown": 1}


def test_good_batches_beside_forged_ones_are_stored(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    forged = teller.batch(3, 3)[:-1] + b"\x00"
    outcomes = ingest.take_many([b"noise", teller.batch(0, 3), forged], AT_MS)
    assert [outcome.stored for outcome in outcomes] == [False, True, False]
    assert receipt(outcomes[1], teller).next == 3


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    fuzz(data)


# --- storage --------------------------------------------------------------------------------


def test_nobody_is_told_when_the_disk_is_full(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    big = Teller()
    with database.writing(engine) as connection:
        big.register(connection, CLUSTERS[1])
    big.boot()
    for n in range(100):
        big.tell(Happening(name="noise", detail="x" * 200), AT_MS + n)
    with database.writing(engine) as connection:
        pages = connection.scalar(text("PRAGMA page_count"))
    with engine.connect() as connection:  # the pool gives the same connection again
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))
    batches = [big.batch(first, 10) for first in range(0, 101, 10)]
    with pytest.raises(StoreError):
        _ = [ingest.take(batch, AT_MS) for batch in batches]
    with engine.connect() as connection:
        connection.execute(text("PRAGMA max_page_count = 1000000"))
    kept = stored(engine, big.id).get(1, [])
    outcomes = [ingest.take(batch, AT_MS) for batch in big.everything(10)]
    assert receipt(outcomes[-1], big).next == 101
    assert kept == big.epochs[1][: len(kept)]
    assert stored(engine, big.id) == big.epochs


def test_a_restart_goes_on_where_it_was(engine: Engine, ingest: Ingest, teller: Teller) -> None:
    ingest.take(teller.batch(0, 5), AT_MS)
    again = Ingest(engine, ingest.identity)
    assert again.take(teller.batch(5, 14), AT_MS).stored
    again.close()
    assert stored(engine, teller.id) == teller.epochs


def test_a_server_restored_from_a_backup_gets_everything_again(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    ingest.take(teller.batch(0, 5), AT_MS)
    teller.boot()
    for n in range(20, 25):
        teller.play(n)
    # the board believes that 1/19 and 2/4 arrived; the server's backup knows 1/5 only
    asked = receipt(ingest.take(teller.batch(4, 3), AT_MS), teller)
    assert (asked.epoch, asked.next) == (1, 5)
    ingest.take(teller.batch(5, 14, epoch=1), AT_MS)
    ingest.take(teller.batch(0, 60), AT_MS)
    assert stored(engine, teller.id) == teller.epochs
    assert accounts(engine, "chain_gap") == []


# --- everything at once ---------------------------------------------------------------------


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None
)
@given(data=st.data())
def test_any_order_loss_repetition_and_forgery_end_with_each_record_once(
    engine: Engine, ingest: Ingest, data: st.DataObject
) -> None:
    tellers = [Teller(), Teller()]
    with database.writing(engine) as connection:
        for teller, cluster in zip(tellers, CLUSTERS, strict=False):
            teller.register(connection, cluster)
    number = 0
    for teller in tellers:
        for length in data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=3)):
            teller.boot()
            for _ in range(length):
                number += 1
                teller.play(number)
    sent: list[bytes] = []
    for teller in tellers:
        for epoch, records in teller.epochs.items():
            for first in range(len(records)):
                count = data.draw(st.integers(1, 5))
                sent.append(teller.batch(first, count, epoch=epoch))
    hostile = [batch[:-2] + b"\x00\x00" for batch in sent[:3]] + [a_stranger().batch(0, 1)]
    chaos = data.draw(st.lists(st.sampled_from(sent + hostile), max_size=40))
    size = data.draw(st.integers(1, 10))
    for at in range(0, len(chaos), size):
        ingest.take_many(chaos[at : at + size], AT_MS)
    for teller in tellers:
        for records in stored(engine, teller.id).values():
            assert any(records == whole[: len(records)] for whole in teller.epochs.values())
    ingest.take_many(sent, AT_MS)  # at last the line is quiet, and the boards send in order
    ingest.take_many(sent, AT_MS)
    for teller in tellers:
        assert stored(engine, teller.id) == teller.epochs
    with database.reading(engine) as connection:
        known = {endpoint.id for endpoint in devices.list_endpoints(connection)}
        assert set(connection.scalars(select(tables.batch.c.endpoint))) <= known


def a_stranger() -> Teller:
    stranger = Teller()
    stranger.boot()
    return stranger
