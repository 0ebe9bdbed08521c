"""Exit codes of every command of Loa, one a family of errors (docs/exit-codes.md)."""

from __future__ import annotations

from typing import Final

from loa_protocol.errors import ConfigError, FormatError, LoaError, PeerError, StoreError
from loa_protocol.trust import TrustError

OK: Final = 0
FAILURE: Final = 1  # our own: a bug, or a reader of our output that went away
USAGE: Final = 2
FOUND: Final = 7  # `loa doctor` did its work, and found something that is not well
RESTART: Final = 75  # ordered to begin again; the service manager does
INTERRUPTED: Final = 130  # as a shell reports SIGINT
EXIT_CODES: Final[dict[type[LoaError], int]] = {
    ConfigError: USAGE,
    FormatError: 3,
    TrustError: 4,
    PeerError: 5,
    StoreError: 6,
}


def exit_code(error: LoaError) -> int:
    """Return the exit code of the family that *error* belongs to."""
    codes = (code for family, code in EXIT_CODES.items() if isinstance(error, family))
    return next(codes, FAILURE)
