"""Catching up with a content tree that nobody has to trust, without a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_sync import fuzz
from loa_endpoint.core.poll import Reach
from loa_endpoint.core.want import Step, Want
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.objects.authority import Role
from loa_protocol.objects.online import Head
from loa_protocol.objects.placement import Assignment
from loa_protocol.objects.playlist import Playlist
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now
from support.catch_up import HEAD, Board
from support.content_lab import OTHER_STATION, ContentLab, media_playlist, village_lab
from support.province import (
    CLUSTER,
    NOW,
    SCOPE,
    START,
    STATION,
    Person,
    certify,
    person,
    policy,
    province,
)

NEWER, OLDER = b"newer", b"older"


def test_everything_is_fetched_in_the_order_in_which_it_is_judged() -> None:
    lab = village_lab()
    denied = lab.deny(bytes(16))
    lab.renew()
    board = Board(lab).catch_up()
    rules = lab.policies[SCOPE].digest
    listed = lab.leaves[STATION].digest
    assert board.asked == [
        "head",
        f"objects/{denied.hex()}",
        f"objects/{rules.hex()}",
        f"proof/{CLUSTER}/_",
        f"proof/{STATION}/_",
        f"objects/{listed.hex()}",
    ]
    assert board.refused == []
    assert board.playlist_serial == 1


def test_what_is_held_is_not_fetched_again() -> None:
    board = Board().catch_up()
    assert board.catch_up().asked == ["head"]


def test_a_new_playlist_takes_its_own_proof_and_the_nearer_ones() -> None:
    board = Board().catch_up()
    board.lab.publish(media_playlist(NEWER, serial=2))
    board.lab.renew()
    board.catch_up()
    assert [path.split("/")[0] for path in board.asked] == ["head", "proof", "proof", "objects"]
    assert board.playlist_serial == 2


def test_a_head_that_was_pushed_is_not_fetched() -> None:
    board = Board()
    board.take(HEAD, board.lab.files["/head"])
    board.catch_up(with_head=False)
    assert "head" not in board.asked
    assert board.playlist_serial == 1


@pytest.mark.requirement("PERF-5")
def test_a_head_over_another_tree_does_not_send_a_board_for_proofs_until_it_looks_for_them() -> (
    None
):
    board = Board().catch_up()
    board.lab.publish(media_playlist(NEWER, serial=2))
    board.lab.renew()
    assert board.catch_up(reach=Reach.HEAD).asked == ["head"]
    was_behind = board.core.is_behind
    assert was_behind
    assert board.playlist_serial == 1, "what is in force stays"
    board.catch_up(reach=Reach.PLAYLISTS)
    assert not board.core.is_behind
    assert board.playlist_serial == 2


def test_rules_and_orders_are_had_at_once_however_little_is_looked_at() -> None:
    board = Board().catch_up()
    denied = board.lab.deny(bytes(16))
    board.lab.renew()
    assert board.catch_up(reach=Reach.HEAD).asked == ["head", f"objects/{denied.hex()}"]


def test_settings_and_assignment_are_looked_for_on_the_way_up() -> None:
    board = Board()
    board.lab.settle()
    board.catch_up(reach=Reach.STATE)
    assert [path for path in board.asked if path.startswith("state")] == [
        f"state/{CLUSTER}/assignment",
        f"state/{CLUSTER}/settings",
        f"state/{STATION}/settings",
        f"state/{SCOPE}/settings",
        f"state/{CLUSTER}/standing",
        f"state/{STATION}/standing",
        f"state/{SCOPE}/standing",
    ]
    assert board.vault.serial(Kind.SETTINGS, SCOPE) == 1
    assert board.refused == []


def test_of_several_settings_the_nearest_count() -> None:
    board = Board()
    board.lab.settle()
    board.lab.settle(scope=STATION)
    board.catch_up(reach=Reach.STATE)
    assert f"state/{SCOPE}/settings" not in board.asked
    assert board.vault.serial(Kind.SETTINGS, STATION) == 1
    assert board.vault.serial(Kind.SETTINGS, SCOPE) is None


def test_a_cluster_with_a_playlist_of_its_own_plays_no_other() -> None:
    board = Board()
    own = media_playlist(b"for one pole", serial=5, scope=CLUSTER)
    board.lab.publish(own, scope=CLUSTER)
    board.lab.renew()
    board.catch_up()
    assert board.vault.serial(Kind.PLAYLIST, CLUSTER) == 5
    assert board.playlist_serial is None
    board.lab.publish(BODY)
    board.lab.renew()
    assert board.catch_up().playlist_serial is None
    board.lab.publish(media_playlist(NEWER, serial=3))
    board.lab.renew()
    del board.lab.files[f"/proof/{CLUSTER}/_"]  # whoever withholds it changes nothing
    assert board.catch_up().playlist_serial is None


def test_a_playlist_of_the_cluster_that_is_refused_leaves_the_field_to_the_stations() -> None:
    board = Board()
    own = media_playlist(b"for one pole", serial=5, scope=CLUSTER)
    alone = board.lab.sign(Kind.PLAYLIST, own, province().editor)
    board.lab.publish(own, alone, scope=CLUSTER)
    board.lab.renew()
    board.catch_up()
    assert board.refused == [("playlist", "threshold")]
    assert board.playlist_serial == 1


def test_another_station_is_none_of_our_business() -> None:
    board = Board().catch_up()
    assert not [path for path in board.asked if OTHER_STATION in path]


def test_the_age_of_the_head_is_told() -> None:
    board = Board()
    assert board.core.head_age_s(NOW) is None
    board.catch_up()
    assert board.core.head_age_s(replace(NOW, unix_s=NOW.unix_s + 3600)) == 3650
    assert board.core.head_age_s(replace(NOW, unix_s=START)) == 0


# -- refused, with the previous valid state in force

Spoil = Callable[[ContentLab], None]
BODY = media_playlist(NEWER, serial=2)


def publish(lab: ContentLab, *people: Person, body: Playlist = BODY) -> None:
    lab.publish(body, lab.sign(Kind.PLAYLIST, body, *people))


def one_signature(lab: ContentLab) -> None:
    publish(lab, province().editor)


def one_person_twice(lab: ContentLab) -> None:
    second = person("editor", p256=True)
    approver = (Role.APPROVER,)
    publish(
        lab,
        province().editor,
        certify(second, province().officers, scopes=(STATION,), roles=approver),
    )


def a_stranger(lab: ContentLab) -> None:
    publish(lab, province().editor, person("stranger"))


def another_provinces_certificates(lab: ContentLab) -> None:
    roots = [person(f"root-{n}") for n in range(2)]
    all_roles = tuple(Role)
    officers = [
        certify(person(f"o{n}"), roots, scopes=(SCOPE,), roles=(), may_issue=all_roles)
        for n in range(2)
    ]
    publish(
        lab,
        certify(person("editor"), officers, scopes=(STATION,), roles=(Role.EDITOR,)),
        certify(person("approver"), officers, scopes=(STATION,), roles=(Role.APPROVER,)),
    )


def another_stations_editors(lab: ContentLab) -> None:
    publish(
        lab,
        *(
            certify(person(name), province().officers, scopes=(OTHER_STATION,), roles=(role,))
            for name, role in (("e", Role.EDITOR), ("a", Role.APPROVER))
        ),
    )


def an_altered_payload(lab: ContentLab) -> None:
    digest = lab.publish(BODY)
    path = f"/objects/{digest.hex()}"
    altered = lab.files[path].replace(b"n tin s", b"n tan s")
    assert altered != lab.files[path]
    lab.files[path] = altered


def an_older_playlist(lab: ContentLab) -> None:
    publish(lab, province().editor, province().approver, body=media_playlist(OLDER, serial=0))


def another_playlist_of_the_same_serial(lab: ContentLab) -> None:
    publish(lab, province().editor, province().approver, body=media_playlist(NEWER, serial=1))


def an_expired_playlist(lab: ContentLab) -> None:
    body = replace(BODY, expires=NOW.unix_s - 1)
    publish(lab, province().editor, province().approver, body=body)


def a_denied_editor(lab: ContentLab) -> None:
    lab.deny(province().editor.signer.public.kid)
    lab.publish(BODY)


def a_policy_in_its_place(lab: ContentLab) -> None:
    lab.publish(BODY, lab.sign(Kind.POLICY, policy(serial=2), *province().officers))


@pytest.mark.requirement("SEC-3", "MSG-5")
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (one_signature, "threshold"),
        (one_person_twice, "threshold"),
        (a_stranger, "unknown_signer"),
        (another_provinces_certificates, "chain"),
        (another_stations_editors, "scope"),
        (an_altered_payload, "another_object"),
        (an_older_playlist, "rollback"),
        (another_playlist_of_the_same_serial, "equivocation"),
        (an_expired_playlist, "expired"),
        (a_denied_editor, "denied"),
        (a_policy_in_its_place, "kind"),
    ],
)
def test_a_playlist_that_cannot_be_trusted_is_refused_and_the_old_one_stays(
    spoil: Spoil, reason: str
) -> None:
    board = Board().catch_up()
    spoil(board.lab)
    board.lab.renew()
    board.catch_up()
    assert board.refused == [("playlist", reason)]
    assert board.playlist_serial == 1


def test_a_refused_object_is_not_fetched_at_every_turn() -> None:
    board = Board().catch_up()
    one_signature(board.lab)
    board.lab.renew()
    board.catch_up()
    board.lab.renew()
    assert board.catch_up().refused == []
    board.now_ms += 3_600_000
    assert board.catch_up().refused == [("playlist", "threshold")]


def test_refused_objects_are_tried_again_when_the_time_becomes_known() -> None:
    board = Board()
    board.now = Now(START - 400 * 86_400, ClockTrust.T3)  # a clock that lies
    board.catch_up()
    assert ("head", "not_yet") in board.refused
    board.now = NOW
    board.core.forget_refusals()
    assert board.catch_up().playlist_serial == 1


@pytest.mark.requirement("SEC-3")
@pytest.mark.requirement("SEC-8")
def test_a_head_from_the_future_does_not_shut_out_the_true_ones() -> None:
    board = Board()
    board.lab.renew(after_s=86_400)
    assert board.catch_up().refused == [("head", "not_yet")]
    board.lab.time = NOW.unix_s - 60
    board.lab.renew()
    assert board.catch_up().refused == []
    assert board.playlist_serial == 1


def test_a_head_that_was_taken_before_the_time_was_known_yields_to_the_true_ones() -> None:
    board = Board(now=Now(START, ClockTrust.T1))
    board.lab.renew(after_s=86_400)
    assert board.catch_up().refused == []
    board.now = NOW
    board.lab.time = NOW.unix_s - 60
    board.lab.publish(BODY)
    board.lab.renew()
    assert board.catch_up().refused == []
    assert board.playlist_serial == 2


def test_an_old_head_is_refused() -> None:
    board = Board()
    old = board.lab.files["/head"]
    board.lab.publish(BODY)
    board.lab.renew()
    board.catch_up()
    board.lab.files["/head"] = old
    assert board.catch_up().refused == [("head", "rollback")]
    assert board.playlist_serial == 2


@pytest.mark.parametrize(
    ("signer", "reason"),
    [
        (person("stranger"), "unknown_signer"),
        (province().editor, "role"),
        (
            certify(person("h"), province().officers[:1], scopes=(STATION,), roles=(Role.HEAD,)),
            "scope",
        ),
    ],
)
def test_a_head_by_anybody_else_is_refused(signer: Person, reason: str) -> None:
    board = Board().catch_up()
    board.lab.publish(BODY)
    board.lab.renew(signer=signer)
    assert board.catch_up().refused == [("head", reason)]
    assert board.playlist_serial == 1


def test_a_head_of_a_station_does_not_speak_for_the_province() -> None:
    board = Board()
    signer = certify(person("h"), province().officers[:1], scopes=(STATION,), roles=(Role.HEAD,))
    whole = Head.from_bytes(Bundle.from_bytes(board.lab.files["/head"]).payload)
    part = replace(whole, scope=STATION)
    board.lab.files["/head"] = board.lab.sign(Kind.HEAD, part, signer)
    assert board.catch_up().refused == [("head", "scope")]


def test_a_proof_of_another_scope_is_refused() -> None:
    board = Board()
    board.lab.files[f"/proof/{STATION}/_"] = board.lab.files[f"/proof/{OTHER_STATION}/_"]
    assert board.catch_up().refused == [("proof", "not_addressed")]
    assert board.playlist_serial is None


def test_a_proof_that_does_not_lead_to_the_head_is_refused_after_asking_again() -> None:
    board = Board()
    lab = village_lab()
    lab.publish(media_playlist(NEWER, serial=7))
    lab.renew()
    board.lab.files[f"/proof/{STATION}/_"] = lab.files[f"/proof/{STATION}/_"]
    board.catch_up()
    assert board.refused == [("proof", "unproven")]
    assert board.asked.count("head") == 2


def test_a_tree_that_changes_while_it_is_read_is_read_again() -> None:
    board = Board()
    old_head = board.lab.files["/head"]
    board.take(HEAD, old_head)
    board.lab.publish(BODY)
    board.lab.renew()
    board.catch_up(with_head=False)  # proofs are newer than the head that was pushed
    assert board.refused == []
    assert board.playlist_serial == 2


def test_nothing_is_taken_while_a_named_deny_list_is_withheld() -> None:
    """Whoever hides the denial of a key must not get that key's playlist through."""
    board = Board().catch_up()
    digest = board.lab.deny(province().editor.signer.public.kid)
    listed = board.lab.publish(BODY)
    board.lab.renew()
    hidden = board.lab.files.pop(f"/objects/{digest.hex()}")
    board.catch_up()
    assert f"objects/{listed.hex()}" not in board.asked
    board.lab.files[f"/objects/{digest.hex()}"] = hidden
    assert board.catch_up().refused == [("playlist", "denied")]
    assert board.playlist_serial == 1


def test_nothing_is_taken_under_a_policy_that_is_refused() -> None:
    board = Board()
    loose = policy(serial=2, minutes_per_session=1440)
    digest = board.lab.put(board.lab.sign(Kind.POLICY, loose, province().officers[0]))
    mark = replace(board.lab.policies[SCOPE], serial=2, digest=digest)
    board.lab.policies[SCOPE] = mark
    board.lab.renew()
    assert board.catch_up().refused == [("policy", "threshold")]
    assert board.playlist_serial is None


@pytest.mark.requirement("SEC-3")
def test_an_assignment_of_another_board_is_refused() -> None:
    board = Board()
    board.lab.settle()
    path = f"/state/{CLUSTER}/assignment"
    body = Assignment.from_bytes(Bundle.from_bytes(board.lab.files[path]).payload)
    other = replace(body, endpoint=bytes(32))
    board.lab.files[path] = board.lab.sign(Kind.ASSIGNMENT, other, *province().officers)
    assert board.catch_up(reach=Reach.STATE).refused == [("assignment", "not_addressed")]


def test_a_playlist_that_was_never_there_is_looked_for_every_hour() -> None:
    board = Board()
    proof = board.lab.files.pop(f"/proof/{STATION}/_")
    board.catch_up()
    board.lab.files[f"/proof/{STATION}/_"] = proof
    assert board.catch_up().playlist_serial is None
    assert board.catch_up(reach=Reach.STATE).playlist_serial == 1


def test_what_was_seen_before_may_not_be_absent() -> None:
    board = Board()
    proof = Want(step=Step.PROOF, path="", limit=HEAD.limit, scope=STATION)
    assert board.core.may_be_absent(proof, board.vault.have())
    board.catch_up()
    assert not board.core.may_be_absent(proof, board.vault.have())
    assert not board.core.may_be_absent(HEAD, board.vault.have())


def test_a_board_at_1970_takes_what_is_signed_and_waits_with_it() -> None:
    board = Board(now=Now(1000, ClockTrust.T1)).catch_up()
    assert board.refused == []
    accepted, _ = board.vault.kept[Kind.PLAYLIST, STATION]
    assert accepted.is_pending


@given(st.binary(max_size=300), st.sampled_from(list(Step)))
def test_any_bytes_are_refused_by_name_and_change_nothing(data: bytes, step: Step) -> None:
    if step is Step.MEDIA:
        return
    board = Board().catch_up()
    kept, head = dict(board.vault.kept), board.core.head
    digest = b"" if step in (Step.HEAD, Step.PROOF) else bytes(32)
    limit = HEAD.limit
    want = Want(step=step, path="x", limit=limit, scope=STATION, digest=digest)
    board.take(want, data)
    assert [what for what, _ in board.refused] == [step]
    assert (board.vault.kept, board.core.head) == (kept, head)


@given(st.binary(max_size=300))
def test_the_fuzz_target_holds(data: bytes) -> None:
    fuzz(data)


@given(st.data())
def test_no_flipped_bit_of_any_file_gets_through(data: st.DataObject) -> None:
    board = Board()
    path = data.draw(st.sampled_from(sorted(p for p in board.lab.files if "media" not in p)))
    content = bytearray(board.lab.files[path])
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    board.lab.files[path] = bytes(content)
    honest = Board().catch_up()
    board.catch_up()
    for subject, (accepted, _) in board.vault.kept.items():
        assert accepted.digest == honest.vault.kept[subject][0].digest
    if OTHER_STATION not in path:
        assert board.refused
    assert board.lab.leaves == honest.lab.leaves
