"""``loa sms``: an order as messages, printed or sent by a modem on a serial line."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loa_hwsim.modem import Modem
from loa_hwsim.sms_folder import put_message, read_hex, take_messages
from loa_hwsim.transport import Terminal
from loa_lab.__main__ import run as run_sim
from loa_manager.cli.main import run
from loa_manager.settings_file import parse_settings
from loa_manager.sms_gateway import too_long
from loa_protocol.compact import expand
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import ConfigError, MessageError
from loa_protocol.objects.command import Verb
from loa_protocol.objects.placement import Settings
from loa_protocol.sms import parse_deliver, parse_part, receiver_of
from loa_protocol.sms_parts import Reassembler
from support.kept import signed_order
from support.order_desks import Ordering
from support.orders import alert, command, grant
from support.province import province

BOARD = "+84912000004"


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture
def order(tmp_path: Path) -> Path:
    path = tmp_path / "hold.order"
    path.write_bytes(signed_order(command(Verb.HOLD)))
    return path


@contextmanager
def telephone(folder: Path, modem: Modem) -> Iterator[Path]:
    """Run *modem* behind a pseudo-terminal."""
    terminal, stop = Terminal(folder / "phone"), threading.Event()
    line = terminal.plug()

    def serve() -> None:
        while not stop.is_set():
            data = terminal.read()
            for output in modem.feed(data, time.time() * 1000) if data else ():
                os.write(line, output.data)
            stop.wait(0.005)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield folder / "phone"
    finally:
        stop.set()
        thread.join()
        terminal.unplug()


def put_together(deliveries: list[bytes]) -> list[bytes]:
    reassembler, found = Reassembler(), list[bytes]()
    for pdu in deliveries:
        came = parse_deliver(pdu)
        part = parse_part(came.user_data, has_header=came.has_header)
        found += [expand(data) for data in reassembler.take(came.sender, part, 0)]
    return found


@pytest.mark.requirement("SEC-8")
def test_an_order_is_printed_and_a_boards_modem_gets_it(
    order: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sms", str(order), "--to", BOARD, "--print", "--home", str(tmp_path)]) == 0
    printed = tmp_path / "printed"
    printed.write_text(capsys.readouterr().out)
    assert [receiver_of(pdu) for pdu in read_hex(printed.read_text())] == [BOARD] * 2
    assert run_sim(["sms", str(printed), "--dir", str(tmp_path / "board")]) == 0
    (bundle,) = put_together(take_messages(tmp_path / "board" / "sms"))
    assert Bundle.from_bytes(bundle).seals == Bundle.from_bytes(order.read_bytes()).seals
    assert take_messages(tmp_path / "board" / "sms") == []


def test_an_order_is_sent_to_each_receiver_by_a_modem(
    order: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    modem = Modem()
    with telephone(tmp_path, modem) as port:
        call = ["sms", str(order), "--to", BOARD, "--to", "+84912000005", "--port", str(port)]
        assert run([*call, "--home", str(tmp_path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["parts"], facts["excess_bytes"], facts["sent"]) == (2, 0, True)
    assert [pdu.hex() for pdu in modem.sent] == facts["pdus"]
    assert {receiver_of(pdu) for pdu in modem.sent} == {BOARD, "+84912000005"}


def test_a_telephone_without_a_sim_is_told_of(
    order: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    modem = Modem()
    modem.has_sim = False
    with telephone(tmp_path, modem) as port:
        assert run(["sms", str(order), "--to", BOARD, "--port", str(port)]) != 0
    assert "+CME ERROR: 10" in capsys.readouterr().err
    assert run(["sms", str(order), "--to", BOARD, "--port", str(tmp_path / "none")]) != 0


def test_an_order_that_stands_is_found_by_its_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desks = Ordering(tmp_path / "ls")
    hold = desks.command(Verb.HOLD, *province().duty[:2])
    call = ["--to", BOARD, "--print", "--home", str(desks.home.path)]
    assert run(["sms", hold.id.hex()[:8], *call]) == 0
    assert len(capsys.readouterr().out.split()) == 2
    for name in (hold.id.hex()[:4], "ffffffffff", "none.order"):
        assert run(["sms", name, *call]) != 0, name


def test_one_of_print_and_port_is_given(order: Path) -> None:
    assert run(["sms", str(order), "--to", BOARD]) == 2
    assert run(["sms", str(order), "--to", BOARD, "--print", "--port", "/dev/null"]) == 2


@pytest.mark.parametrize("number", ["0", "abc", "+84 912"])
def test_what_is_no_number_is_refused(order: Path, number: str) -> None:
    assert run(["sms", str(order), "--to", number, "--print"]) != 0


def test_whoever_writes_too_much_is_told_how_much_to_cut() -> None:
    assert too_long(signed_order(alert())) == ""
    long = too_long(signed_order(alert(reason="dài " * 40)))
    assert "cut title and reason by" in long
    one = province().sign(Kind.ALERT, alert(reason="d" * 120), province().duty[0])
    assert "cut title and reason by" in too_long(one)  # a second seal is still to come
    assert "no compact form" in too_long(signed_order(grant()))


def test_messages_in_the_folder_that_are_none_are_removed(tmp_path: Path) -> None:
    put_message(tmp_path, b"abc")
    (tmp_path / "junk.sms").write_text("not hex")
    assert take_messages(tmp_path) == [b"abc"]
    assert not list(tmp_path.glob("*.sms"))
    assert take_messages(tmp_path / "none") == []
    with pytest.raises(MessageError):
        read_hex("zz")


@pytest.mark.requirement("SEC-4")
def test_settings_name_plain_mirrors_in_the_local_network_alone() -> None:
    base = Settings(
        scope="vn/ls",
        epoch=1,
        serial=1,
        content=("https://content.example",),
        broker=("mqtts://broker.example:8883",),
        service=("https://service.example",),
        authorities=(b"x",),
        fallback={},
        fittings=(),
        heartbeat_s=300,
    )
    text = 'content = ["https://content.example", "http://192.168.1.10:8080"]'
    assert parse_settings(text, base).content[1] == "http://192.168.1.10:8080"
    for address in ("http://mirror.example", "http://203.0.113.7:8080", "http://"):
        with pytest.raises(ConfigError, match="private"):
            parse_settings(f'content = ["{address}"]', base)
    modem = '[[fitting]]\ndevice = "modem"\nport = "/dev/ttyUSB2"'
    assert parse_settings(modem, base).fittings[0].device.name == "MODEM"
