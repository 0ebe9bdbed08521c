"""The simulated modem, its SIM, and the network that brings it messages."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from loa_hwsim.board import Board, BoardSetting
from loa_hwsim.faults import Fault, FaultPlan, Kind, Place
from loa_hwsim.modem import SIM_SLOTS, Modem, SmsNetwork
from loa_hwsim.sms_folder import put_message, take_messages
from loa_hwsim.transport import RunningClock
from loa_protocol.sms import make_deliver, make_submit
from support.waiting import eventually

PDU = make_deliver(make_submit("+84912000004", b"hello", has_header=False), "+84900000001")


def said(modem: Modem, command: str, now_ms: float = 0) -> str:
    outputs = modem.feed(command.encode() + b"\r", now_ms)
    return b"".join(output.data for output in outputs).decode()


def test_a_network_loses_repeats_and_reorders_as_often_as_it_was_told() -> None:
    network = SmsNetwork(loss=0.25, repeats=0.5, delay_ms=1000, seed=3)
    came = [network.carry(bytes([n % 256]), 0) for n in range(2000)]
    assert 0.2 < sum(not each for each in came) / 2000 < 0.3
    assert 0.4 < sum(len(each) == 2 for each in came) / sum(bool(each) for each in came) < 0.6
    times = [when for each in came for when, _ in each]
    assert times != sorted(times)
    assert all(0 <= when <= 1000 for when in times)
    again = SmsNetwork(loss=0.25, repeats=0.5, delay_ms=1000, seed=3)
    assert [again.carry(bytes([n % 256]), 0) for n in range(2000)] == came


def test_a_full_sim_takes_no_message_until_one_is_deleted() -> None:
    modem = Modem()
    for _ in range(SIM_SLOTS + 1):
        modem.text(PDU, 0)
    modem.advance(0)
    assert len(modem.messages) == SIM_SLOTS
    assert modem.next_deadline() is None
    assert "OK" in said(modem, "AT+CMGD=7")
    modem.advance(1)
    assert 7 in modem.messages


def test_messages_are_told_of_when_that_was_asked_for() -> None:
    modem = Modem()
    said(modem, "AT+CNMI=2,1,0,0,0")
    modem.text(PDU, 0)
    assert [output.data for output in modem.advance(1)] == [b'\r\n+CMTI: "SM",1\r\n']
    modem.power_cycle(2)
    modem.text(PDU, 2)
    assert modem.advance(3) == []


def test_without_a_sim_most_commands_are_refused_and_messages_wait() -> None:
    modem = Modem()
    modem.has_sim = False
    for command in ("AT+CPIN?", "AT+CMGF=0", "AT+CMGL=4", "AT+CMGS=10"):
        assert "+CME ERROR: 10" in said(modem, command)
    modem.text(PDU, 0)
    assert (modem.advance(1), modem.messages) == ([], {})
    modem.has_sim = True
    modem.advance(2)
    assert list(modem.messages) == [1]


@pytest.mark.parametrize("typed", [b"zz\x1a", b"00\x1a", b"\x1b"])
def test_what_is_no_pdu_is_not_sent(typed: bytes) -> None:
    modem = Modem()
    said(modem, "AT+CMGF=0")
    assert said(modem, "AT+CMGS=20").endswith("> ")
    modem.feed(typed, 0)
    assert modem.sent == []
    assert "OK" in said(modem, "AT")


def test_commands_that_it_does_not_know_are_refused() -> None:
    modem = Modem()
    for command in ("AT+CMGF=0", "ATE0"):
        said(modem, command)
    for command in ("AT+CMGR=x", "AT+CMGS=999", "AT+NONSENSE", "AT+CMGZ=1"):
        assert said(modem, command) == "\r\nERROR\r\n"
    assert said(modem, "") == ""


async def test_a_poles_modem_gets_what_lies_in_the_folder_and_its_faults(tmp_path: Path) -> None:
    clock = RunningClock()
    gone = Fault(
        kind=Kind.SIM_REMOVED,
        place=Place.MODEM,
        start_ms=clock.start_ms + 400,
        end_ms=clock.start_ms + 700,
    )
    setting = BoardSetting(
        folder=tmp_path / "pole", hears=tmp_path / "horn.wav", faults=FaultPlan([gone])
    )
    board = Board(setting, clock, lambda _: None)
    running = asyncio.create_task(board.run())
    try:
        await eventually((tmp_path / "pole" / "modem").is_symlink)
        put_message(tmp_path / "pole" / "sms", PDU)
        await eventually(lambda: board.modem.messages == {1: PDU})
        board.modem.sent.append(b"\x00\x01")
        await eventually(lambda: take_messages(tmp_path / "pole" / "sms" / "sent") == [b"\x00\x01"])
        await eventually(lambda: not board.modem.has_sim)
        await eventually(lambda: board.modem.has_sim)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert not (tmp_path / "pole" / "modem").is_symlink()
