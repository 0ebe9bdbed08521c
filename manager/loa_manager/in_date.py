"""Whether somebody's certificate is still good, told before a board would tell it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from loa_manager.keyring import Identity
from loa_protocol.language import translator
from loa_protocol.trust import Now, Refusal, TrustError

_ = translator("loa_manager")
_LOCAL: Final = timezone(timedelta(hours=7))  # as people's calendars have it


def check_in_date(identity: Identity, now: Now) -> None:
    """Refuse a key whose certificate has ended, and say how it gets another.

    Raises:
        TrustError: EXPIRED.
    """
    own = identity.certificate
    if own is None or now.unix_s < own.expires:
        return
    ended = datetime.fromtimestamp(own.expires, UTC).astimezone(_LOCAL).strftime("%d/%m/%Y")
    text = _(
        "{holder}'s certificate ended on {day}; send {name}.request to the province, where"
        " loa key certify makes another, and install that with loa key install"
    )
    if own.may_issue:  # an officer
        text = _(
            "{holder}'s certificate ended on {day}; with keys of two holders of the root:"
            " loa key renew-officers"
        )
    raise TrustError(Refusal.EXPIRED, text.format(holder=own.holder, day=ended, name=identity.name))
