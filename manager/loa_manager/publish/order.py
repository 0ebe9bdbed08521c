"""Two priorities in one session: the commune's user decides which goes first (MSG-2). Pure.

A *collision* is a priority item of a higher level and one of the commune's own, neither with a time
given, between the same two times. The officer decides by writing ``order = "decided"`` into the
session: then the order in the file is the order on the air. Until then nothing is chosen, but that
from the policy's deadline on its rule may choose. What is undecided is laid out at one and the same
instant, so that anybody who holds the draft can see it, and nobody seals or publishes it.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from loa_manager.publish.entries import ItemEntry
from loa_protocol.errors import ConfigError
from loa_protocol.hours import MINUTE_S
from loa_protocol.language import translator
from loa_protocol.objects.authority import Level
from loa_protocol.objects.playlist import BulletinKind, Item, Playlist, Session
from loa_protocol.objects.policy import OrderRule

_ = translator("loa_manager")


class Choice(enum.Enum):
    """Who has put the priorities of a session into an order."""

    OPEN = "open"  # nobody yet
    COMMUNE = "commune"
    HIGHER_FIRST = "higher_first"  # the policy's rule
    OWN_FIRST = "own_first"  # the policy's rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the policy says of collisions, and the time at which it is asked."""

    deadline_min: int  # before the session's start
    rule: OrderRule
    now_s: int


@dataclass(frozen=True, slots=True)
class Collision:
    """A session of a playlist in which priorities of both sides meet, and they, as they play."""

    session: Session
    items: tuple[Item, ...]
    is_decided: bool


class NeedsOrderError(ConfigError):
    """The commune has not yet chosen which of two priorities goes first."""

    code = "needs_order"


def choose(start_s: int, terms: Terms, *, is_decided: bool) -> Choice:
    """Return who orders the priorities of a session that starts at *start_s*.

    Nothing is chosen by anybody but the commune before the deadline; the rule WAIT never chooses.
    """
    if is_decided:
        return Choice.COMMUNE
    if terms.now_s < start_s - terms.deadline_min * MINUTE_S:
        return Choice.OPEN
    return {
        OrderRule.WAIT: Choice.OPEN,
        OrderRule.HIGHER_FIRST: Choice.HIGHER_FIRST,
        OrderRule.OWN_FIRST: Choice.OWN_FIRST,
    }[terms.rule]


def is_collision(items: Sequence[ItemEntry | Item]) -> bool:
    """Tell whether priorities of a higher level and of the commune are among *items*."""
    levels = {item.level for item in items if item.kind is BulletinKind.PRIORITY}
    return Level.COMMUNE in levels and len(levels) > 1


def put_in_order(run: Sequence[ItemEntry], choice: Choice) -> list[ItemEntry]:
    """Return *run* as it plays: priority ahead of normal, and priorities by *choice*.

    Without a collision the officer's own order holds, whatever the choice.
    """
    ordered = sorted(run, key=_rank)
    if not is_collision(run) or choice in (Choice.OPEN, Choice.COMMUNE):
        return ordered
    sign = -1 if choice is Choice.HIGHER_FIRST else 1
    return sorted(ordered, key=lambda item: (_rank(item), sign * item.level * _is_priority(item)))


def find_collisions(playlist: Playlist) -> list[Collision]:
    """Return the sessions of *playlist* in which priorities of both sides meet."""
    found = []
    for index, session in enumerate(playlist.sessions):
        items = [
            item
            for item in playlist.items
            if item.session == index
            and item.kind is BulletinKind.PRIORITY
            and not item.is_announcement  # it has its time, and takes nobody's place
        ]
        items.sort(key=lambda item: item.offset_ms)
        if is_collision(items):
            undecided = any(_overlap(*pair) for pair in combinations(items, 2))
            found.append(Collision(session, tuple(items), not undecided))
    return found


def check_order(playlist: Playlist, where: str) -> None:
    """Pass when every collision of *playlist* is decided.

    Raises:
        NeedsOrderError: one is not; each is named.
    """
    text = _('session {session} needs an order: {titles}; write order = "decided" into it')
    open_ones = [each for each in find_collisions(playlist) if not each.is_decided]
    if open_ones:
        raise NeedsOrderError(
            where,
            [
                text.format(session=each.session.id, titles=titles_of(each.items))
                for each in open_ones
            ],
        )


def titles_of(items: Sequence[Item | ItemEntry]) -> str:
    """Return the titles of *items*, in quotes."""
    return ", ".join(f'"{item.title}"' for item in items)


def _overlap(first: Item, second: Item) -> bool:
    return first.offset_ms + first.duration_ms > second.offset_ms


def _rank(item: ItemEntry) -> int:
    return -item.kind  # BulletinKind rises with urgency


def _is_priority(item: ItemEntry) -> bool:
    return item.kind is BulletinKind.PRIORITY
