"""What stands and how far it has come: the facts behind `order list`, `alert status` and health."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from loa_manager.orders.answers import Answer, Board, addressed, load_answers, load_boards
from loa_manager.orders.book import Entry, released_by
from loa_manager.orders.compose import LASTING, ends_at
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.live import Grant
from loa_protocol.record import OrderState

UNTAKEN_S: Final = 300
"""An order that no board has taken for so long is an alarm: a push and a poll had their turn."""


@dataclass(frozen=True, slots=True)
class Told:
    """An order, the boards it is for, and what each has answered."""

    entry: Entry
    boards: tuple[tuple[Board, Answer | None], ...]
    ended_by: Entry | None  # what has cancelled, updated or released it wherever it holds

    @property
    def counts(self) -> dict[str, int]:
        """How many boards are at which state; ``silent`` have not answered."""
        found = Counter(
            "silent" if answer is None else answer.state.name.lower() for _, answer in self.boards
        )
        names = [*(state.name.lower() for state in OrderState), "silent"]
        return {name: found[name] for name in names}

    @property
    def is_untaken(self) -> bool:
        """Whether there are boards and none has answered."""
        return bool(self.boards) and all(answer is None for _, answer in self.boards)

    def state(self, now_s: int) -> str:
        """Return how it stands: ``in_force``, ``given`` (done once), or how it ended."""
        body = self.entry.paper.body
        if self.ended_by is not None:
            return _ending(self.ended_by)
        if isinstance(body, Command):
            end = ends_at(body)
            if body.verb not in LASTING:
                return "given" if now_s < body.expires else "over"
            return "in_force" if (end or body.expires) > now_s else "over"
        assert isinstance(body, (Alert, Grant))  # the kinds that are listed
        if isinstance(body, Alert) and body.is_cancel:
            return "given"
        return "in_force" if now_s < body.expires else "over"


def survey(connection: Connection, entries: Sequence[Entry]) -> list[Told]:
    """Return every order of *entries* with its boards and their answers."""
    boards = load_boards(connection)
    answers = load_answers(connection, {entry.paper.id for entry in entries})
    enders = _enders(entries)
    return [
        Told(
            entry,
            tuple(
                (board, answers[entry.paper.id.hex()].get(board.id))
                for board in addressed(entry.paper.body, boards)
            ),
            enders.get(entry.paper.bundle.digest),
        )
        for entry in entries
    ]


def silencing(told: Iterable[Told], now_s: int) -> list[Told]:
    """Return the holds and lockdowns in force."""
    return [
        each
        for each in told
        if isinstance(each.entry.paper.body, Command)
        and each.entry.paper.body.verb in (Verb.HOLD, Verb.LOCKDOWN)
        and each.state(now_s) == "in_force"
    ]


def untaken(told: Iterable[Told], now_s: int) -> list[Told]:
    """Return the orders in force that no board has taken for too long."""
    return [
        each
        for each in told
        if each.is_untaken
        and each.state(now_s) in ("in_force", "given")
        and now_s - _given_at(each.entry) >= UNTAKEN_S
    ]


def _enders(entries: Sequence[Entry]) -> dict[bytes, Entry]:
    return {
        ended.paper.bundle.digest: ender
        for ender in entries
        for ended in released_by(ender.paper, entries)
    }


def _ending(ender: Entry) -> str:
    body = ender.paper.body
    if isinstance(body, Alert):
        return "cancelled" if body.is_cancel else "updated"
    return "released"


def _given_at(entry: Entry) -> int:
    body = entry.paper.body
    return body.issued if isinstance(body, Command) else getattr(body, "start", 0)
