"""Cutting batches, and what a receipt means."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.batch import (
    MAX_BYTES,
    MAX_LEAD,
    MAX_RECORDS,
    BrokenChainError,
    Run,
    Stored,
    Verdict,
    View,
    cut,
    judge,
)
from loa_protocol.envelope import seal
from loa_protocol.objects.online import Receipt
from loa_protocol.record import CHAIN_START, chain
from support.province import province

ENDPOINT = bytes(16)
HASH = bytes([9]) * 32


def stored(bodies: list[bytes]) -> list[Stored]:
    hashes = [CHAIN_START]
    for body in bodies:
        hashes.append(chain(hashes[-1], body))
    return [Stored(body, linked) for body, linked in zip(bodies, hashes[1:], strict=True)]


def run_from(records: list[Stored], first: int) -> Run:
    previous = CHAIN_START if first == 0 else records[first - 1].chain
    return Run(endpoint=ENDPOINT, epoch=3, number=first, first=first, previous=previous)


bodies = st.lists(st.binary(min_size=1, max_size=4096), min_size=1, max_size=150)


@given(bodies)
def test_batches_of_any_records_join_without_hole_or_repetition(content: list[bytes]) -> None:
    records, batches, at = stored(content), [], 0
    while batch := cut(run_from(records, at), records[at:]):
        batches.append(batch)
        at += len(batch.records)
    assert [body for batch in batches for body in batch.records] == content
    assert all(a.first + len(a.records) == b.first for a, b in pairwise(batches))
    assert [batch.previous for batch in batches] == [
        run_from(records, batch.first).previous for batch in batches
    ]


@given(bodies)
def test_no_sealed_batch_is_larger_than_64_kib_or_60_records(content: list[bytes]) -> None:
    records = stored(content)
    batch = cut(run_from(records, 0), records)
    assert batch is not None
    sealed = seal(batch.to_bytes(), "loa/batch/1", province().device, detached=False)
    assert len(sealed) <= MAX_BYTES
    assert len(batch.records) <= MAX_RECORDS


def test_sixty_heartbeats_go_into_one_batch() -> None:
    records = stored([b"heartbeat %d" % n for n in range(100)])
    batch = cut(run_from(records, 0), records)
    assert batch is not None
    assert len(batch.records) == 60


def test_an_empty_log_gives_no_batch() -> None:
    assert cut(run_from([], 0), []) is None


def test_a_batch_ends_before_a_record_that_the_disk_changed() -> None:
    records = stored([b"a", b"b", b"c"])
    records[1] = Stored(b"B", records[1].chain)
    batch = cut(run_from(records, 0), records)
    assert batch is not None
    assert batch.records == (b"a",)
    with pytest.raises(BrokenChainError):
        cut(run_from(records, 1), records[1:])


def view(**changes: object) -> View:
    facts: dict[str, object] = {
        "newest_ms": 1000,
        "epoch": 3,
        "is_behind": False,
        "is_here": False,
        "chain": HASH,
        "is_written": True,
        "is_whole": True,
    }
    return View(**{**facts, **changes})  # type: ignore[arg-type]  # test convenience


def receipt(time_ms: int = 2000, epoch: int = 3) -> Receipt:
    return Receipt(endpoint=ENDPOINT, epoch=epoch, next=7, chain=HASH, time_ms=time_ms)


@pytest.mark.parametrize(
    ("log", "verdict"),
    [
        (view(), Verdict.ADVANCED),
        (view(is_here=True), Verdict.SAME),
        (view(is_behind=True), Verdict.REWOUND),
        (view(is_behind=True, is_whole=False), Verdict.LOST),
        (view(is_behind=True, is_whole=False, chain=None), Verdict.LOST),
        (view(is_behind=True, chain=None), Verdict.REWOUND),  # older than every epoch we hold
        (view(chain=bytes(32)), Verdict.FORKED),
        (view(is_behind=True, chain=bytes(32)), Verdict.FORKED),
        (view(is_written=False), Verdict.FORKED),
        (view(newest_ms=2001), Verdict.STALE),
        (view(newest_ms=2000, is_behind=True), Verdict.STALE),
        (view(newest_ms=2000), Verdict.ADVANCED),
    ],
)
def test_a_receipt_means_what_the_log_knows_of_its_place(log: View, verdict: Verdict) -> None:
    assert judge(receipt(), log, now_ms=None) is verdict


def test_a_receipt_from_beyond_tomorrow_is_ignored_when_the_time_is_known() -> None:
    late = receipt(time_ms=5000 + 86_400_000)
    assert judge(late, view(), now_ms=4999) is Verdict.STALE
    assert judge(late, view(), now_ms=5000) is Verdict.ADVANCED
    assert judge(late, view(), now_ms=None) is Verdict.ADVANCED


def test_a_stolen_ingest_key_cannot_use_up_the_epochs() -> None:
    far = receipt(epoch=3 + MAX_LEAD + 1)
    assert judge(far, view(is_written=False), now_ms=None) is Verdict.STALE
    near = receipt(epoch=3 + MAX_LEAD)
    assert judge(near, view(is_written=False), now_ms=None) is Verdict.FORKED


def test_only_two_verdicts_need_a_new_place() -> None:
    assert {v for v in Verdict if v.needs_new_place} == {Verdict.LOST, Verdict.FORKED}
