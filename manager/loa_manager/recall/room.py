"""Where files of black boxes come in: offered, received piece by piece, and judged by their hash.

A file is taken under one recall and one board alone, and only while the board has offered it. What
is here whole has the hash that it is named after.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loa_manager.durable import storing, sync_folder
from loa_manager.home import Home, make_private_folder, read_bytes, write_private
from loa_protocol.errors import LoaError
from loa_protocol.recall import MOST_FILES, MOST_PIECE, Lack, Lacking, Offer, Offered

FOLDER: Final = "recall"
MOST_ALL: Final = 64 << 20
"""Bytes of one recall: four hours are 22 MB."""
KEEP_S: Final = 30 * 86_400
"""What was recalled stays so long; it can be recalled again while the board has it."""
SUFFIX: Final = ".opus"
_OFFER: Final = "offer"
_PART: Final = ".part"
_ORDER: Final = re.compile(r"[0-9a-f]{32}")


class PieceError(LoaError):
    """A piece or an offer is not taken."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code  # not_asked, not_offered, too_long or hash


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of one recall.

    Attributes:
        offer: What the board said that it has; None where it has not said anything yet.
        whole: Hashes of the files that are here.
        received: Bytes of them, parts included.
    """

    offer: Offer | None
    whole: frozenset[bytes]
    received: int

    @property
    def wanted(self) -> int:
        """Bytes of all that was offered."""
        return 0 if self.offer is None else sum(each.size for each in self.offer.files)

    @property
    def is_complete(self) -> bool:
        """Whether all that was offered is here."""
        files = () if self.offer is None else self.offer.files
        return self.offer is not None and all(each.sha256 in self.whole for each in files)


class Room:
    """The folder of recalled files in a home; its methods may be called from any thread."""

    def __init__(self, home: Home) -> None:
        self._folder = home.path / FOLDER

    def offered(self, order: bytes, offer: Offer, now_s: float) -> Lack:
        """Keep what a board offers for *order*; return what is lacking of it.

        Raises:
            PieceError: ``too_long``: more than one recall may bring.
            StoreError: the disk refuses.
        """
        if sum(each.size for each in offer.files) > MOST_ALL:
            raise PieceError("too_long")
        self._tidy(now_s)
        folder = self._folder_of(order)
        make_private_folder(self._folder)
        make_private_folder(folder)
        write_private(folder / _OFFER, self._joined(order, offer).to_bytes())
        lacking = (self._lacking(folder, each) for each in offer.files)
        return Lack(files=tuple(each for each in lacking if each is not None))

    def take(self, order: bytes, sha256: bytes, offset: int, piece: bytes) -> Lack:
        """Take *piece* of a file from byte *offset* on; return what is lacking of that file.

        A piece that does not go on where the file ends is left, and the answer says where it does.

        Raises:
            PieceError: ``not_offered``; ``too_long``: beyond its end; ``hash``: the whole is not
                of that hash, and is forgotten.
            StoreError: the disk refuses.
        """
        folder, held = self._folder_of(order), self.held(order)
        files = () if held.offer is None else held.offer.files
        file = next((each for each in files if each.sha256 == sha256), None)
        if file is None:
            raise PieceError("not_offered")
        lacking = self._lacking(folder, file)
        if lacking is not None and lacking.offset == offset:
            if offset + len(piece) > file.size or len(piece) > MOST_PIECE:
                raise PieceError("too_long")
            self._append(folder, file, piece)
            lacking = self._lacking(folder, file)
        return Lack(files=() if lacking is None else (lacking,))

    def held(self, order: bytes) -> Held:
        """Return what is here of *order*.

        Raises:
            StoreError: the disk refuses.
            FormatError: what was kept of its offer is damaged.
        """
        folder = self._folder_of(order)
        if not (folder / _OFFER).is_file():
            return Held(None, frozenset(), 0)
        offer = Offer.from_bytes(read_bytes(folder / _OFFER))
        states = [(each, self._lacking(folder, each)) for each in offer.files]
        whole = frozenset(each.sha256 for each, lacking in states if lacking is None)
        received = sum(each.size if lack is None else lack.offset for each, lack in states)
        return Held(offer, whole, received)

    def path(self, order: bytes, sha256: bytes) -> Path:
        """Return where a whole file of *order* lies."""
        return self._folder_of(order) / f"{sha256.hex()}{SUFFIX}"

    def _folder_of(self, order: bytes) -> Path:
        return self._folder / order.hex()

    def _joined(self, order: bytes, offer: Offer) -> Offer:
        """Return *offer* with what came before and is dropped at the board since."""
        held = self.held(order)
        before = () if held.offer is None else held.offer.files
        kept = {each.sha256: each for each in before if each.sha256 in held.whole}
        files = {**kept, **{each.sha256: each for each in offer.files}}.values()
        ordered = sorted(files, key=lambda each: (each.start_ms, each.sha256))
        return Offer(files=tuple(ordered[:MOST_FILES]))

    def _lacking(self, folder: Path, file: Offered) -> Lacking | None:
        if self._name(folder, file).is_file():
            return None
        try:
            offset = self._part(folder, file).stat().st_size
        except FileNotFoundError:
            offset = 0
        return Lacking(sha256=file.sha256, offset=min(offset, file.size))

    def _append(self, folder: Path, file: Offered, piece: bytes) -> None:
        part = self._part(folder, file)
        with storing(part), part.open("ab", buffering=0) as handle:
            handle.write(piece)
            size = handle.tell()
            if size < file.size:
                return
            os.fsync(handle.fileno())
        if hashlib.sha256(read_bytes(part)).digest() != file.sha256:
            part.unlink()
            raise PieceError("hash")
        with storing(part):
            part.rename(self._name(folder, file))
            sync_folder(folder)

    def _name(self, folder: Path, file: Offered) -> Path:
        return folder / f"{file.sha256.hex()}{SUFFIX}"

    def _part(self, folder: Path, file: Offered) -> Path:
        return folder / f"{file.sha256.hex()}{_PART}"

    def _tidy(self, now_s: float) -> None:
        """Forget recalls of long ago."""
        if not self._folder.is_dir():
            return
        with storing(self._folder):
            for each in self._folder.iterdir():
                if _ORDER.fullmatch(each.name) and each.stat().st_mtime < now_s - KEEP_S:
                    shutil.rmtree(each, ignore_errors=True)
