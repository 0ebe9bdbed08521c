"""From root to root, one version at a time, whatever the server offers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.objects.authority import Level, Role, Root, RootKey
from loa_protocol.objects.playlist import Playlist
from support.catch_up import Board
from support.content_lab import media_playlist, root_file
from support.province import SCOPE, STATION, Person, certify, person, province

SPARE = [person(f"spare-{n}") for n in range(5)]


def root(version: int, holders: list[Person] | None = None, **changes: Any) -> Root:
    """Return a root of the tests' province, by *holders* where they are not the first five."""
    keys = tuple(
        RootKey(algorithm=p.signer.public.algorithm, raw=p.signer.public.raw, holder=p.holder)
        for p in holders or province().roots
    )
    return replace(province().root, version=version, keys=keys, **changes)


def signed(body: Root, people: list[Person]) -> bytes:
    return sign_bundle(Kind.ROOT, body.to_bytes(), [each.signer for each in people])


def follow(board: Board, *bundles: bytes) -> Board:
    """Publish roots one after the other, and a head that names the last."""
    for bundle in bundles:
        board.lab.put_root(bundle)
    board.lab.renew()
    return board.catch_up()


OLD = province().roots
TWO = signed(root(2), OLD[:3])
THREE = signed(root(3, [*OLD[:4], SPARE[0]]), OLD[:3])
FOUR = signed(root(4, [*OLD[:3], *SPARE[:2]]), OLD[:3])


@pytest.mark.requirement("SEC-6")
def test_a_board_three_versions_behind_walks_them_one_by_one() -> None:
    board = follow(Board(), TWO, THREE, FOUR)
    assert [path for path in board.asked if path.startswith("root")] == [
        "root/2",
        "root/3",
        "root/4",
    ]
    assert board.vault.trusted.root == root(4, [*OLD[:3], *SPARE[:2]])
    assert board.refused == []
    assert board.playlist_serial == 1


def test_a_board_with_the_newest_root_asks_for_none() -> None:
    board = follow(Board(), TWO)
    assert board.catch_up().asked == ["head"]


@pytest.mark.requirement("SEC-6")
def test_all_five_holders_change_in_two_steps_and_the_head_is_theirs_at_the_end() -> None:
    """The officers behind the newest head are known to the newest root only."""
    board = Board()
    middle = [*OLD[:2], *SPARE[:3]]
    two = signed(root(2, middle), [*OLD[:3], *SPARE[:3]])
    three = signed(root(3, SPARE), [*SPARE[:3]])
    board.lab.put_root(two)
    board.lab.put_root(three)
    officers = [
        certify(
            person(f"new-officer-{n}"),
            SPARE[3:],
            scopes=(SCOPE,),
            roles=(Role.POLICY, Role.OPERATE, Role.REVOKE),
            may_issue=tuple(Role),
            level=Level.PROVINCE,
        )
        for n in (1, 2)
    ]
    online = certify(
        person("server"), officers[:1], scopes=(SCOPE,), roles=(Role.HEAD,), level=Level.PROVINCE
    )
    board.lab.renew(signer=online)
    board.catch_up()
    assert board.refused[:2] == [("head", "chain"), ("head", "chain")]
    assert board.asked[:5] == ["head", "root/2", "head", "root/3", "head"]
    assert board.vault.trusted.root.version == 3
    assert board.core.head is not None


def test_a_head_that_no_root_explains_ends_the_round_after_one_look() -> None:
    board = Board().catch_up()
    board.lab.publish(media_playlist(b"newer", serial=2))
    board.lab.renew(signer=person("stranger"))
    board.catch_up()
    assert board.refused == [("head", "unknown_signer")]
    assert board.asked == ["head", "root/2"]
    assert board.playlist_serial == 1


@pytest.mark.requirement("SEC-6")
def test_a_missing_version_is_waited_for_and_never_jumped_over() -> None:
    board = Board()
    hidden = {root_file(3): THREE}
    board.lab.put_root(TWO)
    board.lab.put_root(FOUR)
    board.lab.renew()
    board.catch_up()
    assert board.vault.trusted.root.version == 2
    assert board.playlist_serial == 1  # what the present root's people sign goes on
    board.lab.files |= hidden
    assert board.catch_up().vault.trusted.root.version == 4


@pytest.mark.parametrize("step", ["root/2", "root/3"])
def test_a_missing_root_that_the_head_names_is_withheld_and_not_absent(step: str) -> None:
    board = follow(Board(), TWO, THREE, FOUR)
    board = Board(board.lab)
    del board.lab.files[f"/{step}"]
    absent = {}
    board.core.begin()
    while (want := board.core.next_want(board.vault.have(), 0)) is not None:
        data = board.lab.files.get(f"/{want.path}")
        if data is None:
            absent[want.path] = board.core.may_be_absent(want, board.vault.have())
            board.core.on_nothing(want)
        else:
            board.take(want, data)
    assert absent[step] is False


FORGED = {
    "too few of the present root": (signed(root(2, SPARE), SPARE[:3]), "threshold"),
    "two of five": (signed(root(2), OLD[:2]), "threshold"),
    "one holder thrice": (signed(root(2), [OLD[0]] * 3), "threshold"),
    "the new root's own do not agree": (signed(root(2, SPARE), OLD[:3]), "threshold"),
    "a stranger among them": (signed(root(2), [*OLD[:3], SPARE[4]]), "unknown_signer"),
    "another version under that name": (signed(root(3), OLD[:3]), "rollback"),
    "the present one again": (province().root_bundle, "rollback"),
    "another with the present number": (signed(root(1, threshold=2), OLD[:3]), "equivocation"),
    "another province's": (signed(replace(root(2), scope="vn/hn"), OLD[:3]), "scope"),
    "a playlist": (
        province().sign(Kind.PLAYLIST, media_playlist(b"x"), province().editor),
        "kind",
    ),
    "noise": (b"\xa1\x01", "format"),
}


@pytest.mark.requirement("SEC-6", "SEC-3")
@pytest.mark.parametrize("what", FORGED)
def test_a_forged_root_is_refused_and_the_present_one_stays(what: str) -> None:
    forged, reason = FORGED[what]
    board = follow(Board(), TWO)
    board = Board(board.lab)
    board.lab.files[root_file(2)] = forged
    board.catch_up()
    assert ("root", reason) in board.refused
    assert board.vault.trusted.root == province().root
    assert board.asked.count("root/2") == 1
    assert board.playlist_serial == 1  # and the rest goes on


def test_a_refused_root_is_not_fetched_at_every_turn() -> None:
    board = Board().catch_up()
    board.lab.put_root(TWO)
    board.lab.files[root_file(2)] = FORGED["two of five"][0]
    board.lab.renew()
    board.catch_up()
    assert "root/2" not in board.catch_up().asked
    board.lab.files[root_file(2)] = TWO
    board.now_ms += 3_600_000
    assert board.catch_up().vault.trusted.root.version == 2


@pytest.mark.parametrize("offered", [TWO, THREE, province().root_bundle])
def test_a_server_that_answers_every_version_with_the_same_root_ends_the_walk(
    offered: bytes,
) -> None:
    board = follow(Board(), TWO, THREE, FOUR)
    board = Board(board.lab)
    for version in range(2, 40):
        board.lab.files[root_file(version)] = offered
    board.catch_up()  # asserts that it ends
    assert board.vault.trusted.root.version <= 2


def test_a_playlist_in_force_plays_on_when_its_officers_issuers_leave_the_root() -> None:
    """What was accepted while its chain was valid stays; nothing new comes by that chain."""
    board = Board().catch_up()
    remaining = [*OLD[2:], *SPARE[:2]]  # those who certified the officers are gone
    board.lab.put_root(signed(root(2, remaining), OLD[2:]))
    board.lab.renew()
    board.catch_up()
    assert board.vault.trusted.root.version == 2
    assert board.playlist_serial == 1
    newer = media_playlist(b"newer", serial=2)
    editor, approver, online = _recertified(OLD[2:4])
    board.lab.publish(newer)
    board.lab.renew(signer=online)
    assert ("playlist", "chain") in board.catch_up().refused
    assert board.playlist_serial == 1
    board.lab.publish(newer, _by(newer, editor, approver))
    board.lab.renew(signer=online)
    board.core.forget_refusals()
    assert board.catch_up().playlist_serial == 2


def _recertified(issuers: list[Person]) -> tuple[Person, Person, Person]:
    """Return editor, approver and server below the same officers, certified by *issuers*."""
    old = province()
    officers = [
        certify(
            Person(each.holder, each.signer),
            issuers,
            scopes=(SCOPE,),
            roles=(Role.POLICY, Role.OPERATE, Role.REVOKE),
            may_issue=tuple(Role),
            level=Level.PROVINCE,
        )
        for each in old.officers
    ]
    above = tuple(each.chain[-1] for each in officers)
    people = (old.editor, old.approver, old.online)
    editor, approver, online = (
        Person(each.holder, each.signer, (*above, each.chain[-1])) for each in people
    )
    return editor, approver, online


def _by(body: Playlist, *people: Person) -> bytes:
    assert body.scope == STATION
    return province().sign(Kind.PLAYLIST, body, *people)
