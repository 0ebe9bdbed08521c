"""The acceptance rule, one refusal at a time."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest

from fuzz.fuzz_accept import fuzz
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import FormatError, MessageError
from loa_protocol.objects.authority import EPOCH_LEAD, Certificate, Level, Role
from loa_protocol.objects.online import Head, Receipt, TimeAnswer
from loa_protocol.objects.placement import Assignment, Denied, DeniedKind, DenyList
from loa_protocol.objects.playlist import Playlist
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, Position, Refusal, TrustError
from support.province import (
    CLUSTER,
    NOW,
    SCOPE,
    START,
    STATION,
    YEAR,
    Person,
    certify,
    person,
    playlist,
    policy,
    province,
)

P = province()
GOOD = P.sign(Kind.PLAYLIST, playlist(), P.editor, P.approver)


def refusal(data: bytes, *, now: Now = NOW, **trusted: Any) -> Refusal:
    with pytest.raises(TrustError) as caught:
        accept(data, P.trusted(**trusted), now)
    return caught.value.reason


def other_editor(**changes: Any) -> Person:
    facts: dict[str, Any] = {"scopes": (STATION,), "roles": (Role.EDITOR,)}
    return certify(person("other editor"), P.officers, **{**facts, **changes})


@pytest.mark.requirement("MSG-5", "SEC-3")
def test_a_playlist_signed_by_editor_and_approver_is_accepted() -> None:
    accepted = accept(GOOD, P.trusted(), NOW)
    assert accepted.body == playlist()
    assert {signer.holder for signer in accepted.signers} == {"editor", "approver"}
    assert not accepted.is_known
    assert not accepted.is_pending


@pytest.mark.requirement("MSG-5")
def test_a_playlist_with_one_signature_is_refused_for_its_threshold() -> None:
    assert refusal(P.sign(Kind.PLAYLIST, playlist(), P.editor)) is Refusal.THRESHOLD
    assert refusal(P.sign(Kind.PLAYLIST, playlist())) is Refusal.THRESHOLD


@pytest.mark.requirement("MSG-5")
def test_one_person_with_two_certificates_is_still_one() -> None:
    again = certify(person("editor"), P.officers, scopes=(STATION,), roles=(Role.APPROVER,))
    assert refusal(P.sign(Kind.PLAYLIST, playlist(), P.editor, again)) is Refusal.THRESHOLD
    assert refusal(P.sign(Kind.PLAYLIST, playlist(), P.editor, P.editor)) is Refusal.THRESHOLD


def test_two_editors_do_not_make_an_approval() -> None:
    assert refusal(P.sign(Kind.PLAYLIST, playlist(), P.editor, other_editor())) is Refusal.ROLE


def test_a_signer_without_any_fitting_role_is_refused() -> None:
    assert refusal(P.sign(Kind.PLAYLIST, playlist(), *P.officers)) is Refusal.ROLE


def test_policy_can_raise_the_threshold_but_not_lower_the_root_floor() -> None:
    assert refusal(GOOD, thresholds={Kind.PLAYLIST: 3}) is Refusal.THRESHOLD
    assert accept(GOOD, P.trusted(thresholds={Kind.PLAYLIST: 1}), NOW)
    lone = P.sign(Kind.PLAYLIST, playlist(), P.editor)
    assert refusal(lone, thresholds={Kind.PLAYLIST: 1}) is Refusal.THRESHOLD


def test_a_signature_for_another_type_is_no_signature() -> None:
    body = playlist().to_bytes()
    wrong = Bundle.from_bytes(
        sign_bundle(Kind.POLICY, body, [P.editor.signer, P.approver.signer])
    ).seals
    forged = dataclasses.replace(Bundle.from_bytes(GOOD), seals=wrong)
    assert refusal(forged.to_bytes()) is Refusal.SIGNATURE


def test_a_seal_that_carries_its_own_payload_is_refused() -> None:
    from loa_protocol.envelope import seal

    attached = seal(playlist().to_bytes(), Kind.PLAYLIST.label(), P.editor.signer, detached=False)
    bundle = Bundle.from_bytes(GOOD)
    with pytest.raises((TrustError, FormatError)):
        accept(
            dataclasses.replace(bundle, seals=(attached, bundle.seals[1])).to_bytes(),
            P.trusted(),
            NOW,
        )


def test_somebody_whose_certificate_is_missing_is_unknown() -> None:
    stranger = person("stranger")
    assert refusal(P.sign(Kind.PLAYLIST, playlist(), P.editor, stranger)) is Refusal.UNKNOWN_SIGNER


def test_a_root_key_speaks_no_content_itself() -> None:
    assert refusal(P.sign(Kind.PLAYLIST, playlist(), *P.roots[:2])) is Refusal.ROLE


def test_a_certificate_by_another_root_is_refused() -> None:
    foreign = certify(
        person("x"), [person("f1"), person("f2")], scopes=(STATION,), roles=(Role.EDITOR,)
    )
    assert refusal(P.sign(Kind.PLAYLIST, playlist(), foreign, P.approver)) is Refusal.CHAIN


def test_a_speaking_certificate_needs_two_issuing_holders() -> None:
    alone = certify(person("x"), P.officers[:1], scopes=(STATION,), roles=(Role.EDITOR,))
    assert refusal(P.sign(Kind.PLAYLIST, playlist(), alone, P.approver)) is Refusal.CHAIN


def test_a_certificate_cannot_exceed_its_issuer() -> None:
    def issuer(name: str) -> Person:
        return certify(
            person(name),
            P.officers,
            scopes=(STATION,),
            roles=(),
            may_issue=(Role.EDITOR,),
        )

    pair = [issuer("a"), issuer("b")]
    greedy_asks: tuple[dict[str, Any], ...] = (
        {"scopes": (SCOPE,), "roles": (Role.EDITOR,)},
        {"scopes": (STATION,), "roles": (Role.ALERT,)},
        {"scopes": (STATION,), "roles": (Role.EDITOR,), "may_issue": (Role.APPROVER,)},
        {"scopes": (STATION,), "roles": (Role.EDITOR,), "level": Level.CENTRAL},
    )
    for asks in greedy_asks:
        greedy = certify(person("x"), pair, **asks)
        assert refusal(P.sign(Kind.PLAYLIST, playlist(), greedy, P.approver)) is Refusal.CHAIN
    modest = certify(person("x"), pair, scopes=(STATION,), roles=(Role.EDITOR,))
    assert accept(P.sign(Kind.PLAYLIST, playlist(), modest, P.approver), P.trusted(), NOW)


def test_an_editor_issues_nothing() -> None:
    pair = [P.editor, other_editor()]
    child = certify(person("x"), pair, scopes=(STATION,), roles=())
    assert refusal(P.sign(Kind.PLAYLIST, playlist(), child, P.approver)) is Refusal.CHAIN


def test_a_playlist_for_a_scope_its_signers_do_not_have_is_refused() -> None:
    elsewhere = playlist(scope="vn/ls/st0200")
    assert refusal(P.sign(Kind.PLAYLIST, elsewhere, P.editor, P.approver)) is Refusal.SCOPE


def test_a_scope_is_a_path_and_no_mere_prefix() -> None:
    lookalike = playlist(scope=f"{STATION}1")
    assert refusal(P.sign(Kind.PLAYLIST, lookalike, P.editor, P.approver)) is Refusal.SCOPE


@pytest.mark.requirement("SEC-3")
def test_a_playlist_for_another_cluster_is_not_for_us() -> None:
    neighbour = playlist(scope=f"{STATION}/c05")
    assert refusal(P.sign(Kind.PLAYLIST, neighbour, P.editor, P.approver)) is Refusal.NOT_ADDRESSED


@pytest.mark.requirement("SEC-3")
def test_an_expired_playlist_is_refused_at_every_rung_of_the_clock() -> None:
    for trust in ClockTrust:
        late = Now(START + 8 * 86_400, trust)
        assert refusal(GOOD, now=late) is Refusal.EXPIRED


def test_a_signer_whose_certificate_ran_out_is_refused() -> None:
    brief = certify(
        person("x"), P.officers, scopes=(STATION,), roles=(Role.EDITOR,), expires=START + 60
    )
    assert refusal(P.sign(Kind.PLAYLIST, playlist(), brief, P.approver)) is Refusal.EXPIRED


def test_next_weeks_playlist_is_accepted_and_waits() -> None:
    early = Now(START - 3600, ClockTrust.T3)
    assert accept(GOOD, P.trusted(), early).is_pending


@pytest.mark.requirement("TIM-4")
def test_without_a_known_time_not_before_never_refuses() -> None:
    data = P.sign(Kind.POLICY, policy(), *P.officers)
    unknown = Now(0, ClockTrust.T0)
    assert not accept(data, P.trusted(), unknown).is_pending  # the floor lags: it rules at once
    assert refusal(data, now=Now(START - 3600, ClockTrust.T3)) is Refusal.NOT_YET
    assert accept(GOOD, P.trusted(), unknown).is_pending  # a schedule waits for its day


@pytest.mark.requirement("SEC-3")
def test_state_only_rises() -> None:
    digest = Bundle.from_bytes(GOOD).digest
    subject = (Kind.PLAYLIST, STATION)

    def at(epoch: int, serial: int, held: bytes) -> dict[str, Any]:
        return {"positions": {subject: Position(epoch, serial, held)}}

    assert refusal(GOOD, **at(1, 2, bytes(32))) is Refusal.ROLLBACK
    assert refusal(GOOD, **at(2, 0, bytes(32))) is Refusal.ROLLBACK
    assert refusal(GOOD, **at(1, 1, bytes(32))) is Refusal.EQUIVOCATION
    assert accept(GOOD, P.trusted(**at(1, 1, digest)), NOW).is_known
    assert not accept(GOOD, P.trusted(**at(0, 2**62, bytes(32))), NOW).is_known


def test_a_stolen_serial_is_cured_by_a_new_epoch_which_the_old_certificate_cannot_reach() -> None:
    cured = playlist(epoch=2, serial=1)
    assert refusal(P.sign(Kind.PLAYLIST, cured, P.editor, P.approver)) is Refusal.EPOCH
    renewed = [
        certify(person("editor"), P.officers, scopes=(STATION,), roles=(Role.EDITOR,), epoch=2),
        certify(person("approver"), P.officers, scopes=(STATION,), roles=(Role.APPROVER,), epoch=2),
    ]
    stolen = {"positions": {(Kind.PLAYLIST, STATION): Position(1, 2**63 - 1, bytes(32))}}
    assert accept(P.sign(Kind.PLAYLIST, cured, *renewed), P.trusted(**stolen), NOW)


def test_denied_keys_and_digests_are_refused() -> None:
    digest = Bundle.from_bytes(GOOD).digest
    assert refusal(GOOD, denied=frozenset({digest})) is Refusal.DENIED
    kid = P.editor.signer.public.kid
    assert refusal(GOOD, denied=frozenset({kid})) is Refusal.DENIED
    issuer = P.officers[0].signer.public.kid
    assert refusal(GOOD, denied=frozenset({issuer})) is Refusal.DENIED


def deny(kid: bytes, until: int, **changes: Any) -> DenyList:
    entry = Denied(kind=DeniedKind.KEY, value=kid, until=until)
    facts: dict[str, Any] = {"scope": SCOPE, "epoch": 1, "serial": 2, "entries": (entry,)}
    return DenyList(**{**facts, **changes})


@pytest.mark.requirement("SEC-6")
@pytest.mark.parametrize("trust", list(ClockTrust))
def test_a_newer_deny_list_keeps_every_entry_until_its_time(trust: ClockTrust) -> None:
    kid, now = bytes(16), Now(NOW.unix_s, trust)
    first = deny(kid, NOW.unix_s + 60).entries
    facts: dict[str, Any] = {"denials": first, "denied": frozenset({kid})}
    facts["positions"] = {(Kind.DENY_LIST, SCOPE): Position(1, 1, bytes(32))}

    def sign(body: DenyList) -> bytes:
        return P.sign(Kind.DENY_LIST, body, *P.officers)

    for dropped in (
        deny(kid, 0, entries=()),
        deny(kid, NOW.unix_s + 59),  # shortened: gone by the list after
        deny(bytes(15) + b"\1", NOW.unix_s + 60),
    ):
        assert refusal(sign(dropped), now=now, **facts) is Refusal.ROLLBACK
    more = (*deny(kid, NOW.unix_s + 90).entries, *deny(kid, 1).entries)
    for kept in (deny(kid, NOW.unix_s + 60), deny(kid, 0, entries=more)):
        assert accept(sign(kept), P.trusted(**facts), now).body == kept
    ended = Now(NOW.unix_s + 60, trust)
    assert accept(sign(deny(kid, 0, entries=())), P.trusted(**facts), ended)


@pytest.mark.requirement("SEC-6")
def test_a_board_without_a_position_loses_no_denial_and_a_new_epoch_begins_anew() -> None:
    denials = deny(bytes(16), START * 2).entries
    empty = P.sign(Kind.DENY_LIST, deny(b"", 0, entries=()), *P.officers)
    assert accept(empty, P.trusted(), NOW)  # a board that never had a list
    assert refusal(empty, denials=denials) is Refusal.ROLLBACK
    # thieves denied whom they liked: the root's holders certify others, who say it anew
    others = [
        certify(
            person(f"officer {n}"),
            P.roots[:2],
            scopes=(SCOPE,),
            roles=(Role.REVOKE,),
            level=Level.PROVINCE,
            epoch=2,
        )
        for n in "ab"
    ]
    anew = P.sign(Kind.DENY_LIST, deny(b"", 0, epoch=2, serial=1, entries=()), *others)
    reached = {(Kind.DENY_LIST, SCOPE): Position(1, 2**63 - 1, bytes(32))}
    assert accept(anew, P.trusted(denials=denials, positions=reached), NOW)


def test_an_assignment_is_for_one_board_and_an_old_one_never_looks_new() -> None:
    fingerprint = P.device.public.fingerprint
    body = Assignment(endpoint=fingerprint, epoch=1, serial=4, scope=CLUSTER, village="ban-1")
    data = P.sign(Kind.ASSIGNMENT, body, *P.officers)
    assert accept(data, P.trusted(scope=None), NOW).body == body
    assert refusal(data, fingerprint=bytes(32)) is Refusal.NOT_ADDRESSED
    moved: dict[str, Any] = {
        "positions": {(Kind.ASSIGNMENT, fingerprint.hex()): Position(1, 5, bytes(32))}
    }
    elsewhere = dataclasses.replace(body, scope=f"{STATION}/c09")
    old = P.sign(Kind.ASSIGNMENT, elsewhere, *P.officers)
    assert refusal(old, scope=None, **moved) is Refusal.ROLLBACK


def test_an_assignment_needs_two_officers() -> None:
    body = Assignment(
        endpoint=P.device.public.fingerprint, epoch=1, serial=1, scope=CLUSTER, village="ban-1"
    )
    assert refusal(P.sign(Kind.ASSIGNMENT, body, P.officers[0])) is Refusal.THRESHOLD


def test_a_time_answer_must_be_over_our_own_nonce() -> None:
    data = P.sign(Kind.TIME_ANSWER, TimeAnswer(nonce=b"n" * 16, time_ms=START * 1000), P.online)
    assert accept(data, P.trusted(nonce=b"n" * 16), NOW)
    assert refusal(data, nonce=b"m" * 16) is Refusal.NONCE
    assert refusal(data) is Refusal.NONCE


def test_a_receipt_is_for_one_endpoint() -> None:
    mine = P.device.public.kid
    body = Receipt(endpoint=mine, epoch=1, next=7, chain=bytes(32), time_ms=START * 1000)
    assert accept(P.sign(Kind.RECEIPT, body, P.online), P.trusted(), NOW).body == body
    foreign = dataclasses.replace(body, endpoint=bytes(16))
    assert refusal(P.sign(Kind.RECEIPT, foreign, P.online)) is Refusal.NOT_ADDRESSED
    assert refusal(P.sign(Kind.RECEIPT, body, P.editor)) is Refusal.ROLE


def test_a_stolen_ingest_key_holds_receipts_up_no_longer_than_its_certificate() -> None:
    mine, ends_ms = P.device.public.kid, (START + 14 * 86_400) * 1000
    last = Receipt(endpoint=mine, epoch=1, next=7, chain=bytes(32), time_ms=ends_ms)
    unknown = Now(START, ClockTrust.T1)
    assert accept(P.sign(Kind.RECEIPT, last, P.online), P.trusted(), unknown).body == last
    later = dataclasses.replace(last, time_ms=ends_ms + 1000)
    assert refusal(P.sign(Kind.RECEIPT, later, P.online), now=unknown) is Refusal.EXPIRED


def head(time: int) -> Head:
    return Head(
        scope=SCOPE,
        time=time,
        tree=bytes(32),
        leaves=0,
        standing_orders=bytes(32),
        deny_list=bytes(32),
        root_version=1,
        root=bytes(32),
        policies=(),
    )


def test_a_head_is_never_later_than_its_signers_certificate() -> None:
    assert accept(P.sign(Kind.HEAD, head(START), P.online), P.trusted(), NOW)
    late = head(START + 15 * 86_400)
    assert refusal(P.sign(Kind.HEAD, late, P.online)) is Refusal.EXPIRED


def server(
    issuer: Person,
    *,
    begins: int = START,
    days: int = 14,
    more_s: int = 0,
    ends: int = START + YEAR,
) -> Person:
    """Return a head key certified by *issuer*, whose own certificate ends at *ends*."""
    if issuer is not P.roots[0]:
        issuer = certify(
            person("officer-3"),
            P.roots[:2],
            scopes=(SCOPE,),
            roles=(),
            may_issue=tuple(Role),
            level=Level.PROVINCE,
            expires=ends,
        )
    made = person("server")
    public = made.signer.public
    certificate = Certificate(
        algorithm=public.algorithm,
        raw=public.raw,
        holder=made.holder,
        scopes=(SCOPE,),
        roles=(Role.HEAD,),
        may_issue=(),
        level=Level.PROVINCE,
        epoch=1,
        serial=1,
        not_before=begins,
        expires=begins + days * 86_400 + more_s,
    )
    own = sign_bundle(Kind.CERTIFICATE, certificate.to_bytes(), [issuer.signer])
    made.chain = (*issuer.chain, own)
    return made


@pytest.mark.requirement("SEC-3")
def test_a_key_that_lies_on_a_server_is_certified_for_two_weeks_at_the_most() -> None:
    for issuer in (P.officers[0], P.roots[0]):
        assert accept(P.sign(Kind.HEAD, head(START), server(issuer)), P.trusted(), NOW)
        too_long = P.sign(Kind.HEAD, head(START), server(issuer, more_s=1))
        assert refusal(too_long) is Refusal.CHAIN


@pytest.mark.requirement("TIM-4")
def test_the_thief_of_one_issuing_key_tells_no_time_beyond_its_end() -> None:
    unknown = Now(START, ClockTrust.T1)  # where no certificate is refused as too early
    ends = START + 100 * 86_400
    last = P.sign(
        Kind.HEAD, head(ends), server(P.officers[0], begins=ends - 14 * 86_400, ends=ends)
    )
    assert accept(last, P.trusted(), unknown)
    late = server(P.officers[0], begins=ends - 14 * 86_400 + 1, ends=ends)
    assert refusal(P.sign(Kind.HEAD, head(ends), late), now=unknown) is Refusal.CHAIN


def test_an_epoch_leads_its_issuers_by_a_bounded_number() -> None:
    for epoch, is_good in ((1 + EPOCH_LEAD, True), (2 + EPOCH_LEAD, False)):
        data = P.sign(Kind.PLAYLIST, playlist(), other_editor(epoch=epoch), P.approver)
        if is_good:
            assert accept(data, P.trusted(), NOW)
        else:
            assert refusal(data) is Refusal.CHAIN


@pytest.mark.requirement("TIM-4")
def test_a_stolen_time_key_tells_no_time_before_its_certificate() -> None:
    begins_ms = START * 1000
    early = TimeAnswer(nonce=b"n" * 16, time_ms=begins_ms - 1)
    unknown = Now(0, ClockTrust.T0)
    data = P.sign(Kind.TIME_ANSWER, early, P.online)
    assert refusal(data, now=unknown, nonce=b"n" * 16) is Refusal.NOT_YET
    first = dataclasses.replace(early, time_ms=begins_ms)
    data = P.sign(Kind.TIME_ANSWER, first, P.online)
    assert accept(data, P.trusted(nonce=b"n" * 16), unknown).body == first


@pytest.mark.requirement("TIM-4")
def test_a_stolen_time_key_cannot_lead_past_its_certificate() -> None:
    late = TimeAnswer(nonce=b"n" * 16, time_ms=(START + 15 * 86_400) * 1000)
    assert refusal(P.sign(Kind.TIME_ANSWER, late, P.online), nonce=b"n" * 16) is Refusal.EXPIRED


def test_the_online_key_can_sign_nothing_that_speaks() -> None:
    assert refusal(P.sign(Kind.PLAYLIST, playlist(), P.online, P.approver)) is Refusal.THRESHOLD
    deny = DenyList(scope=SCOPE, epoch=1, serial=1, entries=())
    assert refusal(P.sign(Kind.DENY_LIST, deny, P.online)) is Refusal.ROLE


@pytest.mark.parametrize(
    "kind",
    [Kind.CERTIFICATE, Kind.STANDING_ORDERS, Kind.LIVE_CHUNK, Kind.ROOT, Kind.BATCH, Kind.TRANSFER],
)
def test_kinds_that_have_doors_of_their_own_are_refused_by_name(kind: Kind) -> None:
    data = sign_bundle(kind, b"\x00", [P.editor.signer])
    assert refusal(data) is Refusal.KIND


def test_another_version_of_a_known_kind_is_refused() -> None:
    newer = dataclasses.replace(Bundle.from_bytes(GOOD), version=2)
    assert refusal(newer.to_bytes()) is Refusal.VERSION


def test_an_unknown_payload_key_is_refused() -> None:
    value = playlist().to_value()
    value[99] = 1
    from loa_protocol import cbor

    data = sign_bundle(
        Kind.PLAYLIST,
        cbor.encode(dict(value)),
        [P.editor.signer, P.approver.signer],
        certificates=(*P.editor.chain, *P.approver.chain),
    )
    with pytest.raises(MessageError, match="unknown keys"):
        accept(data, P.trusted(), NOW)


@pytest.mark.requirement("SEC-3")
def test_no_single_bit_flip_of_a_whole_bundle_is_accepted() -> None:
    rng = random.Random(20261122)
    for bit in rng.sample(range(len(GOOD) * 8), 1500):
        broken = bytearray(GOOD)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises((FormatError, TrustError)):
            accept(bytes(broken), P.trusted(), NOW)


def test_structural_mutations_raise_only_named_errors() -> None:
    rng = random.Random(7)
    print("seed 7")
    for _ in range(600):
        broken = bytearray(GOOD)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(broken))
            match rng.randrange(4):
                case 0:
                    broken[at] = rng.randrange(256)
                case 1:
                    del broken[at : at + rng.randint(1, 40)]
                case 2:
                    broken[at:at] = rng.randbytes(rng.randint(1, 8))
                case _:
                    other = rng.randrange(len(broken))
                    broken[at : at + 16] = broken[other : other + 16]
        if bytes(broken) != GOOD:
            fuzz(bytes(broken))


def test_certificates_are_data_that_round_trip() -> None:
    bundle = Bundle.from_bytes(P.editor.chain[-1])
    certificate = Certificate.from_bytes(bundle.payload)
    assert certificate.to_bytes() == bundle.payload
    assert certificate.holder == "editor"
    assert certificate.expires == START + YEAR


def test_a_full_months_playlist_fits_the_size_limit() -> None:
    month = playlist(items=600)
    assert Playlist.from_bytes(month.to_bytes()) == month
    assert len(P.sign(Kind.PLAYLIST, month, P.editor, P.approver)) < 256 * 1024


@pytest.mark.requirement("TIM-4", "SEC-3")
def test_nobody_tells_the_time_or_gives_receipts_beyond_the_own_scope() -> None:
    elsewhere = certify(
        person("elsewhere"),
        P.officers[:1],
        scopes=("vn/ls/st0200",),
        roles=(Role.TIME, Role.INGEST),
        level=Level.PROVINCE,
    )
    answer = TimeAnswer(nonce=bytes(16), time_ms=NOW.unix_s * 1000)
    data = P.sign(Kind.TIME_ANSWER, answer, elsewhere)
    assert refusal(data, nonce=bytes(16)) is Refusal.SCOPE
    receipt = Receipt(
        endpoint=P.device.public.kid, epoch=1, next=1, chain=bytes(32), time_ms=NOW.unix_s * 1000
    )
    assert refusal(P.sign(Kind.RECEIPT, receipt, elsewhere)) is Refusal.SCOPE
    assert accept(P.sign(Kind.RECEIPT, receipt, P.online), P.trusted(), NOW).body == receipt
