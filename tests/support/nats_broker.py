"""A real broker: the NATS server with MQTT over mutual TLS 1.3, and no authorisation call-out."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.tls_lab import Authority, Issued

START_S = 15


@dataclass
class Broker:
    """A running broker."""

    port: int
    process: subprocess.Popen[bytes]
    folder: Path
    authority: Authority

    @property
    def address(self) -> str:
        """Where an endpoint finds it."""
        return f"mqtts://127.0.0.1:{self.port}"

    def client_context(self, name: str) -> ssl.SSLContext:
        """Return the TLS context of another client of this broker, such as ingest."""
        context = ssl.create_default_context(cadata=self.authority.der)
        context.load_cert_chain(*self.authority.client(name).write(self.folder, name))
        return context

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def nats_broker(
    folder: Path, authority: Authority, *, server: Issued | None = None, port: int | None = None
) -> Iterator[Broker]:
    """Run a broker; *server* is its certificate (one for loopback when none is given)."""
    port = port or free_port()
    certificate, key = (server or authority.server()).write(folder, "broker")
    (folder / "clients.pem").write_bytes(authority.pem)
    configuration = folder / "nats.conf"
    configuration.write_text(
        f"""
server_name: laboratory
host: 127.0.0.1
port: -1
jetstream {{ store_dir: "{folder}/jetstream" }}
mqtt {{
  host: 127.0.0.1
  port: {port}
  tls {{
    cert_file: "{certificate}"
    key_file: "{key}"
    ca_file: "{folder}/clients.pem"
    verify: true
    min_version: "1.3"
  }}
}}
"""
    )
    binary = shutil.which("nats-server") or str(Path(sys.executable).with_name("nats-server"))
    with (folder / "nats.log").open("ab") as log:
        process = subprocess.Popen([binary, "-c", str(configuration)], stderr=log)
    try:
        _wait_until_it_listens(port, process, folder / "nats.log")
        yield Broker(port, process, folder, authority)
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError(f"the broker did not start:\n{log.read_text()}")
