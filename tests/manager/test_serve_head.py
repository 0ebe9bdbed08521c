"""The head: when it is due, what it says, and that nothing a board would refuse is written."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loa_manager.content_tree import ContentTree
from loa_manager.serve import head as head_module
from loa_manager.serve.head import EVERY_S, RETRY_S, HeadKeeper, HeadPlan
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import StoreError
from loa_protocol.objects.online import Head
from loa_protocol.record import ClockTrust
from loa_protocol.schema import Wire
from loa_protocol.trust import Now
from support import province
from support.broker_lab import running, until
from support.content_lab import settings
from support.server_lab import OnlineKey


def test_a_head_is_due_at_the_start_every_five_minutes_and_at_every_change() -> None:
    plan = HeadPlan()
    assert plan.is_due((1,), now_s=0)
    plan.signed((1,), now_s=0)
    assert not plan.is_due((1,), now_s=EVERY_S - 0.1)
    assert plan.is_due((1,), now_s=EVERY_S)
    assert plan.is_due((2,), now_s=1)


def test_a_head_that_failed_is_tried_again_soon_or_when_something_changes() -> None:
    plan = HeadPlan()
    plan.failed((1,), now_s=0)
    assert not plan.is_due((1,), now_s=RETRY_S - 0.1)
    assert plan.is_due((1,), now_s=RETRY_S)
    assert plan.is_due((2,), now_s=0.1)


@dataclass
class Scene:
    """A tree with a root and one playlist, and a keeper whose clock we hold."""

    tree: ContentTree
    at: int = province.START + 60
    nudges: list[tuple[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        made = province.province()
        self.tree.set_root("vn/ls", 1, self.tree.put_object(made.root_bundle))
        self.publish(1)

    def publish(self, serial: int) -> None:
        made = province.province()
        data = made.sign(
            Kind.PLAYLIST, province.playlist(serial=serial), made.editor, made.approver
        )
        self.tree.set_playlist(province.STATION, 1, serial, self.tree.put_object(data))

    async def nudge(self, scope: str, bundle: bytes) -> None:
        self.nudges.append((scope, bundle))

    @property
    def head(self) -> Head:
        return Head.from_bytes(Bundle.from_bytes((self.tree.path / "head").read_bytes()).payload)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        keeper = HeadKeeper(
            self.tree,
            OnlineKey(),
            lambda: province.province().trusted(scope=None, fingerprint=None),
            self.nudge,
            clock=lambda: datetime.fromtimestamp(self.at, UTC),
        )
        async with running(keeper.run):
            yield


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(head_module, "LOOK_S", 0.02)
    return Scene(ContentTree(tmp_path))


async def test_the_head_is_there_before_anybody_is_served_and_a_board_accepts_it(
    scene: Scene,
) -> None:
    async with scene.running():
        data = (scene.tree.path / "head").read_bytes()
        accepted = accept(data, province.province().trusted(), Now(scene.at, ClockTrust.T3))
        assert isinstance(accepted.body, Head)
        assert (accepted.body.time, accepted.body.leaves) == (scene.at, 1)
        assert scene.nudges == [("scope/vn/ls/head", data)]


async def test_a_published_playlist_is_in_a_new_head_at_once(scene: Scene) -> None:
    async with scene.running():
        before = scene.head.tree
        scene.at += 7
        scene.publish(2)
        await until(lambda: scene.head.tree != before)
        assert scene.head.time == scene.at
        await until(lambda: len(scene.nudges) == 3)
        head = (scene.tree.path / "head").read_bytes()
        told = [(f"scope/{province.STATION}/look", head), ("scope/vn/ls/head", head)]
        assert scene.nudges[1:] == told, "the place itself first, then everybody"
        assert (scene.tree.path / "proof" / province.STATION / "_").is_file()


async def test_new_settings_are_told_to_their_place_alone_and_need_no_new_head(
    scene: Scene,
) -> None:
    async with scene.running():
        head = (scene.tree.path / "head").read_bytes()
        scene.at += 7
        made = province.province()
        data = made.sign(Kind.SETTINGS, settings(province.STATION), *made.officers)
        scene.tree.put_state(province.STATION, "settings", data)
        await until(lambda: len(scene.nudges) == 2)
        assert scene.nudges[1] == (f"scope/{province.STATION}/look", head)
        assert (scene.tree.path / "head").read_bytes() == head


async def test_an_index_that_was_touched_asks_for_a_new_head(scene: Scene) -> None:
    async with scene.running():
        scene.at += 7
        os.utime(scene.tree.path / "index.json")
        await until(lambda: scene.head.time == scene.at)


async def test_nothing_changes_the_head_while_nothing_changes(scene: Scene) -> None:
    async with scene.running():
        before = (scene.tree.path / "head").stat().st_mtime_ns
        rounds = 0

        def looked() -> bool:
            nonlocal rounds
            rounds += 1
            return rounds > 10  # each look of ours is a round of the keeper

        await until(looked)
        assert (scene.tree.path / "head").stat().st_mtime_ns == before


async def test_no_head_is_later_than_its_certificate_and_the_old_one_stays(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene.running():
        pass
    good = (scene.tree.path / "head").read_bytes()
    scene.at = province.START + 15 * 86_400  # the online certificate holds for 14 days
    with caplog.at_level(logging.ERROR):
        async with scene.running():  # serving goes on: boards play what they have
            assert (scene.tree.path / "head").read_bytes() == good
    (line,) = [each for each in caplog.records if each.message == "head_not_signed"]
    assert vars(line)["reason"] == "expired"
    assert len(scene.nudges) == 1


async def test_a_full_disk_is_said_once_and_outlived(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_module, "RETRY_S", 0.02)
    tries = 0
    real = OnlineKey.sign

    def full(key: OnlineKey, kind: Kind, body: Wire) -> bytes:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise StoreError("/srv/loa", "No space left on device")
        return real(key, kind, body)

    monkeypatch.setattr(OnlineKey, "sign", full)
    async with scene.running():
        await until(lambda: bool(scene.nudges))
    assert [each.message for each in caplog.records].count("head_not_signed") == 1


async def test_a_tree_without_root_is_said_and_does_not_end_the_keeper(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = HeadKeeper(
        ContentTree(tmp_path / "empty"), OnlineKey(), province.province().trusted, _nobody
    )
    async with running(keeper.run):
        assert "no root" in str(vars(caplog.records[-1])["why"])


async def _nobody(_scope: str, _bundle: bytes) -> None:
    await asyncio.sleep(0)
