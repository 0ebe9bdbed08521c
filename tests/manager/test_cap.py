"""CAP files: content from strangers, hostile XML, and what never becomes an order."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_cap import fuzz
from loa_manager.orders.cap import MAX_BYTES, CapMessage, CapStatus, read_cap
from loa_manager.orders.cap_content import areas_of, content_of, read_areas
from loa_protocol.errors import ConfigError, MessageError
from loa_protocol.objects.alert import AlertMessage
from loa_protocol.objects.playlist import Mark
from support.cap_files import INFO, NAME, cap
from support.orders import alert

AREAS = {"DVHC=06313": "vn/ls/st0137"}


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


def read(data: bytes) -> CapMessage:
    return read_cap(data)


def test_a_message_of_the_weather_service_is_read() -> None:
    message = read(cap())
    assert message.name == NAME
    assert message.status is CapStatus.ACTUAL
    (info,) = message.infos
    assert (info.language, info.headline) == ("vi-VN", "Lũ quét ở xã Hữu Liên")
    assert info.expires == 1_800_010_800
    assert info.areas[0].geocodes == (("DVHC", "06313"),)


def test_its_content_becomes_title_reason_expiry_and_scope_and_its_address_nothing() -> None:
    content = content_of(read(cap()), known=(), areas=AREAS)
    assert content.message is AlertMessage.ALERT
    assert content.mark is Mark.NONE
    assert content.title == "Lũ quét ở xã Hữu Liên"
    assert content.reason == "CAP Đài KTTV tỉnh Lạng Sơn: Lũ quét"
    assert content.areas == ("vn/ls/st0137",)
    assert content.name == NAME
    assert "evil" not in repr(content)


def test_a_cancel_names_its_places_before_the_server_is_asked_what_stands_there() -> None:
    cancel = read(cap(kind="Cancel", references=NAME, identifier="VN-2"))
    assert areas_of(cancel, AREAS) == ("vn/ls/st0137",)
    assert areas_of(cancel, {}) == ()


@pytest.mark.requirement("MSG-4")
@pytest.mark.parametrize("status", ["Test", "Draft", "System"])
def test_a_test_or_draft_never_becomes_an_order(status: str) -> None:
    with pytest.raises(ConfigError, match=f"its status is {status}"):
        content_of(read(cap(status=status)), known=(), areas=AREAS)


@pytest.mark.requirement("MSG-4")
def test_an_exercise_becomes_a_drill() -> None:
    assert content_of(read(cap(status="Exercise")), known=(), areas=AREAS).mark is Mark.DRILL


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"kind": "Ack"}, "msgType is Ack"),
        ({"scope": "Restricted"}, "scope is Restricted"),
        ({"infos": ""}, "nothing to say"),
        ({"references": NAME}, "refers to others"),
    ],
)
def test_what_is_not_for_the_public_is_refused(changes: dict[str, str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        content_of(read(cap(**changes)), known=(), areas=AREAS)


def test_update_and_cancel_find_our_alerts_by_the_names_they_were_given_for() -> None:
    ours, other = alert(cap=NAME), alert(cap=NAME.replace("001", "002"))
    for kind in ("Update", "Cancel"):
        message = read(cap(kind=kind, references=NAME, identifier="VN-2027-009"))
        content = content_of(message, known=(ours, other), areas=AREAS)
        assert content.references == (ours.id,)
    with pytest.raises(ConfigError, match="no alert that stands"):
        content_of(read(cap(kind="Cancel", references=NAME)), known=(other,), areas=AREAS)


def test_the_text_is_taken_in_the_language_asked_for() -> None:
    english = INFO.replace("vi-VN", "en-US").replace("Lũ quét ở xã Hữu Liên", "Flash flood")
    both = read(cap(infos=INFO + english))
    assert content_of(both, known=(), areas={}).language == "vi-VN"
    assert content_of(both, known=(), areas={}, language="en").title == "Flash flood"
    with pytest.raises(ConfigError, match="no text in tay; there is: vi-VN, en-US"):
        content_of(both, known=(), areas={}, language="tay")


LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
HOSTILE = {
    "billion laughs": cap(head=f'<!DOCTYPE alert [<!ENTITY l0 "lol">{LAUGHS}]>', identifier="&l9;"),
    "external entity": cap(
        head='<!DOCTYPE alert [<!ENTITY x SYSTEM "file:///etc/passwd">]>', identifier="&x;"
    ),
    "external document type": cap(head='<!DOCTYPE alert SYSTEM "https://evil.example/a.dtd">'),
    "parameter entity": cap(head='<!DOCTYPE a [<!ENTITY % p SYSTEM "https://evil.example">%p;]>'),
    "processing instruction": cap(head='<?xml-stylesheet href="https://evil.example"?>'),
    "undeclared entity": cap(identifier="&nbsp;"),
    "deep": cap(infos="<info>" * 2000 + "</info>" * 2000),
    "wide": cap(infos="<x/>" * 20_000),
    "long text": cap(identifier="x" * 100_000),
    "huge": cap(infos=" " * MAX_BYTES),
    "utf-16": cap(head="").decode().encode("utf-16"),
    "latin-1 declared": cap(head='<?xml version="1.0" encoding="ISO-8859-1"?>'),
    "utf-7 declared": cap(head='<?xml version="1.0" encoding="UTF-7"?>'),
    "not utf-8": cap().replace("ũ".encode(), b"\xff"),
    "cut off": cap()[:-10],
    "nothing": b"",
    "no element": b'<?xml version="1.0"?>',
    "other namespace": cap().replace(b"cap:1.2", b"cap:1.1"),
    "twice the status": cap(infos="<status>Actual</status>" + INFO),
    "time without a zone": cap().replace(b"+07:00", b""),
    "no such day": cap().replace(b"2027-01-15", b"2027-02-31"),
    "comma in the identifier": cap(identifier="a,b"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_xml_is_refused_by_name_and_at_once(name: str) -> None:
    begun = time.monotonic()
    with pytest.raises(MessageError):
        read(HOSTILE[name])
    assert time.monotonic() - begun < 1


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_named_error(data: bytes) -> None:
    fuzz(data)


_PIECES = st.sampled_from(
    [
        b"<info>", b"</info>", b"<alert>", b"]]>", b"&amp;", b"&#0;", b"&#x1F600;", b"<!--", b"-->",
        b"<![CDATA[", b"\x00", b"\xef\xbb\xbf", b"<status>Actual</status>", "e\u0301".encode(),
        b'<a xmlns="x"/>', b"<references>a,b,c</references>",
    ]
)  # fmt: skip


@given(st.integers(0, len(cap())), st.lists(_PIECES, max_size=5), st.integers(0, 60))
def test_a_message_with_pieces_put_in_or_cut_out_is_one_or_a_named_error(
    at: int, pieces: list[bytes], cut: int
) -> None:
    data = cap()
    fuzz(data[:at] + b"".join(pieces) + data[at + cut :])


def test_the_table_of_areas_names_every_fault() -> None:
    good = b'[areas]\n"DVHC=06313" = "vn/ls/st0137"\n'
    assert read_areas(good, "areas.toml") == AREAS
    with pytest.raises(ConfigError) as wrong:
        read_areas(b'[areas]\na = 5\nb = "Not a scope"\n', "areas.toml")
    assert len(wrong.value.faults) == 2
    with pytest.raises(ConfigError):
        read_areas(b"areas = 5", str(Path("areas.toml")))
