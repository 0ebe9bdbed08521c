"""Web and broker are withheld: orders come by text message and by stick, and take effect once."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loa_manager.authority import Grant
from loa_manager.orders.signers import list_signers
from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.objects.alert import Alert, AlertMessage
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.placement import Device, Fitting
from loa_protocol.objects.playlist import Mark, Media, Playlist
from loa_protocol.schema import Wire
from support.hamlet import STATION, WITHIN_S, Hamlet, Piece, Pole, hamlet, make_piece, soon_s
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
    evening: Playlist

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

    def count(self, wire: Alert | Command, state: str) -> int:
        said = self.pole.said("order")
        return sum(each["order"] == wire.id.hex() and each["state"] == state for each in said)


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valley]:
    folder = tmp_path_factory.mktemp("valley")
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
        yield Valley(here, pole, folder, duty, siren, evening.media[0], evening)
        pole.stop()


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


@pytest.mark.requirement("SEC-8", "SEC-3")
def test_a_hold_by_text_message_silences_what_was_planned_and_by_a_stick_it_is_released(
    valley: Valley, tmp_path: Path
) -> None:
    now = int(time.time())
    hold = Command(
        id=secrets.token_bytes(16),
        scope=valley.pole.scope,
        number=now,
        verb=Verb.HOLD,
        reason="Kiểm tra",
        issued=now - 5,
        expires=now + 600,
        duration_s=0,
        value=0,
        references=(),
    )
    valley.text_until(valley.sign(Kind.COMMAND, hold, valley.duty[0]), hold)
    soon(lambda: valley.count(hold, "BEGUN") == 1, within_s=WITHIN_S)
    valley.pole.kill()
    valley.pole.start()
    soon(lambda: valley.pole.status()["carriers"]["modem"]["operator"] == "LOA TEST")
    assert valley.count(hold, "TAKEN") <= 2  # acknowledged again, if its message came again
    assert valley.count(hold, "BEGUN") == 1
