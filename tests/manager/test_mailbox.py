"""The mailbox's decisions and files: states, nonces, crashes, and what is on the disk."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import fuzz_request_seal
from loa_manager import request_seal
from loa_manager.content_tree import ContentTree
from loa_manager.keyring import Identity
from loa_manager.mailbox import office as office_module
from loa_manager.mailbox.office import Office
from loa_manager.mailbox.rejection import MAX_REASON, Rejection, open_rejection, seal_rejection
from loa_manager.mailbox.room import Limits
from loa_manager.mailbox.state import Standing, State, state_of, waits_for
from loa_manager.mailbox.store import DraftBox
from loa_manager.publish.drafts import Draft, read_draft
from loa_manager.publish.editing import seal_draft
from loa_manager.request_seal import (
    WINDOW_MS,
    Claim,
    Door,
    RequestError,
    Sender,
    Shown,
    check_body,
    seal_request,
)
from loa_protocol.errors import FormatError, MessageError, StoreError
from loa_protocol.objects.authority import Level, Role
from loa_protocol.trust import Refusal, TrustError
from support.desks import LATER, NOW, Desks, identity, make_desks
from support.province import NOW as AT
from support.province import START, STATION, Person, province

T0 = AT.unix_s * 1000


# --- states ---------------------------------------------------------------------------------


def test_every_standing_has_one_state_and_what_is_final_stays() -> None:
    names = [each.name for each in dataclasses.fields(Standing)]
    for values in itertools.product((False, True), repeat=len(names)):
        standing = Standing(**dict(zip(names, values, strict=True)))
        state = state_of(standing)
        if standing.is_published:
            assert state is State.PUBLISHED
        elif standing.is_rejected:
            assert state is State.REJECTED
        elif state is State.WAITING:
            assert standing.is_whole, "nobody approves what cannot be heard"
            assert standing.is_decided
            assert standing.has_editor
    assert {state for state in State if waits_for(state) is Role.APPROVER} == {State.WAITING}
    assert {state for state in State if waits_for(state) is None} == {
        State.PUBLISHED,
        State.OUTDATED,
    }


# --- the door -------------------------------------------------------------------------------


def shown(who: Identity, number: int, at_ms: int = T0, **changes: Any) -> Shown:
    facts: dict[str, Any] = {
        "method": "GET",
        "target": "/x",
        "host": "h",
        "time_ms": at_ms,
        "nonce": number.to_bytes(16, "big"),
        "body": bytes(32),
    }
    headers = seal_request(who, Claim(**{**facts, **changes}))
    lower = {name.lower(): value for name, value in headers.items()}
    return Shown(method="GET", target="/x", hosts=frozenset({"h"}), headers=lower)


def judge(door: Door, request: Shown, now_ms: int = T0) -> str:
    """Return who came in, or why not."""
    try:
        sender, _claim = door.judge(request, province().trusted(), AT, now_ms)
    except RequestError as refused:
        return refused.reason
    return sender.holder


EDITOR = identity(province().editor)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2 * WINDOW_MS)), max_size=12))
def test_no_request_counts_twice_however_the_clock_runs_on(
    arrivals: list[tuple[int, int]],
) -> None:
    door, now, inside = Door(0), T0, set()
    requests = [shown(EDITOR, number) for number in range(6)]
    for number, step in arrivals:
        now += step
        result = judge(door, requests[number], now)
        if result == "editor":
            assert number not in inside
            inside.add(number)
        else:
            assert result == ("clock" if now - T0 > WINDOW_MS else "replayed")


def test_a_request_from_the_fast_clock_is_remembered_as_long_as_it_counts() -> None:
    door, ahead = Door(0), shown(EDITOR, 1, T0 + WINDOW_MS)
    assert judge(door, ahead, T0) == "editor"
    assert judge(door, ahead, T0 + 2 * WINDOW_MS) == "replayed"
    assert judge(door, ahead, T0 + 2 * WINDOW_MS + 1) == "clock"


def test_one_busy_sender_never_shuts_the_door_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_seal, "MOST_NONCES_OF_ONE", 3)
    door = Door(0)
    answers = [judge(door, shown(EDITOR, number)) for number in range(5)]
    assert answers == ["editor"] * 3 + ["too_many"] * 2
    assert judge(door, shown(identity(province().approver), 9)) == "approver"
    later = T0 + 2 * WINDOW_MS + 1
    assert judge(door, shown(EDITOR, 10, later), later) == "editor", "memory is given back"


@pytest.mark.parametrize("person", [*province().roots[:1], *province().officers[:1]])
def test_who_comes_in_is_who_the_certificate_says(person: Person) -> None:
    expected = "unknown_signer" if person in province().roots else "officer-1"
    assert judge(Door(0), shown(identity(person), 1)) == expected


def test_a_sender_needs_the_scope_first_and_then_one_of_the_roles() -> None:
    sender = Sender("x", b"k", (STATION,), frozenset({Role.EDITOR}), Level.COMMUNE)
    sender.need(f"{STATION}/c04", Role.EDITOR, Role.APPROVER)
    for scope, role, reason in (
        ("vn/ls", Role.EDITOR, "scope"),
        (f"{STATION}0", Role.EDITOR, "scope"),
        ("vn/ls/st0138", Role.ALERT, "scope"),
        (STATION, Role.ALERT, "role"),
    ):
        with pytest.raises(RequestError) as refused:
            sender.need(scope, role)
        assert (refused.value.status, refused.value.reason) == (403, reason)


def test_the_body_is_the_one_that_was_sealed() -> None:
    claim = Claim.from_bytes(
        Claim(
            method="POST", target="/x", host="h", time_ms=1, nonce=bytes(16), body=bytes(32)
        ).to_bytes()
    )
    with pytest.raises(RequestError, match="401 body"):
        check_body(claim, b"")


@given(st.binary(max_size=400))
def test_no_bytes_of_a_stranger_get_in(data: bytes) -> None:
    fuzz_request_seal.fuzz(data)


# --- rejections -----------------------------------------------------------------------------


def rejection(person: Person, **changes: Any) -> bytes:
    facts: dict[str, Any] = {"draft": bytes(32), "scope": STATION, "reason": "Sai", "time": START}
    return seal_rejection(Rejection(**{**facts, **changes}), identity(person))


def test_a_rejection_is_an_approvers_for_a_place_of_theirs() -> None:
    here = province()
    said, signer = open_rejection(rejection(here.approver), here.trusted(), AT)
    assert (said.reason, signer.holder) == ("Sai", "approver")
    for data, reason in (
        (rejection(here.editor), Refusal.ROLE),
        (rejection(here.approver, scope="vn/ls/st0138"), Refusal.SCOPE),
    ):
        with pytest.raises(TrustError) as refused:
            open_rejection(data, here.trusted(), AT)
        assert refused.value.reason is reason
    with pytest.raises(MessageError):
        rejection(here.approver, reason="x" * (MAX_REASON + 1))


def test_no_bit_of_a_rejection_can_be_changed() -> None:
    here, data = province(), rejection(province().approver)
    accepted = []
    for at in range(len(data) * 8):
        changed = bytearray(data)
        changed[at // 8] ^= 1 << at % 8
        try:
            accepted.append(open_rejection(bytes(changed), here.trusted(), AT))
        except (FormatError, TrustError):
            continue
    assert accepted == []


# --- on the disk ----------------------------------------------------------------------------

NGA = Sender(
    "editor",
    province().editor.signer.public.kid,
    (STATION,),
    frozenset({Role.EDITOR}),
    Level.COMMUNE,
)
HUNG = Sender(
    "approver",
    province().approver.signer.public.kid,
    (STATION,),
    frozenset({Role.APPROVER}),
    Level.COMMUNE,
)


class KilledError(BaseException):
    """The process ends here."""


@pytest.fixture
def desks(tmp_path: Path) -> Desks:
    return make_desks(tmp_path)


def submit(office: Office, draft: Draft) -> State:
    office.submit(NGA, draft.data, NOW)
    for media in draft.playlist.media:
        data = (draft.media / media.sha256.hex()).read_bytes()
        names = draft.bundle.digest.hex(), media.sha256.hex()
        office.receive(NGA, *names, offset=0, data=data, now=NOW)
    return state(office, draft)


def state(office: Office, draft: Draft) -> State:
    return office.show(NGA, draft.bundle.digest.hex(), NOW).state


def approve(office: Office, desks: Desks, draft: Draft) -> State:
    path = desks.approver.path / "desk.draft"
    path.write_bytes(draft.data)
    desk = desks.desk(desks.approver)
    seal_draft(read_draft(path), identity(province().approver), Role.APPROVER, desk)
    return office.approve(HUNG, draft.bundle.digest.hex(), path.read_bytes(), NOW).state


def editors(desks: Desks, **changes: Any) -> Draft:
    return desks.seal(desks.draft(**changes), province().editor, Role.EDITOR)


STEPS: dict[str, tuple[object, str]] = {
    "before the draft": (DraftBox, "put"),
    "before publishing": (DraftBox, "gather"),
    "before the account": (office_module, "publish"),
    "before the media": (ContentTree, "put_media"),
    "before the index": (ContentTree, "set_playlist"),
    "after publishing": (DraftBox, "note"),
    "before cleaning up": (DraftBox, "drop_media"),
}


@pytest.mark.requirement("MSG-5")
@pytest.mark.parametrize("step", STEPS)
def test_a_server_killed_at_any_step_goes_on_where_it_was(
    desks: Desks, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    draft = editors(desks)

    def kill(*_given: Any, **_named: Any) -> None:
        raise KilledError

    def all_of_it(office: Office) -> State:
        submit(office, draft)
        return approve(office, desks, draft)

    with monkeypatch.context() as patch:
        patch.setattr(*STEPS[step], kill)
        with pytest.raises(KilledError):
            all_of_it(Office(desks.server))
    office = Office(desks.server)  # begun anew
    office.recover(NOW)
    if step == "before the draft":
        assert office.inbox(STATION, NOW) == []
        all_of_it(office)
    assert state(office, draft) is State.PUBLISHED
    (leaf,) = desks.server.content.leaves()
    assert leaf.digest == draft.bundle.digest
    office.recover(NOW)
    assert state(office, draft) is State.PUBLISHED, "and a second time changes nothing"


def test_a_torn_part_is_found_out_and_sent_again(desks: Desks) -> None:
    office, draft = Office(desks.server), editors(desks)
    office.submit(NGA, draft.data, NOW)
    (media,) = draft.playlist.media
    data = (draft.media / media.sha256.hex()).read_bytes()
    names = draft.bundle.digest.hex(), media.sha256.hex()
    office.receive(NGA, *names, offset=0, data=data[:500], now=NOW)
    (part,) = (desks.server.path / "mailbox").rglob("*.part")
    part.write_bytes(bytes(400))  # what the power cut left of it
    with pytest.raises(RequestError, match="media_hash"):
        office.receive(NGA, *names, offset=400, data=data[400:], now=NOW)
    assert office.receive(NGA, *names, offset=0, data=data, now=NOW)["received"] == media.size
    assert state(office, draft) is State.WAITING
    again = office.receive(NGA, *names, offset=0, data=data, now=NOW)
    assert again["received"] == media.size, "the answer was lost, the portion comes again"


@pytest.mark.requirement("MSG-5")
def test_without_both_seals_nothing_reaches_the_tree(desks: Desks) -> None:
    office, tree = Office(desks.server), desks.server.content
    unsealed = desks.draft()
    assert submit(office, unsealed) is State.DRAFT
    before = sorted(path for path in tree.path.rglob("*"))
    sealed = desks.seal(unsealed, province().editor, Role.EDITOR)
    assert office.submit(NGA, sealed.data, NOW).state is State.WAITING, "the seal follows"
    assert office.submit(NGA, unsealed.data, NOW).state is State.WAITING, "and never gets lost"
    assert sorted(path for path in tree.path.rglob("*")) == before
    assert approve(office, desks, sealed) is State.PUBLISHED


def test_what_is_older_than_the_air_is_outdated_and_not_taken(desks: Desks) -> None:
    office = Office(desks.server)
    old, new = editors(desks, serial=5, name="old.draft"), editors(desks, serial=6)
    assert submit(office, old) is State.WAITING
    assert submit(office, new) is State.WAITING
    assert approve(office, desks, new) is State.PUBLISHED
    assert state(office, old) is State.OUTDATED
    with pytest.raises(RequestError, match="409 outdated"):
        approve(office, desks, old)
    with pytest.raises(RequestError, match="409 rollback"):
        office.submit(NGA, editors(desks, serial=4).data, NOW)


def test_a_rejected_draft_is_not_approved_and_a_published_one_not_rejected(desks: Desks) -> None:
    office = Office(desks.server)
    first = editors(desks, serial=5, name="first.draft")
    submit(office, first)
    digest = first.bundle.digest
    no = rejection(province().approver, draft=digest)
    assert office.reject(HUNG, digest.hex(), no, NOW).state is State.REJECTED
    assert office.reject(HUNG, digest.hex(), no, NOW).state is State.REJECTED, "once more"
    with pytest.raises(RequestError, match="409 rejected"):
        approve(office, desks, first)
    assert office.submit(NGA, first.data, NOW).state is State.REJECTED, "it takes a new draft"
    second = editors(desks, serial=6)
    submit(office, second)
    for falsified, reason in (
        (no, "409 other_draft"),
        (rejection(province().editor, draft=second.bundle.digest), "403 role"),
        (b"\xa0", "400 format"),
    ):
        with pytest.raises(RequestError, match=reason):
            office.reject(HUNG, second.bundle.digest.hex(), falsified, NOW)
    assert approve(office, desks, second) is State.PUBLISHED
    late = rejection(province().approver, draft=second.bundle.digest)
    with pytest.raises(RequestError, match="409 published"):
        office.reject(HUNG, second.bundle.digest.hex(), late, NOW)


def test_what_is_long_settled_is_forgotten_with_its_files(desks: Desks) -> None:
    office, draft = Office(desks.server, Limits(kept_days=0)), editors(desks)
    submit(office, draft)
    office.recover(LATER)
    assert state(office, draft) is State.WAITING, "what waits is never forgotten"
    approve(office, desks, draft)
    office.recover(LATER)
    assert office.inbox(STATION, LATER) == []
    assert [path for path in (desks.server.path / "mailbox").rglob("*") if path.is_file()] == []


def test_media_over_the_limit_are_refused_before_a_byte_is_sent(desks: Desks) -> None:
    office = Office(desks.server, Limits(media_of_scope=1000))
    with pytest.raises(RequestError, match="507 full"):
        office.submit(NGA, editors(desks).data, NOW)
    assert not (desks.server.path / "mailbox").exists()


def test_a_disk_that_refuses_is_named_and_nothing_is_half_there(
    desks: Desks, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, draft = Office(desks.server), editors(desks)

    def full(*_given: Any) -> None:
        raise StoreError("disk", "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("loa_manager.mailbox.store.write_durably", full)
        with pytest.raises(StoreError):
            office.submit(NGA, draft.data, NOW)
    assert office.inbox(STATION, NOW) == []
    assert submit(office, draft) is State.WAITING


def test_the_server_publishes_without_any_key_of_a_person(desks: Desks) -> None:
    shutil.rmtree(desks.server.path / "keys", ignore_errors=True)
    office, draft = Office(desks.server), editors(desks)
    submit(office, draft)
    assert approve(office, desks, draft) is State.PUBLISHED
    assert not (desks.server.path / "keys").exists()
