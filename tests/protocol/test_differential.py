"""Our decoder and seals against libraries that others wrote: where both judge, they agree."""

from __future__ import annotations

import io
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import serialization
from cwt import COSE, COSEKey
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pycose.headers import KID, Algorithm
from pycose.keys.ec2 import EC2Key
from pycose.keys.okp import OKPKey
from pycose.messages.sign1message import Sign1Message

from loa_protocol import cbor
from loa_protocol.envelope import Kind, open_seal, seal
from loa_protocol.errors import FormatError
from loa_protocol.keys import SoftSigner
from vectors.generator.every import every_case
from vectors.generator.world import APPROVER, EDITOR

SIGNERS: dict[str, SoftSigner] = {"EdDSA": EDITOR.signer, "ES256": APPROVER.signer}
LABEL = Kind.PLAYLIST.label()
SCALARS = (
    st.integers(-(2**64), 2**64 - 1)
    | st.booleans()
    | st.binary(max_size=30)
    | st.text(max_size=10)
    | st.none()
    | st.floats(allow_nan=False)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.integers(0, 70_000) | st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=10,
)


def in_profile(value: object, depth: int = 0) -> bool:
    """Tell whether another library's *value* is one that the profile has."""
    match value:
        case bool() | bytes() | str():
            return True
        case int():
            return -(2**64) <= value < 2**64
        case list():
            return depth < cbor.MAX_DEPTH and all(in_profile(each, depth + 1) for each in value)
        case dict():
            keys = all(type(key) is int for key in value)
            inner = all(in_profile(each, depth + 1) for each in value.values())
            return depth < cbor.MAX_DEPTH and keys and inner
    return False


def has_mixed_keys(value: object) -> bool:
    """Tell whether a map has keys of both signs: the libraries' two orders differ there."""
    match value:
        case dict():
            signs = {key < 0 for key in value if isinstance(key, int)}
            return len(signs) > 1 or any(map(has_mixed_keys, value.values()))
        case list():
            return any(map(has_mixed_keys, value))
    return False


def by_cbor2(data: bytes) -> tuple[bool, Any]:
    """Return whether *data* is in the profile as cbor2 understands it, and its value."""
    stream = io.BytesIO(data)
    try:
        value = cbor2.CBORDecoder(stream).decode()
        ours = stream.tell() == len(data) and in_profile(value)
        return ours and cbor2.dumps(value, canonical=True) == data, value
    except Exception:  # noqa: BLE001 - whatever that library raises: it does not take the bytes
        return False, None


def agree(data: bytes) -> None:
    theirs, value = by_cbor2(data)
    assume(not has_mixed_keys(value))
    try:
        mine = cbor.decode(data)
    except FormatError:
        assert not theirs, (data.hex(), value)
    else:
        assert theirs, (data.hex(), mine)
        assert mine == value


@given(VALUES)
def test_what_another_library_writes_we_take_exactly_where_it_is_of_the_profile(value: Any) -> None:
    agree(cbor2.dumps(value, canonical=True))
    agree(cbor2.dumps(value))


@settings(max_examples=400)
@given(VALUES, st.data())
def test_after_a_change_of_bytes_both_still_agree(value: Any, data: st.DataObject) -> None:
    wire = bytearray(cbor2.dumps(value, canonical=True))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(wire)))
        wire[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    agree(bytes(wire))


@given(st.binary(max_size=24))
def test_on_any_bytes_both_agree(data: bytes) -> None:
    agree(data)


def test_on_every_vector_both_agree() -> None:
    for case in every_case():
        theirs, value = by_cbor2(case.data)
        if has_mixed_keys(value) or len(case.data) > cbor.MAX_BYTES:
            continue
        try:
            mine = cbor.decode(case.data)
        except FormatError:
            assert not theirs, case.path
        else:
            assert (theirs, mine) == (True, value), case.path


def cwt_key(signer: SoftSigner) -> COSEKey:
    pem = signer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return COSEKey.from_pem(pem, kid=signer.public.kid)


def pycose_key(signer: SoftSigner, *, private: bool = False) -> OKPKey | EC2Key:
    numbers = signer.key.private_numbers() if hasattr(signer.key, "private_numbers") else None
    if numbers is None:
        secret = signer.key.private_bytes_raw() if private else b""  # type: ignore[union-attr]  # Ed25519
        return OKPKey(crv="ED25519", x=signer.public.raw, d=secret)
    public = numbers.public_numbers
    secret = numbers.private_value.to_bytes(32) if private else b""
    return EC2Key(crv="P_256", x=public.x.to_bytes(32), y=public.y.to_bytes(32), d=secret)


def by_cwt(data: bytes, signer: SoftSigner) -> bytes | None:
    try:
        payload = COSE.new().decode(data, cwt_key(signer), external_aad=LABEL.encode())
    except Exception:  # noqa: BLE001 - whatever that library raises: it does not verify
        return None
    return bytes(payload)


def by_pycose(data: bytes, signer: SoftSigner) -> bytes | None:
    try:
        message = Sign1Message.decode(data)
        message.external_aad = LABEL.encode()
        message.key = pycose_key(signer)
        return message.payload if message.verify_signature() else None
    except Exception:  # noqa: BLE001 - whatever that library raises: it does not verify
        return None


def by_us(data: bytes, signer: SoftSigner) -> bytes | None:
    try:
        opened = open_seal(data)
    except FormatError:
        return None
    payload = opened.payload
    return payload if payload and opened.is_by(signer.public, payload, LABEL) else None


@settings(max_examples=40)
@given(st.sampled_from(sorted(SIGNERS)), st.binary(min_size=1, max_size=300))
def test_what_we_seal_both_libraries_verify(name: str, payload: bytes) -> None:
    signer = SIGNERS[name]
    data = seal(payload, LABEL, signer, detached=False)
    verdicts = [judge(data, signer) for judge in (by_us, by_cwt, by_pycose)]
    assert verdicts == [payload] * 3


@settings(max_examples=150)
@given(st.sampled_from(sorted(SIGNERS)), st.data())
def test_of_a_changed_seal_we_never_take_what_a_library_refuses(
    name: str, data: st.DataObject
) -> None:
    signer = SIGNERS[name]
    wire = bytearray(seal(b"a payload", LABEL, signer, detached=False))
    at = data.draw(st.integers(0, len(wire)))
    wire[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    mine = by_us(bytes(wire), signer)
    if mine is not None:
        assert [by_cwt(bytes(wire), signer), by_pycose(bytes(wire), signer)] == [mine] * 2
        assert mine == b"a payload"


@settings(max_examples=20)
@given(st.sampled_from(sorted(SIGNERS)), st.binary(min_size=1, max_size=60))
def test_what_pycose_signs_in_our_profile_we_take(name: str, payload: bytes) -> None:
    signer = SIGNERS[name]
    message = Sign1Message(
        phdr={Algorithm: name.upper(), KID: signer.public.kid},
        payload=payload,
        external_aad=LABEL.encode(),
        key=pycose_key(signer, private=True),
    )
    assert by_us(message.encode(), signer) == payload


@pytest.mark.parametrize("name", SIGNERS)
def test_what_cwt_signs_in_our_profile_we_take(name: str) -> None:
    signer = SIGNERS[name]
    pem = signer.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    key = COSEKey.from_pem(pem, kid=signer.public.kid)
    alg = signer.public.algorithm
    data = COSE.new().encode(
        b"payload",
        key,
        protected={1: int(alg), 4: signer.public.kid},
        external_aad=LABEL.encode(),
    )
    assert by_us(data, signer) == b"payload"


def lax_seals() -> dict[str, bytes]:
    """Return seals with a good signature that leave a byte to choose."""
    signer, payload = SIGNERS["EdDSA"], b"payload"
    good = seal(payload, LABEL, signer, detached=False)
    critical = cbor.encode({1: -8, 2: [77], 4: signer.public.kid, 77: 1})
    to_sign = cbor.encode(["Signature1", critical, LABEL.encode(), payload])
    body = cbor.encode(payload) + cbor.encode(signer.sign(to_sign))
    return {
        "an unprotected header": good.replace(b"\xa0\x47", b"\xa1\x18\x63\x01\x47", 1),
        "a trailing byte": good + b"\x00",
        "a critical header nobody knows": b"\xd2\x84" + cbor.encode(critical) + b"\xa0" + body,
        "a length in a longer form": good.replace(b"\xa0\x47", b"\xa0\x58\x07", 1),
    }


@pytest.mark.parametrize("what", lax_seals())
def test_a_library_takes_what_leaves_a_byte_to_choose_and_we_do_not(what: str) -> None:
    """Why both are oracles here and never the gate."""
    data, signer = lax_seals()[what], SIGNERS["EdDSA"]
    assert by_us(data, signer) is None
    assert b"payload" in (by_cwt(data, signer), by_pycose(data, signer))
