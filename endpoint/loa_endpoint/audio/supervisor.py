"""The agent's side of the player: start it, talk to it, and replace it when its samples stop.

PortAudio can stall without a word, so neither a living process nor an open stream counts: only
`Beat.samples` that grow. A stalled player is killed with SIGKILL and a new one is forked from the
launcher, which has everything imported. Imported by the agent: no numpy, no av.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from loa_endpoint.audio.messages import (
    Beat,
    Event,
    LineSplitter,
    Message,
    Ready,
    encode,
    parse_event,
)
from loa_endpoint.audio.stall import StallSettings, StallWatch
from loa_protocol.errors import MessageError, SilentError

CHECK_S: Final = 0.05
"""How often the watch is asked about a player that does not play yet."""
GRACE_S: Final = 0.002
"""The watch is asked so long after a player that plays could have stalled."""
BURIAL_S: Final = 1.0
"""How long a killed player is waited for: one that hangs inside the kernel does not go."""
QUEUE_LIMIT: Final = 1_000
"""Events kept for an agent that does not take them; later ones are lost."""
UNSENT_LIMIT: Final = 1 << 20
"""Bytes of commands waiting for a player that does not read: it is as good as dead."""

log = logging.getLogger(__name__)

Reason = Literal["stalled", "exited"]


@dataclass(slots=True)
class _Life:
    """One player process and its pipes."""

    pid: int
    reader: asyncio.StreamReader
    reading: asyncio.ReadTransport
    writer: asyncio.WriteTransport


class PlayerSupervisor:
    """Keep one player alive.

    Attributes:
        last_moving_ns: CLOCK_MONOTONIC instant at which samples were last seen to move; 0 before.
            What feeds the watchdog of systemd.
        last_waiting_ns: Likewise, at which a player said that its card is away, and that it looks.
        restarts: How many players were started after the first one.
    """

    def __init__(
        self,
        sink: str,
        *,
        line_in: str | None = None,
        ear: str | None = None,
        black_box: Path | None = None,
        epoch_ns: int | None = None,
        on_restart: Callable[[Reason], None] | None = None,
        settings: StallSettings | None = None,
    ) -> None:
        """Say which *sink* and *line_in* the player opens, as URLs.

        Args:
            sink: ``wav:PATH``, ``null:``, ``pyaudio:DEVICE`` or ``tee:SINK,SINK``.
            line_in: ``fifo:PATH`` or ``pyaudio:DEVICE``.
            ear: A microphone at the pole, likewise.
            black_box: The folder in which what was written is kept; None for nowhere.
            epoch_ns: Instant of the first sample of a new WAV file; when it is opened otherwise.
            on_restart: Called when another player is ready after one was lost, with what happened
                to that one. Its `Prepare`, `Play`, `Volume`, ... have to be sent again.
            settings: When to lose patience.
        """
        self._arguments = ["--sink", sink]
        if line_in is not None:
            self._arguments += ["--line-in", line_in]
        if ear is not None:
            self._arguments += ["--ear", ear]
        if black_box is not None:
            self._arguments += ["--black-box", str(black_box)]
        if epoch_ns is not None:
            self._arguments += ["--epoch-ns", str(epoch_ns)]
        self._on_restart = on_restart
        self._watch = StallWatch(settings or StallSettings())
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._ready = asyncio.Event()
        self._life: _Life | None = None
        self._task: asyncio.Task[None] | None = None
        self._launcher: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._lost: Reason | None = None
        self._stalled = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None  # the next look at the watch
        self._stopping = False
        self.last_moving_ns = self.last_waiting_ns = 0
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """The player's process; None while there is none."""
        return self._life.pid if self._life else None

    async def start(self) -> None:
        """Begin; does not wait for the player (see `wait_ready`)."""
        self._task = asyncio.create_task(self._keep_alive(), name="player supervisor")

    async def wait_ready(self, within_s: float) -> None:
        """Wait until a player has its sink open.

        Raises:
            SilentError: It did not come to that in time.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._ready.wait()
        except TimeoutError as error:
            raise SilentError("player", within_s) from error

    async def stop(self) -> None:
        """Let the player fade out and end, then the launcher; kills what does not."""
        self._stopping = True
        if self._life is not None:
            self._life.writer.close()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=BURIAL_S)
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._close_launcher()

    def send(self, command: Message) -> bool:
        """Hand *command* to the player; False when there is none to take it.

        Nothing is kept for the next player: what should sound by then only the agent knows.
        """
        life = self._life
        if life is None or not self._ready.is_set() or life.writer.is_closing():
            return False
        if life.writer.get_write_buffer_size() > UNSENT_LIMIT:
            return False
        life.writer.write(encode(command))
        return True

    async def events(self) -> AsyncIterator[Event]:
        """Yield what the players say, each new one's `Ready` first, until `stop`."""
        while (event := await self._events.get()) is not None:
            yield event

    async def _keep_alive(self) -> None:
        try:
            while not self._stopping:
                delay = await self._live_once()
                if not self._stopping:
                    log.warning("player_lost", extra={"reason": self._lost, "next_in_s": delay})
                    await asyncio.sleep(delay)
                    self.restarts += 1
        finally:
            self._bury()
            self._events.put_nowait(None)

    async def _live_once(self) -> float:
        """Start a player and stay with it to its end; return how long to wait before the next."""
        self._watch.starting(time.monotonic())
        try:
            self._life = await self._fork_player()
            reading = asyncio.create_task(self._read(self._life.reader))
            try:
                self._lost = await self._attend(reading)
            finally:
                reading.cancel()
        except (OSError, TimeoutError) as error:
            log.warning("player_not_started", extra={"error": str(error)})
            await self._close_launcher()
            self._lost = "exited"
        self._bury()
        return self._watch.ended(was_killed=self._lost == "stalled")

    async def _attend(self, reading: asyncio.Task[None]) -> Reason:
        """Watch the player until it ends, or has to."""
        self._stalled.clear()
        self._look()
        stalled = asyncio.create_task(self._stalled.wait())
        try:
            await asyncio.wait([reading, stalled], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stalled.cancel()
            self._put_off(None)
        if reading.done():
            return "exited"
        self._kill()
        await asyncio.wait([reading], timeout=BURIAL_S)
        return "stalled"

    def _look(self) -> None:
        """Ask the watch, now and whenever the player could have stalled."""
        now = time.monotonic()
        if self._watch.is_stalled(now):
            self._stalled.set()
            return
        safe_s = self._watch.safe_for(now)
        self._put_off(safe_s + GRACE_S if safe_s else CHECK_S)

    def _put_off(self, for_s: float | None) -> None:
        """Look next in so many seconds, or no more."""
        if self._alarm is not None:
            self._alarm.cancel()
        loop = asyncio.get_running_loop()
        self._alarm = None if for_s is None else loop.call_later(for_s, self._look)

    def _kill(self) -> None:
        if self._life is not None:
            with suppress(ProcessLookupError):
                os.kill(self._life.pid, signal.SIGKILL)

    def _bury(self) -> None:
        self._ready.clear()
        if self._life is not None:
            self._kill()  # the launcher collects it only at its next fork: the pid is still its own
            if not self._life.writer.is_closing():  # a second end of a pipe is an error in asyncio
                self._life.writer.abort()
            self._life.reading.close()
            self._life = None

    async def _read(self, reader: asyncio.StreamReader) -> None:
        lines = LineSplitter()
        while data := await reader.read(65_536):
            for line in lines.feed(data):
                try:
                    event = parse_event(line)
                except MessageError as error:
                    log.error("player_gibberish", extra={"error": str(error)})
                    continue
                self._take(event)

    def _take(self, event: Event) -> None:
        now = time.monotonic()
        if isinstance(event, Beat):
            self._watch.beat(event.samples, now)
            if not self._ready.is_set():
                self.last_waiting_ns = time.monotonic_ns()
                return
            if self._watch.moved_at == now:
                self.last_moving_ns = time.monotonic_ns()
                if self._alarm is not None:  # put off here: to wake up for it would cost more
                    self._look()
        elif isinstance(event, Ready):
            self._watch.ready(now)
            self._ready.set()
            if self._lost is not None and self._on_restart is not None:
                self._on_restart(self._lost)
        if self._events.qsize() < QUEUE_LIMIT:
            self._events.put_nowait(event)

    async def _fork_player(self) -> _Life:
        """Let the launcher fork a player with new pipes, so that nothing old can reach it."""
        loop = asyncio.get_running_loop()
        control = await self._open_launcher()
        player_in, our_out = os.pipe()
        our_in, player_out = os.pipe()
        reader = asyncio.StreamReader()
        reading, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(our_in, "rb", buffering=0)
        )
        writer, _ = await loop.connect_write_pipe(
            asyncio.BaseProtocol, os.fdopen(our_out, "wb", buffering=0)
        )
        try:
            request = json.dumps(self._arguments).encode()
            socket.send_fds(control, [request], [player_in, player_out])
        finally:
            os.close(player_in)
            os.close(player_out)
        async with asyncio.timeout(StallSettings().start_s):
            answer = await loop.sock_recv(control, 64)
        if not answer:
            raise ConnectionResetError("the launcher has ended")
        return _Life(int(answer), reader, reading, writer)

    async def _open_launcher(self) -> socket.socket:
        if self._control is not None and self._launcher is not None:
            if self._launcher.returncode is None:
                return self._control
            await self._close_launcher()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            self._launcher = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "loa_endpoint.audio.launcher",
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
                # One thread of linear algebra, one heap: the player needs neither more.
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
            )
        self._control = ours
        return ours

    async def _close_launcher(self) -> None:
        control, self._control = self._control, None
        launcher, self._launcher = self._launcher, None
        if control is not None:
            control.close()
        if launcher is not None:
            try:
                async with asyncio.timeout(BURIAL_S):
                    await launcher.wait()
            except TimeoutError:
                launcher.kill()
                await launcher.wait()
