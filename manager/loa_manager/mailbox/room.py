"""Whether one more draft fits into the mailbox, and what has to go for it. Pure.

A place and a person have limits of their own: whoever may write for many places must not fill the
disk by writing for each of them. What counts is what lies on the disk: a draft that is settled
weighs what it weighed before, until it is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much the mailbox keeps; what is over is refused by name, never by a full disk."""

    drafts_of_scope: int = 64
    drafts_of_holder: int = 128  # whose scope may have many scopes below it
    media_of_scope: int = 4 << 30  # bytes
    media_of_holder: int = 8 << 30
    free: int = 256 << 20  # bytes that stay free on the disk: records and orders need them
    kept_days: int = 30  # of what is settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A draft as it weighs on the disk."""

    digest: str
    scope: str
    by: str  # the holder who submitted it
    submitted_ms: int
    is_open: bool
    media: Mapping[bytes, int]  # sizes by hash; none once it is published


def drafts_to_drop(new: Held, held: Iterable[Held], limits: Limits) -> list[str] | None:
    """Return the digests of the settled drafts that *new* needs gone, the oldest first.

    Args:
        new: The draft that wants in.
        held: Those that are there.
        limits: How much there may be.

    Returns:
        None where it does not fit, whatever goes.
    """
    present, dropped = list(held), list[str]()
    while (crowd := _crowd(new, present, limits)) is not None:
        settled = [each for each in crowd if not each.is_open]
        if not settled:
            return None
        oldest = min(settled, key=lambda each: each.submitted_ms)
        present.remove(oldest)
        dropped.append(oldest.digest)
    return dropped


def _crowd(new: Held, held: Sequence[Held], limits: Limits) -> list[Held] | None:
    """Return the drafts of the place or person that is over its limit with *new*; None if none."""
    beside = [each for each in held if each.scope == new.scope]
    if len(beside) >= limits.drafts_of_scope or _weight(beside, new) > limits.media_of_scope:
        return beside
    mine = [each for each in held if each.by == new.by]
    if len(mine) >= limits.drafts_of_holder or _weight(mine, new) > limits.media_of_holder:
        return mine
    return None


def _weight(drafts: Iterable[Held], new: Held) -> int:
    """Return the bytes of media: drafts of one place share them."""
    files = {(each.scope, sha): n for each in (*drafts, new) for sha, n in each.media.items()}
    return sum(files.values())
