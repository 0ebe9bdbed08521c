"""What the doctor measures of files, sockets, keys and telemetry, and what he thinks of it."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from loa_manager import database, records, x509
from loa_manager.doctor import doors, keys, probes, security, telemetry, trouble
from loa_manager.doctor.doors import Knocked
from loa_manager.doctor.finding import Finding, Result
from loa_manager.doctor.probes import Answer
from loa_manager.doctor.security import Server
from loa_manager.doctor.sockets import Door, read_table
from loa_manager.health import Level
from loa_manager.ingest import Ingest
from loa_manager.keyring import Identity
from loa_protocol.record import ClockTrust, Happening, Record
from support import registry
from support.province import province
from support.telling import AT_MS, Teller

CLUSTER = "vn/ls/st0137/c01"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1
   1: 00000000:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 102 1
   2: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 103 1
"""
TABLE_6 = "   0: 00000000000000000000000001000000:22B3 0:0 0A 0 0 0 0 0 104 1\n"


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = registry.new_database(tmp_path)
    with database.writing(made) as connection:
        registry.load_village(connection)
    yield made
    made.dispose()


def answers(**facts: object) -> Knocked:
    """Return a door as it should be, but for *facts*."""
    base: dict[str, object] = {
        "door": Door("tcp", "0.0.0.0", 8443),
        "role": doors.WEB,
        "modern": Answer("TLSv1.3", b"HTTP/1.1 404"),
        "old": Answer(error="TLSV1_ALERT_PROTOCOL_VERSION"),
        "plain": Answer(error=probes.CLOSED),
        "foreign": Answer("TLSv1.3", error="TLSV1_ALERT_UNKNOWN_CA"),
    }
    return Knocked(**{**base, **facts})  # type: ignore[arg-type]  # test convenience


BROKER = answers(
    door=Door("tcp", "0.0.0.0", 8883),
    role=doors.BROKER,
    modern=Answer("TLSv1.3", error="TLSV13_ALERT_CERTIFICATE_REQUIRED"),
)
INNER = answers(
    door=Door("tcp", "127.0.0.1", 4222), role=doors.INNER, modern=Answer("TLSv1.3", b"INFO {")
)


def results(findings: Iterator[Finding]) -> dict[str, Result]:
    return {each.id: each.result for each in findings}


# --- sockets


def test_only_listening_sockets_are_doors() -> None:
    assert dict(read_table(TABLE, "tcp")) == {
        "101": Door("tcp", "127.0.0.1", 8080),
        "102": Door("tcp", "0.0.0.0", 8443),
    }
    assert dict(read_table(TABLE_6, "tcp")) == {"104": Door("tcp", "::1", 8883)}


@given(st.text(), st.lists(st.text(st.characters(codec="ascii")), min_size=10, max_size=12))
def test_no_table_of_the_kernel_can_upset_the_doctor(text: str, fields: list[str]) -> None:
    fields[3] = "0A"
    list(read_table(text, "tcp"))
    list(read_table(" ".join(fields), "udp"))
    list(read_table(" ".join(fields), "tcp"))


# --- doors


def test_doors_as_they_should_be_pass() -> None:
    found = results(doors.judge([answers(), BROKER, INNER], []))
    assert found.pop("routes_authenticated") is Result.FAIL  # nobody walked
    assert found.pop("no_disclosure") is Result.FAIL
    assert set(found.values()) == {Result.PASS}


@pytest.mark.requirement("SEC-2")
@pytest.mark.parametrize(
    ("changed", "measure"),
    [
        (answers(old=Answer("TLSv1.2", b"HTTP/1.1 200")), "tls_1_3_only"),
        (answers(modern=Answer(error="timeout")), "tls_1_3_only"),
        (answers(plain=Answer(data=b"HTTP/1.1 200 OK")), "no_plain_text"),
        (answers(foreign=Answer("TLSv1.3", b"HTTP/1.1 404")), "https_client_certificates"),
        (answers(foreign=Answer(error="timeout")), "https_client_certificates"),
        (answers(foreign=Answer(error=doors.REFUSED)), "https_client_certificates"),
    ],
)
def test_a_door_that_does_otherwise_fails(changed: Knocked, measure: str) -> None:
    assert results(doors.judge([changed, BROKER], []))[measure] is Result.FAIL


def test_a_broker_that_takes_who_has_no_certificate_fails() -> None:
    taken = Knocked(
        door=BROKER.door,
        role=doors.BROKER,
        modern=Answer("TLSv1.3", probes.TAKEN),
        old=BROKER.old,
        plain=BROKER.plain,
        foreign=BROKER.foreign,
    )
    found = results(doors.judge([answers(), taken], []))
    assert found["mqtt_client_certificates"] is Result.FAIL


def test_no_server_passes_nothing() -> None:
    assert set(results(doors.judge([], [])).values()) == {Result.FAIL}


def test_a_complaint_of_tls_is_no_plain_text() -> None:
    assert not Answer(data=b"\x15\x03\x01\x00\x02\x02\x16").speaks  # alert, RFC 8446 section 6


@pytest.mark.requirement("SEC-5")
def test_a_socket_too_many_fails_and_one_elsewhere_is_not_judged() -> None:
    well = [answers(), BROKER, INNER]
    assert doors.judge_exposure(well, is_here=True).result is Result.PASS
    for stray in (answers(door=Door("tcp", "0.0.0.0", 80)), answers(door=Door("udp", "::", 53))):
        assert doors.judge_exposure([*well, stray], is_here=True).result is Result.FAIL
    far = answers(door=Door("tcp", "0.0.0.0", 4222), role=doors.INNER)
    assert doors.judge_exposure([answers(), BROKER, far], is_here=True).result is Result.FAIL
    assert doors.judge_exposure(well, is_here=False).result is Result.NOT_APPLICABLE


@pytest.mark.requirement("SEC-2")
def test_a_server_that_speaks_tls_1_2_is_found_out(tmp_path: Path) -> None:
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = x509.Issuer(x509.make_device_ca(ca_key, "vn/ls", NOW), ca_key)
    der = x509.make_server_certificate(key.public_key(), ["127.0.0.1"], ca, datetime.now(UTC))
    (tmp_path / "server.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + x509.to_pem(der)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    ca_pem = ca.certificate.public_bytes(serialization.Encoding.PEM).decode()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, context), daemon=True).start()
        door = Door("tcp", "127.0.0.1", listener.getsockname()[1])
        knocked = doors.knock(door, doors.WEB, ca_pem)
    assert (knocked.modern.version, knocked.old.version) == ("TLSv1.3", "TLSv1.2")
    assert results(doors.judge([knocked, BROKER], []))["tls_1_3_only"] is Result.FAIL


def _serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            line, _address = listener.accept()
        except OSError:
            return
        with line:
            try:
                with context.wrap_socket(line, server_side=True) as secured:
                    secured.recv(1000)
                    secured.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            except OSError:
                continue


# --- keys


def test_a_key_that_others_can_read_or_that_nothing_locks_fails(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "a.key"
    good = keys.KeyFile(path, 0o600, is_locked=True)
    assert keys.judge_key_files([good], tmp_path).result is Result.PASS
    assert keys.judge_key_files([], tmp_path).result is Result.FAIL
    for bad in (keys.KeyFile(path, 0o640, is_locked=True), keys.KeyFile(path, 0o600, False)):
        found = keys.judge_key_files([good, bad], tmp_path)
        assert found.result is Result.FAIL
        assert "keys/a.key" in found.text


def test_a_plain_key_is_found_under_any_name(tmp_path: Path) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    (tmp_path / "notes.txt").write_bytes(b"do not lose\n" + pem)
    (found,) = keys.key_files(tmp_path)
    assert not found.is_locked


def test_two_boards_with_one_key_fail() -> None:
    first, second = Teller(), Teller()
    rows = [(each.id, each.signer.public.raw) for each in (first, second)]
    assert keys.judge_device_keys(rows).result is Result.PASS
    assert keys.judge_device_keys([]).result is Result.NOT_APPLICABLE
    copied = keys.judge_device_keys([*rows, ("0" * 32, first.signer.public.raw)])
    assert (copied.result, copied.evidence["bad"]) == (
        Result.FAIL,
        sorted(["0" * 32, first.id]),
    )


def test_a_password_anywhere_fails() -> None:
    assert keys.judge_passwords([], "tls { timeout: 10 }  # no password", []).result is Result.PASS
    assert keys.judge_passwords([], None, []).result is Result.NOT_APPLICABLE
    assert keys.judge_passwords([], "", None).result is Result.NOT_APPLICABLE
    assert keys.judge_passwords(["user.password"], None, []).result is Result.FAIL
    assert keys.judge_passwords([], "  token: x", []).result is Result.FAIL
    assert keys.judge_passwords([], None, ["Basic"]).result is Result.FAIL


# --- what boards told


@pytest.fixture
def teller(engine: Engine) -> Teller:
    made = Teller()
    with database.writing(engine) as connection:
        made.register(connection, CLUSTER)
    made.boot()
    return made


def bring(engine: Engine, teller: Teller) -> None:
    online = province().online
    ingest = Ingest(engine, Identity("ingest", online.signer, online.chain))
    ingest.take_many(teller.everything(), AT_MS)
    ingest.close()
    records.project(engine)


def unsure(teller: Teller, name: str, detail: str = "") -> None:
    """Write an event of a board that does not know the time."""
    body = Happening(name=name, detail=detail)
    record = Record(at_ms=AT_MS, trust=ClockTrust.T1, body=body)
    teller.epochs[teller.epoch].append(record.to_bytes())


@pytest.mark.requirement("OFF-1")
def test_a_board_that_holds_for_want_of_the_time_is_named_with_the_reason(
    engine: Engine, teller: Teller
) -> None:
    unsure(teller, "battery_clock_lost", "stopped")
    unsure(teller, "held_no_time", "clock trust T1")
    bring(engine, teller)
    with database.reading(engine) as connection:
        (found,) = telemetry.waiting(connection)
    assert (found.cluster, found.trust) == (CLUSTER, "T1")
    check = trouble.judge_clocks([found], "vn/ls")
    assert check.level is Level.WARNING
    assert "st0137/c01" in check.text
    assert "battery clock" in check.text


def test_a_board_that_has_learned_the_time_holds_no_more(engine: Engine, teller: Teller) -> None:
    unsure(teller, "held_no_time")
    teller.beat()
    bring(engine, teller)
    with database.reading(engine) as connection:
        assert telemetry.waiting(connection) == []
    assert trouble.judge_clocks([], "vn/ls").level is Level.OK


def test_telemetry_is_counted_and_a_hole_in_a_chain_fails(engine: Engine, teller: Teller) -> None:
    teller.tell(Happening(name="clock_jumped", detail=""))
    bring(engine, teller)
    with database.reading(engine) as connection:
        whole = telemetry.load(connection)
    assert (whole.clocks, whole.holes) == ({"clock_jumped": 1}, [])
    assert telemetry.judge_telemetry(whole).result is Result.PASS
    with database.writing(engine) as connection:
        _lose(connection)
        broken = telemetry.load(connection)
    assert broken.holes == [f"{teller.id} 1"]
    assert telemetry.judge_telemetry(broken).result is Result.FAIL


def _lose(connection: Connection) -> None:
    connection.exec_driver_sql("UPDATE chain_head SET next = next + 1")


# --- the whole


def test_what_cannot_be_measured_fails_and_does_not_end_the_rest() -> None:
    def unreadable() -> list[Finding]:
        raise OSError(5, "Input/output error")

    found = list(security.examine([("x", unreadable), ("rest", security.unmeasured)]))
    assert found[0][0].result is Result.FAIL
    assert len(found[1]) > 1


def test_a_server_that_does_not_answer_is_critical() -> None:
    shut = Server((), (answers(modern=Answer(error=doors.REFUSED)),), ())
    assert trouble.judge_server(shut).level is Level.CRITICAL
    assert trouble.judge_broker(shut).level is Level.CRITICAL


def test_the_page_of_provisions_names_every_provision_and_every_measure() -> None:
    page = Path("docs/security-provisions.md").read_text(encoding="utf-8")
    sources = Path("manager/loa_manager/doctor").glob("*.py")
    measures = [path for path in sources if path.name != "trouble.py"]  # that is the plain doctor
    code = "\n".join(path.read_text(encoding="utf-8") for path in measures)
    ids = set(re.findall(r'^ +id="([a-z_0-9]+)"', code, re.MULTILINE))
    assert len(ids) > 20
    assert [name for name in sorted(ids) if f"`{name}`" not in page] == []
    assert [each for each in security.PROVISIONS if each not in page] == []
