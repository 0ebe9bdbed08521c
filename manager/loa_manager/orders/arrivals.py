"""Orders that wait at the server for their sound, which their giver is about to send.

``arrivals/<key id>/<digest>/order`` is an order that the boards would take; ``media`` beside it
holds what has come of its sound. Only the key that brought it adds to it, and only the files that
it names, so that nothing unsigned lies here. No decision on orders is taken here.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loa_manager.content_tree import ContentTree, write_durably
from loa_manager.durable import storing
from loa_manager.home import make_private_folder
from loa_manager.mailbox import parts
from loa_manager.orders.paper import Paper, read_paper
from loa_protocol.errors import FormatError, StoreError
from loa_protocol.objects.playlist import Media

_ORDER: Final = "order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much of one key waits, and for how long; what is over is refused by name."""

    orders: int = 8
    media: int = 1 << 30  # bytes
    free: int = 256 << 20  # bytes that stay free on the disk: records and orders need them
    kept_s: int = 86_400


class FullError(StoreError):
    """There is no room for one more order that waits."""


class Arrivals:
    """What waits below one folder; one process writes it, with any number of threads."""

    def __init__(self, path: Path, tree: ContentTree, room: Room | None = None) -> None:
        self._path, self._tree, self._room = path, tree, room or Room()
        self._lock = threading.Lock()

    def wait(self, paper: Paper, kid: bytes, now_s: int) -> None:
        """Keep *paper*, which the key *kid* has brought; what has waited for too long goes.

        Raises:
            FullError: so much of that key waits already, or the disk is nearly full.
            StoreError: it cannot be written.
        """
        with self._lock:
            self._tidy(now_s)
            place = self._place(kid, paper.bundle.digest)
            if (place / _ORDER).is_file():
                return
            others = list(self._waiting(kid))
            wanted = sum(media.size for each in (*others, paper) for media in each.media)
            make_private_folder(place)  # whoever serves content/ may pass through the home
            free = shutil.disk_usage(place).free - sum(media.size for media in paper.media)
            room = self._room
            if len(others) >= room.orders or wanted > room.media or free < room.free:
                shutil.rmtree(place, ignore_errors=True)
                raise FullError(str(self._path), "full")
            write_durably(place / _ORDER, paper.data)

    def find(self, kid: bytes, digest: bytes) -> Paper | None:
        """Return the order of that *digest* which waits for the sound that *kid* brings.

        Raises:
            StoreError, FormatError: it cannot be read.
        """
        path = self._place(kid, digest) / _ORDER
        return read_paper(path) if path.is_file() else None

    def append(self, paper: Paper, media: Media, offset: int, data: bytes) -> int:
        """Add *data* at *offset* to what is there of *media*; return how much there is now.

        Raises:
            OffsetError, TrustError, StoreError: as :func:`parts.append_portion`.
        """
        assert paper.path is not None  # it is one of ours
        folder = paper.path.parent / "media"
        with self._lock:
            is_there = self._tree.media_path(media.sha256).is_file()
            there = media.size if is_there else parts.received(folder, media)
            return parts.append_portion(folder, media, offset, data, there)

    def drop(self, kid: bytes, digest: bytes) -> None:
        """Forget an order: it is in force, or will never be."""
        with self._lock:
            shutil.rmtree(self._place(kid, digest), ignore_errors=True)

    def _place(self, kid: bytes, digest: bytes) -> Path:
        return self._path / kid.hex() / digest.hex()

    def _waiting(self, kid: bytes) -> Iterator[Paper]:
        for path in sorted((self._path / kid.hex()).glob(f"*/{_ORDER}")):
            try:
                yield read_paper(path)
            except (StoreError, FormatError):  # torn by a crash, or gone: nothing waits for it
                shutil.rmtree(path.parent, ignore_errors=True)

    def _tidy(self, now_s: int) -> None:
        with storing(self._path):
            for folder in self._path.glob("*/*"):
                order = folder / _ORDER
                age_s = now_s - (order if order.is_file() else folder).stat().st_mtime
                if age_s > self._room.kept_s:
                    shutil.rmtree(folder, ignore_errors=True)
