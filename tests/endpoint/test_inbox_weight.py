"""An order that was taken with lighter seals than it has: whoever may seal a part takes nothing.

A commune's officer can seal the very words of the province's hold for the commune, have them taken
so, and release them. The true seals must count whenever they come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loa_endpoint.content.sync import Outcome
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.order_desk import OrderDesk, Quiet
from loa_endpoint.core.orders import Kept, Step
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.objects.authority import Level
from loa_protocol.objects.command import Command, Verb
from loa_protocol.record import ClockTrust, Happening, OrderState
from support.catch_up import Board
from support.content_lab import village_lab
from support.inbox_lab import InboxLab
from support.kept import kept_order, signed_order
from support.orders import alert, command
from support.province import NOW, province

HOLD = command(Verb.HOLD)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InboxLab]:
    lab = InboxLab(tmp_path)
    yield lab
    lab.state.close()


def by_commune(body: Command) -> bytes:
    """Return the same words, sealed by an officer of the commune."""
    return province().sign(Kind.COMMAND, body, province().wardens[0])


@pytest.mark.requirement("SEC-3", "MSG-4")
async def test_the_true_seals_of_an_order_count_though_lighter_ones_came_first(
    lab: InboxLab,
) -> None:
    assert await lab.inbox.offer(by_commune(HOLD), "usb") is Outcome.TAKEN
    assert await lab.inbox.offer(signed_order(HOLD), "mqtt") is Outcome.TAKEN
    assert [kept.level for kept in lab.ear.orders] == [Level.COMMUNE, Level.PROVINCE]
    names = [body.name for body in lab.ear.records if isinstance(body, Happening)]
    assert names == ["order_raised"]
    (kept,) = lab.boot()
    assert (kept.level, kept.taking.holders) == (Level.PROVINCE, lab.ear.orders[1].taking.holders)
    assert await lab.inbox.offer(by_commune(HOLD), "usb") is Outcome.AGAIN
    assert await lab.inbox.offer(signed_order(HOLD), "mqtt") is Outcome.AGAIN


async def test_seals_that_do_not_hold_raise_nothing_and_are_judged_once(
    lab: InboxLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lab.inbox.offer(by_commune(HOLD), "usb")
    true = Bundle.from_bytes(signed_order(HOLD))
    spoilt = replace(true, seals=tuple(each[:-1] + b"\0" for each in true.seals)).to_bytes()
    assert await lab.inbox.offer(spoilt, "mqtt") is Outcome.AGAIN
    assert [kept.level for kept in lab.boot()] == [Level.COMMUNE]


async def test_on_a_full_disk_it_stays_as_it_was_and_is_offered_again(
    lab: InboxLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lab.inbox.offer(by_commune(HOLD), "usb")
    monkeypatch.setattr("loa_endpoint.store.orders.MOST_ORDERS", 0)
    assert await lab.inbox.offer(signed_order(HOLD), "mqtt") is Outcome.FAILED
    monkeypatch.undo()
    assert [kept.level for kept in lab.boot()] == [Level.COMMUNE]
    assert await lab.inbox.offer(signed_order(HOLD), "mqtt") is Outcome.TAKEN


def test_a_hold_that_was_released_from_below_holds_again_at_its_true_level() -> None:
    desk = OrderDesk()
    now = Reading(mono_ms=0, unix_ms=NOW.unix_s * 1000, trust=ClockTrust.T3, uncertainty_ms=0)
    desk.restore([], now)
    true, _, _ = kept_order(HOLD)
    lighter = _lighter(true)
    release, _, _ = kept_order(command(Verb.RELEASE, references=(HOLD.id,)))
    desk.take(lighter, now)
    desk.take(_lighter(release), now)
    assert desk.quiet(now) is Quiet.NOTHING
    desk.take(true.after(desk.order(true.id)), now)
    assert desk.quiet(now) is Quiet.SCHEDULE
    desk.take(lighter, now)
    assert desk.quiet(now) is Quiet.SCHEDULE, "what weighs less takes nothing back"


def test_an_alert_that_has_sounded_does_not_sound_again_for_its_true_level() -> None:
    true, _, _ = kept_order(alert())
    done = _lighter(true).stepped(Step.BEGIN, plays=3).stepped(Step.FINISH)
    assert true.after(done).progress == done.progress
    refused = _lighter(true).stepped(Step.REFUSE)
    assert true.after(refused).progress.state is OrderState.TAKEN
    assert true.after(None) == true


def _lighter(kept: Kept) -> Kept:
    return replace(kept, taking=replace(kept.taking, level=Level.COMMUNE))


def test_an_order_that_the_list_knows_at_a_higher_level_is_fetched_and_only_once() -> None:
    lab = village_lab()
    digest = lab.order(HOLD)
    lab.orders[0] = replace(lab.orders[0], level=Level.PROVINCE)
    lab.renew()
    board = Board(lab).catch_up()
    assert board.offered == [digest]
    board.vault.lighter[digest] = Level.COMMUNE
    board.refuses.add(digest)  # the inbox says that it is no more than what is here
    board.catch_up()
    assert board.offered == [digest, digest]
    assert board.catch_up().asked == ["head"]
