"""Which processes of this machine belong to a server or a board, and which doors they hold open.

Reads ``/proc``; of processes of other people it sees nothing unless it runs as root.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loa_manager.doctor.sockets import Door, read_table

_PROC: Final = Path("/proc")
_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process and what it holds open."""

    pid: int
    name: str
    uid: int
    arguments: tuple[str, ...]
    doors: tuple[Door, ...]

    @property
    def is_broker(self) -> bool:
        """Whether it is the broker below the server."""
        return self.name.startswith("nats-server")


def holders_of(path: Path) -> list[Process]:
    """Return the processes that have the file *path* open: of a server's lock, all its own."""
    try:
        wanted = path.stat()
    except OSError:
        return []
    return _processes(
        folder
        for folder in _folders()
        if any(_is_same(link, wanted.st_dev, wanted.st_ino) for link in _open_files(folder))
    )


def tree_below(pid: int) -> list[Process]:
    """Return the process *pid* and all that came from it."""
    parents = {int(folder.name): _parent(folder) for folder in _folders()}
    family = {pid}
    while grown := {each for each, parent in parents.items() if parent in family} - family:
        family |= grown
    return _processes(_PROC / str(each) for each in sorted(family))


def who_listens(path: Path) -> int | None:
    """Return the id of the process that listens on the Unix socket *path*; None where none does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(2.0)
        try:
            line.connect(str(path))
            data = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return None
    pid, _uid, _gid = _CREDENTIALS.unpack(data)
    return int(pid)


def _processes(folders: Iterable[Path]) -> list[Process]:
    found = []
    for folder in folders:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            words = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            found.append(
                Process(
                    pid=int(folder.name),
                    name=(folder / "comm").read_text().strip(),
                    uid=folder.stat().st_uid,
                    arguments=tuple(each.decode(errors="replace") for each in words),
                    doors=tuple(sorted(set(_doors(folder)))),
                )
            )
    return found


def _doors(folder: Path) -> Iterator[Door]:
    own = {link for link in _targets(folder) if link.startswith("socket:[")}
    for protocol in ("tcp", "udp"):
        for table in (protocol, f"{protocol}6"):
            with contextlib.suppress(OSError):  # a kernel without IPv6
                text = (folder / "net" / table).read_text()
                for inode, door in read_table(text, protocol):
                    if f"socket:[{inode}]" in own:
                        yield door


def _folders() -> list[Path]:
    return [each for each in _PROC.iterdir() if each.name.isdigit()]


def _open_files(folder: Path) -> list[Path]:
    try:
        return list((folder / "fd").iterdir())
    except OSError:  # gone, or not ours
        return []


def _targets(folder: Path) -> Iterator[str]:
    for link in _open_files(folder):
        with contextlib.suppress(OSError):
            yield str(link.readlink())


def _is_same(link: Path, device: int, inode: int) -> bool:
    try:
        found = link.stat()
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (device, inode)


def _parent(folder: Path) -> int:
    try:
        text = (folder / "stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])  # the name before it may hold anything
