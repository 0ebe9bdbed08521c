"""Seals and bundles: COSE_Sign1 with no byte left to choose."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cwt import COSE, COSEKey
from hypothesis import given
from hypothesis import strategies as st
from pycose.keys.okp import OKPKey
from pycose.messages.sign1message import Sign1Message

from loa_protocol.envelope import Bundle, Kind, add_signature, open_seal, seal, sign_bundle
from loa_protocol.errors import FormatError, VersionError
from loa_protocol.keys import SoftSigner
from support.province import person

EDDSA, ES256 = person("one").signer, person("two", p256=True).signer
LABEL = Kind.PLAYLIST.label()


@pytest.mark.parametrize("signer", [EDDSA, ES256])
def test_a_seal_verifies_for_its_payload_and_type_only(signer: SoftSigner) -> None:
    opened = open_seal(seal(b"payload", LABEL, signer, detached=False))
    assert opened.payload == b"payload"
    assert opened.is_by(signer.public, b"payload", LABEL)
    assert not opened.is_by(signer.public, b"Payload", LABEL)
    assert not opened.is_by(signer.public, b"payload", Kind.POLICY.label())
    assert not opened.is_by(person("other").signer.public, b"payload", LABEL)


@pytest.mark.parametrize("signer", [EDDSA, ES256])
def test_an_independent_library_verifies_our_seals(signer: SoftSigner) -> None:
    pem = signer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    key = COSEKey.from_pem(pem, kid=signer.public.kid)
    data = seal(b"payload", LABEL, signer, detached=False)
    assert COSE.new().decode(data, key, external_aad=LABEL.encode()) == b"payload"


def test_a_second_independent_library_reads_our_headers_and_verifies() -> None:
    message = Sign1Message.decode(seal(b"payload", LABEL, EDDSA, detached=False))
    message.external_aad = LABEL.encode()
    message.key = OKPKey(crv="ED25519", x=EDDSA.public.raw)
    assert message.uhdr == {}
    assert message.verify_signature()


@pytest.mark.parametrize("detached", [True, False])
def test_every_single_bit_flip_of_a_seal_is_refused(detached: bool) -> None:
    data = seal(b"payload", LABEL, EDDSA, detached=detached)
    for bit in range(len(data) * 8):
        broken = bytearray(data)
        broken[bit // 8] ^= 1 << bit % 8
        try:
            opened = open_seal(bytes(broken))
        except FormatError:
            continue
        changed = opened.payload not in (None, b"payload")
        assert changed or not opened.is_by(EDDSA.public, b"payload", LABEL), bit


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"\xd2\x84", b"\x84", "no tag"),
        (b"\xa0\xf6", b"\xa1\x04\x40\xf6", "something in the unprotected header"),
        (b"\x55\xa2\x01\x27", b"\x57\xa3\x01\x27\x02\x80", "one more protected header"),
        (b"\x01\x27", b"\x01\x38\x22", "an algorithm that is not ours"),
        (b"\xa0\xf6", b"\xa0\x01", "a payload that is a number"),
    ],
)
def test_a_cose_message_outside_the_profile_is_refused(old: bytes, new: bytes, why: str) -> None:
    data = seal(b"payload", LABEL, EDDSA)
    assert old in data
    with pytest.raises(FormatError):
        open_seal(data.replace(old, new, 1))


def test_trailing_bytes_after_a_seal_are_refused() -> None:
    with pytest.raises(FormatError):
        open_seal(seal(b"payload", LABEL, EDDSA) + b"\x00")


def test_a_second_signature_leaves_the_payload_as_it_was() -> None:
    draft = sign_bundle(Kind.PLAYLIST, b"payload", [EDDSA], certificates=[b"c1"])
    both = Bundle.from_bytes(add_signature(draft, ES256, certificates=[b"c1", b"c2"]))
    assert both.payload == b"payload"
    assert [open_seal(each).kid for each in both.seals] == [EDDSA.public.kid, ES256.public.kid]
    assert both.certificates == (b"c1", b"c2")


def test_a_bundle_of_an_unknown_kind_has_no_label() -> None:
    bundle = Bundle(kind=200, version=1, payload=b"x", seals=(), certificates=())
    with pytest.raises(VersionError):
        _ = Bundle.from_bytes(bundle.to_bytes()).label


def test_a_signer_never_shows_its_private_half() -> None:
    assert EDDSA.key.private_bytes_raw().hex() not in repr(EDDSA)  # type: ignore[union-attr]  # Ed25519
    assert repr(EDDSA) == f"SoftSigner({EDDSA.public.kid.hex()})"


@given(st.binary(max_size=160))
def test_no_bytes_make_a_seal_raise_anything_but_a_format_error(data: bytes) -> None:
    try:
        open_seal(data)
    except FormatError:
        return
