"""Key files and notes of tokens: what a home may have been given by somebody else."""

from __future__ import annotations

import contextlib

from loa_manager.armour import armour
from loa_manager.key_file import read_public, unlock_key
from loa_manager.key_token import TokenKey
from loa_protocol.errors import FormatError


def fuzz(data: bytes) -> None:
    """Read *data* as a key file, bare and under its title, and as a token's note."""
    for text in (data, armour("LOA PRIVATE KEY", data)):
        with contextlib.suppress(FormatError):
            read_public(text)
            unlock_key(text, b"a passphrase")
    with contextlib.suppress(FormatError):
        note = TokenKey.from_json(data)
        assert TokenKey.from_json(note.to_json()) == note
