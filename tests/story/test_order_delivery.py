"""A hold on its way to real boards: by the broker, by the content tree alone, and past a kill."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from loa_manager import tables
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.online import OrderMark
from loa_protocol.record import OrderState
from support.hamlet import STATION, WITHIN_S, Hamlet, Piece, Pole, hamlet, make_piece, soon_s
from support.waiting import soon

pytestmark = pytest.mark.story
LONG_S = 120
SILENT_S = 5.0  # longer than the wait after a start, which would silence it too


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hamlet]:
    with hamlet(tmp_path_factory.mktemp("hamlet"), poles=1) as here:
        yield here


@pytest.fixture(scope="module")
def long(here: Hamlet) -> Piece:
    return make_piece(here.folder, "dai", LONG_S)


@pytest.fixture(scope="module")
def pole(here: Hamlet, long: Piece) -> Pole:
    pole = here.pole("c01")
    here.publish(pole, [long], start_s=soon_s(5))
    pole.start()
    soon(lambda: pole.is_playing(long), within_s=WITHIN_S)
    return pole


def command(here: Hamlet, verb: Verb, *references: bytes) -> Command:
    now_s = int(time.time())
    body = Command(
        id=os.urandom(16),
        scope=STATION,
        number=now_s,
        verb=verb,
        reason="Kiểm tra",
        issued=now_s - 1,
        expires=now_s + 86_400,
        duration_s=0,
        value=0,
        references=references,
    )
    officers = here.authority.officers
    chain = [certificate for each in officers for certificate in each.chain]
    data = sign_bundle(
        Kind.COMMAND, body.to_bytes(), [each.signer for each in officers], certificates=chain
    )
    tree = here.home.content
    mark = OrderMark(
        scope=STATION, kind=Kind.COMMAND, digest=tree.put_object(data), until=body.expires
    )
    assert Bundle.from_bytes(data).digest == mark.digest
    tree.change_orders(lambda orders: orders.with_order(mark, now_s))
    return body


def answers(here: Hamlet, pole: Pole, order: Command) -> list[Any]:
    rows = here.rows(tables.order_answer, pole)
    return [row.state for row in rows if row.order_id == order.id.hex()]


@pytest.mark.requirement("SEC-8")
def test_a_hold_silences_is_acknowledged_survives_a_kill_and_ends_by_a_release(
    here: Hamlet, pole: Pole, long: Piece
) -> None:
    hold = command(here, Verb.HOLD)
    soon(lambda: not pole.is_playing(long), within_s=WITHIN_S)
    soon(lambda: OrderState.TAKEN in answers(here, pole, hold), within_s=WITHIN_S)
    pole.kill()
    here.kill_server()  # nobody tells it again
    before = len(pole.said("play_started"))
    pole.start()
    soon(lambda: len(pole.said("ready")) == 2, within_s=WITHIN_S)
    here.open_server()
    soon(pole.knows_the_time, within_s=WITHIN_S)
    known_s = time.monotonic()
    soon(lambda: time.monotonic() > known_s + SILENT_S, within_s=2 * SILENT_S)
    assert len(pole.said("play_started")) == before  # the item is on, and the hold is in force
    assert pole.status()["item"] is None
    release = command(here, Verb.RELEASE, hold.id)
    soon(lambda: OrderState.TAKEN in answers(here, pole, release), within_s=WITHIN_S)
    soon(lambda: pole.is_playing(long), within_s=WITHIN_S)
    assert answers(here, pole, hold).count(OrderState.TAKEN) >= 1
    assert here.refusals(pole) == []


@pytest.mark.requirement("SEC-2")
def test_an_order_to_rotate_gives_a_board_a_new_certificate_and_its_session_goes_on(
    here: Hamlet, pole: Pole
) -> None:
    certificate = pole.home / "identity" / "ldevid.pem"
    before = certificate.read_bytes()
    rotate = command(here, Verb.ROTATE)
    soon(lambda: certificate.read_bytes() != before, within_s=WITHIN_S)
    soon(lambda: OrderState.ENDED in answers(here, pole, rotate), within_s=WITHIN_S)
    soon(lambda: pole.status()["connected"], within_s=WITHIN_S)  # again, with the new one
    assert here.refusals(pole) == []
