"""How a batch fits its chain: stored, known, missing something, or contradicting."""

from __future__ import annotations

import pytest

from loa_manager.continuity import Chains, Fit, Head
from loa_manager.ingest import open_batch
from loa_protocol.objects.online import Batch
from loa_protocol.record import CHAIN_START
from support.telling import AT_MS, Teller, chain_of


@pytest.fixture
def teller() -> Teller:
    teller = Teller()
    teller.boot()
    for n in range(9):
        teller.beat(AT_MS + n)
    return teller


def batch(teller: Teller, first: int, count: int, epoch: int | None = None) -> Batch:
    return open_batch(teller.batch(first, count, epoch=epoch))[1]


def head(teller: Teller, length: int, epoch: int = 1) -> Head:
    return Head(length, chain_of(teller.epochs[epoch][:length]))


def test_the_next_batch_moves_the_head(teller: Teller) -> None:
    chains = Chains()
    for first, count in ((0, 4), (4, 1), (5, 5)):
        judgement = chains.judge(batch(teller, first, count))
        assert (judgement.fit, judgement.head) == (Fit.STORED, head(teller, first + count))
    assert chains.heads == {1: head(teller, 10)}


def test_what_is_known_is_no_news(teller: Teller) -> None:
    chains = Chains({1: head(teller, 6)})
    judgement = chains.judge(batch(teller, 2, 4))
    assert (judgement.fit, judgement.head) == (Fit.DUPLICATE, head(teller, 6))


def test_an_old_batch_replayed_points_to_the_newest_place(teller: Teller) -> None:
    teller.boot()
    chains = Chains({1: head(teller, 10), 2: head(teller, 1, epoch=2)})
    judgement = chains.judge(batch(teller, 0, 5, epoch=1))
    assert (judgement.fit, judgement.epoch) == (Fit.DUPLICATE, 2)
    assert judgement.head == head(teller, 1, epoch=2)


def test_an_overlap_gives_its_new_part(teller: Teller) -> None:
    chains = Chains({1: head(teller, 6)})
    judgement = chains.judge(batch(teller, 3, 5))
    assert (judgement.fit, judgement.skip) == (Fit.STORED, 3)
    assert judgement.head == head(teller, 8)


def test_a_gap_asks_for_what_is_missing(teller: Teller) -> None:
    chains = Chains({1: head(teller, 3)})
    judgement = chains.judge(batch(teller, 4, 2))
    assert (judgement.fit, judgement.epoch, judgement.head) == (Fit.GAP, 1, head(teller, 3))
    assert chains.heads == {1: head(teller, 3)}


def test_the_middle_of_an_unknown_epoch_asks_from_the_newest_known_place(teller: Teller) -> None:
    teller.boot()
    teller.beat()
    chains = Chains({1: head(teller, 3)})
    judgement = chains.judge(batch(teller, 1, 1))
    assert (judgement.fit, judgement.epoch, judgement.head.next) == (Fit.GAP, 1, 3)
    unknown = Chains().judge(batch(teller, 1, 1))
    assert (unknown.fit, unknown.epoch, unknown.head) == (Fit.GAP, 2, Head(0, CHAIN_START))


@pytest.mark.parametrize("first", [4, 6])
def test_another_history_is_refused(teller: Teller, first: int) -> None:
    chains = Chains({1: Head(6, bytes([1]) * 32)})
    assert chains.judge(batch(teller, first, 4)).fit is Fit.BROKEN
    assert chains.heads == {1: Head(6, bytes([1]) * 32)}


def test_an_epoch_begins_with_its_boot(teller: Teller) -> None:
    silent = Teller()
    silent.epoch, silent.epochs = 1, {1: []}
    silent.beat()
    assert Chains().judge(batch(silent, 0, 1)).fit is Fit.NO_BOOT


def test_an_epoch_begins_at_the_chains_start(teller: Teller) -> None:
    whole = batch(teller, 0, 2)
    moved = Batch(
        endpoint=whole.endpoint,
        epoch=1,
        number=1,
        first=0,
        previous=bytes([1]) * 32,
        records=whole.records,
    )
    assert Chains().judge(moved).fit is Fit.BROKEN


def test_a_new_epoch_that_names_the_stored_end_has_no_hole(teller: Teller) -> None:
    chains = Chains()
    first = chains.judge(batch(teller, 0, 10))
    teller.boot()
    second = chains.judge(batch(teller, 0, 1))
    assert (first.hole, second.fit, second.hole) == ("", Fit.STORED, "")


def test_a_hole_is_asked_for_once_and_then_taken_as_it_is(teller: Teller) -> None:
    chains = Chains({1: head(teller, 7)})
    teller.boot()
    asked = chains.judge(batch(teller, 0, 1))
    assert (asked.fit, asked.epoch, asked.head) == (Fit.GAP, 1, head(teller, 7))
    taken = chains.judge(batch(teller, 0, 1))
    assert (taken.fit, taken.hole) == (Fit.STORED, "2 follows 1/10, here is 1/7")


def test_a_hole_that_is_filled_leaves_no_trace(teller: Teller) -> None:
    chains = Chains({1: head(teller, 7)})
    teller.boot()
    chains.judge(batch(teller, 0, 1))
    chains.judge(batch(teller, 7, 3, epoch=1))
    assert chains.judge(batch(teller, 0, 1)).hole == ""


def test_a_board_that_forgot_an_epoch_shows(teller: Teller) -> None:
    teller.boot()
    chains = Chains({1: head(teller, 10), 2: head(teller, 1, epoch=2)}, asked=(2, 1))
    del teller.epochs[2]  # its card was put back to an older copy
    teller.epoch = 1
    teller.boot()
    teller.epochs[3] = teller.epochs.pop(2)
    judgement = chains.judge(batch(teller, 0, 1, epoch=3))
    assert (judgement.fit, judgement.hole) == (Fit.STORED, "3 follows 1/10, here is 2/1")
