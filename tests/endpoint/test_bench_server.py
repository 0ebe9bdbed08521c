"""The board, and not the tool, decides what it lets in."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import assume, given
from hypothesis import strategies as st

from fuzz.fuzz_bench_server import fuzz
from loa_endpoint.store.identity import IdentityStore
from loa_manager.bench_desk import ProvinceDesk
from loa_manager.settings_file import present_settings
from loa_protocol import bench
from loa_protocol.bench import Fault, Stage
from loa_protocol.envelope import Bundle
from loa_protocol.errors import RefusedError
from support.bench_lab import (
    BOARD_TIME,
    CLUSTER,
    NOW,
    PLACE,
    Board,
    PulledError,
    audit_rows,
    desk_of,
    key_of,
    province_home,
    provision,
    refusal,
    root_digest,
    sign_transfer,
)


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


@pytest.mark.requirement("SEC-6")
def test_a_second_technician_with_another_root_is_refused_by_the_board(
    desk: ProvinceDesk, board: Board, tmp_path: Path
) -> None:
    provision(board.ask, desk)
    before = board.server.status()
    with desk_of(province_home(tmp_path, "two")) as other:
        with pytest.raises(RefusedError) as refused:
            provision(board.ask, other)
        assert refused.value.code == Fault.ROOT_PRESENT
        assert audit_rows(other, "provision_root") == [("provision_root", Fault.ROOT_PRESENT)]
    assert board.server.status() == before


@pytest.mark.requirement("SEC-6")
@pytest.mark.parametrize("holders", [2, 3])
def test_a_transfer_needs_three_of_the_five_holders_of_the_present_root(
    desk: ProvinceDesk, board: Board, tmp_path: Path, holders: int
) -> None:
    provision(board.ask, desk)
    with desk_of(province_home(tmp_path, "two")) as other:
        transfer = sign_transfer(desk.home, root_digest(other), holders)
        if holders < 3:
            with pytest.raises(RefusedError, match="threshold"):
                provision(board.ask, other, transfer=transfer)
            assert board.server.status().stage is Stage.READY
            return
        done, _steps = provision(board.ask, other, transfer=transfer)
        assert done.root == root_digest(other)
    assert board.server.status().stage is Stage.READY


def test_a_transfer_to_one_root_lets_no_other_in(
    desk: ProvinceDesk, board: Board, tmp_path: Path
) -> None:
    provision(board.ask, desk)
    transfer = sign_transfer(desk.home, bytes(32), 3)
    with desk_of(province_home(tmp_path, "two")) as other, pytest.raises(RefusedError) as refused:
        provision(board.ask, other, transfer=transfer)
    assert refused.value.code == Fault.ROOT_PRESENT


def test_power_lost_during_a_transfer_leaves_a_silent_board_of_its_old_province(
    desk: ProvinceDesk, board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provision(board.ask, desk)

    def no_power(_data: bytes) -> None:
        raise PulledError

    with desk_of(province_home(tmp_path, "two")) as other:
        transfer = sign_transfer(desk.home, root_digest(other), 3)
        monkeypatch.setattr(board.store, "keep_root", no_power)
        with pytest.raises(PulledError):
            board.ask(bench.InstallRoot(root=other.root, transfer=transfer))
        board.restart()
        status = board.server.status()
        assert (status.stage, status.root) == (
            Stage.PARTIAL,
            root_digest(desk),
        )
        provision(board.ask, other, transfer=transfer)
    assert board.server.status().stage is Stage.READY


@pytest.mark.requirement("SEC-6")
def test_a_recovered_board_is_blank_keeps_its_outbox_and_takes_any_root(
    desk: ProvinceDesk, board: Board, tmp_path: Path
) -> None:
    first, _steps = provision(board.ask, desk)
    (board.home / "media").mkdir()
    (board.home / "media" / "aa").write_bytes(b"sound")
    (board.home / "outbox.db").write_bytes(b"records")
    epoch = board.state.next_epoch()
    board.store.recover()
    board.restart()
    assert board.server.status() == bench.Status(
        version=1, software="loa-endpoint test", stage=Stage.BLANK
    )
    left = {each.name for each in board.home.iterdir() if not each.name.startswith("state.db")}
    assert left == {"outbox.db"}
    assert board.state.positions() == {}
    assert board.state.next_epoch() > epoch
    with desk_of(province_home(tmp_path, "two")) as other:
        second, _steps = provision(board.ask, other)
    assert second.endpoint != first.endpoint


def test_a_recovery_cut_short_is_finished_at_the_next_start(
    desk: ProvinceDesk, board: Board
) -> None:
    provision(board.ask, desk)
    (board.home / "recovering").touch()
    board.restart()
    assert board.server.status().stage is Stage.BLANK
    assert not (board.home / "device.key").exists()
    assert not (board.home / "recovering").exists()


@pytest.mark.requirement("SEC-3")
def test_an_older_assignment_is_refused_when_it_is_replayed(
    desk: ProvinceDesk, board: Board
) -> None:
    provision(board.ask, desk)
    old = board.store.bundle("assignment")
    assert old is not None
    provision(board.ask, desk, again=True)
    present = board.store.bundle("assignment")
    answer = board.ask(bench.InstallAssignment(bundle=old))
    assert isinstance(answer, bench.Refused)
    assert answer.reason == "rollback"
    assert board.store.bundle("assignment") == present


def test_an_assignment_or_settings_for_others_is_refused(
    desk: ProvinceDesk, board: Board, tmp_path: Path
) -> None:
    provision(board.ask, desk)
    other = Board(tmp_path / "other")
    other.ask(bench.MakeKey())
    foreign = desk.signing.assign(key_of(other), CLUSTER, "Bản", NOW)
    assert refusal(board, bench.InstallAssignment(bundle=foreign)) == "not_addressed"
    elsewhere = replace(present_settings(desk.home), scope="vn/ls/st0200")
    bundle = desk.signing.sign_settings(elsewhere, NOW)
    assert refusal(board, bench.InstallSettings(bundle=bundle)) == "not_addressed"
    other.close()


def test_one_officer_alone_assigns_nothing(desk: ProvinceDesk, board: Board) -> None:
    provision(board.ask, desk)
    bundle = Bundle.from_bytes(desk.signing.assign(key_of(board), CLUSTER, "Bản", NOW))
    alone = replace(bundle, seals=bundle.seals[:1])
    assert refusal(board, bench.InstallAssignment(bundle=alone.to_bytes())) == "threshold"


def test_a_ca_that_the_signed_settings_do_not_name_is_refused(
    desk: ProvinceDesk, board: Board, tmp_path: Path
) -> None:
    provision(board.ask, desk)
    with desk_of(province_home(tmp_path, "two")) as other:
        csr = board.store.request()
        foreign = bench.InstallCertificate(
            certificate=other.certify(csr), authority=other.authority
        )
        assert refusal(board, foreign) == Fault.AUTHORITY
        mixed = bench.InstallCertificate(certificate=other.certify(csr), authority=desk.authority)
        assert refusal(board, mixed) == Fault.CERTIFICATE


def test_a_certificate_for_another_key_is_refused(
    desk: ProvinceDesk, board: Board, tmp_path: Path
) -> None:
    provision(board.ask, desk)
    other = Board(tmp_path / "other")
    certificate = desk.certify(other.store.request())
    other.close()
    question = bench.InstallCertificate(certificate=certificate, authority=desk.authority)
    assert refusal(board, question) == Fault.CERTIFICATE


def test_a_blank_board_refuses_what_comes_out_of_order(desk: ProvinceDesk, board: Board) -> None:
    authority = desk.authority
    assert refusal(board, bench.Prove(nonce=bytes(32))) == Fault.NO_KEY
    assert refusal(board, bench.InstallAssignment(bundle=b"\xa0")) == Fault.NO_KEY
    board.ask(bench.MakeKey())
    assert refusal(board, bench.InstallAssignment(bundle=b"\xa0")) == Fault.NO_ROOT
    board.ask(bench.InstallRoot(root=desk.root))
    settings = bench.InstallSettings(bundle=desk.settings(CLUSTER))
    assert refusal(board, settings) == Fault.INCOMPLETE
    certificate = bench.InstallCertificate(certificate=authority, authority=authority)
    assert refusal(board, certificate) == Fault.NO_SETTINGS
    assert refusal(board, bench.Finish()) == Fault.INCOMPLETE
    assert refusal(board, bench.InstallRoot(root=b"\xa0")) == Fault.FORMAT
    assert refusal(board, bench.Hello(version=9)) == Fault.VERSION


def test_a_full_disk_is_told_and_changes_nothing(
    desk: ProvinceDesk, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.ask(bench.MakeKey())

    def full(*_args: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert refusal(board, bench.InstallRoot(root=desk.root)) == Fault.STORE
    monkeypatch.undo()
    assert board.server.status().stage is Stage.BLANK


def test_a_proof_is_by_this_board_over_this_nonce(
    desk: ProvinceDesk, board: Board, tmp_path: Path
) -> None:
    provision(board.ask, desk)
    nonce = bytes(range(32))
    proof = board.ask(bench.Prove(nonce=nonce))
    assert isinstance(proof, bench.Proof)
    held = bench.check_proof(proof, key_of(board), nonce)
    assert held.root == root_digest(desk)
    with pytest.raises(Exception, match="nonce"):
        bench.check_proof(proof, key_of(board), bytes(32))
    other = Board(tmp_path / "other")
    with pytest.raises(Exception, match="key"):
        bench.check_proof(proof, other.store.make_key().public, nonce)
    other.close()


@pytest.mark.requirement("SEC-1")
def test_fifty_boards_make_fifty_keys(board: Board, tmp_path: Path) -> None:
    keys = {IdentityStore(tmp_path / f"{n}", board.state).make_key().public for n in range(50)}
    assert len(keys) == 50


@given(st.data())
def test_damage_on_the_way_installs_nothing(data: st.DataObject) -> None:
    ready, questions = _ready()
    question = data.draw(st.sampled_from(questions[:-1]))  # certificates: see below
    damaged = bytearray(question)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assume(damaged != question)
    before = ready.server.status()
    bench.parse_answer(ready.server.handle(bytes(damaged), BOARD_TIME))
    assert ready.server.status() == before


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_no_flipped_bit_changes_what_a_certificate_says() -> None:
    ready, questions = _ready()
    question = bench.parse_question(questions[-1])
    assert isinstance(question, bench.InstallCertificate)
    said = x509.load_der_x509_certificate(question.certificate).tbs_certificate_bytes
    for at in range(0, 8 * len(question.certificate), 3):
        damaged = bytearray(question.certificate)
        damaged[at // 8] ^= 1 << at % 8
        answer = ready.ask(replace(question, certificate=bytes(damaged)))
        if isinstance(answer, bench.Refused):
            assert answer.reason == Fault.CERTIFICATE
        else:  # a padding bit after the signature, which nothing covers
            kept = ready.store.certificate()
            assert kept is not None
            assert kept.tbs_certificate_bytes == said


@given(st.binary(max_size=200))
def test_no_question_of_any_bytes_breaks_a_board(data: bytes) -> None:
    fuzz(data)


@functools.cache
def _ready() -> tuple[Board, list[bytes]]:
    """Return a ready board, and questions that would install something new if they came whole."""
    folder = Path(tempfile.mkdtemp(prefix="loa-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    board = Board(folder / "board")
    with desk_of(province_home(folder)) as desk, desk_of(province_home(folder, "two")) as other:
        provision(board.ask, desk)
        transfer = sign_transfer(desk.home, root_digest(other))
        assignment = desk.assign(key_of(board), PLACE, anew=True)
        certificate = desk.certify(board.store.request())
        questions: list[bench.Question] = [
            bench.InstallRoot(root=other.root, transfer=transfer),
            bench.InstallAssignment(bundle=assignment),
            bench.InstallCertificate(certificate=certificate, authority=desk.authority),
        ]
    return board, [bench.encode(question) for question in questions]
