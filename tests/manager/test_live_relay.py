"""A relay that runs by itself: one slot after the other, whatever becomes of the playlist."""

from __future__ import annotations

import dataclasses
import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from loa_manager.live.line import CommonClock, Line
from loa_manager.live.plan import Plan
from loa_manager.live.relay import RelayWays, relay_all
from loa_manager.live.slots import Slot
from loa_manager.live.upstream import Happening
from loa_manager.live.voice import GrantAsk, Voice
from loa_protocol.errors import ConfigError, FetchError, LoaError
from loa_sound.blocks import Samples
from loa_sound.streams.due import Due
from support.waiting import soon

DAY_S = 86_400
DELAY_MS = 500


class Tone:
    """A radio that never sleeps."""

    is_over, trouble = False, ""

    def __init__(self) -> None:
        self._due, self.is_closed = Due(), False

    def take(self, now_s: float) -> Samples:
        count = self._due.count(now_s)
        self._due.took(count, count)
        return np.full(count, 0.1, dtype=np.float32)

    def news(self) -> list[Happening]:
        return []

    def close(self) -> None:
        self.is_closed = True


@dataclass
class Days:
    """A world in which nothing happens between two slots."""

    plan: Plan
    ahead_ms: int = 0
    given: list[tuple[str, bytes, int, int]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)  # the word of the session of each chunk
    radios: list[Tone] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def clock(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    def post_bare(self, target: str, _body: bytes) -> None:
        self.heard.append(target.split("/")[2])

    def close(self) -> None:
        """Hold nothing."""

    def open_radio(self) -> Tone:
        self.radios.append(Tone())
        return self.radios[-1]

    def go_on(self, slot: Slot | None) -> None:
        """Let it be a second before the next slot, or end it where none is left."""
        if slot is None:
            self.stop.set()
        else:
            self.ahead_ms += max(0, (slot.start - 1) * 1000 - self.clock())

    def run(self, *, is_once: bool = False) -> None:
        line = Line(lambda: self, self.clock)  # type: ignore[arg-type,return-value]  # no client

        def give(slot: Slot, start: int, end: int) -> Voice:
            voice = Voice(
                GrantAsk(scope="vn/ls", title="Đài tỉnh", start=start, end=end, slot=slot.item)
            )
            self.given.append((slot.item, slot.playlist, start, end))
            line.know(voice, f"{slot.item}@{len(self.given)}")
            return voice

        ways = RelayWays(
            next_slot=self.plan.next,
            open_stream=self.open_radio,
            give=give,
            line=line,
            clock=self.clock,
            on_status=lambda _status: None,
            on_news=lambda _news: None,
        )
        relay_all(ways, self.stop, delay_ms=DELAY_MS, is_once=is_once, on_wait=self.go_on)
        line.close()


def slot(number: int, item: str, start: int, length_s: int = 2) -> Slot:
    return Slot(item, "Đài tỉnh", bytes([number]) * 32, "vn/ls", start, start + length_s)


def looked(slots: list[Slot]) -> Plan:
    plan = Plan(lambda: slots, "dai-*")
    plan.look()
    return plan


@pytest.mark.requirement("SRC-1")
def test_for_days_each_slot_that_fits_is_filled_under_one_grant_and_nothing_between_them() -> None:
    now_s = int(time.time()) + 2
    slots = [slot(1, f"dai-{day}", now_s + day * DAY_S) for day in range(2)]
    days = Days(looked([*slots, slot(1, "hop", now_s + DAY_S // 2)]))
    days.run()
    assert days.given == [(each.item, each.playlist, each.start, each.end) for each in slots]
    assert sorted(set(days.heard)) == ["dai-0@1", "dai-1@2"]
    assert len(days.radios) == 2
    assert all(each.is_closed for each in days.radios)


@pytest.mark.requirement("SRC-1")
def test_where_the_playlist_is_replaced_in_a_slot_a_grant_under_the_new_one_follows() -> None:
    now_s = int(time.time()) - 5
    before, after = slot(1, "dai-0", now_s, 12), slot(2, "dai-0", now_s, 10)
    plan = looked([before])
    days = Days(plan)
    running = threading.Thread(target=days.run)
    running.start()
    soon(lambda: "dai-0@1" in days.heard)
    plan.slots = [after]
    soon(lambda: "dai-0@2" in days.heard)
    running.join(20)
    assert [given[1] for given in days.given] == [before.playlist, after.playlist]
    assert [given[3] for given in days.given] == [before.end, after.end]


def test_where_once_is_enough_the_slot_that_follows_stays_empty() -> None:
    now_s = int(time.time()) - 5
    days = Days(looked([slot(1, "dai-0", now_s, 7), slot(1, "dai-1", now_s + 7, 7)]))
    days.run(is_once=True)
    assert {given[0] for given in days.given} == {"dai-0"}


def test_a_plan_keeps_what_it_knew_while_nobody_can_tell_and_forgets_what_was_withdrawn() -> None:
    known = slot(1, "dai-0", 1000)
    moved = dataclasses.replace(known, start=2000, end=2003)
    answers: list[list[Slot] | LoaError] = [
        [known],
        FetchError("https://loa", 0, "away"),
        ConfigError("vn/ls", ["no playlist"]),
        [moved],
    ]

    def find() -> list[Slot]:
        found = answers.pop(0) if answers else [moved]
        if isinstance(found, LoaError):
            raise found
        return found

    plan = Plan(find, "dai-?", every_s=0.05)
    plan.look()
    with pytest.raises(FetchError):
        plan.look()
    assert plan.next(0) == known
    assert plan.next(known.end * 1000) is None
    with pytest.raises(ConfigError):
        plan.look()
    assert plan.next(0) is None
    plan.begin()
    soon(lambda: plan.next(0) == moved)
    answers.append(FetchError("https://loa", 0, "away"))
    soon(lambda: not answers)
    plan.close()
    assert plan.next(0) == moved


def test_the_common_clock_goes_by_this_machine_again_until_the_server_tells_its_time() -> None:
    clock = CommonClock()
    clock.correct(3_600_000)
    assert clock() - time.time() * 1000 > 3_000_000
    clock.restart()
    assert abs(clock() - time.time() * 1000) < 1000
