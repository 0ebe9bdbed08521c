"""The modem's driver against a simulated one: messages, clock, health, and a line full of noise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loa_endpoint.core.modem import HEALTH_MS, LIST_EVERY_MS, Event, Message, Network, Sim
from loa_endpoint.core.sms_shelf import MOST_ON_SIM, SmsShelf
from loa_endpoint.link.modem import Modem as ModemLink
from loa_hwsim.modem import Modem, SmsNetwork
from loa_hwsim.transport import RunningClock, SerialLine, Terminal
from loa_protocol.compact import compact, expand
from loa_protocol.objects.command import Verb
from loa_protocol.sms import make_deliver, make_submit, parse_deliver, split
from loa_protocol.sms_parts import LIFE_MS
from loa_protocol.sms_sending import Failed, Sent, SmsSending
from support.kept import signed_order
from support.modem_lab import BOARD, GATEWAY, ModemLab, texts
from support.orders import alert, command
from support.province import NOW
from support.waiting import eventually

HOLD = signed_order(command(Verb.HOLD))


def shelved(shelf: SmsShelf, messages: list[Message], now_ms: int = 0) -> list[bytes]:
    """Return the bundles that *messages* give."""
    return [order.data for each in messages for order in shelf.take(each, now_ms).orders]


# --- the conversation


@pytest.mark.requirement("NET-2")
def test_the_modem_tells_how_it_is() -> None:
    lab = ModemLab()
    lab.run(3)
    facts = lab.host.facts
    assert (facts.sim, facts.network, facts.operator) == (Sim.READY, Network.HOME, "LOA TEST")
    assert facts.signal_dbm == -75
    assert not facts.is_silent


@pytest.mark.requirement("TIM-4")
def test_the_modems_clock_is_heard_every_minute() -> None:
    lab = ModemLab()
    lab.run(3 * HEALTH_MS / 1000 + 2)
    assert len(lab.clocks) == 4
    assert lab.clocks[0] // 1000 - NOW.unix_s in (0, 1)


@pytest.mark.parametrize("chunk", [1, 3, 64])
def test_messages_come_as_they_are_sent_and_stay_until_they_are_deleted(chunk: int) -> None:
    lab = ModemLab(chunk=chunk)
    lab.run(3)
    sent = texts(HOLD)
    lab.text(*sent)
    came = lab.run(3)
    assert [each.content for each in came] == [parse_deliver(pdu) for pdu in sent]
    assert len(lab.modem.messages) == len(sent)
    for each in came:
        assert each.index is not None
        lab.host.delete(each.index)
    lab.run(2)
    assert lab.modem.messages == {}


def test_messages_that_came_while_nobody_was_there_are_listed() -> None:
    lab = ModemLab()
    lab.text(*texts(HOLD))
    lab.modem.advance(lab.wall_ms)
    assert shelved(SmsShelf(), lab.run(3)) == [expand(b"".join(split_bare(HOLD)))]


def split_bare(order: bytes) -> list[bytes]:
    return [piece[7:] for piece in split(compact(order))]


def test_a_notice_that_was_lost_is_made_up_for_by_the_next_list() -> None:
    lab = ModemLab()
    lab.run(3)
    lab.modem._tells = False  # the modem forgot what it was told
    lab.text(*texts(HOLD))
    assert lab.run(30) == []
    assert len(lab.run(LIST_EVERY_MS / 1000)) >= 2


@given(st.floats(0, 0.9), st.integers(1, 40), st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_noise_between_the_lines_loses_no_message(garbage: float, chunk: int, seed: int) -> None:
    lab = ModemLab(SmsNetwork(seed=seed), garbage=garbage, chunk=chunk)
    lab.text(*texts(HOLD))
    lab.run(LIST_EVERY_MS / 1000 + 10)
    assert len({each.content for each in lab.messages}) == 2


@pytest.mark.requirement("NET-2")
def test_a_removed_sim_is_known_within_two_minutes_and_messages_come_when_it_is_back() -> None:
    lab = ModemLab()
    lab.run(3)
    lab.modem.has_sim = False
    lab.run(2 * HEALTH_MS / 1000)
    facts = replace(lab.host.facts, network=Network.HOME, signal_dbm=-75)
    assert (facts.sim, facts.operator) == (Sim.ABSENT, None)
    lab.modem.power_cycle(0)
    lab.text(*texts(HOLD))
    assert lab.run(60) == []
    lab.modem.has_sim = True
    assert len(lab.run(2 * HEALTH_MS / 1000)) >= 2
    assert lab.host.facts == replace(facts, sim=Sim.READY, operator="LOA TEST")


def test_a_modem_that_says_nothing_is_called_quiet_and_talked_to_again() -> None:
    lab = ModemLab()
    lab.run(3)
    lab.is_deaf = True
    lab.run(180)
    assert lab.quiets >= 1
    assert lab.host.facts.is_silent
    lab.is_deaf = False
    lab.host.closed()
    assert lab.host.next_deadline() is None
    lab.host.start(lab.now_ms)
    lab.run(5)
    assert not lab.host.facts.is_silent


@pytest.mark.parametrize(
    "said",
    [
        b"\r\n+CMGL: 1,1,,20\r\n+CREG: 1\r\n{pdu}\r\n\r\nOK\r\n",
        b'+CMGL: 1,1,"x",20\r\r\n{pdu}\r\nOK\r\n',
        b"RING\n+CMGL: 1,0,,20\n{pdu}\nOK\n",
    ],
)
def test_lines_that_nobody_asked_for_may_stand_inside_a_reply(said: bytes) -> None:
    pdu = make_deliver(make_submit(BOARD, b"A", has_header=False), GATEWAY)
    lab = ModemLab()
    lab.run(3)
    lab.host._ask("AT+CMGL=4")
    lab.host.tick(lab.now_ms)
    lab.host.outgoing()
    data = said.replace(b"20", str(len(pdu) - 8).encode()).replace(b"{pdu}", pdu.hex().encode())
    assert lab.host.feed(data, lab.now_ms) == [Message(1, parse_deliver(pdu))]


def test_a_message_that_is_handed_over_directly_is_taken_too() -> None:
    pdu = make_deliver(make_submit(BOARD, b"A", has_header=False), GATEWAY)
    lab = ModemLab()
    lab.run(3)
    data = f"\r\n+CMT: ,{len(pdu) - 8}\r\n{pdu.hex()}\r\n".encode()
    assert lab.host.feed(data, lab.now_ms) == [Message(None, parse_deliver(pdu))]


# --- the shelf


def test_junk_is_deleted_at_once_and_parts_when_they_are_dealt_with() -> None:
    shelf = SmsShelf()
    one, two = (Message(n, parse_deliver(pdu)) for n, pdu in enumerate(texts(HOLD), 5))
    assert shelf.take(Message(1, None), 0).done == (1,)
    other = make_deliver(make_submit(BOARD, b"other data", has_header=False), GATEWAY)
    assert shelf.take(Message(2, parse_deliver(other)), 0).done == (2,)
    assert shelf.take(one, 0).done == ()
    (order,) = shelf.take(two, 0).orders
    assert shelf.judged(order, 0, is_settled=True) == (5, 6)


def test_an_order_that_waits_stays_on_the_sim_for_an_hour_and_comes_again() -> None:
    shelf = SmsShelf()
    messages = [Message(n, parse_deliver(pdu)) for n, pdu in enumerate(texts(HOLD))]
    for now_ms, gone in ((0, ()), (LIFE_MS // 2, ()), (LIFE_MS, (0, 1))):
        (order,) = [order for each in messages for order in shelf.take(each, now_ms).orders]
        assert shelf.judged(order, now_ms, is_settled=False) == gone


def test_a_sim_is_never_filled_by_parts_that_wait() -> None:
    shelf = SmsShelf()
    done: list[int] = []
    for index in range(40):
        part = texts(signed_order(alert()))[0]
        sender = f"+8490000{index:04}"
        content = parse_deliver(make_deliver_from(part, sender))
        done += shelf.take(Message(index, content), 0).done
    assert len(done) >= 40 - MOST_ON_SIM
    assert len(set(done)) == len(done)


def make_deliver_from(pdu: bytes, sender: str) -> bytes:
    content = parse_deliver(pdu)
    submit = make_submit(BOARD, content.user_data, has_header=content.has_header)
    return make_deliver(submit, sender)


def test_parts_whose_others_never_come_are_deleted_after_an_hour() -> None:
    shelf = SmsShelf()
    shelf.take(Message(3, parse_deliver(texts(HOLD)[0])), 0)
    assert shelf.tick(LIFE_MS - 1) == ()
    assert shelf.tick(LIFE_MS) == (3,)


# --- sending


def talk(sending: SmsSending, modem: Modem, *, most_ms: int = 100_000) -> list[Sent | Failed]:
    events: list[Sent | Failed] = []
    for now_ms in range(0, most_ms, 10):
        for output in modem.feed(sending.outgoing(), now_ms):
            events += sending.feed(output.data, now_ms)
        events += sending.tick(now_ms)
        if sending.is_over:
            break
    return events


def test_messages_are_sent_one_after_the_other() -> None:
    pieces = split(compact(HOLD))
    pdus = [make_submit(BOARD, each, has_header=True) for each in pieces]
    modem = Modem()
    assert talk(SmsSending(pdus, 0), modem) == [Sent(0), Sent(1)]
    assert modem.sent == pdus


def test_a_telephone_that_refuses_or_says_nothing_ends_the_sending_with_a_reason() -> None:
    pdu = make_submit(BOARD, b"x", has_header=False)
    modem = Modem()
    modem.has_sim = False
    assert talk(SmsSending([pdu], 0), modem) == [Failed(None, "+CME ERROR: 10")]
    silent = SmsSending([pdu], 0)
    assert silent.tick(5000) == [Failed(None, "no reply")]
    assert silent.tick(9000) == []


# --- the line


async def test_a_modem_on_a_real_line_is_found_again_after_it_was_unplugged(tmp_path: Path) -> None:
    events: list[Event] = []
    clock, modem = RunningClock(), Modem()
    line = SerialLine("modem", Terminal(tmp_path / "modem"), modem, clock, baud=115_200)
    link = ModemLink(str(tmp_path / "modem"), events.append, retry_s=0.05)
    link.start()
    line.plug()
    try:
        await eventually(lambda: link.facts.operator is not None)
        line.unplug()
        await eventually(lambda: not link.is_open)
        for pdu in texts(HOLD):
            modem.text(pdu, clock.now_ms())
        line.plug()
        await eventually(lambda: sum(isinstance(each, Message) for each in events) >= 2)
        link.delete(1)
        await eventually(lambda: 1 not in modem.messages)
    finally:
        link.close()
        line.unplug()
