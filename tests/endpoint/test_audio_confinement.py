"""A process that decodes what strangers send cannot read the board's key, nor do anything else."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from loa_endpoint.audio.confinement import landlock_version, may_read
from support.player_lab import environment

_CONFINED = """
import os, signal, socket, subprocess, sys
from loa_endpoint.audio.confinement import confine, may_read
key, port, other = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if not confine(may_read(), [port]):
    sys.exit("this kernel has no Landlock")
import fractions, ssl  # programs can be read
assert ssl.create_default_context().cert_store_stats()["x509_ca"] == int(sys.argv[4])
socket.create_connection(("localhost", port)).close()
tries = {
    "read": lambda: open(key).read(),
    "list": lambda: os.listdir(os.path.dirname(key)),
    "write": lambda: open(key + ".new", "w"),
    "remove": lambda: os.unlink(key),
    "run": lambda: subprocess.run(["/bin/true"]),
    "memory": lambda: open(f"/proc/{os.getppid()}/mem", "rb").read(1),
    "signal": lambda: os.kill(os.getppid(), signal.SIGUSR1),
    "connect": lambda: socket.create_connection(("127.0.0.1", other)),
    "bind": lambda: socket.create_server(("127.0.0.1", 0)),
}
for name, act in tries.items():
    try:
        act()
        print(name, "worked")
    except PermissionError:
        print(name, "refused")
"""


@pytest.mark.requirement("SEC-9")
def test_it_reads_no_key_runs_nothing_and_reaches_one_port(tmp_path: Path) -> None:
    key = tmp_path / "device.key"
    key.write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as own, socket.create_server(("", 0)) as other:
        ports = [str(each.getsockname()[1]) for each in (own, other)]
        believed = ssl.create_default_context().cert_store_stats()["x509_ca"]
        done = subprocess.run(
            [sys.executable, "-c", _CONFINED, str(key), *ports, str(believed)],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env=environment(),
        )
    if not landlock_version():
        assert "no Landlock" in done.stderr
        return
    said = done.stdout.splitlines()
    network = {"connect", "bind"} if landlock_version() >= 4 else set()
    scoped = {"signal"} if landlock_version() >= 6 else set()
    refused = {"read", "list", "write", "remove", "run", "memory"} | network | scoped
    assert {line.split()[0] for line in said if line.endswith("refused")} >= refused
    assert key.read_text() == "secret"


def test_what_it_may_read_holds_no_home_of_a_board(tmp_path: Path) -> None:
    homes = (tmp_path, Path("/var/lib/loa-endpoint"), Path.home(), Path("/root"), Path("/home"))
    for allowed in may_read():
        assert not any(home.is_relative_to(allowed) for home in homes), allowed


def test_what_it_may_read_follows_the_certificates_that_were_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(os.environ, "SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert tmp_path / "ca.pem" in may_read()
