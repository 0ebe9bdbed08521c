"""Starts the parts of the server one after the other, and ends them in the opposite order."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

from loa_protocol.errors import LoaError

RESTART_S: Final = 5.0

log = logging.getLogger(__name__)
Run = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Part:
    """Something that runs until cancelled and sets its event when others may count on it.

    One that *restarts* is started again after a fault of our own; the end of any other ends all.
    """

    name: str
    run: Run
    restarts: bool = False


async def run_parts(
    parts: Sequence[Part], stop: asyncio.Event, on_ready: Callable[[], None]
) -> None:
    """Run *parts* until *stop*; call *on_ready* when all of them are.

    Raises:
        LoaError: a part could not start, or ended by it.
    """
    try:
        async with asyncio.TaskGroup() as group:
            await _run_in(group, parts, stop, on_ready)
    except BaseExceptionGroup as errors:
        # not `except*`: before Python 3.11.4 what is raised in there comes out wrapped once more
        ours, rest = errors.split(LoaError)
        if ours is None or rest is not None:
            raise
        raise first_error(ours) from None


async def _run_in(
    group: asyncio.TaskGroup,
    parts: Sequence[Part],
    stop: asyncio.Event,
    on_ready: Callable[[], None],
) -> None:
    tasks: list[asyncio.Task[None]] = []
    for part in parts:
        ready = asyncio.Event()
        tasks.append(group.create_task(_keep(part, ready), name=part.name))
        if not await _comes_first(ready, stop):
            break
    else:
        on_ready()
        await stop.wait()
    notify(b"STOPPING=1")
    for task in reversed(tasks):
        task.cancel()
        await asyncio.wait({task})


async def _keep(part: Part, ready: asyncio.Event) -> None:
    while True:
        try:
            await part.run(ready)
        except Exception:  # the task boundary: our own bug must not silence a province
            if not part.restarts or not ready.is_set():
                raise
            log.exception("part_failed", extra={"part": part.name, "next_try_s": RESTART_S})
        await asyncio.sleep(RESTART_S)


async def _comes_first(ready: asyncio.Event, stop: asyncio.Event) -> bool:
    waiting = [asyncio.create_task(each.wait()) for each in (ready, stop)]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
    return ready.is_set()


def first_error(errors: BaseExceptionGroup[LoaError]) -> LoaError:
    """Return one error of the group *errors*: parts that start in turn fail one at a time."""
    first = errors.exceptions[0]
    return first_error(first) if isinstance(first, BaseExceptionGroup) else first


def notify(state: bytes) -> None:
    """Tell the service manager *state*, where one asked to be told (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        try:
            line.sendto(state, "\0" + address[1:] if address.startswith("@") else address)
        except OSError as error:
            log.warning("notify_failed", extra={"why": error.strerror or str(error)})
