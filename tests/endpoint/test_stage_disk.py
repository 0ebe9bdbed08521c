"""The stage before a disk that refuses: nothing is believed that was not done."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from loa_endpoint.app.stage import Parts, Stage
from loa_endpoint.audio import messages
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.orders import Progress
from loa_protocol.errors import StoreError
from loa_protocol.objects.command import Verb
from loa_protocol.record import ClockTrust, OrderState, OrderTaken, PlayStarted
from support import orders
from support.director_stage import BEGIN, MONO
from support.director_stage import Stage as DirectorStage
from support.kept import kept_order

REFUSED = StoreError("the disk", "is full")


class Cabinet:
    """Player, disk and host in one: what was asked of them."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.records: list[Any] = []
        self.progress: dict[bytes, Progress] = {}
        self.restarts = self.opened = 0
        self.is_full = False
        self.now_ms = BEGIN - 30_000

    def send(self, message: Any) -> None:
        self.sent.append(message)

    def append(self, record: Any) -> None:
        if self.is_full:
            raise REFUSED
        self.records.append(record.body)

    def keep_progress(self, order: bytes, progress: Progress) -> None:
        if self.is_full:
            raise REFUSED
        self.progress[order] = progress

    def drop(self, order: bytes) -> None:
        del self.progress[order]

    def restart(self) -> None:
        self.restarts += 1

    def want_time(self) -> None:
        """Nobody is asked."""

    def renew_identity(self) -> None:
        raise AssertionError("nobody asked for it")

    def reset_floor(self, unix_ms: int, nonce: bytes) -> bool:
        return False

    def keep_session(self, start: int) -> None:
        if self.is_full:
            raise REFUSED

    def reading(self) -> Reading:
        mono = self.now_ms - BEGIN + MONO
        return Reading(mono_ms=mono, unix_ms=self.now_ms, trust=ClockTrust.T3, uncertainty_ms=5)

    def count(self, kind: type[Any]) -> int:
        return sum(isinstance(each, kind) for each in self.sent)


@pytest.fixture
def cabinet() -> Cabinet:
    return Cabinet()


@pytest.fixture
def stage(cabinet: Cabinet) -> Stage:
    """Return a stage whose director has the test playlist, and the siren in its cache."""
    director = DirectorStage(cached=(bytes([7]) * 32, orders.SIREN.sha256)).director
    parts: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(Parts))
    parts |= {
        "player": cabinet,
        "outbox": cabinet,
        "media_path": lambda sha256: f"/media/{sha256.hex()}",
        "read_clock": cabinet.reading,
        "on_kept": lambda: None,
        "cached": lambda: (bytes([7]) * 32, orders.SIREN.sha256),
        "book": cabinet,
        "host": cabinet,
    }
    return Stage(director, Parts(**parts))


def run(stage: Stage, cabinet: Cabinet, until_ms: int) -> None:
    while cabinet.now_ms < until_ms:
        cabinet.now_ms += 100
        stage.round()
        opened = [each.source for each in cabinet.sent if isinstance(each, messages.Prepare)]
        for source in opened[cabinet.opened :]:
            stage.on_player(messages.Prepared(source=source, duration_ms=None))
        cabinet.opened = len(opened)


def order(verb: Verb) -> Any:
    now_s = BEGIN // 1000
    body = orders.command(verb, issued=now_s - 60, expires=now_s + 600)
    return kept_order(body)[0]


def warning() -> Any:
    now_s = BEGIN // 1000
    return kept_order(orders.alert(start=now_s - 60, expires=now_s + 600))[0]


def test_an_item_whose_beginning_the_disk_refuses_does_not_sound_and_begins_once_there_is_room(
    stage: Stage, cabinet: Cabinet
) -> None:
    cabinet.is_full = True
    run(stage, cabinet, BEGIN + 3000)
    assert cabinet.count(messages.Play) == 0
    assert stage.director.play is None
    assert "outbox" in stage.faults
    cabinet.is_full = False
    run(stage, cabinet, BEGIN + 12_000)
    assert sum(isinstance(each, PlayStarted) for each in cabinet.records) == 1
    assert cabinet.count(messages.Play) == 1


@pytest.mark.requirement("MSG-3")
def test_an_alert_sounds_though_nothing_can_be_written(stage: Stage, cabinet: Cabinet) -> None:
    cabinet.is_full = True
    kept = warning()
    stage.on_order(kept)
    assert cabinet.count(messages.Play) == 1
    assert "orders" in stage.faults
    cabinet.is_full = False
    run(stage, cabinet, cabinet.now_ms + 6000)
    assert cabinet.progress[kept.id].plays == 1
    assert cabinet.count(messages.Play) == 2  # its tone, and once its speech
    assert "orders" not in stage.faults


@pytest.mark.requirement("SEC-8")
def test_a_hold_is_obeyed_though_nothing_can_be_written(stage: Stage, cabinet: Cabinet) -> None:
    cabinet.is_full = True
    stage.on_order(order(Verb.HOLD))
    cabinet.is_full = False
    run(stage, cabinet, BEGIN + 5000)
    assert cabinet.count(messages.Play) == 0


def test_a_reboot_that_cannot_be_kept_as_done_is_not_done_until_it_can(
    stage: Stage, cabinet: Cabinet
) -> None:
    cabinet.is_full = True
    kept = order(Verb.REBOOT)
    stage.on_order(kept)
    run(stage, cabinet, cabinet.now_ms + 2000)
    assert cabinet.restarts == 0
    cabinet.is_full = False
    run(stage, cabinet, cabinet.now_ms + 6000)
    assert cabinet.restarts == 1
    assert cabinet.progress[kept.id].state is OrderState.ENDED
    assert [each.state for each in cabinet.records if isinstance(each, OrderTaken)] == [
        OrderState.ENDED
    ]
