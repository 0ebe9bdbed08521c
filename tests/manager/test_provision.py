"""A board gets its place at the bench, and goes on where a pulled cable stopped it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from sqlalchemy import select, update

from loa_manager import audit, database, devices, tables
from loa_manager.bench import Bench, Order, Place, Step
from loa_manager.bench_desk import ProvinceDesk, find_cluster
from loa_manager.settings_file import present_settings
from loa_protocol import bench
from loa_protocol.bench import Stage
from loa_protocol.errors import ConfigError, PeerError
from support.bench_lab import (
    CLUSTER,
    NOW,
    PLACE,
    Board,
    Interrupted,
    audit_rows,
    desk_of,
    key_of,
    province_home,
    provision,
    root_digest,
)

QUESTIONS = 9  # that a blank board is asked


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_LANG", "en")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ProvinceDesk]:
    with desk_of(province_home(tmp_path)) as opened:
        yield opened


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    made = Board(tmp_path / "board")
    yield made
    made.close()


@pytest.mark.requirement("OPS-1", "SEC-1")
def test_a_blank_board_is_ready_after_one_pass(desk: ProvinceDesk, board: Board) -> None:
    assert board.server.status().stage is Stage.BLANK
    done, steps = provision(board.ask, desk)
    status = board.server.status()
    assert status.stage is Stage.READY
    assert (status.scope, status.root) == (CLUSTER, root_digest(desk))
    assert [step.step for step in steps] == list(Step)
    assert not any(step.was_there for step in steps)
    with database.reading(desk.engine) as connection:
        registered = devices.find(connection, done.endpoint)
        certificates = connection.execute(select(tables.certificate)).all()
    assert registered is not None
    assert (registered.cluster, registered.is_active) == (CLUSTER, True)
    assert registered.key.raw == status.key
    assert [(row.endpoint, row.purpose, row.serial) for row in certificates] == [
        (done.endpoint, "bench", status.serial)
    ]


@pytest.mark.requirement("SEC-11")
def test_each_step_leaves_an_audit_row(desk: ProvinceDesk, board: Board) -> None:
    provision(board.ask, desk)
    assert audit_rows(desk, "provision_") == [(f"provision_{step}", "ok") for step in Step]
    with database.reading(desk.engine) as connection:
        assert audit.verify(connection).broken is None


def test_what_lies_on_the_board_is_for_its_owner_alone(desk: ProvinceDesk, board: Board) -> None:
    provision(board.ask, desk)
    assert stat.S_IMODE((board.home / "device.key").stat().st_mode) == 0o600
    assert {each.name for each in (board.home / "trust").iterdir()} == {
        "root",
        "assignment",
        "settings",
    }
    bench_pem = (board.home / "identity" / "bench.pem").read_bytes()
    subject = x509.load_pem_x509_certificate(bench_pem).subject.rfc4514_string()
    signer = board.store.signer()
    assert signer is not None
    assert subject == f"CN={signer.public.kid.hex()},OU=bench"


@pytest.mark.parametrize("heard", [True, False], ids=["answer lost", "question lost"])
@pytest.mark.parametrize("at", range(QUESTIONS))
def test_a_cable_pulled_at_any_question_costs_only_the_same_command_again(
    desk: ProvinceDesk, board: Board, at: int, heard: bool
) -> None:
    with pytest.raises(PeerError):
        provision(Interrupted(board.ask, at, heard=heard), desk)
    first = board.server.status()
    board.restart()
    assert board.server.status() == first  # what was answered is on the disk
    done, steps = provision(board.ask, desk)
    status = board.server.status()
    assert status.stage is Stage.READY
    if first.key is not None:
        assert status.key == first.key
        assert done.endpoint == bench.endpoint_id(first.key)
    kept = {
        Step.ROOT: first.root,
        Step.ASSIGNMENT: first.assignment,
        Step.SETTINGS: first.settings,
    }
    for step, digest in kept.items():
        assert next(each for each in steps if each.step is step).was_there == (digest is not None)


def test_the_last_question_is_counted_right(desk: ProvinceDesk, board: Board) -> None:
    provision(Interrupted(board.ask, QUESTIONS, heard=True), desk)
    board.restart()
    assert board.server.status().stage is Stage.READY


def test_a_second_pass_finds_everything_there(desk: ProvinceDesk, board: Board) -> None:
    provision(board.ask, desk)
    before = {each: each.read_bytes() for each in board.home.rglob("*.pem")}
    _done, steps = provision(board.ask, desk)
    assert {each.step for each in steps if each.was_there} == {
        Step.ROOT,
        Step.ASSIGNMENT,
        Step.SETTINGS,
        Step.CERTIFICATE,
    }
    assert {each: each.read_bytes() for each in board.home.rglob("*.pem")} == before


def test_again_renews_certificate_and_assignment_under_the_same_root_and_key(
    desk: ProvinceDesk, board: Board, tmp_path: Path
) -> None:
    first, _steps = provision(board.ask, desk)
    before = board.server.status()
    second, steps = provision(board.ask, desk, again=True)
    after = board.server.status()
    assert second.endpoint == first.endpoint
    assert (after.root, after.key) == (before.root, before.key)
    assert after.serial != before.serial
    assert after.assignment != before.assignment
    assert [step.step for step in steps if step.was_there] == [Step.ROOT, Step.SETTINGS]


def test_a_board_moves_only_when_asked_to(desk: ProvinceDesk, board: Board) -> None:
    provision(board.ask, desk)
    other = Place(cluster="vn/ls/st0137/c02", village="Bản Khuổi Mẫu")
    with pytest.raises(ConfigError, match="vn/ls/st0137/c01"):
        provision(board.ask, desk, other)
    assert board.server.status().scope == CLUSTER
    provision(board.ask, desk, other, again=True)
    assert board.server.status().scope == other.cluster
    with database.reading(desk.engine) as connection:
        (registered,) = devices.list_endpoints(connection)
    assert registered.cluster == other.cluster


def test_a_board_that_moves_drops_settings_made_for_its_old_pole(
    desk: ProvinceDesk, board: Board
) -> None:
    desk.signing.sign_settings(replace(present_settings(desk.home), scope=CLUSTER), NOW)
    provision(board.ask, desk)
    other = desk.signing.assign(key_of(board), "vn/ls/st0137/c02", "Bản Khuổi Mẫu", NOW)
    assert isinstance(board.ask(bench.InstallAssignment(bundle=other)), bench.Done)
    assert board.server.status().settings is None
    assert board.server.status().stage is Stage.PARTIAL


def test_nothing_is_changed_when_nobody_agrees(desk: ProvinceDesk, board: Board) -> None:
    with pytest.raises(ConfigError):
        Bench(board.ask, desk, agree=lambda _status: False).provision(Order(place=PLACE))
    assert board.server.status().key is None


def test_clusters_are_named_by_scope_id_or_last_part(desk: ProvinceDesk) -> None:
    with database.reading(desk.engine) as connection:
        for name in (CLUSTER, "st0137/c01", "c01"):
            assert find_cluster(connection, name, "vn/ls").place == PLACE
        for name in ("c99", "st0137", "C01;", "1"):
            with pytest.raises(ConfigError):
                find_cluster(connection, name, "vn/ls")


def test_another_makers_pole_gets_no_board_of_ours(desk: ProvinceDesk) -> None:
    with database.writing(desk.engine) as connection:
        connection.execute(
            update(tables.cluster).where(tables.cluster.c.scope == CLUSTER).values(is_managed=False)
        )
    with database.reading(desk.engine) as connection, pytest.raises(ConfigError):
        find_cluster(connection, "c01", "vn/ls")
