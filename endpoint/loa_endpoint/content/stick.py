"""A memory stick with a content tree on it: one more source for the same loops.

A stick is from anybody. Its files are regular files below its own folder ``loa`` or they are not
there: no link is followed, nothing is waited for, nothing is longer than the loop asked for, and a
stick that stops answering stops nothing else. What they say is judged like what a server says.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loa_endpoint.content.fetch import Answer, Memory, Request, Sink
from loa_endpoint.content.sync import Source
from loa_protocol.errors import FetchError

FOLDER: Final = "loa"
PLACES: Final = ("/media/*/loa", "/media/*/*/loa", "/run/media/*/*/loa", "/mnt/loa")
ADDRESS: Final = "https://stick.invalid"  # what the loops call it; nobody is asked for the name
_MOST_PLACES: Final = 16
_CHUNK: Final = 65_536
_NOT_FOUND: Final = 404
_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Found:
    """A stick with a head on it; another head, or another stick, is another."""

    folder: Path
    head: tuple[int, ...]  # device, inode, size, time of change


def find_sticks(places: Sequence[str]) -> list[Found]:
    """Return the sticks that are there, at *places* (which may hold wildcards) or in ``loa`` there.

    Waits for the file system: call it in a thread.
    """
    found: list[Found] = []
    for place in places:
        pattern = str(Path(place).absolute()).lstrip("/")
        for path in sorted(Path("/").glob(pattern))[:_MOST_PLACES]:
            for folder in (path, path / FOLDER):
                with contextlib.suppress(OSError):
                    facts = os.lstat(folder / "head")
                    if stat.S_ISREG(facts.st_mode) and not folder.is_symlink():
                        head = facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns
                        found.append(Found(folder, head))
    return found[:_MOST_PLACES]


class StickSource:
    """Reads files of one stick, one at a time, in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "stick")

    async def fetch(self, request: Request, sink: Sink | None = None) -> Answer:
        """Read the file that *request* names; its address does not matter.

        Raises:
            FetchError: it is not there (404), or is no plain file of at most the limit.
            StoreError: the sink could not keep it.
        """
        running = asyncio.get_running_loop().run_in_executor(self._pool, self._read, request, sink)
        try:
            async with asyncio.timeout(request.limit.seconds):
                return await asyncio.shield(running)
        except TimeoutError:
            running.cancel()
            raise FetchError(self._name(request), 0, "the stick does not answer") from None

    def close(self) -> None:
        """Let go of the thread; one that hangs in a dead stick is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _name(self, request: Request) -> str:
        return f"{self.folder}{request.path}"

    def _read(self, request: Request, sink: Sink | None) -> Answer:
        memory = Memory()
        name = self._name(request)
        try:
            with _opened(self.folder, request.path) as (file, size):
                _copy(file, size, request, sink or memory)
        except FileNotFoundError:
            raise FetchError(name, _NOT_FOUND) from None
        except OSError as error:
            raise FetchError(name, 0, error.strerror or str(error)) from None
        return Answer(200, bytes(memory.data), "")


class SticksFirst:
    """Media from the sticks that are there, else from a server.

    One loop fills the cache, whoever brings the file: two would write the same part. A stick gives
    each file once: what it gave and is asked for again was not what was signed.
    """

    def __init__(self, server: Source) -> None:
        self._server = server
        self._sticks: tuple[Source, ...] = ()
        self._given: set[tuple[Source, str]] = set()

    def set_sticks(self, sticks: Iterable[Source]) -> None:
        """Know which sticks are there now."""
        self._sticks = tuple(sticks)
        self._given = {(stick, path) for stick, path in self._given if stick in self._sticks}

    async def fetch(self, request: Request, sink: Sink | None = None) -> Answer:
        """Bring a file.

        Raises:
            FetchError: nobody has it; as of one file alone while a stick is there, so that the
                next, which may be on it, is tried.
            StoreError: the sink could not keep it.
        """
        for stick in self._sticks:
            if (stick, request.path) in self._given:
                continue
            with contextlib.suppress(FetchError):
                answer = await stick.fetch(request, sink)
                self._given.add((stick, request.path))
                return answer
        try:
            return await self._server.fetch(request, sink)
        except FetchError as error:
            if not self._sticks or error.status:
                raise
            raise FetchError(error.url, _NOT_FOUND, f"not on the stick; {error.why}") from None


def _copy(file: int, size: int, request: Request, sink: Sink) -> None:
    """Bring the rest of the file into *sink*."""
    name = request.path
    if size > request.limit.bytes:
        raise FetchError(name, 0, f"longer than {request.limit.bytes} bytes")
    if sink.offset > size:
        sink.restart()
    os.lseek(file, sink.offset, os.SEEK_SET)
    left = size - sink.offset
    while left:
        data = os.read(file, min(_CHUNK, left))
        if not data:
            raise FetchError(name, 0, f"cut short by {left} bytes")
        sink.write(data)
        left -= len(data)


@contextlib.contextmanager
def _opened(folder: Path, path: str) -> Iterator[tuple[int, int]]:
    """Open the file *path* below *folder*, step by step; give its descriptor and its size.

    Raises:
        OSError: a step is a link, the last one is no plain file, or the stick is broken.
    """
    *folders, name = path.strip("/").split("/")
    if not all(each not in ("", ".", "..") for each in (*folders, name)):
        raise FetchError(path, _NOT_FOUND)
    here = os.open(folder, _FOLDER_FLAGS)
    file = -1
    try:
        for each in folders:
            there = os.open(each, _FOLDER_FLAGS, dir_fd=here)
            os.close(here)
            here = there
        before = os.stat(name, dir_fd=here, follow_symlinks=False)
        _check_plain(before)  # before it is opened: opening a device may do something
        file = os.open(name, _FILE_FLAGS, dir_fd=here)
        facts = os.fstat(file)
        _check_plain(facts)
        yield file, facts.st_size
    finally:
        os.close(here)
        if file >= 0:
            os.close(file)


def _check_plain(facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(0, "no plain file")
