"""``loa serve`` as a process of its own, over a real province's home."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loa_manager import database, x509
from loa_manager.authority import open_device_ca
from loa_manager.founding import Plan, found_province
from loa_manager.home import Home
from loa_protocol.keys import SoftSigner
from support.device_ca_lab import Client, make_csr, new_key
from support.passphrases import cheap
from support.registry import load_village
from support.telling import Teller

PASSPHRASE = cheap("chín mươi chín")
START_S = 30.0


@dataclass
class TestProvince:
    """A home made by ``loa init --test``, and boards registered in it."""

    __test__ = False
    home: Home

    @classmethod
    def found(cls, path: Path) -> TestProvince:
        """Make one at *path*, with the fictitious commune in its registry."""
        home = Home(path)
        found_province(home, Plan(scope="vn/ls", is_test=True), PASSPHRASE, datetime.now(UTC))
        (path / "passphrase").write_text(PASSPHRASE.secret)
        engine = database.open(home.database_url)
        with database.writing(engine) as connection:
            load_village(connection)
        engine.dispose()
        return cls(home)

    @property
    def path(self) -> Path:
        return self.home.path

    def bench_board(self, cluster: str) -> tuple[Client, Teller]:
        """Return a board as it leaves the bench: registered, with its lasting identity."""
        ca, key = open_device_ca(self.home, PASSPHRASE), new_key()
        board = Client(key, x509.make_bench_certificate(make_csr(key), ca, datetime.now(UTC)))
        teller = Teller(SoftSigner(key))
        engine = database.open(self.home.database_url)
        with database.writing(engine) as connection:
            teller.register(connection, cluster)
        engine.dispose()
        return board, teller

    @property
    def ca_pem(self) -> str:
        return self.home.device_ca_path.read_text()


@dataclass
class Serving:
    """A running server."""

    process: asyncio.subprocess.Process
    ready: dict[str, Any]
    log: Path

    def kill(self) -> None:
        self.process.kill()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end and return its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(START_S):
            return await self.process.wait()

    def events(self) -> list[dict[str, Any]]:
        """Return the log so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextlib.asynccontextmanager
async def serving(
    home: Path,
    *arguments: str,
    environment: dict[str, str] | None = None,
    launcher: Sequence[str] = (),
) -> AsyncIterator[Serving]:
    """Run ``loa serve`` on loopback, on any ports unless *arguments* say otherwise.

    *launcher* is a command that becomes the server, such as setpriv(1) with its options.
    """
    chosen = arguments or ("--port", "0", "--mqtt-port", "0")
    log = home / "serve.log"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *launcher,
            sys.executable,
            "-c",
            "from loa_manager.cli.main import main; main()",
            *("serve", "--home", str(home), "--host", "127.0.0.1", "--json", *chosen),
            *("--passphrase-file", str(home / "passphrase")),
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(environment or {})},
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            line = await process.stdout.readline()
        assert line, log.read_text()
        yield Serving(process, json.loads(line), log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
