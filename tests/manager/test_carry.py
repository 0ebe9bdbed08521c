"""``loa carry`` and ``loa mirror``: from a province's tree to a board without a network."""

from __future__ import annotations

import asyncio
import json
import os
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from loa_endpoint.content.fetch import Fetcher
from loa_endpoint.content.sync import ContentSync, Surroundings
from loa_manager import carry
from loa_manager.carry import gather, write_load
from loa_manager.cli.main import run
from loa_manager.content_tree import ContentTree
from loa_manager.mirror import Mirror
from loa_protocol.envelope import Kind
from loa_protocol.errors import ConfigError, StoreError
from loa_protocol.exit_codes import exit_code
from loa_protocol.objects.command import Verb
from loa_protocol.objects.placement import Denied, DeniedKind, DenyList
from support.content_lab import media_playlist, sha256
from support.order_desks import Ordering
from support.orders import SIREN
from support.province import NOW, STATION, province
from support.stick_lab import StickBoard

SOUND = b"gia lua " * 1000


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture
def desks(tmp_path: Path) -> Ordering:
    """Return a province with a playlist, a hold and an alert of its station, and a head."""
    desks = Ordering(tmp_path / "ls")
    tree = desks.home.content
    people = province()
    (tmp_path / "sound").write_bytes(SOUND)
    tree.put_media(tmp_path / "sound")
    body = media_playlist(SOUND)
    digest = tree.put_object(people.sign(Kind.PLAYLIST, body, people.editor, people.approver))
    tree.set_playlist(STATION, body.epoch, body.serial, digest)
    desks.command(Verb.HOLD, *people.duty[:2])
    desks.alert(*people.duty[:2])
    tree.media_path(SIREN.sha256).unlink()  # the tests' siren has no bytes of its hash
    renew(tree)
    return desks


def renew(tree: ContentTree, at: int = NOW.unix_s - 60) -> None:
    tree.renew_head(lambda facts: province().sign(Kind.HEAD, facts.at(at), province().online))


def carried(desks: Ordering, to: Path, scope: str = STATION) -> carry.Carried:
    to.mkdir(exist_ok=True)
    return write_load(gather(desks.home.content, scope), desks.home.content, to)


@pytest.mark.requirement("OFF-1", "SEC-8")
async def test_a_board_takes_from_the_stick_what_the_tree_has_for_it(
    desks: Ordering, tmp_path: Path
) -> None:
    done = carried(desks, tmp_path / "stick")
    (tmp_path / "board").mkdir()
    board = StickBoard(tmp_path / "board")
    assert await board.read(done.folder), (board.lab.ear.refusals, board.failures)
    assert board.lab.vault.serial(Kind.PLAYLIST, STATION) == 1
    assert {kept.kind for kept in board.lab.ear.orders} == {Kind.COMMAND, Kind.ALERT}
    assert (done.folder / "media" / sha256(SOUND).hex()).read_bytes() == SOUND
    board.lab.state.close()


def test_nothing_of_other_places_is_carried(desks: Ordering, tmp_path: Path) -> None:
    load = gather(desks.home.content, "vn/ls/st0999")
    assert load.media == ()
    assert not any(name.startswith("proof/") for name in load.files)
    whole = gather(desks.home.content, "vn/ls")
    assert f"proof/{STATION}/_" in whole.files
    assert whole.size > len(SOUND)


def test_what_is_there_already_is_not_written_again(desks: Ordering, tmp_path: Path) -> None:
    first = carried(desks, tmp_path / "stick")
    assert first.there == 0
    again = carried(desks, tmp_path / "stick")
    assert (again.written, again.there) == (0, first.written)
    half = first.folder / "media" / sha256(SOUND).hex()
    half.write_bytes(SOUND[:100])
    assert carried(desks, tmp_path / "stick").written == 1
    assert half.read_bytes() == SOUND


def test_a_stick_that_was_pulled_out_is_gone_on_with(
    desks: Ordering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = os.fsync, [5]

    def pulled(file: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(5, "Input/output error")
        real(file)

    with monkeypatch.context() as patch:
        patch.setattr("loa_manager.carry.os.fsync", pulled)
        with pytest.raises(StoreError):
            carried(desks, tmp_path / "stick")
    folder = tmp_path / "stick" / "loa"
    assert not (folder / "head").exists()  # so that no board takes it for whole
    assert carried(desks, tmp_path / "stick").there > 0
    assert not list(folder.rglob(".new-*"))


def test_a_stick_without_room_is_told_before_anything_is_written(
    desks: Ordering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(free=100)
    monkeypatch.setattr("loa_manager.carry.shutil.disk_usage", lambda _: usage)
    with pytest.raises(StoreError, match="are needed"):
        carried(desks, tmp_path / "stick")
    assert not any((tmp_path / "stick" / "loa").iterdir())


def test_a_tree_without_a_head_cannot_be_carried(tmp_path: Path) -> None:
    desks = Ordering(tmp_path / "ls")
    with pytest.raises(StoreError):
        gather(desks.home.content, "vn/ls")


def test_a_head_that_does_not_fit_its_proofs_is_not_carried(desks: Ordering) -> None:
    tree = desks.home.content
    body = replace(media_playlist(SOUND), serial=2)
    people = province()
    digest = tree.put_object(people.sign(Kind.PLAYLIST, body, people.editor, people.approver))
    tree.set_playlist(STATION, body.epoch, body.serial, digest)
    tree.write_proofs()
    with pytest.raises(StoreError, match="do not agree"):
        gather(tree, "vn/ls")


def test_the_command_says_what_is_on_the_stick(
    desks: Ordering, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    call = ["carry", "--home", str(desks.home.path), "--to", str(stick), "--scope", STATION]
    assert run([*call, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["written"] > 5
    assert facts["scope"] == STATION
    renew(desks.home.content, at=1_700_000_000)
    assert run(call) == 0
    assert "The head is" in capsys.readouterr().err
    assert run([*call[:5], "--scope", "vn/hn"]) == exit_code(ConfigError("", []))
    assert run(["carry", "--home", str(desks.home.path), "--to", str(tmp_path / "none")]) != 0


# --- what is denied


def deny(desks: Ordering, *values: bytes) -> None:
    """Put a deny list of key ids and hashes into force."""
    until = NOW.unix_s + 86_400
    kinds = {16: DeniedKind.KEY, 32: DeniedKind.DIGEST}
    entries = tuple(Denied(kind=kinds[len(v)], value=v, until=until) for v in sorted(values))
    body = DenyList(scope="vn/ls", epoch=1, serial=1, entries=entries)
    tree = desks.home.content
    digest = tree.put_object(province().sign(Kind.DENY_LIST, body, *province().officers))
    tree.set_deny_list("vn/ls", 1, 1, digest)
    renew(tree)


@pytest.mark.requirement("SEC-4", "OFF-1")
async def test_a_playlist_by_a_denied_key_stays_behind_and_the_rest_is_taken(
    desks: Ordering, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = carried(desks, tmp_path / "stick")
    proof = before.folder / "proof" / STATION / "_"
    (leaf,) = desks.home.content.leaves()
    assert proof.is_file()
    deny(desks, province().editor.signer.public.kid)
    call = ["carry", "--home", str(desks.home.path), "--to", str(tmp_path / "stick")]
    assert run(call) == 0
    assert leaf.digest.hex()[:8] in capsys.readouterr().err
    assert not proof.exists()  # nor what the stick had from before
    assert not (before.folder / "objects" / leaf.digest.hex()).exists()
    (tmp_path / "board").mkdir()
    board = StickBoard(tmp_path / "board")
    assert await board.read(before.folder), (board.lab.ear.refusals, board.failures)
    assert {kept.kind for kept in board.lab.ear.orders} == {Kind.COMMAND, Kind.ALERT}
    assert board.lab.vault.serial(Kind.PLAYLIST, STATION) is None
    board.lab.state.close()


@pytest.mark.requirement("SEC-4", "OFF-1")
async def test_a_denied_order_goes_along_or_the_board_would_take_nothing_after_it(
    desks: Ordering, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deny(desks, province().duty[0].signer.public.kid)
    (tmp_path / "stick").mkdir()
    call = ["carry", "--home", str(desks.home.path), "--to", str(tmp_path / "stick"), "--json"]
    assert run(call) == 0
    facts = json.loads(capsys.readouterr().out)
    assert len(facts["denied_orders"]) == 2
    assert facts["media_missing"] == []  # nobody looks for a sound that nobody will play
    (tmp_path / "board").mkdir()
    board = StickBoard(tmp_path / "board")
    await board.read(tmp_path / "stick" / "loa")
    assert board.lab.ear.orders == []
    assert board.lab.vault.serial(Kind.PLAYLIST, STATION) == 1
    board.lab.state.close()


@pytest.mark.requirement("SEC-4")
def test_a_denied_sound_stays_behind_and_the_playlist_goes(desks: Ordering, tmp_path: Path) -> None:
    first = carried(desks, tmp_path / "stick")
    sound = first.folder / "media" / sha256(SOUND).hex()
    assert sound.is_file()
    deny(desks, sha256(SOUND))
    load = gather(desks.home.content, STATION)
    assert load.media == ()
    assert sha256(SOUND) in load.denied.values()
    write_load(load, desks.home.content, tmp_path / "stick")
    assert not sound.exists()
    assert (first.folder / "proof" / STATION / "_").is_file()


# --- the mirror


@pytest.mark.requirement("OFF-1", "SEC-4")
async def test_a_board_takes_everything_from_a_mirror_in_its_local_network(
    desks: Ordering, tmp_path: Path
) -> None:
    done = carried(desks, tmp_path / "stick")
    mirror, stop = Mirror(done.folder, "127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(mirror.run(stop))
    (tmp_path / "board").mkdir()
    board = StickBoard(tmp_path / "board")
    around = Surroundings(
        identity=bytes(16),
        addresses=lambda: ("https://127.0.0.1:1", f"http://127.0.0.1:{mirror.port}"),
        is_nudged=lambda: False,
        now=lambda: NOW,
    )
    fetcher = Fetcher(lambda _: pytest.fail("no TLS"))
    loop = ContentSync(around, fetcher, board.lab.vault, board.lab.ear, inbox=board.lab.inbox)  # type: ignore[arg-type]  # its ear hears failures too
    with pytest.raises(pytest.fail.Exception):
        await loop.round()  # the province's server, by TLS as ever
    loop._poll.try_another_address()
    assert await loop.round()
    assert board.lab.vault.serial(Kind.PLAYLIST, STATION) == 1
    assert len(board.lab.ear.orders) == 2
    fetcher.close()
    stop.set()
    await serving
    board.lab.state.close()


@pytest.mark.requirement("SEC-7")
async def test_a_mirror_gives_files_of_the_tree_and_no_others(
    desks: Ordering, tmp_path: Path
) -> None:
    done = carried(desks, tmp_path / "stick")
    (tmp_path / "secret").write_text("secret")
    (done.folder / "bulletins").symlink_to(tmp_path / "secret")
    (done.folder / "other").write_text("x")
    mirror, stop = Mirror(done.folder, "127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(mirror.run(stop))

    def status(path: str, method: str = "GET") -> int:
        url = f"http://127.0.0.1:{mirror.port}/{path}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method=method)) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert await asyncio.to_thread(status, "head") == 200
    for path in ("bulletins", "other", "", "../secret", "objects", "%2e%2e/secret"):
        assert await asyncio.to_thread(status, path) == 404, path
    assert await asyncio.to_thread(status, "head", "POST") == 405
    stop.set()
    await serving


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    first = Mirror(tmp_path, "127.0.0.1", 0)
    with pytest.raises(ConfigError):
        Mirror(tmp_path, "127.0.0.1", first.port)
    first._socket.close()
