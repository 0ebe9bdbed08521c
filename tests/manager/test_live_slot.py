"""Live slots: written into a week, approved by two, filled by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from loa_manager.live.slots import choose, find_slots
from loa_manager.live.voice import GrantAsk, Voice
from loa_manager.orders.desk import OrderDesk
from loa_manager.publish.publication import publish
from loa_protocol.errors import ConfigError
from loa_protocol.objects.playlist import BearerKind
from support.desks import NOW, Desks, make_desks
from support.province import STATION
from support.schedules import MONDAY, item, schedule, session, text

FROM_S, LENGTH_S = 5 * 3600 + 1800, 600


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture
def desks(tmp_path: Path) -> Desks:
    behind = item(file='"gia-lua.wav"', live="true", length='"10m"', id='"dai-tinh"')
    bare = item(title='"Họp"', file=None, live="true", length='"5m"', id='"hop"')
    return make_desks(tmp_path, text(session(behind, bare)))


@pytest.mark.requirement("SRC-1")
def test_a_live_slot_of_a_week_has_its_length_and_what_stands_behind_it(desks: Desks) -> None:
    playlist = desks.signed().playlist
    first, second = playlist.items[:2]
    assert [each.kind for each in first.bearers] == [BearerKind.STREAM, BearerKind.MEDIA]
    assert [each.kind for each in second.bearers] == [BearerKind.STREAM]
    assert first.bearers[0].reference == 0
    assert first.bearers[0].cost < first.bearers[1].cost
    assert [each.duration_ms for each in (first, second)] == [600_000, 300_000]
    assert second.offset_ms == 600_000


@pytest.mark.requirement("SRC-1", "MSG-5")
def test_the_slots_of_the_playlist_in_force_are_found_by_name_and_filled_by_one_holder(
    desks: Desks,
) -> None:
    publish(desks.signed(), desks.server, desks.desk(desks.server), at=NOW)
    desk = OrderDesk.open(desks.server, NOW)
    found = find_slots(desk, None, STATION)
    assert len(found) == 14
    slot = choose(found, "sang-*-dai-tinh")
    assert (slot.start, slot.end) == (MONDAY + FROM_S, MONDAY + FROM_S + LENGTH_S)
    voice = Voice(
        GrantAsk(scope=STATION, title=slot.title, start=slot.start, end=slot.end, slot=slot.item,
                 playlist=slot.playlist)
    )  # fmt: skip
    assert voice.grant.playlist == slot.playlist
    with pytest.raises(ConfigError, match="no playlist"):
        find_slots(desk, None, "vn/ls/st0138")


@pytest.mark.parametrize("changes", [{"live": "true"}, {"live": "1", "length": '"1m"'}])
def test_a_slot_without_a_length_or_with_another_word_is_named(changes: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="live"):
        schedule(session(item(**changes)))
