"""Web and broker are withheld: orders come by text message and by stick, and take effect once."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loa_manager.authority import Grant
from loa_manager.orders.signers import list_signers
from loa_manager.serve.key_folder import ServerKeys
from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.objects.alert import Alert, AlertMessage
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.online import OrderMark
from loa_protocol.objects.placement import Device, Fitting
from loa_protocol.objects.playlist import Mark, Media
from loa_protocol.schema import Wire
from support.hamlet import STATION, WITHIN_S, Hamlet, Piece, Pole, hamlet, make_piece, soon_s
from support.passphrases import cheap
from support.province import Person, person
from support.waiting import soon

pytestmark = pytest.mark.story
BOARD_SIM = "+84912000004"
SMS_WITHIN_S = 90.0  # a third of the messages is lost; they are sent until they are acknowledged


@dataclass
class Valley:
    """A pole with a modem, people on duty, and no network from some time on."""

    here: Hamlet
    pole: Pole
    folder: Path
    duty: tuple[Person, Person]
    siren: Piece
    media: Media

    def sign(self, kind: Kind, body: Wire, *people: Person) -> Path:
        chains = [certificate for each in people for certificate in each.chain]
        data = sign_bundle(
            kind, body.to_bytes(), [each.signer for each in people], certificates=chains
        )
        path = self.folder / f"{secrets.token_hex(4)}.order"
        path.write_bytes(data)
        return path

    def text_until(self, order: Path, wire: Alert | Command) -> None:
        """Send *order* by text message until the pole has taken it."""
        crew, home = self.here.crew, self.here.home.path
        printed = crew.run("loa", "sms", order, "--to", BOARD_SIM, "--print", "--home", home)
        assert 2 <= len(printed.split()) <= 3
        sent = self.folder / "sent.txt"
        sent.write_text(printed)
        last = 0.0

        def is_taken() -> bool:
            nonlocal last
            if time.monotonic() - last > 3:
                last = time.monotonic()
                crew.run("loa-sim", "sms", sent, "--dir", self.folder / "board")
            return self.count(wire, "TAKEN") > 0

        soon(is_taken, within_s=SMS_WITHIN_S)

    def carry(self) -> None:
        """Let the province's online key sign a head, and carry the tree to the pole's stick."""
        home = self.here.home
        keys = ServerKeys.open(home, cheap("một hai ba bốn"))
        now_s = int(time.time())
        home.content.renew_head(lambda facts: keys.head.sign(Kind.HEAD, facts.at(now_s)))
        stick = self.folder / "stick"
        stick.mkdir(exist_ok=True)
        self.here.crew.run("loa", "carry", "--home", home.path, "--to", stick, "--scope", STATION)

    def count(self, wire: Alert | Command, state: str) -> int:
        said = self.pole.said("order")
        return sum(each["order"] == wire.id.hex() and each["state"] == state for each in said)


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valley]:
    folder = tmp_path_factory.mktemp("valley")
    os.environ["LOA_ENDPOINT_STICK"] = str(folder / "stick")
    with hamlet(folder, poles=1) as here, contextlib.ExitStack() as stack:
        board = here.crew.start(
            "board", "loa-sim", "board", "--dir", folder / "board", "--hears", folder / "c01.wav",
            "--sms-loss", "0.3", "--sms-repeats", "0.3", "--sms-delay", "1.5", "--seed", "7",
        )  # fmt: skip
        stack.callback(here.crew.send_home, [board])
        modem = Fitting(device=Device.MODEM, port=str(folder / "board" / "modem"), option=0)
        soon((folder / "board" / "modem").exists, within_s=WITHIN_S)
        pole = here.pole("c01", modem)
        siren = make_piece(folder, "coi", 3)
        evening = here.publish(pole, [siren], start_s=soon_s(3600))
        duty = _certified(here, "trực một"), _certified(here, "trực hai")
        certificates = [each for who in duty for each in who.chain]
        list_signers(here.home, certificates, int(time.time()))
        pole.start()
        soon(pole.cached(siren).exists, within_s=WITHIN_S)
        soon(pole.knows_the_time, within_s=WITHIN_S)
        soon(lambda: pole.status()["carriers"]["modem"]["operator"] == "LOA TEST")
        soon(lambda: pole.status()["carriers"]["signers"] >= 4, within_s=WITHIN_S)
        here.kill_server()  # web and broker, from here on
        yield Valley(here, pole, folder, duty, siren, evening.media[0])
        pole.stop()
    del os.environ["LOA_ENDPOINT_STICK"]


def _certified(here: Hamlet, holder: str) -> Person:
    who = person(holder)
    grant = Grant(scopes=(STATION,), roles=(Role.ALERT, Role.OPERATE), level=Level.COMMUNE)
    own = here.authority.issue(who.signer.public, holder, grant, datetime.now(UTC))
    above = [each for officer in here.authority.officers for each in officer.chain]
    who.chain = (*dict.fromkeys(above), own)
    return who


@pytest.mark.requirement("SEC-8", "SEC-3", "MSG-3")
def test_an_alert_by_text_message_sounds_once_whatever_the_network_does_to_it(
    valley: Valley,
) -> None:
    now = int(time.time())
    alert = Alert(
        id=secrets.token_bytes(16),
        scope=valley.pole.scope,
        message=AlertMessage.ALERT,
        title="Báo động lũ",
        reason="Nước sông lên nhanh",
        language="vi",
        start=now - 5,
        expires=now + 600,
        duration_s=60,
        repeats=1,
        gap_s=0,
        speech_ms=0,
        volume=12,
        mark=Mark.TEST,
        references=(),
        media=valley.media,
    )
    valley.text_until(valley.sign(Kind.ALERT, alert, *valley.duty), alert)
    soon(lambda: valley.count(alert, "ENDED") == 1, within_s=WITHIN_S)
    assert (valley.count(alert, "BEGUN"), valley.count(alert, "ENDED")) == (1, 1)
    assert valley.pole.status()["carriers"]["modem"]["orders"] == 1


@pytest.mark.requirement("SEC-8", "SEC-3", "OFF-1")
def test_a_hold_comes_by_text_message_and_by_a_stick_its_release_with_a_new_schedule(
    valley: Valley,
) -> None:
    now, pole = int(time.time()), valley.pole
    hold = _command(pole, Verb.HOLD, now)
    valley.text_until(valley.sign(Kind.COMMAND, hold, valley.duty[0]), hold)
    soon(lambda: valley.count(hold, "BEGUN") == 1, within_s=WITHIN_S)
    pole.kill()
    pole.start()
    soon(lambda: pole.status()["carriers"]["modem"]["operator"] == "LOA TEST")
    assert valley.count(hold, "BEGUN") == 1
    piece = make_piece(valley.folder, "moi", 4)
    valley.here.publish(pole, [piece], start_s=soon_s(14))
    release = _command(pole, Verb.RELEASE, now + 1, hold.id)
    order = valley.sign(Kind.COMMAND, release, *valley.duty)
    tree = valley.here.home.content
    mark = OrderMark(
        scope=pole.scope,
        kind=int(Kind.COMMAND),
        digest=tree.put_object(order.read_bytes()),
        until=now + 3600,
    )
    tree.change_orders(lambda orders: orders.with_order(mark, now))
    valley.carry()
    soon(lambda: valley.count(hold, "ENDED") == 1, within_s=WITHIN_S)
    soon(pole.cached(piece).exists, within_s=WITHIN_S)
    soon(lambda: pole.is_playing(piece), within_s=WITHIN_S)
    (stick,) = pole.status()["carriers"]["sticks"]
    assert (stick["state"], stick["refused"]) == ("read", 0)
    assert stick["taken"] >= 2
    said = valley.here.crew.run("loa-endpoint", "status", "--home", pole.home)
    assert str(valley.folder / "stick" / "loa") in said


def _command(pole: Pole, verb: Verb, number: int, *references: bytes) -> Command:
    return Command(
        id=secrets.token_bytes(16),
        scope=pole.scope,
        number=number,
        verb=verb,
        reason="Kiểm tra",
        issued=number - 5,
        expires=number + 600,
        duration_s=0,
        value=0,
        references=references,
    )
