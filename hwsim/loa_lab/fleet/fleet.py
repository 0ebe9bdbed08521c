"""The whole fleet: comes on the line, is hit by orders, loses members and gets them back."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from loa_endpoint.core.poll import Reach
from loa_lab.fleet.catch_up import Reader
from loa_lab.fleet.endpoint import Board, FleetEndpoint, Place, Sounding
from loa_protocol.errors import ConfigError, PeerError
from loa_protocol.language import translator

_ = translator("loa_lab")

HANDSHAKES: Final = 24  # at a time: beyond, the broker's 10 s for a handshake run out
READERS: Final = 48  # that catch up at a time; each of them holds at most one connection
TICK_S: Final = 1.0
_SPARE_FILES: Final = 200
_FILES_EACH: Final = 4  # in the worst case: both connections here, one each in broker and server


@dataclass(slots=True)
class Member:
    """An endpoint of the fleet and its way to the content tree."""

    endpoint: FleetEndpoint
    reader: Reader
    task: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Fleet:
    """All members; :meth:`running` keeps them alive."""

    boards: Sequence[Board]
    place: Place
    members: list[Member] = field(init=False)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(READERS))
    _door: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(HANDSHAKES))

    def __post_init__(self) -> None:
        self.members = [self._started(FleetEndpoint(board, self.place)) for board in self.boards]

    @property
    def endpoints(self) -> list[FleetEndpoint]:
        """All endpoints, in the order of their boards."""
        return [member.endpoint for member in self.members]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let time pass for all members until the block ends."""
        clock = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            clock.cancel()
            for member in self.members:
                self._stopped(member)
            await asyncio.sleep(0)

    async def connect(self, members: Sequence[Member], progress: Callable[[int], None]) -> None:
        """Open the message sessions of *members*, a few handshakes at a time.

        Raises:
            PeerError: the broker refused one.
        """

        async def one(member: Member) -> None:
            async with self._door:
                await member.endpoint.connect()

        await _all(map(one, members), progress)

    async def catch_up(self, members: Sequence[Member], progress: Callable[[int], None]) -> None:
        """Let *members* look at the content tree as after a start.

        Raises:
            PeerError: one could not get all that the head names.
        """

        async def one(member: Member) -> None:
            if not await member.reader.round(reach=Reach.STATE):
                raise PeerError(f"{member.endpoint.board.scope}: {member.endpoint.refusals}")

        await _all(map(one, members), progress)

    def restart(self, index: int) -> Member:
        """Let a member's power fail and come back: a new object from what was kept."""
        old = self.members[index]
        self._stopped(old)
        before = old.endpoint
        fresh = FleetEndpoint(before.board, self.place, before.memory, before.meters)
        self.members[index] = self._started(fresh)
        return self.members[index]

    def settle(self) -> None:
        """Let every endpoint look at the time."""
        for endpoint in self.endpoints:
            endpoint.settle()

    def _started(self, endpoint: FleetEndpoint) -> Member:
        member = Member(endpoint, Reader(endpoint, self._gate))
        member.task = asyncio.create_task(member.reader.run())
        return member

    def _stopped(self, member: Member) -> None:
        if member.task is not None:
            member.task.cancel()
        member.reader.close()
        member.endpoint.disconnect()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for number, endpoint in enumerate(self.endpoints):
                endpoint.tick()
                if number % 100 == 99:
                    await asyncio.sleep(0)  # what comes in goes first


def count(endpoints: Sequence[FleetEndpoint], sounding: Sounding) -> int:
    """Return how many of *endpoints* let that be heard."""
    return sum(each.sounding is sounding for each in endpoints)


async def until(is_so: Callable[[], bool], within_s: float) -> bool:
    """Wait until *is_so*, at most *within_s*; tell whether it came to that."""
    end_s = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > end_s:
            return False
        await asyncio.sleep(0.05)
    return True


def make_room(endpoints: int) -> None:
    """See that a fleet of *endpoints* may open as many files as it needs.

    The server and its broker, which it starts, inherit the limit.

    Raises:
        ConfigError: the system does not let us.
    """
    wanted = endpoints * _FILES_EACH + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard not in (resource.RLIM_INFINITY,) and hard < wanted:
        text = _("{count} endpoints need {wanted} open files, and the system allows {hard}; raise "
                 "the limit (ulimit -Hn) or ask for fewer").format(
            count=endpoints, wanted=wanted, hard=hard)  # fmt: skip
        raise ConfigError("loa-sim fleet", [text])
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def memory_bytes() -> int:
    """Return the most memory that this process has held at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def _all(
    work: Sequence[Awaitable[None]] | map[Awaitable[None]], progress: Callable[[int], None]
) -> None:
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        for number, task in enumerate(asyncio.as_completed(tasks), 1):
            await task
            progress(number)
    finally:
        for left in tasks:
            left.cancel()
