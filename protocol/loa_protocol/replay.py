"""The replay rule: state objects only rise, events happen once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from loa_protocol.objects.placement import Denied
from loa_protocol.trust import Position, Refusal, TrustError

MEMORY_S = 86_400  # an event is remembered until its message expiry plus a day


def judge_state(new: Position, reached: Position | None) -> bool:
    """Tell whether a state object is already known; its (epoch, serial) must otherwise rise.

    Raises:
        TrustError: ROLLBACK below the position reached, EQUIVOCATION for other bytes at it.
    """
    if reached is None or new.order > reached.order:
        return False
    if new.order < reached.order:
        raise TrustError(Refusal.ROLLBACK, f"{new.order} after {reached.order}")
    if new.digest != reached.digest:
        raise TrustError(Refusal.EQUIVOCATION, f"two objects at {new.order}")
    return True


def judge_denials(new: Iterable[Denied], in_force: Iterable[Denied], now_s: int) -> None:
    """Check that a newer deny list keeps what is *in_force* until its time, at least so long.

    Args:
        new: The entries of the newer list.
        in_force: Those of the list before it.
        now_s: The trusted time. Below T2 it is the floor, before which it cannot be: an entry is
            then kept rather too long.

    Raises:
        TrustError: ROLLBACK, an entry would leave early.
    """
    kept: dict[bytes, int] = {}
    for entry in new:
        kept[entry.value] = max(entry.until, kept.get(entry.value, 0))
    for entry in in_force:
        if now_s < entry.until > kept.get(entry.value, 0):
            text = f"{entry.value.hex()} is denied until {entry.until}"
            raise TrustError(Refusal.ROLLBACK, text)


@dataclass(frozen=True, slots=True)
class Seen:
    """What to write to disk when an event was accepted."""

    id: bytes
    forget_at: int


def name_of(digest: bytes) -> bytes:
    """Return by what an event with the payload's SHA-256 *digest* is remembered.

    Not by its id: whoever may give any order at all could give one under the id of another's that
    has not arrived yet, and have that one refused.
    """
    return digest[:16]


def judge_event(event: bytes, expires: int, seen: Mapping[bytes, int], now_s: int) -> Seen:
    """Return how long to remember the event *event*, which has not happened yet.

    Args:
        event: What it is remembered by (`name_of`).
        expires: Its message expiry, unix seconds.
        seen: What happened, each with the time until which it is remembered.
        now_s: The trusted time.

    Raises:
        TrustError: REPLAYED where it happened already, EXPIRED where its message is over.
    """
    if event in seen:
        raise TrustError(Refusal.REPLAYED, event.hex())
    if now_s >= expires:
        raise TrustError(Refusal.EXPIRED, f"at {expires}")
    return Seen(event, expires + MEMORY_S)
