"""Dates of a TLS certificate, judged by the time we trust and not by the board's clock.

A board without a clock battery boots in 1970. It could never ask for the time if its TLS library
judged dates; so the library is told not to, and this rule is applied after the handshake.
"""

from __future__ import annotations

from loa_protocol.trust import Now


def fault_of_dates(not_before: int, not_after: int, now: Now) -> str | None:
    """Return what is wrong with a certificate's dates (unix seconds), None when nothing is.

    The time is never below the floor, so one that has passed has passed whatever the clock says;
    one that has not begun counts only when the time is known.
    """
    if now.unix_s >= not_after:
        return f"the certificate ended at {not_after}; it is {now.unix_s} at least"
    if now.is_known and now.unix_s < not_before:
        return f"the certificate begins at {not_before}; it is {now.unix_s}"
    return None
