"""The server process opens its own key folder and no other (trust.md section 5)."""

from __future__ import annotations

import base64
import os
import shutil
import ssl
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from loa_manager.authority import Authority
from loa_manager.content_tree import write_durably
from loa_manager.denial import denials
from loa_manager.home import Home, make_private_folder
from loa_manager.people import make_own_key
from loa_protocol.objects.authority import Role
from support.broker_lab import until
from support.device_ca_lab import Client, key_pem, make_csr
from support.opened_files import OpenedFiles
from support.serve_process import PASSPHRASE, Serving, TestProvince, serving

pytestmark = pytest.mark.story
CLUSTER = "vn/ls/st0137/c01"
OTHERS = ("root", "authority", "own")
# root without the two capabilities that let it open what its mode forbids
WEAKENED = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")


@pytest.fixture
def province(tmp_path: Path) -> TestProvince:
    """Return a province whose office and server share a machine, an editor's key beside them."""
    made = TestProvince.found(tmp_path / "ls")
    make_own_key(made.home, Role.EDITOR, "Nga", PASSPHRASE)
    return made


def launcher() -> tuple[str, ...]:
    if os.geteuid() != 0:
        return ()
    assert shutil.which("setpriv"), "part of util-linux, which Debian always has"
    return WEAKENED


def context(province: TestProvince, client: Client, folder: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(cadata=province.ca_pem)
    shown = key_pem(client.key) + ssl.DER_cert_to_PEM_cert(client.certificate).encode()
    write_durably(folder / "client.pem", shown)
    made.load_cert_chain(folder / "client.pem")
    return made


async def enrol(province: TestProvince, server: Serving, board: Client, folder: Path) -> int:
    url = f"https://localhost:{server.ready['https_port']}"
    shown = context(province, board, folder)
    async with httpx.AsyncClient(base_url=url, verify=shown, trust_env=False) as http:
        assert (await http.post("/time", content=bytes(16))).status_code == 200
        body = base64.b64encode(make_csr(board.key))
        return (await http.post("/enrol/simpleenroll", content=body)).status_code


@pytest.mark.requirement("SEC-1")
async def test_the_server_opens_no_key_folder_but_its_own(
    province: TestProvince, tmp_path: Path
) -> None:
    """Its opens are logged, and the other folders are closed to it: a life of the server."""
    board, _teller = province.bench_board(CLUSTER)
    keys, opened = province.path / "keys", OpenedFiles(tmp_path / "opened")
    authority = Authority.open(province.home, PASSPHRASE)
    for name in OTHERS:
        (keys / name).chmod(0)
    try:
        async with serving(
            province.path, environment=opened.environment(), launcher=launcher()
        ) as server:
            head = province.home.content.path / "head"
            await until(head.exists)
            first = head.read_bytes()
            assert await enrol(province, server, board, tmp_path) == 200
            (keys / "authority").chmod(0o700)  # the officers deny a key, and close up again
            deny(authority)
            (keys / "authority").chmod(0)
            await until(lambda: head.read_bytes() != first)
            assert await server.stop() == 0
    finally:
        for name in OTHERS:
            (keys / name).chmod(0o700)
    touched = opened.below(keys)
    assert {path.parent for path in touched} == {keys / "server"}
    assert {"head.key", "time.key", "tls.key", "enrol-ca.key"} <= {path.name for path in touched}
    assert not [event for event in server.events() if "denied" in str(event).lower()]


def deny(authority: Authority) -> None:
    now = datetime.now(UTC)
    entries = denials([], digests=[b"\1" * 32], now_s=int(now.timestamp()))
    authority.deny(entries, now)


def test_the_proof_would_see_a_server_that_looks_elsewhere(tmp_path: Path) -> None:
    home, opened = Home(tmp_path / "ls"), OpenedFiles(tmp_path / "opened")
    make_private_folder(home.root_keys)
    (home.root_keys / "root-1.key").write_text("x")
    home.root_keys.chmod(0)
    look = "import pathlib, sys\n"
    look += "sys.exit(not pathlib.Path(sys.argv[1]).read_text())"
    done = subprocess.run(
        [*launcher(), sys.executable, "-c", look, str(home.root_keys / "root-1.key")],
        env={**os.environ, **opened.environment()},
        capture_output=True,
        check=False,
    )
    home.root_keys.chmod(0o700)
    assert b"PermissionError" in done.stderr
    assert opened.below(home.root_keys) == {home.root_keys / "root-1.key"}
