"""Who is let in: the decision alone, without a broker."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import fuzz_client_certificate
from loa_manager import x509
from loa_manager.serve.admission import Admitted, CertificateKind, Denial, Denied, admit
from loa_manager.serve.callout import CalloutKeys
from loa_manager.serve.nats_token import KeyType, NatsKey, open_token, parse_public, sign_token
from loa_manager.serve.permissions import (
    LONGEST_STAY,
    Permissions,
    Request,
    answer,
    decide,
    parse_request,
)
from loa_protocol.errors import FormatError, MessageError
from loa_protocol.trust import TrustError
from support.device_ca_lab import Client, FixedRoster, X509Lab, make_csr, new_key


@pytest.fixture(scope="module")
def lab() -> X509Lab:
    return X509Lab()


@pytest.fixture
def roster() -> FixedRoster:
    return FixedRoster()


def request(client: Client | None, **changes: object) -> Request:
    facts: dict[str, object] = {
        "server": "N",
        "user": "U",
        "connection": 7,
        "is_mqtt": True,
        "client_id": client.id if client else "",
        "leaf": client.certificate if client else None,
    }
    return Request(**{**facts, **changes})  # type: ignore[arg-type]  # test convenience


def reason(verdict: object) -> Denial | None:
    return verdict.reason if isinstance(verdict, Denied) else None


def test_a_registered_board_may_speak_under_its_own_name_and_hear_its_own_scopes(
    lab: X509Lab, roster: FixedRoster
) -> None:
    board = lab.board()
    roster.add(board, "vn/ls/st0137/c04")
    verdict = decide(request(board), lab.authorities, roster, lab.now)
    assert isinstance(verdict, Permissions)
    assert verdict.publish == (f"up.{board.id}.batch",)
    assert verdict.subscribe == (
        f"down.{board.id}",
        f"down.{board.id}.>",
        "scope.vn.head",
        "scope.vn.ls.head",
        "scope.vn.ls.st0137.head",
        "scope.vn.ls.st0137.c04.head",
        "scope.vn.look",
        "scope.vn.ls.look",
        "scope.vn.ls.st0137.look",
        "scope.vn.ls.st0137.c04.look",
        "scope.vn.order",
        "scope.vn.ls.order",
        "scope.vn.ls.st0137.order",
        "scope.vn.ls.st0137.c04.order",
        "scope.vn.live",
        "scope.vn.ls.live",
        "scope.vn.ls.st0137.live",
        "scope.vn.ls.st0137.c04.live",
    )


def test_nobody_stays_longer_than_a_day_nor_than_the_certificate(
    lab: X509Lab, roster: FixedRoster
) -> None:
    fresh, old = lab.board(), lab.board(age_days=29.5)
    roster.add(fresh)
    roster.add(old)
    for board, longest in ((fresh, LONGEST_STAY), (old, timedelta(days=0.5))):
        verdict = decide(request(board), lab.authorities, roster, lab.now)
        assert isinstance(verdict, Permissions)
        assert verdict.expires - lab.now <= longest


def test_the_servers_own_client_hears_every_batch_and_speaks_down_only(
    lab: X509Lab, roster: FixedRoster
) -> None:
    asked = request(lab.server, client_id="server", word="w")
    verdict = decide(asked, lab.authorities, roster, lab.now, word="w")
    assert isinstance(verdict, Permissions)
    assert verdict.publish == ("down.>", "scope.>")
    assert verdict.subscribe == ("up.*.batch", "$MQTT.sub.>")


@pytest.mark.parametrize(("said", "known"), [("", "w"), ("W", "w"), ("w", None), ("", None)])
def test_whoever_holds_our_certificate_and_not_the_word_of_this_run_is_not_the_server(
    lab: X509Lab, roster: FixedRoster, said: str, known: str | None
) -> None:
    asked = request(lab.server, client_id="server", word=said)
    assert reason(decide(asked, lab.authorities, roster, lab.now, word=known)) is Denial.WORD
    assert "W" not in repr(replace(asked, word="WW"))[-20:]


def test_a_second_server_certificate_of_the_same_authority_is_not_the_server(
    lab: X509Lab, roster: FixedRoster
) -> None:
    key = new_key()
    other = Client(key, x509.make_server_certificate(key.public_key(), ["x"], lab.ca, lab.now))
    verdict = decide(request(other, client_id="server"), lab.authorities, roster, lab.now)
    assert reason(verdict) is Denial.NAME


@pytest.mark.requirement("SEC-2")
def test_each_stranger_is_refused_for_its_own_reason(lab: X509Lab, roster: FixedRoster) -> None:
    known, revoked, expired, early = lab.board(), lab.board(), lab.board(age_days=31), lab.board()
    unknown, foreign, rekeyed = lab.board(), X509Lab().board(), lab.board()
    for each in (known, revoked, expired, early, foreign, rekeyed):
        roster.add(each)
    roster.revoke(revoked)
    roster.boards[rekeyed.id] = replace(roster.boards[rekeyed.id], key=known.public)
    bench = lab.bench(known.key)
    cases = [
        (request(None), Denial.NO_CERTIFICATE),
        (request(known, leaf=b"\x30\x03abc"), Denial.CERTIFICATE),
        (request(revoked), Denial.REVOKED),
        (request(expired), Denial.EXPIRED),
        (request(unknown), Denial.UNKNOWN),
        (request(foreign), Denial.ISSUER),
        (request(rekeyed), Denial.KEY),
        (request(bench), Denial.KIND),
        (request(known, client_id=revoked.id), Denial.CLIENT_ID),
        (request(known, client_id=""), Denial.CLIENT_ID),
        (request(known, is_mqtt=False), Denial.NOT_MQTT),
    ]
    for asked, expected in cases:
        assert reason(decide(asked, lab.authorities, roster, lab.now)) is expected
    yesterday = lab.now - timedelta(days=1)
    assert reason(decide(request(early), lab.authorities, roster, yesterday)) is Denial.NOT_YET


def test_a_bench_identity_by_the_enrolment_authority_is_neither(
    lab: X509Lab, roster: FixedRoster
) -> None:
    key = new_key()
    board = Client(key, x509.make_bench_certificate(make_csr(key), lab.enrolment, lab.now))
    roster.add(board)
    verdict = admit(board.certificate, lab.authorities, roster, lab.now)
    assert reason(verdict) is Denial.NAME


def test_a_bench_identity_is_known_as_one(lab: X509Lab, roster: FixedRoster) -> None:
    bench = lab.bench(new_key())
    roster.add(bench, "vn/ls/st0137/c01")
    verdict = admit(bench.certificate, lab.authorities, roster, lab.now)
    assert isinstance(verdict, Admitted)
    assert (verdict.kind, verdict.name, verdict.scope) == (
        CertificateKind.BENCH,
        bench.id,
        "vn/ls/st0137/c01",
    )


def test_an_answer_names_the_permissions_to_this_broker_and_user_alone(
    lab: X509Lab, roster: FixedRoster
) -> None:
    keys, board = CalloutKeys.of(NatsKey.generate(KeyType.ACCOUNT)), lab.board()
    roster.add(board)
    asked = request(board, server="NSERVER", user="UUSER")
    verdict = decide(asked, lab.authorities, roster, lab.now)
    issuer, claims = open_token(answer(asked, verdict, keys.issuer, lab.now))
    reply = msgspec.json.decode(claims)
    assert (issuer, reply["aud"], reply["sub"]) == (keys.issuer.public, "NSERVER", "UUSER")
    _, user = open_token(reply["nats"]["jwt"].encode())
    inner = msgspec.json.decode(user)
    assert (inner["sub"], inner["aud"]) == ("UUSER", "DEVICES")
    assert inner["nats"]["pub"] == {"allow": [f"up.{board.id}.batch"]}


def test_a_refusal_carries_no_permissions(lab: X509Lab) -> None:
    asked = request(None)
    _, claims = open_token(
        answer(
            asked,
            Denied(Denial.UNKNOWN),
            CalloutKeys.of(NatsKey.generate(KeyType.ACCOUNT)).issuer,
            lab.now,
        )
    )
    reply = msgspec.json.decode(claims)["nats"]
    assert reply["error"] == "unknown"
    assert "jwt" not in reply


def question(key: NatsKey, **changes: object) -> bytes:
    body: dict[str, object] = {
        "server_id": {"id": key.public},
        "user_nkey": "UUSER",
        "client_info": {"id": 3, "type": "mqtt", "mqtt_id": "x"},
    }
    return sign_token({"nats": {**body, **changes}}, key).encode()


def test_a_question_is_read_as_the_broker_wrote_it(lab: X509Lab) -> None:
    key, board = NatsKey.generate(KeyType.SERVER), lab.board()
    chain = [[x509.to_pem(board.certificate).decode(), lab.enrolment_pem.decode()]]
    read = parse_request(question(key, client_tls={"verified_chains": chain}))
    assert read == Request(key.public, "UUSER", 3, True, "x", board.certificate)
    assert parse_request(question(key)).leaf is None


def test_a_question_that_its_broker_did_not_sign_is_refused() -> None:
    key, other = NatsKey.generate(KeyType.SERVER), NatsKey.generate(KeyType.SERVER)
    token = question(key)
    head, body, _ = token.split(b".")
    forged = b".".join((head, body, question(other).split(b".")[2]))
    with pytest.raises(TrustError):
        parse_request(forged)
    with pytest.raises(MessageError, match="another broker"):
        parse_request(question(key, server_id={"id": other.public}))


@given(st.binary(max_size=300) | st.lists(st.binary(max_size=80), max_size=4).map(b".".join))
def test_no_bytes_but_a_question_pass_for_one(data: bytes) -> None:
    with pytest.raises((FormatError, TrustError)):
        parse_request(data)


def test_keys_are_written_as_nats_writes_them() -> None:
    # the vector is of NATS's own key library: seed and public key that belong together
    import nkeys

    for kind, letter in ((KeyType.ACCOUNT, "A"), (KeyType.USER, "U"), (KeyType.SERVER, "N")):
        key = NatsKey.generate(kind)
        theirs = nkeys.from_seed(key.seed.encode())
        assert theirs.public_key.decode() == key.public
        assert key.public.startswith(letter)
        parse_public(key.public).verify(theirs.sign(b"x"), b"x")
        assert key.seed not in repr(key)


@given(st.text(max_size=60))
def test_no_text_but_a_key_passes_for_one(text: str) -> None:
    with pytest.raises(MessageError):
        parse_public(text)


@given(st.binary(max_size=300))
def test_no_bytes_pass_for_a_certificate_of_ours(data: bytes) -> None:
    fuzz_client_certificate.fuzz(data)
