"""The inbox on a bad disk, and against hostile senders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_inbox import fuzz
from loa_endpoint.app import inbox as door
from loa_endpoint.content.sync import Outcome
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import StoreError
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.command import Verb
from loa_protocol.record import ClockTrust, OrderTaken
from loa_protocol.trust import Now
from support.content_lab import sha256
from support.inbox_lab import InboxLab
from support.kept import signed_order
from support.orders import SIREN, alert, cancel, command
from support.province import NOW, Person, person, province

BLIND = Now(NOW.unix_s, ClockTrust.T1)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InboxLab]:
    lab = InboxLab(tmp_path)
    yield lab
    lab.state.close()


def spoken(sound: bytes = b"water is rising", **changes: object) -> Alert:
    """Return an alert that brings its sound along."""
    media = replace(SIREN, sha256=sha256(sound), size=len(sound))
    return alert(media=media, sound=sound, **changes)


# -- a bad disk


@pytest.fixture
def full(lab: InboxLab, monkeypatch: pytest.MonkeyPatch) -> InboxLab:
    """A board whose state.db refuses."""

    def refuse(*_: object) -> None:
        raise StoreError("state.db", "no room")

    monkeypatch.setattr(lab.inbox.book, "take", refuse)
    return lab


@pytest.mark.requirement("OFF-2", "SEC-8")
@pytest.mark.parametrize(
    "body",
    [alert(), cancel(bytes(16)), command(Verb.HOLD), command(Verb.LOCKDOWN)],
    ids=["alert", "cancel", "hold", "lockdown"],
)
async def test_a_warning_or_silence_is_obeyed_once_though_it_cannot_be_written(
    full: InboxLab, monkeypatch: pytest.MonkeyPatch, body: Alert
) -> None:
    data = signed_order(body)
    for _ in range(3):
        assert await full.inbox.offer(data, "mqtt") is Outcome.FAILED
    assert len(full.ear.orders) == 1
    assert full.ear.acknowledged == []  # whoever sends it goes on sending
    await full.inbox.tidy()
    assert full.ear.acknowledged == []
    monkeypatch.undo()
    await full.inbox.tidy()
    assert full.ear.acknowledged == [body.id]
    assert full.ear.orders[0].id in full.state.seen()
    assert await full.inbox.offer(data, "mqtt") is Outcome.AGAIN
    assert len(full.ear.orders) == 1


@pytest.mark.requirement("OFF-2")
@pytest.mark.parametrize("verb", [Verb.RELEASE, Verb.REBOOT, Verb.SELF_TEST, Verb.ROTATE])
async def test_what_cannot_be_remembered_and_need_not_be_done_is_not_done(
    full: InboxLab, monkeypatch: pytest.MonkeyPatch, verb: Verb
) -> None:
    data = signed_order(command(verb))
    assert await full.inbox.offer(data, "mqtt") is Outcome.FAILED
    assert full.ear.orders == []
    monkeypatch.undo()
    assert await full.inbox.offer(data, "mqtt") is Outcome.TAKEN


async def test_many_unwritten_orders_do_not_fill_the_memory(full: InboxLab) -> None:
    data = [signed_order(command(Verb.STOP)) for _ in range(door.MOST_UNWRITTEN + 10)]
    for each in data:
        await full.inbox.offer(each, "mqtt")
    assert full.inbox.unwritten == door.MOST_UNWRITTEN
    full.state.raise_floor(1)
    await full.inbox.tidy()
    assert await full.inbox.offer(data[0], "mqtt") is Outcome.FAILED
    assert len(full.ear.orders) == len(data)  # no id was forgotten with its bytes


async def test_a_sound_that_finds_no_room_does_not_stop_the_alert(
    lab: InboxLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("media", "no room")

    monkeypatch.setattr(lab.cache, "put", refuse)
    assert await lab.inbox.offer(signed_order(spoken()), "mqtt") is Outcome.TAKEN
    assert len(lab.ear.failures) == 1


# -- hostile senders


@pytest.mark.requirement("SEC-3")
@pytest.mark.parametrize(
    ("people", "reason"),
    [
        ((), "threshold"),
        (("duty-1",), "threshold"),
        (("officer",), "role"),
        (("me", "you"), "wait"),
    ],
    ids=["no seal", "one of two", "another role", "strangers"],
)
async def test_bad_seals_never_act(lab: InboxLab, people: tuple[str, ...], reason: str) -> None:
    known = {"duty-1": province().duty[0], "officer": province().editor}
    signers: list[Person] = [known.get(name) or person(name) for name in people]
    data = province().sign(Kind.ALERT, alert(), *signers)
    outcome = await lab.inbox.offer(data, "mqtt")
    assert outcome is (Outcome.WAITING if reason == "wait" else Outcome.REFUSED)
    assert lab.ear.orders == []
    assert lab.ear.refusals == ([] if reason == "wait" else [("alert", reason)])


@pytest.mark.requirement("SEC-3")
async def test_a_flipped_bit_in_an_order_is_a_signature(lab: InboxLab) -> None:
    bundle = Bundle.from_bytes(signed_order(command(Verb.HOLD)))
    seal = bytearray(bundle.seals[0])
    seal[-1] ^= 1
    data = replace(bundle, seals=(bytes(seal), bundle.seals[1])).to_bytes()
    assert await lab.inbox.offer(data, "mqtt") is Outcome.REFUSED
    assert lab.ear.refusals == [("command", "signature")]


@pytest.mark.requirement("SEC-3")
async def test_a_thousand_kinds_of_junk_take_bounded_memory_and_few_records(lab: InboxLab) -> None:
    lab.now = BLIND
    waiting = signed_order(alert())
    await lab.inbox.offer(waiting, "mqtt")
    strangers = [person("me").signer, person("you").signer]
    for number in range(1000):
        body = alert(title=f"junk {number}").to_bytes()
        junk = sign_bundle(Kind.ALERT, body, strangers)  # what a board may wait for
        if number % 2:
            junk = sign_bundle(Kind.COMMAND, body, strangers[:1]) + os.urandom(9)
        await lab.inbox.offer(junk, "mqtt")
    assert lab.ear.orders == []
    assert len(lab.ear.refusals) == 1  # counted, not told a thousand times
    assert lab.inbox.waiting <= 48
    lab.now = NOW
    await lab.inbox.tidy()
    assert [kept.digest for kept in lab.ear.orders] == [Bundle.from_bytes(waiting).digest]


@pytest.mark.parametrize("kind", [Kind.BATCH, Kind.RECEIPT, Kind.TRANSFER, Kind.TIME_ANSWER])
async def test_what_belongs_at_another_door_is_refused_here(lab: InboxLab, kind: Kind) -> None:
    data = sign_bundle(kind, b"\xa0", [province().device])
    assert await lab.inbox.offer(data, "usb") is Outcome.REFUSED
    assert lab.ear.refusals == [(kind.name.lower(), "kind")]


async def test_a_damaged_order_is_told_at_boot(lab: InboxLab) -> None:
    body = command(Verb.HOLD)
    await lab.inbox.offer(signed_order(body), "mqtt")
    with lab.state.database.transaction() as connection:
        connection.execute("UPDATE taken SET bundle = x'00'")
    assert lab.boot() == []
    told = [each for each in lab.ear.records if not isinstance(each, OrderTaken)]
    assert [getattr(each, "name", "") for each in told] == ["order_damaged"]


@given(st.binary(max_size=300))
def test_no_bytes_come_through_the_door_by_chance(data: bytes) -> None:
    fuzz(data)


@pytest.mark.requirement("SEC-3")
async def test_an_order_for_another_board_is_told_but_not_where_a_whole_place_is_listed(
    lab: InboxLab,
) -> None:
    data = signed_order(command(Verb.REBOOT, endpoint=bytes(range(16))))
    assert await lab.inbox.offer(data, "content") is Outcome.REFUSED
    assert lab.ear.refusals == []
    assert await lab.inbox.offer(data, "mqtt") is Outcome.REFUSED
    assert lab.ear.refusals == [("command", "not_addressed")]
