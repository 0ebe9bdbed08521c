"""How a board answers a recall: what it offers, how it goes on after a cut, and at what pace."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from loa_endpoint.app.recall import BlackBoxDoor, Parts
from loa_endpoint.audio.black_box_shelf import Shelf
from loa_endpoint.audio.messages import Clock, Message, Ready
from loa_endpoint.content.fetch import Answer, Fetcher, Request
from loa_endpoint.core import recall as rules
from loa_endpoint.core.black_box import BoxLimits, Segment
from loa_endpoint.core.director import Director
from loa_endpoint.core.effect import Effect, Tell
from loa_endpoint.core.play import MAX_SEGMENTS, MOST_RECORDED
from loa_endpoint.store.black_box import list_segments, read_segment
from loa_manager.home import Home
from loa_manager.recall.room import PieceError, Room
from loa_protocol.errors import FetchError
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.recall import MOST_PIECE, Offer
from loa_protocol.record import (
    ClockTrust,
    Evidence,
    OrderState,
    OrderTaken,
    Outcome,
    PlayEnded,
    Record,
    Recorded,
)
from loa_protocol.record import Segment as Stretch
from support import orders
from support.director_stage import BEGIN
from support.order_scene import Scene
from support.waiting import eventually

UNIX_MS = BEGIN - 7_200_000
ROOMY = BoxLimits(reserve_bytes=0)


def recall(**changes: object) -> Command:
    """Return the wish to hear ten minutes of two hours ago."""
    now_s = BEGIN // 1000
    times = {"issued": now_s - 30, "expires": now_s + 7 * 86_400 - 30}
    facts = {"duration_s": 600, "since": UNIX_MS // 1000, "endpoint": bytes(16)}
    return orders.command(Verb.RECALL, **{**times, **facts, **changes})


class Line:
    """The way to a real room of the server, which breaks where the test says."""

    def __init__(self, room: Room) -> None:
        self.room, self.asked = room, list[Request]()
        self.breaks: Callable[[int], bool] = lambda _: False

    async def fetch(self, request: Request) -> Answer:
        self.asked.append(request)
        await asyncio.sleep(0)
        if self.breaks(len(self.asked)):
            raise FetchError(request.url, 0, "the mast fell")
        _empty, _recall, order, *rest = request.path.split("/")
        body, id_ = request.body or b"", bytes.fromhex(order)
        try:
            if rest == ["offer"]:
                lack = self.room.offered(id_, Offer.from_bytes(body), time.time())
            else:
                lack = self.room.take(id_, bytes.fromhex(rest[0]), int(rest[1]), body)
        except PieceError as error:
            raise FetchError(request.url, 422 if error.code == "hash" else 413) from None
        return Answer(200, lack.to_bytes(), "")

    def close(self) -> None:
        pass


class Board:
    """A board with a black box, on a stage that the test holds."""

    def __init__(self, folder: Path, *, files: int = 3, size: int = 100_000) -> None:
        self.scene = Scene()
        self.scene.run(BEGIN - 20_000)
        self.box, self.room = folder / "box", Room(Home(folder / "home"))
        (folder / "home").mkdir()
        self.line, self.told = Line(self.room), list[Message]()
        shelf = Shelf(self.box, ROOMY)
        self.files = [
            shelf.store(UNIX_MS + n * 60_000, 60_000, random.Random(n).randbytes(size))
            for n in range(files)
        ]
        self.has_player = True
        self.door = self.boot()

    def boot(self) -> BlackBoxDoor:
        scene = self.scene

        class Stage:
            @property
            def director(self) -> Director:
                return scene.director

            def perform(self, effects: list[Effect]) -> None:
                scene.do(effects)

        def tell(message: Message) -> bool:
            self.told += [message] if self.has_player else []
            return self.has_player

        parts = Parts(
            folder=self.box,
            identity=bytes(16),
            stage=Stage(),
            tell_player=tell,
            read_clock=scene.reading,
            service=cast(Fetcher, self.line),
            address=lambda: "https://127.0.0.1:1",
            is_mobile=False,
        )
        self.door = BlackBoxDoor(parts)
        return self.door

    async def until_over(self, order: bytes, *, within_s: float = 20) -> None:
        running = asyncio.create_task(self.door.run())
        await eventually(lambda: self.scene.disk[order].progress.is_over, within_s=within_s)
        running.cancel()

    def last_word(self, order: bytes) -> tuple[OrderState, str]:
        bodies = [each.body for each in self.scene.all(Tell)]
        told = [each for each in bodies if isinstance(each, OrderTaken)]
        return told[-1].state, told[-1].detail


@pytest.mark.requirement("AUD-7")
async def test_a_recall_brings_the_files_of_its_time_and_no_others(tmp_path: Path) -> None:
    board = Board(tmp_path, files=15, size=1000)
    body = recall(duration_s=300, since=UNIX_MS // 1000 + 90)
    order = board.scene.order(body)
    await board.until_over(order)
    held = board.room.held(body.id)
    assert held.is_complete
    assert held.whole == {each.sha256 for each in board.files[1:7]}
    assert board.last_word(order) == (OrderState.ENDED, "6 files sent")


async def test_what_was_cut_goes_on_where_it_was_also_after_a_restart(tmp_path: Path) -> None:
    board = Board(tmp_path)
    body = recall()
    order = board.scene.order(body)
    board.line.breaks = lambda count: count > 4
    running = asyncio.create_task(board.door.run())
    await eventually(lambda: len(board.line.asked) >= 5)
    running.cancel()
    assert board.scene.disk[order].progress.state is OrderState.BEGUN
    board.scene.reboot()
    board.boot()
    board.line.breaks, before = lambda _: False, len(board.line.asked)
    await board.until_over(order)
    assert board.room.held(body.id).is_complete
    sent = [each for each in board.line.asked if each.method == "PUT"]
    pieces = sum(-(-each.size // MOST_PIECE) for each in board.files)
    assert len(sent) == pieces + 1  # the one that was on its way
    assert len(board.line.asked) > before


async def test_a_file_that_is_damaged_or_gone_is_said_to_be_and_the_others_come(
    tmp_path: Path,
) -> None:
    board = Board(tmp_path)
    first = board.box / board.files[0].name
    first.write_bytes(first.read_bytes()[:-1] + b"!")
    body = recall()
    order = board.scene.order(body)
    await board.until_over(order)
    held = board.room.held(body.id)
    assert held.whole == {each.sha256 for each in board.files[1:]}
    assert board.last_word(order) == (OrderState.ENDED, "2 files sent, 1 damaged or gone")
    assert read_segment(board.box, board.files[0]) is None


async def test_where_nothing_is_kept_the_answer_is_that(tmp_path: Path) -> None:
    board = Board(tmp_path)
    body = recall(since=UNIX_MS // 1000 - 3000)
    order = board.scene.order(body)
    await board.until_over(order)
    assert board.last_word(order) == (OrderState.ENDED, "nothing is kept")
    assert board.room.held(body.id).is_complete


def test_a_recall_waits_for_a_time_that_is_known_and_ends_unanswered_after_a_week() -> None:
    scene = Scene()
    order = scene.order(recall(issued=BEGIN // 1000 - 604_000, expires=BEGIN // 1000 + 100))
    scene.run(BEGIN)
    assert [each.id for each in scene.director.duty.orders.unfinished(Verb.RECALL)] == [order]
    scene.run(BEGIN + 110_000)
    assert scene.disk[order].progress.state is OrderState.REFUSED
    assert not scene.director.duty.orders.unfinished(Verb.RECALL)


def test_while_something_plays_the_last_minute_is_waited_for() -> None:
    scene = Scene()
    order = scene.order(recall(duration_s=60, since=BEGIN // 1000 - 95))
    kept = scene.disk[order]
    end_ms = BEGIN - 35_000
    assert rules.is_ripe(kept, end_ms, is_playing=False)
    assert not rules.is_ripe(kept, end_ms + rules.SETTLE_MS - 1, is_playing=True)
    assert rules.is_ripe(kept, end_ms + rules.SETTLE_MS, is_playing=True)


def test_the_player_is_told_the_time_before_anything_sounds_and_when_it_changes(
    tmp_path: Path,
) -> None:
    board = Board(tmp_path)
    door, scene = board.door, board.scene
    board.has_player = False
    door.tell_time()
    assert not board.told
    board.has_player = True
    door.on_player(Ready(pid=1, epoch_ns=0, at_ns=0))
    door.tell_time()
    now = scene.reading()
    assert board.told == [Clock(unix_ms=now.unix_ms, at_ns=now.mono_ms * 1_000_000)]
    door.on_player(Ready(pid=2, epoch_ns=0, at_ns=0))  # a new one knows nothing
    assert len(board.told) == 2


def test_on_a_mobile_link_a_day_has_its_measure() -> None:
    pace, now_ms, sent = rules.Pace(is_mobile=True), 0, 0
    while pace.wait_ms(now_ms) < 3_600_000:
        now_ms += pace.wait_ms(now_ms)
        pace.sent(MOST_PIECE, now_ms)
        sent += MOST_PIECE
    assert rules.MOBILE_DAY <= sent < rules.MOBILE_DAY + 2 * MOST_PIECE
    assert sent / (now_ms / 1000) <= rules.MOBILE_BYTES_S * 1.01
    now_ms += pace.wait_ms(now_ms)
    assert pace.wait_ms(now_ms) == 0  # the next day
    fixed = rules.Pace(is_mobile=False)
    for _ in range(10_000):
        fixed.sent(MOST_PIECE, now_ms)
    assert fixed.wait_ms(now_ms) <= 10_001 * MOST_PIECE * 1000 // rules.FIXED_BYTES_S


def test_an_offer_holds_what_it_can_and_leaves_what_is_no_segment(tmp_path: Path) -> None:
    rows = [
        Segment(start_ms=n * 1000, duration_ms=1000, sha256=n.to_bytes(32), size=1)
        for n in range(300)
    ]
    offer = rules.offer_of(rows, rules.Span(0, 10**9))
    assert [each.start_ms for each in offer.files] == [n * 1000 for n in range(256)]
    assert list_segments(tmp_path / "not there") == []
    (tmp_path / "notes.txt").write_text("x")
    assert list_segments(tmp_path) == []


def test_a_record_that_names_all_it_may_fits_into_a_batch() -> None:
    stretch = Stretch(bearer=BearerKind.FM, start_ms=UNIX_MS, end_ms=UNIX_MS)
    file = Recorded(start_ms=UNIX_MS, duration_ms=960_000, sha256=bytes(32))
    ended = PlayEnded(
        play=bytes(16), outcome=Outcome.COMPLETE, started_ms=UNIX_MS, ended_ms=UNIX_MS,
        segments=(stretch,) * MAX_SEGMENTS, silent_ms=10**7, longest_gap_ms=10**7,
        evidence=Evidence.OUTPUT, evidence_ms=10**8, xruns=10**6, offset_ms=-(10**8), volume=15,
        uncertainty_ms=2**49, loudness_clufs=-2300, true_peak_cdb=-100,
        recorded=(file,) * MOST_RECORDED,
    )  # fmt: skip
    record = Record(at_ms=UNIX_MS, trust=ClockTrust.T3, body=ended)
    assert len(record.to_bytes()) <= 4096
    assert Record.from_bytes(record.to_bytes()) == record
