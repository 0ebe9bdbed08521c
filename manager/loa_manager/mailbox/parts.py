"""Media files that arrive portion by portion: ``<hash>.part`` until whole, then named by the hash.

A part that a crash has torn is found out by its hash, thrown away and sent again.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from loa_manager.durable import storing, sync_folder
from loa_protocol.errors import StoreError
from loa_protocol.objects.playlist import Media
from loa_protocol.trust import Refusal, TrustError

PORTION: Final = 128 * 1024  # at 13 kB/s it comes through in time
_CHUNK: Final = 1 << 20


class OffsetError(StoreError):
    """A portion does not continue what is there; *received* bytes are."""

    def __init__(self, where: str, received: int) -> None:
        super().__init__(where, f"{received} bytes are there")
        self.received = received


def received(folder: Path, media: Media) -> int:
    """Return how many bytes of *media* are in *folder*."""
    if (folder / media.sha256.hex()).is_file():
        return media.size
    part = folder / f"{media.sha256.hex()}.part"
    return part.stat().st_size if part.is_file() else 0


def append_portion(folder: Path, media: Media, offset: int, data: bytes, there: int) -> int:
    """Add *data* at *offset* to the *there* bytes that *folder* has, and return how much there is.

    Nothing at offset 0 asks how much there is. One at a time: the caller keeps others out.

    Raises:
        OffsetError: *data* does not follow what is there.
        TrustError: MEDIA_HASH: the whole file is not what was signed; it is thrown away.
        StoreError: it cannot be written.
    """
    if offset + len(data) <= there:
        return there  # the answer to this very portion was lost
    if offset != there or offset + len(data) > media.size:
        raise OffsetError(media.sha256.hex(), there)
    part = folder / f"{media.sha256.hex()}.part"
    with storing(part):
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as file:
            file.write(data)
        if offset + len(data) == media.size:
            _finish(part, media)
    return offset + len(data)


def _finish(part: Path, media: Media) -> None:
    """Give a complete file its name, synced; throw it away when it is another one."""
    digest = hashlib.sha256()
    with part.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        if digest.digest() == media.sha256:
            os.fsync(file.fileno())
    if digest.digest() != media.sha256:
        part.unlink()
        raise TrustError(Refusal.MEDIA_HASH, media.sha256.hex())
    part.rename(part.with_suffix(""))
    sync_folder(part.parent)
