"""Text messages on their way into the inbox: they act once, and leave the SIM when dealt with."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loa_endpoint.app.carriers import Carriers, Parts, Texts
from loa_endpoint.app.status_text import status_lines
from loa_endpoint.core.modem import Message, ModemClock, ModemFacts, Sim
from loa_hwsim.modem import SmsNetwork
from loa_protocol.envelope import Kind
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.command import Command, Verb
from loa_protocol.record import ClockTrust, OrderTaken
from loa_protocol.sms import parse_deliver
from loa_protocol.trust import Now
from support.inbox_lab import InboxLab
from support.kept import signed_order
from support.modem_lab import ModemLab, texts
from support.orders import alert, cancel, command
from support.province import NOW, province


class Phone:
    """A modem's link as the wiring sees it, with the messages of a laboratory."""

    def __init__(self) -> None:
        self.facts = ModemFacts(sim=Sim.READY)
        self.is_open = True
        self.deleted: list[int] = []

    def delete(self, index: int) -> None:
        self.deleted.append(index)


class Desk:
    """The wiring around an inbox of its own."""

    def __init__(self, folder: Path) -> None:
        self.lab = InboxLab(folder)
        self.heard: list[tuple[str, int]] = []
        self.happenings: list[tuple[str, str]] = []
        parts: Any = SimpleNamespace(
            plane=SimpleNamespace(inbox=self.lab.inbox),
            time=SimpleNamespace(on_unsigned=lambda *said: self.heard.append(said)),
            keep=lambda body: self.happenings.append((body.name, body.detail)),
        )
        self.parts: Parts = parts
        self.texts = Texts(parts, "/dev/none")
        self.phone = Phone()
        self.texts.modem = self.phone  # type: ignore[assignment]  # all that is asked of it

    async def know_signers(self) -> None:
        """Let the board have the certificates of those who give orders, as from any carrier."""
        for person in (*province().duty, *province().officers):
            for each in person.chain:
                await self.lab.inbox.offer(each, "content")

    async def hear(self, pdus: list[bytes], *, first: int = 1) -> None:
        for index, pdu in enumerate(pdus, first):
            await self.texts.deal_with(Message(index, parse_deliver(pdu)))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.lab.state.close()


@pytest.mark.requirement("SEC-8", "SEC-3")
@pytest.mark.parametrize("seed", range(8))
async def test_orders_act_once_whatever_the_network_does_to_their_messages(
    tmp_path: Path, seed: int
) -> None:
    desk = Desk(tmp_path)
    await desk.know_signers()
    body = alert()
    orders: list[Alert | Command] = [body, command(Verb.HOLD), cancel(body.id)]
    network = SmsNetwork(loss=0.3, repeats=0.4, delay_ms=4000, seed=seed)
    line, chance = ModemLab(network, garbage=0.2), random.Random(seed)
    for _ in range(14):  # sent until they are acknowledged
        pdus = [pdu for order in orders for pdu in texts(signed_order(order))]
        chance.shuffle(pdus)
        line.text(*pdus)
        for message in line.run(6):
            await desk.texts.deal_with(message)
        while desk.phone.deleted:
            line.host.delete(desk.phone.deleted.pop())
    assert {kept.event for kept in desk.lab.ear.orders} == {order.id for order in orders}
    assert len(desk.lab.ear.orders) == 3
    details = {body.detail for body in desk.lab.ear.records if isinstance(body, OrderTaken)}
    assert details == {"sms"}
    line.run(400)  # the last list brings what a lost notice left
    desk.lab.state.close()


@pytest.mark.requirement("SEC-8")
async def test_messages_leave_the_sim_when_the_order_is_on_the_disk(desk: Desk) -> None:
    await desk.know_signers()
    pdus = texts(signed_order(command(Verb.HOLD)))
    await desk.hear(pdus[:1])
    assert desk.phone.deleted == []
    await desk.hear(pdus[1:], first=2)
    assert sorted(desk.phone.deleted) == [1, 2]
    assert desk.texts.facts()["orders"] == 1


@pytest.mark.requirement("TIM-4")
async def test_an_order_that_waits_stays_on_the_sim_over_a_power_cut(
    desk: Desk, tmp_path: Path
) -> None:
    await desk.know_signers()
    desk.lab.now = Now(NOW.unix_s, ClockTrust.T1)
    pdus = texts(signed_order(alert()))
    await desk.hear(pdus)
    assert (desk.phone.deleted, desk.lab.ear.orders, desk.lab.asked_time) == ([], [], 1)
    desk.lab.boot()  # what waited in memory is gone
    desk.parts.plane.inbox = desk.lab.inbox
    desk.lab.now = NOW
    await desk.hear(pdus)  # the modem's list brings them again
    assert len(desk.lab.ear.orders) == 1
    assert sorted(desk.phone.deleted) == list(range(1, len(pdus) + 1))


@pytest.mark.requirement("SEC-8")
async def test_an_order_whose_signers_are_not_known_yet_acts_when_they_are(desk: Desk) -> None:
    pdus = texts(signed_order(command(Verb.HOLD)))
    await desk.hear(pdus)
    assert (desk.lab.ear.orders, desk.phone.deleted) == ([], [])
    await desk.know_signers()
    await desk.lab.inbox.tidy()
    assert len(desk.lab.ear.orders) == 1


@pytest.mark.requirement("SEC-3", "MSG-4")
async def test_one_holder_is_not_two_by_text_message_either(desk: Desk) -> None:
    await desk.know_signers()
    alone = province().sign(Kind.ALERT, alert(), province().duty[0])
    await desk.hear(texts(alone))
    assert desk.lab.ear.orders == []
    assert desk.lab.ear.refusals == [("alert", "threshold")]
    assert desk.phone.deleted == [1, 2]


@pytest.mark.requirement("TIM-4")
def test_the_modems_clock_is_one_that_nobody_signed(desk: Desk) -> None:
    desk.texts.on_event(ModemClock(1_800_000_000_000))
    assert desk.heard == [("modem", 1_800_000_000_000)]


@pytest.mark.requirement("NET-2")
def test_a_modem_without_sim_or_without_a_word_is_a_fault_and_is_told(desk: Desk) -> None:
    carriers = Carriers(desk.parts, modem="/dev/none", sticks=())
    carriers._texts = desk.texts
    seen = []
    for facts, is_open in (
        (ModemFacts(sim=Sim.READY), True),
        (ModemFacts(sim=Sim.ABSENT), True),
        (ModemFacts(sim=Sim.LOCKED), True),
        (ModemFacts(sim=Sim.ABSENT), False),
        (ModemFacts(sim=Sim.READY, is_silent=True), True),
        (ModemFacts(sim=Sim.READY), True),
    ):
        desk.phone.facts, desk.phone.is_open = facts, is_open
        carriers._tidy()
        seen.append(sorted(carriers.faults))
    assert seen == [[], ["no_sim"], ["sim_locked"], ["modem_silent"], ["modem_silent"], []]
    assert desk.happenings == [
        ("no_sim", "active"),
        ("no_sim", "idle"),
        ("sim_locked", "active"),
        ("modem_silent", "active"),
        ("sim_locked", "idle"),
        ("modem_silent", "idle"),
    ]


def test_the_status_says_what_sticks_and_modem_brought(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])
    stick = {"path": "/media/x/loa", "state": "read", "taken": 3, "known": 0, "refused": 1}
    modem = {"sim": "ready", "operator": None, "signal_dbm": -75, "orders": 2}
    facts: dict[str, Any] = {
        "scope": "c01",
        "state": "connected",
        "faults": [],
        "item": None,
        "time": {"trust": "T3", "utc_offset_min": 420},
        "next": [],
        "connected": False,
        "records": {"unsent": 0},
        "media": {"cached": 0, "missing": 0},
        "carriers": {"sticks": [stick], "modem": modem},
    }
    said = list(status_lines(facts))
    assert "Stick /media/x/loa: read, may be pulled out; 3 new, 1 refused" in said
    assert "Modem: SIM ready, -, -75 dBm; 2 orders by text message" in said
