"""The way to the server: opened again when it was lost, never late, and the grants behind it."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from loa_manager.live.boards import Taken, read_rows
from loa_manager.live.line import AGAIN_S, MOST_WAITING, CommonClock, Line, open_session
from loa_manager.live.permit import Permits, wait_open
from loa_manager.live.slots import Slot, choose
from loa_manager.live.timeline import Piece
from loa_manager.live.voice import GrantAsk, Voice
from loa_manager.service_client import Answer
from loa_protocol.errors import ConfigError, FetchError, MessageError, RefusedError
from loa_protocol.live import grant_of
from support.waiting import soon

NOW_MS = 1_800_000_000_000


@dataclass
class Server:
    """Stands for the client of a server that does what its list of *moods* says."""

    moods: list[str] = field(default_factory=list)
    opened: int = 0
    got: list[tuple[str, bytes]] = field(default_factory=list)
    answer: Any = None
    is_there: bool = True

    def call(self, _method: str, _target: str, _body: bytes = b"") -> Answer:
        if not self.is_there:
            raise FetchError("https://loa", 0, "away")
        self.opened += 1
        if self.moods and self.moods[0] == "not_here":
            raise RefusedError("https://loa", self.moods.pop(0))
        return told({"word": f"w{self.opened}", "now_ms": NOW_MS + 7000, "end": 1})

    def post_bare(self, target: str, body: bytes) -> Answer:
        if not self.is_there:
            raise FetchError("https://loa", 0, "away")
        if self.moods:
            raise RefusedError("https://loa", self.moods.pop(0))
        self.got.append((target, body))
        return told({})

    def close(self) -> None:
        """Hold nothing."""


def told(value: Any) -> Answer:
    return Answer(200, json.dumps(value).encode())


def voice() -> Voice:
    base = NOW_MS // 1000
    return Voice(GrantAsk(scope="vn/ls", title="Họp", start=base, end=base + 600))


def piece(number: int = 0) -> Piece:
    return Piece(NOW_MS + 2000 + number * 1000, (b"opus",) * 50)


def line_to(server: Server, clock: Callable[[], int] = lambda: NOW_MS) -> Line:
    connect: Any = lambda: server  # noqa: E731 - a client that is none
    return Line(connect, clock)


def test_chunks_go_out_in_order_under_the_word_of_their_session() -> None:
    server, speaker = Server(), voice()
    line = line_to(server)
    line.know(speaker, "word")
    for number in range(3):
        line.say(speaker, piece(number))
    line.close()
    assert [target for target, _ in server.got] == ["/live/word/chunk"] * 3
    assert {grant_of(data) for _, data in server.got} == {speaker.grant.id}
    assert (line.state.sent_ms, line.state.lost, line.state.is_open) == (3000, 0, True)


def test_a_server_that_began_anew_is_asked_for_another_word_and_no_chunk_is_lost() -> None:
    server, speaker = Server(moods=["no_session"]), voice()
    line = line_to(server)
    line.know(speaker, "old")
    line.say(speaker, piece())
    line.close()
    assert [target for target, _ in server.got] == ["/live/w1/chunk"]
    assert line.state.lost == 0


def test_what_the_server_has_already_counts_as_sent_and_what_it_refuses_as_lost() -> None:
    server, speaker = Server(moods=["replayed", "not_yet"]), voice()
    line = line_to(server)
    line.know(speaker, "word")
    for number in range(3):
        line.say(speaker, piece(number))
    line.close()
    assert (line.state.sent_ms, line.state.lost) == (2000, 1)


def test_while_the_server_is_away_it_says_so_tries_on_and_sends_nothing_that_is_late() -> None:
    server, speaker, now = Server(is_there=False), voice(), [NOW_MS]
    line = line_to(server, lambda: now[0])
    line.know(speaker, "word")
    line.say(speaker, piece(0))
    soon(lambda: "away" in line.state.why)
    for number in range(1, MOST_WAITING + 9):
        line.say(speaker, piece(number))
    soon(lambda: line.state.waiting <= MOST_WAITING)
    now[0] += 12_500  # the first ten are over
    server.is_there = True
    soon(lambda: len(server.got) == MOST_WAITING + 9 - 11, within_s=5 * AGAIN_S)
    assert line.state.lost == 11
    assert line.state.is_open
    line.close()


def test_the_common_clock_follows_the_server_once_it_is_far_off() -> None:
    clock = CommonClock()
    before = clock()
    clock.correct(20)  # what the way may make
    assert clock() - before < 1000
    clock.correct(7000)
    assert 7000 <= clock() - before < 8000


def test_the_voice_waits_until_the_other_holder_has_signed_and_takes_the_server_s_time() -> None:
    server: Any = Server(moods=["not_here"])
    clock, stop = CommonClock(), threading.Event()
    opened = wait_open(server, voice(), clock, stop)
    assert opened is not None
    assert (opened.word, server.opened) == ("w2", 2)
    assert abs(clock() - NOW_MS - 7000) < 2000
    stop.set()
    assert wait_open(server, voice(), clock, stop) is None
    with pytest.raises(RefusedError):
        wait_open(Server(moods=["not_here"]), voice(), clock, threading.Event(), -1)  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("value", [[], {}, {"word": 1, "now_ms": 1, "end": 1}, None])
def test_an_answer_that_opens_nothing_is_named(value: Any) -> None:
    server: Any = Server()
    server.call = lambda *_: told(value)
    with pytest.raises(MessageError):
        open_session(server, voice(), lambda: NOW_MS)


# --- grants, one after the other


def slot(length_s: int = 7200) -> Slot:
    base = NOW_MS // 1000
    return Slot("dai-tinh", "Đài tỉnh", b"d" * 32, "vn/ls", base, base + length_s)


def permits(length_s: int, given: list[tuple[int, int]], now: list[int]) -> Permits:
    def give(start: int, end: int) -> Voice:
        given.append((start, end))
        return Voice(GrantAsk(scope="vn/ls", title="Đài", start=start, end=end))

    return Permits(slot(length_s), give, lambda: now[0])


def test_grants_of_an_hour_follow_one_another_without_a_gap_to_the_end_of_the_slot() -> None:
    given: list[tuple[int, int]] = []
    now = [NOW_MS - 20_000]
    made = permits(9000, given, now)
    soon(lambda: len(given) == 1)
    for after_s, count in ((3299, 1), (3301, 2), (6901, 3), (8950, 3)):
        now[0] = NOW_MS + after_s * 1000
        soon(lambda wanted=count: len(given) == wanted)  # type: ignore[misc]  # bound at once
    made.close()
    base = NOW_MS // 1000
    assert given[0][0] == base
    assert given[-1][1] == base + 9000
    assert all(earlier[1] == later[0] for earlier, later in itertools.pairwise(given))
    assert all(0 < end - start <= 3600 for start, end in given)


def test_a_relay_that_begins_late_begins_now_and_tells_why_no_grant_stands() -> None:
    now, refused = [NOW_MS + 60_000], threading.Event()

    def give(start: int, end: int) -> Voice:
        if not refused.is_set():
            refused.set()
            raise FetchError("https://loa", 0, "away")
        return Voice(GrantAsk(scope="vn/ls", title="Đài", start=start, end=end))

    made = Permits(slot(120), give, lambda: now[0])
    soon(lambda: "away" in made.trouble)
    soon(lambda: made.voices)
    made.close()
    grant = made.voices[0].grant
    assert (grant.start, grant.end) == (NOW_MS // 1000 + 60, NOW_MS // 1000 + 120)
    assert made.trouble == ""


def test_a_slot_is_chosen_by_its_name_or_a_pattern_and_the_others_are_named() -> None:
    slots = [slot(), Slot("hop", "Họp", b"e" * 32, "vn/ls", 5, 6)]
    assert choose(slots, "dai-*") is slots[0]
    assert choose(slots, "*", "6565") is slots[1]
    with pytest.raises(ConfigError, match="dai-tinh, hop"):
        choose(slots, "loa-*")


# --- the boards


def row(**changes: Any) -> dict[str, Any]:
    facts = {
        "id": "ab" * 16, "kind": "grant", "what": "grant", "scope": "vn/ls/st0137",
        "state": "given", "expires": "2027-01-15T08:00:00+00:00", "boards": 3, "silent": 1,
        "given_by": [], "answers": [],
    }  # fmt: skip
    return {**facts, **changes}


def test_the_meter_tells_who_took_the_grant_and_what_silences_them() -> None:
    hold = row(id="cd" * 16, kind="command", what="hold", scope="vn/ls", state="in_force")
    below = {**hold, "scope": "vn/ls/st0137/c01"}
    refused = [{"cluster": "c", "board": "b", "state": "refused", "detail": "", "at": None}]
    grant, place = "ab" * 16, "vn/ls/st0137"
    assert read_rows([row(answers=refused)], grant, place) == Taken(2, 3, 1, "")
    assert read_rows([row(), below], grant, place).silenced_by == ""
    assert read_rows([row(), hold], grant, place).silenced_by == "hold"
    assert read_rows({}, grant, place) == Taken()
    with pytest.raises(MessageError):
        read_rows([{"id": 1}], grant, place)
