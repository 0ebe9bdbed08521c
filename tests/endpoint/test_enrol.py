"""Enrolment and the question for the time, over HTTPS with client certificates."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_enrol import fuzz
from loa_endpoint.content.enrol import Enrolment, chain_of, enrol, life_of, read_certificates
from loa_endpoint.content.fetch import Fetcher
from loa_endpoint.content.time_question import ask_time
from loa_endpoint.core.address import Address
from loa_endpoint.core.renewal import Life, is_due, is_usable
from loa_endpoint.uplink.tls import ClientIdentity, EndpointContext, client_context
from loa_protocol.accept import accept
from loa_protocol.envelope import Kind
from loa_protocol.errors import FetchError, MessageError
from loa_protocol.keys import PublicKey
from loa_protocol.objects.online import TimeAnswer
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, TrustError
from support.https_server import Asked, WebServer, web_server
from support.province import NOW, province
from support.tls_lab import Authority, Issued, make_key
from support.tls_lab import Life as Days

DAY = 86_400
REAL_NOW = Now(int(time.time()), ClockTrust.T3)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def enrolment_ca(authority: Authority) -> Authority:
    return Authority("enrolment CA", parent=authority)


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return make_key()


@pytest.fixture
def site(tmp_path: Path, authority: Authority) -> Iterator[WebServer]:
    (tmp_path / "server").mkdir()
    with web_server(tmp_path / "server", authority, wants_client=True) as server:
        yield server


@pytest.fixture
def fetcher(
    tmp_path: Path, authority: Authority, key: ec.EllipticCurvePrivateKey
) -> Iterator[Fetcher]:
    bench = authority.client(name_of(key), key=key)
    identity = ClientIdentity(*bench.write(tmp_path, "bench"))
    fetcher = Fetcher(
        lambda _: client_context(lambda: NOW, authorities=[authority.der], identity=identity)
    )
    yield fetcher
    fetcher.close()


def name_of(key: ec.EllipticCurvePrivateKey) -> str:
    return PublicKey.of(key.public_key()).kid.hex()


def enrolment(key: ec.EllipticCurvePrivateKey, *authorities: Authority) -> Enrolment:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name_of(key))])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    der = request.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    return Enrolment(der, PublicKey.of(key.public_key()), [each.der for each in authorities])


def packed(*certificates: x509.Certificate) -> bytes:
    return base64.encodebytes(pkcs7.serialize_certificates(list(certificates), Encoding.DER))


def answering(ca: Authority, *, life: Days | None = None) -> Callable[[Asked], tuple[int, bytes]]:
    """Return a service that signs what is asked for."""

    def sign(asked: Asked) -> tuple[int, bytes]:
        request = x509.load_der_x509_csr(base64.b64decode(asked.body))
        issued = ca.sign_request(request, life=life or Days(-1, 30))
        return 200, packed(issued.certificate, *issued.above)

    return sign


async def test_a_board_gets_a_certificate_for_its_own_key(
    site: WebServer,
    fetcher: Fetcher,
    authority: Authority,
    enrolment_ca: Authority,
    key: ec.EllipticCurvePrivateKey,
) -> None:
    site.posts["/enrol/simpleenroll"] = answering(enrolment_ca)
    pem = await enrol(fetcher, site.address, enrolment(key, authority), REAL_NOW)
    chain = x509.load_pem_x509_certificates(pem)
    assert len(chain) == 2  # ours, and the enrolment CA above it
    assert chain[0].public_key() == key.public_key()
    chain[1].verify_directly_issued_by(authority.certificate)
    assert 29 * DAY < life_of(pem).not_after - time.time() < 31 * DAY
    assert site.asked[0].client == name_of(key)
    assert site.asked[0].headers["Content-Type"] == "application/pkcs10"


async def test_cas_that_come_apart_are_fetched(
    site: WebServer,
    fetcher: Fetcher,
    authority: Authority,
    enrolment_ca: Authority,
    key: ec.EllipticCurvePrivateKey,
) -> None:
    def bare(asked: Asked) -> tuple[int, bytes]:
        request = x509.load_der_x509_csr(base64.b64decode(asked.body))
        return 200, packed(enrolment_ca.sign_request(request, life=Days(-1, 30)).certificate)

    site.posts["/enrol/simpleenroll"] = bare
    site.files["/enrol/cacerts"] = packed(authority.certificate, enrolment_ca.certificate)
    pem = await enrol(fetcher, site.address, enrolment(key, authority), REAL_NOW)
    assert len(x509.load_pem_x509_certificates(pem)) == 2


def _foreign_ca(key: ec.EllipticCurvePrivateKey, ca: Authority) -> tuple[int, bytes]:
    issued = Authority("stranger").client(name_of(key), key=key)
    return 200, packed(issued.certificate)


def _other_key(key: ec.EllipticCurvePrivateKey, ca: Authority) -> tuple[int, bytes]:
    issued = ca.client(name_of(key))
    return 200, packed(issued.certificate, *issued.above)


def _other_name(key: ec.EllipticCurvePrivateKey, ca: Authority) -> tuple[int, bytes]:
    issued = ca.client("00" * 16, key=key)
    return 200, packed(issued.certificate, *issued.above)


def _over(key: ec.EllipticCurvePrivateKey, ca: Authority) -> tuple[int, bytes]:
    issued = ca.client(name_of(key), key=key, life=Days(-40, -10))
    return 200, packed(issued.certificate, *issued.above)


def _noise(key: ec.EllipticCurvePrivateKey, ca: Authority) -> tuple[int, bytes]:
    return 200, b"!!!"


@pytest.mark.requirement("SEC-2")
@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (_foreign_ca, "does not lead to a CA"),
        (_other_key, "no certificate for our key"),
        (_other_name, "another name"),
        (_over, "ended at"),
        (_noise, "not a PKCS#7"),
    ],
)
async def test_a_certificate_that_is_not_ours_is_not_taken(
    answer: Callable[..., tuple[int, bytes]],
    fault: str,
    site: WebServer,
    fetcher: Fetcher,
    authority: Authority,
    enrolment_ca: Authority,
    key: ec.EllipticCurvePrivateKey,
) -> None:
    site.posts["/enrol/simpleenroll"] = lambda asked: answer(key, enrolment_ca)
    site.files["/enrol/cacerts"] = packed(authority.certificate)
    with pytest.raises(MessageError, match=fault):
        await enrol(fetcher, site.address, enrolment(key, authority), REAL_NOW)


async def test_a_refusal_is_named_by_its_status(
    site: WebServer, fetcher: Fetcher, authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    site.posts["/enrol/simpleenroll"] = lambda asked: (403, b"revoked")
    with pytest.raises(FetchError) as caught:
        await enrol(fetcher, site.address, enrolment(key, authority), REAL_NOW)
    assert caught.value.status == 403


def test_two_cas_that_issue_each_other_are_no_way_up(key: ec.EllipticCurvePrivateKey) -> None:
    first = Authority("first")
    second = Authority("second", parent=first)
    circle = Authority("first", parent=second, key=first.key)
    own = first.client(name_of(key), key=key)
    public = PublicKey.of(key.public_key())
    found = [own.certificate, second.certificate, circle.certificate]
    assert chain_of(found, public, [Authority("other").certificate]) is None


def test_of_several_certificates_for_our_key_the_one_that_lasts_is_taken(
    authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    def issue(days: float) -> Issued:
        return authority.client(name_of(key), key=key, life=Days(-1, days))

    found = [issue(5).certificate, issue(30).certificate, issue(10).certificate]
    chain = chain_of(found, PublicKey.of(key.public_key()), [authority.certificate])
    assert chain == [found[1]]


@given(st.binary(max_size=200))
def test_any_bytes_are_certificates_or_one_error(data: bytes) -> None:
    fuzz(data)
    fuzz(base64.b64encode(data))


def test_certificates_are_read_whatever_the_line_ends(authority: Authority) -> None:
    body = packed(authority.certificate)
    assert read_certificates(body.replace(b"\n", b"\r\n")) == [authority.certificate]
    assert read_certificates(body.replace(b"\n", b"")) == [authority.certificate]


# -- renewal


LIFE = Life(1000 * DAY, 1030 * DAY)


def at(days: float, trust: ClockTrust = ClockTrust.T3) -> Now:
    return Now(int(days * DAY), trust)


def test_renewal_begins_on_day_ten_spread_over_a_day() -> None:
    boards = [n.to_bytes(16) for n in range(200)]
    assert not any(is_due(LIFE, at(1009.99), board) for board in boards)
    assert 60 < sum(is_due(LIFE, at(1010.5), board) for board in boards) < 140
    assert all(is_due(LIFE, at(1011.01), board) for board in boards)


def test_a_board_without_a_certificate_or_with_one_that_is_over_enrols_at_once() -> None:
    assert is_due(None, at(0), bytes(16))
    assert is_due(LIFE, at(1030), bytes(16))
    assert is_due(LIFE, at(1030, ClockTrust.T1), bytes(16))  # the floor alone is past it


def test_an_unknown_time_renews_nothing() -> None:
    assert not is_due(LIFE, at(1025, ClockTrust.T1), bytes(16))


def test_a_certificate_is_shown_until_it_is_over() -> None:
    assert is_usable(LIFE, at(1029.9))
    assert not is_usable(LIFE, at(1030))
    assert not is_usable(None, at(0))


# -- time


@pytest.mark.requirement("TIM-4")
async def test_the_time_is_answered_over_our_own_nonce(site: WebServer, fetcher: Fetcher) -> None:
    def answer(asked: Asked) -> tuple[int, bytes]:
        body = TimeAnswer(nonce=asked.body, time_ms=NOW.unix_s * 1000)
        return 200, province().sign(Kind.TIME_ANSWER, body, province().online)

    site.posts["/time"] = answer
    nonce = bytes(range(16))
    reply = await ask_time(fetcher, site.address, nonce)
    body = accept(reply.answer, province().trusted(nonce=nonce), NOW).body
    assert isinstance(body, TimeAnswer)
    assert body.time_ms == NOW.unix_s * 1000
    assert 0 <= reply.answered_ms - reply.asked_ms < 5000
    with pytest.raises(TrustError, match="nonce"):
        accept(reply.answer, province().trusted(nonce=bytes(16)), NOW)


async def test_the_round_trip_is_that_of_the_question_and_not_of_the_handshake(
    site: WebServer, authority: Authority
) -> None:
    def slowly(address: Address) -> EndpointContext:
        time.sleep(0.5)  # stands for a handshake over a bad mobile link
        return client_context(lambda: NOW, authorities=[authority.der])

    site.posts["/time"] = lambda asked: (200, b"answer")
    fetcher = Fetcher(slowly)
    reply = await ask_time(fetcher, site.address, bytes(16))
    fetcher.close()
    assert reply.answer == b"answer"
    assert reply.answered_ms - reply.asked_ms < 400
    assert site.connections == 1


async def test_a_busy_event_loop_makes_no_round_trip_longer(
    site: WebServer, fetcher: Fetcher
) -> None:
    def answer(asked: Asked) -> tuple[int, bytes]:
        loop.call_soon_threadsafe(time.sleep, 0.5)  # a flood of orders to verify, say
        return 200, b"answer"

    loop = asyncio.get_running_loop()
    site.posts["/time"] = answer
    reply = await ask_time(fetcher, site.address, bytes(16))
    assert reply.answered_ms - reply.asked_ms < 400
