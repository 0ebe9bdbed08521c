"""Standing orders under a head: had before anything else of it, or the head is worth nothing."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_standing_list import fuzz
from loa_endpoint.core.poll import Reach
from loa_endpoint.core.standing_list import MOST_ORDERS
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.objects.command import Verb
from loa_protocol.objects.online import OrderMark, SignerMark
from loa_protocol.trust import Now
from support.catch_up import Board
from support.content_lab import OTHER_STATION, media_playlist, unsealed, village_lab
from support.orders import alert, command, grant, standing_programme
from support.province import CLUSTER, NOW, SCOPE, STATION, province

NEWER = media_playlist(b"newer", serial=2)


def board_with(*orders: object) -> Board:
    """Return a board that has a playlist, and a tree with a newer one and *orders*."""
    board = Board().catch_up()
    for body in orders:
        board.lab.order(body)  # type: ignore[arg-type]  # alerts, commands and grants
    board.lab.publish(NEWER)
    board.lab.renew()
    return board


@pytest.mark.requirement("SEC-8")
def test_orders_come_before_the_playlist_and_silence_before_sound() -> None:
    speak, hold, live = alert(), command(Verb.HOLD, scope=SCOPE), grant(scope=CLUSTER)
    board = board_with(live, speak, hold)
    board.catch_up()
    asked = [path for path in board.asked if path.startswith("objects/")]
    digests = [Bundle.from_bytes(board.lab.files[f"/{path}"]) for path in asked]
    assert [Kind(each.kind) for each in digests] == [
        Kind.STANDING_ORDERS,
        Kind.COMMAND,
        Kind.ALERT,
        Kind.GRANT,
        Kind.PLAYLIST,
    ]
    assert len(board.offered) == 3
    assert board.playlist_serial == 2
    assert board.core.is_fresh(board.vault.have(), NOW)


def test_orders_that_are_here_are_not_fetched_again_nor_is_their_list() -> None:
    board = board_with(command(Verb.HOLD)).catch_up()
    assert board.catch_up().asked == ["head"]
    board.lab.renew()
    assert not any(path.startswith("objects") for path in board.catch_up().asked)
    assert len(board.offered) == 1


def test_orders_for_others_and_orders_that_are_over_are_left() -> None:
    elsewhere = command(Verb.HOLD, scope=f"{STATION}/c05")
    over = alert(expires=NOW.unix_s - 1, start=NOW.unix_s - 600)
    board = board_with(elsewhere, over, command(Verb.HOLD, scope=OTHER_STATION)).catch_up()
    assert board.offered == []
    assert board.playlist_serial == 2


@pytest.mark.requirement("SEC-8")
@pytest.mark.parametrize("what", ["list", "order"])
def test_whoever_withholds_an_order_withholds_the_head(what: str) -> None:
    board = board_with(hold := command(Verb.HOLD))
    named = board.lab.put_list() if what == "list" else board.lab.orders[0].digest
    withheld = board.lab.files.pop(f"/objects/{named.hex()}")
    board.catch_up(reach=Reach.STATE)
    assert board.playlist_serial == 1
    assert not board.core.is_fresh(board.vault.have(), NOW)
    assert any(path.startswith("state") for path in board.asked)  # settings may be the cure
    board.lab.files[f"/objects/{named.hex()}"] = withheld
    board.catch_up()
    assert board.playlist_serial == 2
    assert board.offered == [Bundle.from_bytes(board.lab.sign(Kind.COMMAND, hold)).digest]


def test_a_head_is_fresh_for_an_hour_and_no_longer() -> None:
    board = board_with(command(Verb.HOLD)).catch_up()
    have = board.vault.have()
    assert board.core.is_fresh(have, Now(board.lab.time + 3600, NOW.trust))
    assert not board.core.is_fresh(have, Now(board.lab.time + 3601, NOW.trust))
    assert not Board().core.is_fresh(have, NOW)


@pytest.mark.requirement("SEC-3")
def test_a_list_that_does_not_hash_to_the_heads_value_changes_nothing() -> None:
    board = board_with(command(Verb.HOLD))
    named = board.lab.put_list()
    empty = unsealed(Kind.STANDING_ORDERS, b"\xa2\x01\x80\x02\x80")
    board.lab.files[f"/objects/{named.hex()}"] = empty
    board.catch_up()
    assert ("standing_orders", "another_object") in board.refused
    assert board.playlist_serial == 1
    assert not board.core.is_fresh(board.vault.have(), NOW)


@pytest.mark.parametrize(
    "document",
    [
        unsealed(Kind.STANDING_ORDERS, b"\xa2\x01\x80\x02\x81"),
        unsealed(Kind.PLAYLIST, b"\xa2\x01\x80\x02\x80"),
        unsealed(Kind.STANDING_ORDERS, b"\xa2\x01\x80\x02\x80\x00"),
    ],
    ids=["cut short", "another kind", "bytes at its end"],
)
def test_a_list_that_is_none_is_asked_for_once_and_shuts_the_head(document: bytes) -> None:
    board = Board().catch_up()
    board.lab.publish(NEWER)
    digest = board.lab.put(document)
    board.lab.put_list = lambda: digest  # type: ignore[method-assign]  # what the head names
    board.lab.renew()
    board.catch_up()
    assert ("standing_orders", "format") in board.refused
    assert board.catch_up().asked == ["head"]
    assert board.playlist_serial == 1
    assert not board.core.has_orders(board.vault.have())


@pytest.mark.requirement("SEC-3")
def test_an_order_that_is_listed_as_another_kind_is_put_aside() -> None:
    board = Board().catch_up()
    lied = board.lab.order(alert(), kind=Kind.COMMAND)
    board.lab.publish(NEWER)
    board.lab.renew()
    board.catch_up()
    assert ("order", "format") in board.refused
    assert board.offered == []
    assert board.playlist_serial == 2  # it came; what it says is for nobody
    board.lab.renew()
    assert f"objects/{lied.hex()}" not in board.catch_up().asked


def test_an_order_that_the_inbox_refuses_is_asked_for_again_when_something_changed() -> None:
    board = board_with(hold := command(Verb.HOLD))
    digest = board.lab.orders[0].digest
    board.refuses.add(digest)
    board.catch_up()
    assert board.playlist_serial == 2
    assert f"objects/{digest.hex()}" not in board.catch_up().asked
    board.core.forget_refusals()
    board.refuses.clear()
    board.catch_up()
    assert board.vault.orders == {digest}
    assert hold.id


def junk_marks(number: int) -> list[OrderMark]:
    return [
        OrderMark(
            scope=STATION,
            kind=(Kind.COMMAND, Kind.ALERT)[n % 2],
            digest=os.urandom(32),
            until=NOW.unix_s + 600,
        )
        for n in range(number)
    ]


@pytest.mark.requirement("SEC-3")
def test_a_list_full_of_junk_costs_a_bounded_number_of_questions_a_round() -> None:
    board = Board().catch_up()
    board.lab.orders = junk_marks(1024)
    board.lab.renew()
    board.most = 3 * MOST_ORDERS
    board.catch_up()
    assert len([path for path in board.asked if path.startswith("objects/")]) == 1 + MOST_ORDERS
    assert not board.core.is_fresh(board.vault.have(), NOW)


@pytest.mark.requirement("SEC-3")
def test_junk_that_comes_and_is_refused_is_all_put_aside_in_the_end() -> None:
    board = Board().catch_up()
    for _ in range(200):
        body = command(Verb.HOLD)
        data = board.lab.sign(Kind.COMMAND, body)  # no seal at all
        board.refuses.add(board.lab.order(body, data))
    hold = board.lab.order(command(Verb.HOLD))
    board.lab.publish(NEWER)
    board.lab.renew()
    board.most = 3 * MOST_ORDERS
    for _ in range(4):
        board.catch_up()
    assert hold in board.vault.orders
    assert board.playlist_serial == 2
    assert board.catch_up().asked == ["head"]


def test_an_endless_list_is_no_list() -> None:
    board = Board().catch_up()
    digest = board.lab.put(
        unsealed(Kind.STANDING_ORDERS, b"\xa2\x01\x99\x08\x00" + bytes(100_000) + b"\x02\x80")
    )
    board.lab.put_list = lambda: digest  # type: ignore[method-assign]  # what the head names
    board.lab.renew()
    board.catch_up()
    assert ("standing_orders", "format") in board.refused
    assert board.offered == []


@pytest.mark.requirement("SEC-8")
def test_what_leaves_the_list_is_forgotten_by_nobody() -> None:
    board = board_with(command(Verb.HOLD)).catch_up()
    taken = set(board.vault.orders)
    board.lab.orders.clear()
    board.lab.renew()
    board.catch_up()
    assert board.vault.orders == taken
    assert len(board.offered) == 1  # and nothing was said about it


def test_certificates_of_order_givers_come_last_and_may_be_missing() -> None:
    board = Board().catch_up()
    warden = province().wardens[0]
    digests = board.lab.list_signers(warden)
    board.lab.signers.append(SignerMark(scope=OTHER_STATION, digest=bytes([1]) * 32))
    board.lab.signers.append(SignerMark(scope=STATION, digest=bytes([2]) * 32))
    board.lab.publish(NEWER)
    board.lab.renew()
    board.catch_up()
    assert board.vault.signers == set(digests)
    assert board.playlist_serial == 2
    assert board.asked[-1] == f"objects/{'02' * 32}"
    assert f"objects/{'01' * 32}" not in board.asked
    assert board.core.is_fresh(board.vault.have(), NOW)


def test_what_is_listed_as_a_certificate_and_is_none_is_not_kept() -> None:
    board = Board().catch_up()
    digest = board.lab.put(board.lab.sign(Kind.COMMAND, command(Verb.HOLD)))
    board.lab.signers.append(SignerMark(scope=STATION, digest=digest))
    board.lab.renew()
    board.catch_up()
    assert board.vault.signers == set()
    assert ("signer", "kind") in board.refused


def test_the_nearest_standing_programme_is_taken_and_rises_by_its_serial() -> None:

    lab = village_lab()
    people = province().editor, province().approver
    place = f"/state/{STATION}/standing"
    first = standing_programme()
    lab.files[place] = lab.sign(Kind.STANDING_PROGRAMME, first, *people)
    board = Board(lab).catch_up(reach=Reach.STATE)
    assert f"state/{SCOPE}/standing" not in board.asked
    assert board.vault.serial(Kind.STANDING_PROGRAMME, STATION) == 1
    for serial, reached in ((3, 3), (2, 3)):
        body = replace(first, serial=serial)
        lab.files[place] = lab.sign(Kind.STANDING_PROGRAMME, body, *people)
        board.catch_up(reach=Reach.STATE)
        assert board.vault.serial(Kind.STANDING_PROGRAMME, STATION) == reached
    assert ("standing", "rollback") in board.refused


@given(st.binary(max_size=300))
def test_no_bytes_are_a_list_by_chance(data: bytes) -> None:
    fuzz(data)
