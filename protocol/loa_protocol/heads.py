"""Judging what a head says beyond the acceptance rule: that it goes on from the one before it.

A head that was accepted may still be an old one, brought again; and a playlist is the newest of its
scope only where a proof shows it under the head.
"""

from __future__ import annotations

from typing import Final

from loa_protocol import merkle
from loa_protocol.objects.authority import Root
from loa_protocol.objects.online import Head, Inclusion
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, Refusal, TrustError

STALE_AFTER_S: Final = 3600  # trust.md section 2: a head is stale after 60 minutes
AHEAD_S: Final = 60  # two clocks of a province are not further apart than that
UNPROVEN: Final = "unproven"  # why a proof is not believed: it does not lead to the head's tree


def check_follows(head: Head, previous: Head | None, root: Root, now: Now) -> None:
    """Check that *head* is the province's own, not from the future and no older than *previous*.

    A *previous* one from the future counts for nothing: the time was not known when it came.

    Raises:
        TrustError: SCOPE, of another province or of a part of it; NOT_YET, ahead of a time that is
            fully trusted; ROLLBACK, older.
    """
    if head.scope != root.scope:
        raise TrustError(Refusal.SCOPE, f"a head of {head.scope}")
    if is_ahead(head, now):
        raise TrustError(Refusal.NOT_YET, f"a head of {head.time} at {now.unix_s}")
    if previous is not None and head.time < previous.time and not is_ahead(previous, now):
        raise TrustError(Refusal.ROLLBACK, f"a head of {head.time} after {previous.time}")


def is_ahead(head: Head, now: Now) -> bool:
    """Tell whether *head* claims a time that has not come, by a clock that is fully trusted.

    Whoever holds the head key could else have one such head refuse every true one after it, until
    its time comes. Below T3 a head knows the time better than we do.
    """
    return now.trust >= ClockTrust.T3 and head.time > now.unix_s + AHEAD_S


def is_stale(head: Head, now: Now) -> bool:
    """Tell whether *head* is too old to say that nothing newer was ordered meanwhile."""
    return now.unix_s - head.time > STALE_AFTER_S


def is_proven(inclusion: Inclusion, head: Head, scope: str) -> bool:
    """Tell whether *inclusion* shows its leaf, which must be of *scope*, under *head*.

    Raises:
        TrustError: NOT_ADDRESSED, a leaf of another scope.
    """
    if inclusion.leaf.scope != scope:
        raise TrustError(Refusal.NOT_ADDRESSED, f"a proof for {inclusion.leaf.scope}")
    return merkle.is_included(
        inclusion.leaf.to_bytes(),
        inclusion.index,
        inclusion.path,
        size=head.leaves,
        tree=head.tree,
    )
