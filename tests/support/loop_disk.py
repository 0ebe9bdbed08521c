"""A small real disk (ext4 on a loop device) that can be filled and whose power can be cut."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32)
_WITHOUT_LOG = 2  # EXT4_GOING_FLAGS_NOLOGFLUSH: as if the power had gone


@dataclass
class LoopDisk:
    """A mounted disk."""

    image: Path
    path: Path

    def mount(self) -> None:
        """Mount it; an unclean journal is replayed."""
        _run("mount", "-o", "loop", str(self.image), str(self.path))

    def unmount(self) -> None:
        """Unmount it."""
        _run("umount", str(self.path))

    def cut_power(self) -> None:
        """Lose everything that was not synced, and come up again."""
        self.lose_power()
        self.come_up()

    def come_up(self) -> None:
        """Mount it again; whoever had files open on it must be gone."""
        self.unmount()
        self.mount()

    def lose_power(self) -> None:
        """Lose everything that was not synced; whoever still writes gets errors."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _WITHOUT_LOG))
        finally:
            os.close(folder)

    def fill(self) -> Path:
        """Let another program take all the room there is; return its file."""
        file = self.path / "filled-by-another"
        with file.open("ab", buffering=0) as handle:
            for size in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while handle.write(bytes(size)):
                        pass
            with contextlib.suppress(OSError):
                os.fsync(handle.fileno())
        return file


@contextlib.contextmanager
def loop_disk(folder: Path, *, megabytes: int = 32) -> Iterator[LoopDisk]:
    """Give a fresh disk of that size; needs root."""
    disk = LoopDisk(folder / "disk.img", folder / "disk")
    disk.path.mkdir()
    with disk.image.open("wb") as file:
        file.truncate(megabytes << 20)
    _run("mkfs.ext4", "-q", "-F", "-m", "0", str(disk.image))
    disk.mount()
    try:
        yield disk
    finally:
        # lazily: what a failed test left open must not stay mounted
        _run("umount", "-l", str(disk.path))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
