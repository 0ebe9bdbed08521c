"""The black box's files on the disk: whole ones only, and no more than there is room for.

A file has its name once it is on the disk, so that a power cut leaves none that is half one. What
is in the way of a new one goes, oldest first.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from loa_endpoint.audio.lean_sha256 import sha256
from loa_endpoint.core.black_box import BoxLimits, Segment, outdated, parse_name
from loa_endpoint.core.remedy import store_error

_NEW: Final = "next.new"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_DROPS_AT_ONCE: Final = 64
"""Files that go for one new one, where others fill the disk."""


class Shelf:
    """One folder of segments; belongs to one thread."""

    def __init__(self, folder: Path, limits: BoxLimits) -> None:
        """Open *folder*, which is made where it is not there.

        Raises:
            StoreError: It cannot be made or read.
        """
        self._folder, self._limits = folder, limits
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _NEW).unlink(missing_ok=True)
            with os.scandir(folder) as entries:
                found = (parse_name(each.name, each.stat().st_size) for each in entries)
                kept = [each for each in found if each is not None]
        except OSError as error:
            raise store_error(folder, error) from error
        self._kept = sorted(kept, key=lambda each: each.name)
        self._bytes = sum(each.size for each in self._kept)

    @property
    def kept(self) -> tuple[Segment, ...]:
        """What is here, oldest first."""
        return tuple(self._kept)

    def store(self, start_ms: int, duration_ms: int, data: bytes) -> Segment:
        """Put a segment on the disk; when this returns, it is there whole.

        Raises:
            StoreError: There is no room, though what was in the way is gone; or the disk refuses.
        """
        segment = Segment(
            start_ms=start_ms,
            duration_ms=duration_ms,
            sha256=sha256(data).digest(),
            size=len(data),
        )
        try:
            for each in outdated(self._kept, start_ms, self._limits):
                self._drop(each)
            while self._kept and self._bytes + len(data) > self._limits.bytes:
                self._drop(self._kept[0])
            self._make_free(len(data))
            self._write(segment, data)
        except OSError as error:
            raise store_error(self._folder, error) from error
        self._kept.append(segment)
        self._bytes += len(data)
        return segment

    def _make_free(self, size: int) -> None:
        for _ in range(min(_DROPS_AT_ONCE, len(self._kept))):
            disk = os.statvfs(self._folder)
            reserve = min(self._limits.reserve_bytes, disk.f_blocks * disk.f_frsize // 20)
            if disk.f_bavail * disk.f_frsize >= reserve + size:
                return
            self._drop(self._kept[0])

    def _write(self, segment: Segment, data: bytes) -> None:
        """Write, and where the disk is full after all, drop the oldest and write again."""
        drops = _DROPS_AT_ONCE
        while True:
            try:
                self._write_once(segment.name, data)
            except OSError as error:
                (self._folder / _NEW).unlink(missing_ok=True)
                if error.errno not in _FULL or not self._kept or not drops:
                    raise
                drops -= 1
                self._drop(self._kept[0])
            else:
                return

    def _write_once(self, name: str, data: bytes) -> None:
        new = self._folder / _NEW
        with new.open("wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        new.rename(self._folder / name)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _drop(self, segment: Segment) -> None:
        (self._folder / segment.name).unlink(missing_ok=True)
        self._kept.remove(segment)
        self._bytes -= segment.size
