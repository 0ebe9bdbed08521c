"""Fetch, verify, store, activate, acknowledge: killed in every state, and nothing goes back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from loa_endpoint.app.keeper import Keeper
from loa_endpoint.store.identity import IdentityStore
from loa_endpoint.store.orders import OrderStore
from loa_endpoint.store.state import State
from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.command import Command, Verb
from loa_protocol.replay import name_of
from support.content_lab import ContentLab, media_playlist, sha256, village_lab
from support.fault_board import POINTS, provision, run_and_die, run_to_the_end
from support.kept import signed_order
from support.orders import SIREN, alert, command
from support.province import SCOPE, STATION, province

KEPT = ("order kept", "order acted", "order acknowledged")
OF_ORDERS = [point for point in POINTS if point.startswith(("order", "sound"))]


@pytest.fixture(scope="module")
def factory_board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("factory") / "home"
    provision(home)
    return home


@pytest.fixture
def home(factory_board: Path, tmp_path: Path) -> Path:
    """A board that plays serial 1 under root 1."""
    home = tmp_path / "home"
    shutil.copytree(factory_board, home, copy_function=shutil.copy2)
    (home / "state.db-spare").unlink(missing_ok=True)  # a second name, which a copy is not
    (home / "outbox.db-spare").unlink(missing_ok=True)
    run_to_the_end(home, village_lab())
    assert _journal(home) == ["plays 1"]
    return home


def _journal(home: Path) -> list[str]:
    return (home / "journal").read_text().splitlines()


def _newer() -> ContentLab:
    lab = village_lab()
    lab.publish(media_playlist(b"newer", serial=2))
    lab.renew()
    return lab


@pytest.mark.requirement("SEC-3", "OFF-2")
@pytest.mark.parametrize("point", [p for p in POINTS if p.startswith("playlist")])
def test_a_playlist_is_wholly_in_force_or_wholly_not(home: Path, point: str) -> None:
    lab = _newer()
    run_and_die(home, lab, point)
    state = State.open(home / "state.db")
    keeper = Keeper(IdentityStore(home, state))
    reached = state.positions()[Kind.PLAYLIST, STATION].serial
    assert keeper.playlist is not None
    assert keeper.playlist.serial in (1, 2)
    assert keeper.playlist.serial <= reached
    state.close()
    older = ContentLab().sign(
        Kind.PLAYLIST, media_playlist(b"older", serial=1), province().editor, province().approver
    )
    run_to_the_end(home, lab, older)
    serials = [int(line.split()[1]) for line in _journal(home) if line.startswith("plays")]
    assert serials == sorted(serials)
    assert serials[-1] == 2
    assert any("playlist rollback" in line or "equivocation" in line for line in _journal(home))


@pytest.mark.requirement("SEC-6")
@pytest.mark.parametrize("point", [p for p in POINTS if p.startswith("root")])
def test_a_root_is_wholly_in_force_or_wholly_not(home: Path, point: str) -> None:
    lab = village_lab()
    root = replace(province().root, version=2)
    signers = [each.signer for each in province().roots[:3]]
    lab.put_root(sign_bundle(Kind.ROOT, root.to_bytes(), signers))
    lab.renew()
    run_and_die(home, lab, point)
    state = State.open(home / "state.db")
    kept = Keeper(IdentityStore(home, state)).root
    assert kept in (province().root, root)
    state.close()
    run_to_the_end(home, lab, province().root_bundle)
    state = State.open(home / "state.db")
    assert Keeper(IdentityStore(home, state)).root == root
    state.close()


def _orders() -> dict[str, Command | Alert]:
    sound = b"water is rising"
    media = replace(SIREN, sha256=sha256(sound), size=len(sound))
    return {"hold": command(Verb.HOLD, scope=SCOPE), "alert": alert(media=media, sound=sound)}


@pytest.mark.requirement("SEC-8", "SEC-3", "OFF-2")
@pytest.mark.parametrize(
    ("carrier", "kind", "point"),
    [
        case
        for case in product(("content", "mqtt"), ("hold", "alert"), OF_ORDERS)
        # a hold has no sound, and what is pushed is not fetched
        if case[1:] != ("hold", "sound kept") and case[::2] != ("mqtt", "order fetched")
    ],
)
def test_an_order_is_obeyed_once_and_before_anything_new_sounds(
    home: Path, carrier: str, kind: str, point: str
) -> None:
    body, lab = _orders()[kind], _newer()
    pushed = [signed_order(body)] if carrier == "mqtt" else []
    if carrier == "content":
        lab.order(body)
        lab.renew()
    run_and_die(home, lab, point, *pushed)
    state = State.open(home / "state.db")
    kept, damaged = OrderStore(state).load()
    assert damaged == []
    assert [each.id for each in kept] == list(state.seen())  # both, or neither
    is_kept = bool(kept)
    assert is_kept == (point in KEPT)
    state.close()
    at_death = _journal(home)
    run_to_the_end(home, lab, *pushed)
    journal = _journal(home)
    name = name_of(sha256(body.to_bytes())).hex()
    acted, restored = f"acted {name}", f"restored {name}"
    assert journal.count(acted) + (acted not in at_death and is_kept) == 1
    assert (restored in journal) == is_kept
    assert journal[-1] != acted
    assert journal.count(f"acknowledged {body.id.hex()}") >= (carrier == "mqtt")
    after = journal[len(at_death) :]
    if carrier == "content":
        assert after.index(restored if is_kept else acted) < after.index("plays 2")
    if is_kept:
        assert after[0] == restored  # before the playlist, and before the network


def test_every_state_has_a_point_and_every_point_is_used() -> None:
    used = [p for p in POINTS if p.startswith(("playlist", "root"))] + OF_ORDERS
    assert sorted(used) == sorted(POINTS)
