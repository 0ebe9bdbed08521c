"""Passphrases whose keys are cheap to open: the same files and mathematics, little memory."""

from __future__ import annotations

from typing import Final

from loa_manager.key_file import Cost
from loa_manager.keyring import Passphrase

CHEAP: Final = Cost(log_n=4)


def cheap(secret: str) -> Passphrase:
    """Return *secret* as a passphrase that costs no time."""
    return Passphrase(secret, CHEAP)
