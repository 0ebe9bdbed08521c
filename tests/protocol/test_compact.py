"""The compact form: a bundle without its certificates, the same bytes when it comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_protocol.accept import accept
from loa_protocol.compact import MARK, MAX_BYTES, compact, expand, is_compact
from loa_protocol.envelope import Bundle, Kind, seal
from loa_protocol.errors import FormatError
from loa_protocol.objects.command import Verb
from loa_protocol.sms import FITTING_PARTS, excess, split
from support.kept import signed_order
from support.orders import alert, cancel, command, event_id, grant
from support.province import NOW, playlist, province

LONG_PLACE = "vn/ls/st0137/c04"
TITLE, REASON = "Báo động lũ khẩn cấp", "Mực nước sông Kỳ Cùng trên báo động 3, di dời ngay"


def bare(data: bytes) -> bytes:
    return replace(Bundle.from_bytes(data), certificates=()).to_bytes()


def hold_by_one() -> bytes:
    body = command(Verb.HOLD, scope=LONG_PLACE, reason=REASON)
    return province().sign(Kind.COMMAND, body, province().duty[0])


@pytest.mark.requirement("SEC-8", "SEC-3")
@pytest.mark.parametrize(
    "data",
    [
        signed_order(alert()),
        signed_order(cancel(event_id(), event_id())),
        signed_order(command(Verb.LOCKDOWN)),
        hold_by_one(),
    ],
    ids=["alert", "cancel", "lockdown", "hold"],
)
def test_what_comes_back_is_the_bundle_without_its_certificates(data: bytes) -> None:
    assert expand(compact(data)) == bare(data)
    assert is_compact(compact(data))
    whole = replace(
        Bundle.from_bytes(expand(compact(data))), certificates=Bundle.from_bytes(data).certificates
    )
    assert (
        accept(whole.to_bytes(), province().trusted(), NOW).digest == Bundle.from_bytes(data).digest
    )


@pytest.mark.requirement("SEC-8")
def test_a_hold_a_cancel_and_an_alert_of_two_holders_fit_into_three_messages() -> None:
    spoken = alert(scope=LONG_PLACE, title=TITLE, reason=REASON, speech_ms=NOW.unix_s * 1000)
    sizes = {
        "hold": len(compact(hold_by_one())),
        "cancel": len(compact(signed_order(cancel(event_id(), reason=REASON)))),
        "alert": len(compact(signed_order(spoken))),
    }
    assert [excess(size) for size in sizes.values()] == [0, 0, 0], sizes
    assert len(split(compact(hold_by_one()))) == 2


def test_an_alert_that_is_too_long_says_by_how_much() -> None:
    fits = compact(signed_order(alert(reason="x" * 20)))
    room = FITTING_PARTS * 133 - len(fits)
    reason = "x" * (20 + room + 7)
    too_long = compact(signed_order(alert(reason=reason)))
    assert excess(len(too_long)) in (7, 8)  # a text of 24 letters or more has a longer length
    assert len(split(too_long)) == 4


@pytest.mark.parametrize(
    "data",
    [
        province().sign(Kind.PLAYLIST, playlist(), *province().officers),
        signed_order(grant()),
        signed_order(alert())[:-1],
        b"",
    ],
    ids=["playlist", "grant", "cut", "nothing"],
)
def test_other_objects_have_no_compact_form(data: bytes) -> None:
    with pytest.raises(FormatError):
        compact(data)


def test_a_seal_with_its_payload_inside_has_none() -> None:
    bundle = Bundle.from_bytes(signed_order(alert()))
    signer = province().duty[0].signer
    whole = seal(b"x", bundle.label, signer, detached=False)
    with pytest.raises(FormatError):
        compact(replace(bundle, seals=(whole,)).to_bytes())


def test_inline_sound_is_too_long_for_a_compact_form() -> None:
    bundle = Bundle.from_bytes(signed_order(alert()))
    with pytest.raises(FormatError, match="are more than"):
        compact(replace(bundle, payload=bytes(MAX_BYTES)).to_bytes())


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"\xe2" + data[1:],
        lambda data: bytes((MARK, Kind.PLAYLIST)) + data[2:],
        lambda data: data[:3] + b"\x00" + data[4:],
        lambda data: data[:3] + b"\x09" + data[4:],
        lambda data: data[:4] + b"\x28" + data[5:],
        lambda data: data[:166],
        lambda data: data + bytes(MAX_BYTES),
    ],
    ids=["mark", "kind", "no seal", "nine seals", "algorithm", "no payload", "long"],
)
def test_what_is_no_compact_form_is_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(FormatError):
        expand(change(compact(signed_order(alert()))))


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_come_back_the_same(data: bytes) -> None:
    for each in (data, bytes((MARK, Kind.ALERT, 1, 1)) + data):
        try:
            bundle = expand(each)
        except FormatError:
            continue
        assert compact(bundle) == each
