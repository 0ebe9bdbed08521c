"""A pole that obeys: a hold stops what sounds, outlives a kill, and lets an alert be heard."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loa_manager.keyring import Identity
from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.exit_codes import RESTART
from loa_protocol.objects.alert import Alert, AlertMessage
from loa_protocol.objects.authority import Role
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.online import OrderMark
from loa_protocol.objects.playlist import BulletinKind, Mark, Media
from support.hamlet import STATION, WITHIN_S, Hamlet, Piece, Pole, hamlet, make_piece, soon_s
from support.province import Person
from support.waiting import soon

pytestmark = pytest.mark.story
SILENT_MS = 3000  # SEC-8, VOL-3: after receipt


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hamlet]:
    with hamlet(tmp_path_factory.mktemp("hamlet"), poles=1) as made:
        yield made


def give(here: Hamlet, kind: Kind, body: Alert | Command, *people: Person | Identity) -> None:
    """Sign *body* and list it among the standing orders."""
    chain = [certificate for each in people for certificate in each.chain]
    signers = [each.signer for each in people]
    data = sign_bundle(kind, body.to_bytes(), signers, certificates=dict.fromkeys(chain))
    tree = here.home.content
    mark = OrderMark(scope=STATION, kind=kind, digest=tree.put_object(data), until=body.expires)
    tree.change_orders(lambda orders: orders.with_order(mark, int(time.time())))


def command(verb: Verb) -> Command:
    now_s = int(time.time())
    return Command(
        id=os.urandom(16), scope=STATION, number=now_s, verb=verb, reason="Kiểm tra",
        issued=now_s - 1, expires=now_s + 86_400, duration_s=0, value=0, references=(),
    )  # fmt: skip


def alert(piece: Piece) -> Alert:
    """Return an alert that carries the sound of *piece* itself."""
    now_s, sound = int(time.time()), piece.file.read_bytes()
    media = Media(
        sha256=piece.digest, size=len(sound), duration_ms=piece.length_ms, gain_cdb=0,
        loudness_clufs=-2300,
    )  # fmt: skip
    return Alert(
        id=os.urandom(16), scope=STATION, message=AlertMessage.ALERT, title="Lũ quét",
        reason="Nước lên nhanh", language="vi", start=now_s - 1, expires=now_s + 600,
        duration_s=60, repeats=2, gap_s=1, speech_ms=0, volume=15, mark=Mark.DRILL,
        references=(), media=media, sound=sound,
    )  # fmt: skip


def order_ms(pole: Pole, order: bytes, state: str) -> int:
    """Return when the board's log told that an order came to *state*."""
    found: list[dict[str, Any]] = []

    def is_told() -> bool:
        found[:] = [
            each
            for each in pole.said("order")
            if (each["order"], each["state"]) == (order.hex(), state)
        ]
        return bool(found)

    soon(is_told, within_s=WITHIN_S)
    return round(datetime.fromisoformat(found[0]["at"]).timestamp() * 1000)


def text_status(home: Path) -> str:
    command = [sys.executable, "-m", "loa_endpoint", "--lang", "en", "status", "--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.requirement("SEC-8", "VOL-3", "MSG-3")
def test_a_hold_stops_sound_within_three_seconds_outlives_a_kill_and_lets_an_alert_be_heard(
    here: Hamlet,
) -> None:
    wardens = [here.certified(f"trực ban {n}", Role.ALERT) for n in (1, 2)]
    pole, long = here.pole("c01"), make_piece(here.folder, "dai", 120)
    siren = make_piece(here.folder, "coi", 1)
    here.publish(pole, [long], start_s=soon_s(5))
    pole.start()
    soon(lambda: pole.is_playing(long), within_s=WITHIN_S)
    soon(lambda: np.abs(pole.recording().samples[-4800:]).max() > 0, within_s=WITHIN_S)
    order = command(Verb.HOLD)
    give(here, Kind.COMMAND, order, here.authority.officers[0])
    taken_ms = order_ms(pole, order.id, "BEGUN")
    soon(lambda: time.time() * 1000 > taken_ms + SILENT_MS + 500)
    heard = pole.recording()
    assert np.abs(heard.part(taken_ms + SILENT_MS, taken_ms + SILENT_MS + 300)).max() == 0
    assert "Hold: only alerts sound, by the province" in text_status(pole.home)
    pole.kill()
    pole.start()
    soon(pole.knows_the_time, within_s=WITHIN_S)
    soon(lambda: pole.status()["sound"]["epoch_unix_ms"], within_s=WITHIN_S)  # its player is there
    warning = alert(siren)
    give(here, Kind.ALERT, warning, *wardens)
    begun_ms = order_ms(pole, warning.id, "BEGUN")
    ended_ms = order_ms(pole, warning.id, "ENDED")
    soon(lambda: here.plays(pole)[-1].outcome is not None, within_s=WITHIN_S)
    heard = pole.recording()
    assert np.abs(heard.part(begun_ms, begun_ms + 900)).max() > 1000
    assert heard.longest_gap_ms(begun_ms, ended_ms) < 1500  # the second follows after its gap
    # Three of them are the attention tone. An end is told when its last sample is written, which is
    # up to 200 ms before it sounds.
    assert 5700 < ended_ms - begun_ms < 8500
    assert not pole.is_playing(long)
    plays = [row for row in here.plays(pole) if row.item == warning.id.hex()]
    assert [row.kind for row in plays] == [BulletinKind.EMERGENCY] * 2
    give(here, Kind.COMMAND, command(Verb.REBOOT), here.authority.officers[0])
    process = pole.process
    assert process is not None
    soon(lambda: process.poll() is not None, within_s=WITHIN_S)
    assert process.returncode == RESTART
    pole.start()
    assert "Hold: only alerts sound, by the province" in text_status(pole.home)
    pole.stop()
