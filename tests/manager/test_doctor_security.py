"""``loa doctor`` on a real ``loa serve``: what passes, and what turns a row to fail."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from loa_manager import database, tables
from loa_manager.cli.main import run
from loa_manager.doctor import security, walk
from loa_manager.doctor.finding import Finding, Result
from loa_manager.home import Home
from loa_manager.mailbox.office import Office
from loa_manager.serve import web
from loa_manager.serve.key_folder import ServerKeys
from loa_manager.serve.server import make_web
from loa_protocol.envelope import Bundle
from support.serve_process import PASSPHRASE, Serving, TestProvince, serving

pytestmark = pytest.mark.story
CLUSTERS = ("vn/ls/st0137/c01", "vn/ls/st0137/c02")
NOT_BUILT = {"updates", "support_period", "own_programs_checked"}


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = TestProvince.found(tmp_path_factory.mktemp("doctor") / "ls")
    (made.path / "passphrase").chmod(0o600)
    for cluster in CLUSTERS:
        made.bench_board(cluster)
    return made.path


@pytest.fixture
def home(founded: Path, tmp_path: Path) -> Home:
    shutil.copytree(founded, tmp_path / "ls")
    return Home.open(tmp_path / "ls")


@pytest.fixture
async def server(home: Home) -> AsyncIterator[Serving]:
    async with serving(home.path) as running:
        yield running


async def doctor(home: Home, *arguments: str) -> tuple[int, Any]:
    """Run the command as a process and return its exit code and its JSON."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from loa_manager.cli.main import main; main()",
        *("doctor", "--home", str(home.path), "--json", *arguments),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    told, _errors = await process.communicate()
    return process.returncode or 0, json.loads(told)


def measured(home: Home) -> dict[str, Finding]:
    """Return every finding that needs no running server."""
    steps = security.measures(home, datetime.now(UTC), None)
    groups = security.examine([step for step in steps if step[0] not in ("server", "machine")])
    return {each.id: each for group in groups for each in group}


@pytest.mark.requirement("SEC-2", "SEC-5", "SEC-7")
async def test_a_running_server_is_measured_and_each_row_has_its_evidence(
    home: Home, server: Serving
) -> None:
    code, told = await doctor(home, "--security")
    rows = {row["id"]: row for row in told["measures"]}
    failed = {name for name, row in rows.items() if row["result"] == "fail"}
    as_root = {"server_without_root"} if os.geteuid() == 0 else set()
    assert failed == NOT_BUILT | as_root, [rows[name] for name in failed]
    assert code == 7  # what is not built fails
    assert told["failed"] == len(failed)
    ports = {each.rpartition(":")[2] for each in rows["tls_1_3_only"]["evidence"]}
    assert {str(server.ready["https_port"]), str(server.ready["mqtt_port"])} < ports
    assert len(rows["server_sockets"]["evidence"]["sockets"]) == 3
    assert len(rows["routes_authenticated"]["evidence"]["routes"]) == len(walk.ROUTES)
    assert rows["device_keys_differ"]["evidence"] == {"boards": 2, "keys": 2, "bad": []}
    assert rows["passphrase"]["evidence"] == {"mode": "0600"}
    named = [provision for row in rows.values() for provision in row["provisions"]]
    assert set(named) == set(security.PROVISIONS)


async def test_the_plain_doctor_says_that_server_and_broker_answer(
    home: Home, server: Serving
) -> None:
    _code, told = await doctor(home)
    levels = {row["id"]: row["level"] for row in told["checks"]}
    asked = ("server", "broker", "head", "certificates", "disk", "orders", "records", "clocks")
    assert {name: levels[name] for name in asked} == dict.fromkeys(asked, "ok")


def test_where_no_server_runs_the_plain_doctor_says_so(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--home", str(home.path), "doctor", "--lang", "en"]) == 7
    assert "start it: loa serve" in capsys.readouterr().out


@pytest.fixture
def well(home: Home) -> dict[str, Finding]:
    before = measured(home)
    failing = {name for name, each in before.items() if each.result is Result.FAIL}
    # no head was signed yet: nothing has served this home
    assert failing == {"updates", "own_programs_checked", "configuration_signed"}
    return before


def test_a_key_file_that_others_can_read_turns_its_row_to_fail(
    home: Home, well: dict[str, Finding]
) -> None:
    assert well["key_files"].result is Result.PASS
    (home.server_keys / "head.key").chmod(0o644)
    found = measured(home)["key_files"]
    assert found.result is Result.FAIL
    assert "head.key 0644" in found.text


def test_a_device_key_that_is_registered_twice_turns_its_row_to_fail(
    home: Home, well: dict[str, Finding]
) -> None:
    assert well["device_keys_differ"].result is Result.PASS
    engine = database.open(home.database_url)
    with database.writing(engine) as connection:
        row = connection.execute(select(tables.endpoint)).mappings().first()
        assert row is not None
        copy = {**row, "id": "0" * 32, "cluster": "vn/ls/st0137/c03"}
        connection.execute(insert(tables.endpoint).values(copy))
    engine.dispose()
    found = measured(home)["device_keys_differ"]
    assert (found.result, found.evidence["keys"]) == (Result.FAIL, 2)


def test_settings_that_were_changed_by_hand_turn_their_rows_to_fail(
    home: Home, well: dict[str, Finding]
) -> None:
    path = home.content.path / "state" / "vn/ls" / "settings"
    bundle = Bundle.from_bytes(path.read_bytes())
    path.write_bytes(
        Bundle(
            kind=bundle.kind,
            version=bundle.version,
            payload=bundle.payload,
            seals=bundle.seals[:1],
            certificates=bundle.certificates,
        ).to_bytes()
    )
    found = measured(home)
    assert "settings vn/ls: threshold" in found["configuration_signed"].text
    assert found["forgeries_refused"].result is Result.FAIL


def test_an_account_that_was_edited_turns_its_row_to_fail(
    home: Home, well: dict[str, Finding]
) -> None:
    assert well["telemetry_examined"].result is Result.PASS
    engine = database.open(home.database_url)
    with database.writing(engine) as connection:
        connection.execute(update(tables.audit).where(tables.audit.c.position == 1).values(who="x"))
    engine.dispose()
    assert measured(home)["telemetry_examined"].result is Result.FAIL


@pytest.mark.requirement("SEC-7")
def test_the_walk_knows_every_route_of_the_application(home: Home) -> None:
    keys = ServerKeys.open(home, PASSPHRASE)
    engine = database.open(home.database_url)
    app = make_web(home, keys, engine, Office(home)).app()
    engine.dispose()
    known = {
        (getattr(each, "path", ""), method) for each in app.routes for method in _methods(each)
    }
    assert known == {(template, method) for template, method, _target in walk.ROUTES}
    assert walk.PUBLIC == web.PUBLIC


def _methods(route: object) -> set[str]:
    return set(getattr(route, "methods", None) or ()) - {"HEAD"}
