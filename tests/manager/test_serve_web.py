"""The HTTPS routes over real TLS: content for all, certificates and the time for known boards."""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509 as pyca
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from starlette.routing import Route

from fuzz import fuzz_enrolment
from loa_manager import database, tables
from loa_manager.serve.content_route import locate
from loa_manager.serve.enrolment import parse_body
from loa_manager.serve.web import PUBLIC
from loa_protocol.accept import accept
from loa_protocol.errors import MessageError
from loa_protocol.objects.online import TimeAnswer
from loa_protocol.trust import TrustError
from support import province
from support.device_ca_lab import Client, X509Lab, client_context, make_csr, new_key
from support.server_lab import ServerLab


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[ServerLab]:
    made = ServerLab(tmp_path)
    async with made.running():
        yield made


@pytest.fixture
def board(lab: ServerLab) -> Client:
    return lab.register(lab.x509.board(age_days=11))


def csr(key: ec.EllipticCurvePrivateKey) -> bytes:
    return base64.encodebytes(make_csr(key))


def certificates(answer: httpx.Response) -> list[pyca.Certificate]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pkcs7-mime; smime-type=certs-only"
    return pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.content))


def refusal(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert set(body) == {"error", "reason"}
    return answer.status_code, body["reason"]


# --- every route ----------------------------------------------------------------------------


@pytest.mark.requirement("SEC-7")
async def test_every_route_is_public_on_purpose_or_asks_for_a_certificate(lab: ServerLab) -> None:
    walked = set()
    async with lab.http() as client:
        for route in lab.web().app().routes:
            assert isinstance(route, Route)
            path = route.path.replace("{path:path}", "head")
            for method in sorted(route.methods or ()):
                answer = await client.request(method, path)
                walked.add((method, route.path))
                if route.path in PUBLIC:
                    assert answer.status_code == 200
                else:
                    assert refusal(answer) == (401, "no_certificate")
    assert walked == {
        ("GET", "/content/{path:path}"),
        ("HEAD", "/content/{path:path}"),
        ("GET", "/enrol/cacerts"),
        ("HEAD", "/enrol/cacerts"),
        ("POST", "/enrol/simpleenroll"),
        ("POST", "/time"),
    }


@pytest.mark.requirement("SEC-7")
async def test_no_get_changes_anything(lab: ServerLab, board: Client) -> None:
    def everything() -> str:
        digest = hashlib.sha256()
        with database.reading(lab.engine) as connection:
            for table in tables.METADATA.sorted_tables:
                digest.update(repr(connection.execute(select(table)).all()).encode())
        for file in sorted(lab.tree.path.rglob("*")):
            digest.update(str(file).encode() + (file.read_bytes() if file.is_file() else b""))
        return digest.hexdigest()

    before = everything()
    async with lab.http(board) as client:
        for path in ("/content/head", "/enrol/cacerts"):
            assert (await client.get(path)).status_code == 200
        for path in ("/enrol/simpleenroll", "/time"):
            assert refusal(await client.get(path)) == (405, "method")
        for path in ("/", "/content/", "/enrol/", "/docs"):
            assert refusal(await client.get(path)) == (404, "not_here")
    assert everything() == before


# --- who is asking --------------------------------------------------------------------------


@pytest.mark.requirement("SEC-2", "SEC-7")
async def test_each_board_that_is_not_ours_is_refused_for_its_own_reason(
    lab: ServerLab, board: Client
) -> None:
    unknown = lab.x509.board()
    revoked = lab.register(lab.x509.bench(new_key()), "vn/ls/st0137/c02")
    lab.revoke(revoked)
    for client, reason in ((unknown, "unknown"), (revoked, "revoked"), (lab.x509.server, "kind")):
        async with lab.http(client) as http:
            for path in ("/time", "/enrol/simpleenroll"):
                assert refusal(await http.post(path, content=bytes(16))) == (403, reason)
    async with lab.http(board) as http:
        lab.shift_s = 20 * 86_400  # it has lived its 30 days
        assert refusal(await http.post("/time", content=bytes(16))) == (403, "expired")


@pytest.mark.requirement("SEC-2")
async def test_a_certificate_of_another_authority_or_out_of_date_ends_at_the_handshake(
    lab: ServerLab,
) -> None:
    foreign = X509Lab().board()
    expired = lab.register(lab.x509.board(age_days=31))
    for client in (foreign, expired):
        with pytest.raises((httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError)):
            async with lab.http(client) as http:
                await http.post("/time", content=bytes(16))


@pytest.mark.requirement("SEC-2")
async def test_tls_1_2_and_plain_text_are_refused(lab: ServerLab) -> None:
    context = client_context(lab.x509, None)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(httpx.ConnectError):
        async with lab.http_with(context) as http:
            await http.get("/content/head")
    with pytest.raises(httpx.RemoteProtocolError):
        async with httpx.AsyncClient(trust_env=False) as http:
            await http.get(f"http://localhost:{lab.port}/content/head")


async def test_a_client_cannot_put_a_certificate_into_its_request(lab: ServerLab) -> None:
    bench = lab.register(lab.x509.bench(new_key()))
    pem = base64.b64encode(bench.certificate).decode()
    headers = dict.fromkeys(("X-Client-Cert", "Client-Cert", "loa.peer", "X-SSL-Cert"), pem)
    async with lab.http() as http:
        answer = await http.post("/time", content=bytes(16), headers=headers)
        assert refusal(answer) == (401, "no_certificate")


async def test_a_certificate_belongs_to_its_connection_alone(lab: ServerLab, board: Client) -> None:
    async with lab.http(board) as known, lab.http() as nobody:
        for _ in range(3):
            assert (await known.post("/time", content=bytes(16))).status_code == 200
            assert (await nobody.post("/time", content=bytes(16))).status_code == 401


# --- time -----------------------------------------------------------------------------------


async def test_the_time_answer_is_what_a_board_accepts_for_its_own_nonce_only(
    lab: ServerLab,
) -> None:
    # at a time at which the province's certificates hold: the bench identity is good for years
    lab.shift_s = province.NOW.unix_s - datetime.now(UTC).timestamp()
    board, nonce = lab.register(lab.x509.bench(new_key())), bytes(range(16))
    async with lab.http(board) as http:
        answer = await http.post("/time", content=nonce)
    assert answer.status_code == 200
    accepted = accept(answer.content, province.province().trusted(nonce=nonce), province.NOW)
    assert isinstance(accepted.body, TimeAnswer)
    assert abs(accepted.body.time_ms - province.NOW.unix_s * 1000) < 60_000
    with pytest.raises(TrustError, match="nonce"):
        accept(answer.content, province.province().trusted(nonce=bytes(16)), province.NOW)


async def test_a_nonce_of_another_length_is_refused(lab: ServerLab, board: Client) -> None:
    async with lab.http(board) as http:
        for size, expected in (
            (0, (400, "format")),
            (15, (400, "format")),
            (33, (413, "too_long")),
        ):
            assert refusal(await http.post("/time", content=bytes(size))) == expected
        assert (await http.post("/time", content=bytes(32))).status_code == 200


# --- enrolment ------------------------------------------------------------------------------


@pytest.mark.requirement("SEC-2")
async def test_the_bench_identity_gets_a_thirty_day_certificate_for_its_own_key(
    lab: ServerLab,
) -> None:
    bench = lab.register(lab.x509.bench(new_key()))
    async with lab.http(bench) as http:
        (issued,) = certificates(await http.post("/enrol/simpleenroll", content=csr(bench.key)))
        authorities = certificates(await http.get("/enrol/cacerts"))
    issued.verify_directly_issued_by(lab.x509.enrolment.certificate)
    assert issued.public_key() == bench.key.public_key()
    assert bench.id in issued.subject.rfc4514_string()
    life = issued.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=29) < life <= timedelta(days=30)
    assert lab.x509.ca.certificate in authorities
    with database.reading(lab.engine) as connection:
        (noted,) = connection.execute(select(tables.certificate)).all()
    assert (noted.endpoint, noted.serial) == (bench.id, f"{issued.serial_number:x}")
    fresh = Client(bench.key, issued.public_bytes(Encoding.DER))
    async with lab.http(fresh) as http:  # and it opens the door
        assert (await http.post("/time", content=bytes(16))).status_code == 200


async def test_a_certificate_is_renewed_from_its_tenth_day(lab: ServerLab, board: Client) -> None:
    async with lab.http(board) as http:
        assert certificates(await http.post("/enrol/simpleenroll", content=csr(board.key)))
    young = lab.register(lab.x509.board(age_days=9), "vn/ls/st0137/c02")
    async with lab.http(young) as http:
        answer = await http.post("/enrol/simpleenroll", content=csr(young.key))
        assert refusal(answer) == (409, "too_early")
        assert 86_000 < int(answer.headers["retry-after"]) <= 86_401


async def test_an_expired_one_is_renewed_with_the_bench_identity(lab: ServerLab) -> None:
    expired = lab.register(lab.x509.board(age_days=200))
    async with lab.http(lab.x509.bench(expired.key)) as http:
        assert certificates(await http.post("/enrol/simpleenroll", content=csr(expired.key)))


@pytest.mark.requirement("SEC-1", "SEC-2")
async def test_no_other_key_is_certified(lab: ServerLab, board: Client) -> None:
    other = lab.register(lab.x509.bench(new_key()), "vn/ls/st0137/c02")
    async with lab.http(board) as http:
        for key in (new_key(), other.key, ec.generate_private_key(ec.SECP384R1())):
            answer = await http.post("/enrol/simpleenroll", content=csr(key))
            assert refusal(answer) in {(403, "other_key"), (400, "format")}
    with database.reading(lab.engine) as connection:
        assert connection.execute(select(tables.certificate)).all() == []


async def test_damaged_requests_are_refused_and_leave_no_trace(
    lab: ServerLab, board: Client
) -> None:
    good = csr(board.key)
    cases: list[tuple[bytes, tuple[int, str]]] = [
        (b"", (400, "format")),
        (b"not base64!", (400, "format")),
        (base64.b64encode(b"\x30\x03\x02\x01\x01"), (400, "format")),
        (good[:40], (400, "format")),
        (b"A" * 9000, (413, "too_long")),
    ]
    async with lab.http(board) as http:
        for body, expected in cases:
            assert refusal(await http.post("/enrol/simpleenroll", content=body)) == expected
    with database.reading(lab.engine) as connection:
        assert connection.execute(select(tables.certificate)).all() == []


async def test_a_board_that_asks_in_a_loop_is_told_to_wait(lab: ServerLab) -> None:
    bench = lab.register(lab.x509.bench(new_key()))
    async with lab.http(bench) as http:
        for _ in range(10):
            certificates(await http.post("/enrol/simpleenroll", content=csr(bench.key)))
        answer = await http.post("/enrol/simpleenroll", content=csr(bench.key))
    assert refusal(answer) == (429, "too_many")
    assert answer.headers["retry-after"] == "86400"


@given(st.binary(max_size=200))
def test_only_base64_passes_for_a_request(data: bytes) -> None:
    try:
        parsed = parse_body(data)
    except MessageError:
        return
    assert base64.b64encode(parsed) == b"".join(data.split())


@given(st.binary(max_size=200))
def test_no_body_breaks_enrolment(data: bytes) -> None:
    fuzz_enrolment.fuzz(data)


# --- content --------------------------------------------------------------------------------


async def test_content_is_for_everybody_and_named_by_its_digest(lab: ServerLab) -> None:
    async with lab.http() as http:
        answer = await http.get(f"/content/objects/{lab.root_digest}")
        assert answer.content == province.province().root_bundle
        assert answer.headers["etag"] == f'"{lab.root_digest}"'
        assert "immutable" in answer.headers["cache-control"]
        head = await http.get("/content/head")
        assert head.content == (lab.tree.path / "head").read_bytes()
        assert head.headers["cache-control"] == "no-cache"
        for path, etag in (
            (f"/content/objects/{lab.root_digest}", answer.headers["etag"]),
            ("/content/head", head.headers["etag"]),
        ):
            again = await http.get(path, headers={"If-None-Match": f'"x", {etag}'})
            assert (again.status_code, again.content) == (304, b"")
            assert (await http.get(path, headers={"If-None-Match": '"x"'})).status_code == 200
            only_head = await http.head(path)
            assert (only_head.status_code, only_head.content) == (200, b"")


async def test_a_broken_download_of_media_goes_on_where_it_stopped(
    lab: ServerLab, tmp_path: Path
) -> None:
    sound = tmp_path / "sound"
    sound.write_bytes(bytes(range(256)) * 4000)
    path = f"/content/media/{lab.tree.put_media(sound).hex()}"
    async with lab.http() as http:
        whole = await http.get(path)
        rest = await http.get(path, headers={"Range": "bytes=1000000-"})
        assert rest.status_code == 206
        assert rest.content == whole.content[1_000_000:]
        changed = await http.get(path, headers={"Range": "bytes=5-9", "If-Range": '"other"'})
        assert changed.status_code == 200
        beyond = await http.get(path, headers={"Range": "bytes=99999999-"})
        assert beyond.status_code == 416


async def test_nothing_outside_the_trees_forms_is_served(lab: ServerLab) -> None:
    (lab.tree.path.parent / "secret").write_text("secret")
    async with lab.http() as http:
        for path in (
            "index.json",
            "objects",
            "objects/",
            "media/",
            ".lock",
            "../secret",
            "..%2fsecret",
            "%2e%2e/secret",
            "objects/..%2f..%2fsecret",
            "state/vn/../../secret/settings",
            "proof/../../secret",
            "proof/../../secret/_",
            "proof/vn",
            "/etc/passwd",
            f"objects/{lab.root_digest.upper()}",
            f"objects/{lab.root_digest}%00",
        ):
            answer = await http.get(f"/content/{path}")
            assert answer.status_code == 404, path


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["..", "state", "settings", "vn", "proof", "head", "", "."])).map(
        "/".join
    )
)
def test_no_path_leads_out_of_the_tree(path: str) -> None:
    place = locate(path)
    if place is not None:
        assert not {"..", ".", ""} & set(place.path.split("/"))
