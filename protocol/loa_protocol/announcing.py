"""Which announcements of a playlist may not sound: the same arithmetic at the desk and on the pole.

An announcement is lowered into what plays, so it has to be told apart from everything else: it
sounds over one item at most, and never over another announcement.
"""

from __future__ import annotations

from itertools import islice

from loa_protocol.objects.playlist import Playlist

_Row = tuple[int, int, int]  # start and end in unix ms, and its number in the playlist


def find_crossing(playlist: Playlist) -> frozenset[int]:
    """Return the numbers of the announcements of *playlist* that cross what they must not.

    That is an announcement before them which is not over yet, or a second item.
    """
    items = _rows(playlist, announcements=False)
    crossing: set[int] = set()
    free_ms = 0  # when the latest announcement so far is over
    first = 0  # items before it are over for good
    ends = _running_ends(items)
    for start, end, number in _rows(playlist, announcements=True):
        while first < len(items) and ends[first] <= start:
            first += 1
        if start < free_ms or _count_over(items, first, start, end) > 1:
            crossing.add(number)
        else:
            free_ms = end
    return frozenset(crossing)


def _rows(playlist: Playlist, *, announcements: bool) -> list[_Row]:
    """Return the items of one kind in the order of their start; all that have a session."""
    found = []
    for number, item in enumerate(playlist.items):
        if item.session < len(playlist.sessions) and item.is_announcement == announcements:
            start = playlist.sessions[item.session].start * 1000 + item.offset_ms
            found.append((start, start + item.duration_ms, number))
    return sorted(found)


def _running_ends(rows: list[_Row]) -> list[int]:
    """Return for each row the latest end up to it, so that a long one is not passed by."""
    ends, latest = [], 0
    for _start, end, _number in rows:
        latest = max(latest, end)
        ends.append(latest)
    return ends


def _count_over(items: list[_Row], first: int, start: int, end: int) -> int:
    """Return how many items from *first* on sound between *start* and *end*; two are enough."""
    count = 0
    for item_start, item_end, _number in islice(items, first, None):
        if item_start >= end or count > 1:
            break
        count += item_end > start
    return count
