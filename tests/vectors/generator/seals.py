"""Seals that other COSE readers would take."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Final

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from loa_protocol import cbor
from loa_protocol.envelope import Bundle, Kind, seal, sign_bundle
from loa_protocol.trust import Refusal
from vectors.generator import bodies
from vectors.generator.case import FORMAT, Case
from vectors.generator.world import APPROVER, EDITOR, Person, person, sign

_BODY: Final = bodies.playlist().to_bytes()
_GOOD: Final = Bundle.from_bytes(sign(Kind.PLAYLIST, bodies.playlist(), EDITOR, APPROVER))
_LABEL: Final = Kind.PLAYLIST.label()
_P256: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield from _forms()
    yield from _headers()
    yield from _labels()
    yield from _signatures()


def _with(first: bytes, second: bytes = _GOOD.seals[1]) -> bytes:
    return dataclasses.replace(_GOOD, seals=(first, second)).to_bytes()


def _custom(
    who: Person,
    *,
    protected: bytes | None = None,
    unprotected: bytes = b"\xa0",
    context: str = "Signature1",
    label: bytes = _LABEL.encode(),
    shape: Callable[[bytes], bytes] = cbor.encode,
    start: bytes = b"\xd2\x84",
    payload: bytes = b"\xf6",
) -> bytes:
    """Return a COSE_Sign1 whose signature is right for what it says, in any form."""
    key = who.signer.public
    header = protected or cbor.encode({1: int(key.algorithm), 4: key.kid})
    signature = who.signer.sign(cbor.encode([context, header, label, _BODY]))
    return start + cbor.encode(header) + unprotected + payload + shape(signature)


def _forms() -> Iterator[Case]:
    yield Case(
        "seal",
        "detached_both_algorithms",
        "Ed25519 and ES256 side by side, detached.",
        _with(_custom(EDITOR)),
    )
    for name, why, data in (
        ("no_tag", "COSE_Sign1 without its tag 18.", _custom(EDITOR, start=b"\x84")),
        ("tag_17", "Tagged as COSE_Mac0.", _custom(EDITOR, start=b"\xd1\x84")),
        ("array_of_three", "Four members, counted as three.", _custom(EDITOR, start=b"\xd2\x83")),
        (
            "protected_as_text",
            "The protected header under the major type of text.",
            _GOOD.seals[0].replace(b"\x55", b"\x75", 1),
        ),
        ("tag_98", "Tagged as COSE_Sign.", _custom(EDITOR, start=b"\xd8\x62\x84")),
        ("tag_18_in_two_bytes", "Tag 18 in a longer form.", _custom(EDITOR, start=b"\xd8\x12\x84")),
        (
            "five_members",
            "A fifth member after the signature.",
            _custom(EDITOR, start=b"\xd2\x85") + b"\xf6",
        ),
        (
            "array_of_indefinite_length",
            "The array ends by a break.",
            _custom(EDITOR, start=b"\xd2\x9f") + b"\xff",
        ),
        ("trailing_byte", "A byte after the signature.", _GOOD.seals[0] + b"\x00"),
        (
            "detached_as_undefined",
            "Undefined where null says 'detached'.",
            _custom(EDITOR, payload=b"\xf7"),
        ),
        (
            "signature_as_text",
            "The signature under the major type of text.",
            _GOOD.seals[0].replace(b"\x58\x40", b"\x78\x40"),
        ),
        (
            "signature_of_63_bytes",
            "The signature lacks its last byte.",
            _GOOD.seals[0][:-66] + b"\x58\x3f" + _GOOD.seals[0][-64:-1],
        ),
        (
            "signature_in_a_longer_form",
            "64 as a length in two bytes.",
            _custom(EDITOR, shape=lambda s: b"\x59\x00\x40" + s),
        ),
        ("signature_empty", "No signature.", _custom(EDITOR, shape=lambda _s: b"\x40")),
    ):
        yield Case("seal", name, why, _with(data), FORMAT)
    der = encode_dss_signature(*_halves(_GOOD.seals[1]))
    yield Case(
        "seal",
        "signature_in_der",
        "ES256 as in X.509, in DER: COSE has r and s, 32 bytes each.",
        _with(_GOOD.seals[0], _GOOD.seals[1][:-66] + cbor.encode(der)),
        FORMAT,
    )


def _headers() -> Iterator[Case]:
    kid = EDITOR.kid
    entries = {
        "protected_in_falling_order": (b"\xa2\x04\x50" + kid + b"\x01\x27", "kid before alg."),
        "protected_with_content_type": (cbor.encode({1: -8, 3: 0, 4: kid}), "A third header."),
        "protected_with_critical": (
            cbor.encode({1: -8, 2: [77], 4: kid, 77: 1}),
            "A critical header that nobody knows.",
        ),
        "protected_without_kid": (cbor.encode({1: -8}), "No key id."),
        "protected_without_algorithm": (cbor.encode({4: kid}), "No algorithm."),
        "protected_empty": (b"", "No protected header."),
        "protected_alg_twice": (b"\xa3\x01\x27\x01\x27\x04\x50" + kid, "The algorithm twice."),
        "protected_longer_form": (b"\xa2\x01\x38\x07\x04\x50" + kid, "-8 in two bytes."),
        "kid_of_15_bytes": (cbor.encode({1: -8, 4: kid[:15]}), "A key id is 16 bytes."),
        "kid_as_text": (b"\xa2\x01\x27\x04\x70" + kid, "A key id under the type of text."),
        "algorithm_es384": (cbor.encode({1: -35, 4: kid}), "An algorithm that is not ours."),
        "algorithm_none": (cbor.encode({1: 0, 4: kid}), "No algorithm's number."),
        "algorithm_hmac": (cbor.encode({1: 5, 4: kid}), "A shared secret is no signature."),
    }
    for name, (protected, why) in entries.items():
        data = _custom(EDITOR, protected=protected or None)
        if not protected:
            data = b"\xd2\x84\x40" + _GOOD.seals[0][24:]
        yield Case("seal", name, why, _with(data), FORMAT)
    yield Case(
        "seal",
        "unprotected_not_empty",
        "The unprotected header names a key id too: nobody signed that.",
        _with(_custom(EDITOR, unprotected=b"\xa1\x04\x40")),
        FORMAT,
    )
    yield Case(
        "seal",
        "kid_only_unprotected",
        "alg protected, kid not.",
        _with(_custom(EDITOR, protected=cbor.encode({1: -8}), unprotected=cbor.encode({4: kid}))),
        FORMAT,
    )
    yield Case(
        "seal",
        "unprotected_absent",
        "Null where the empty map stands.",
        _with(_custom(EDITOR, unprotected=b"\xf6")),
        FORMAT,
    )
    yield Case(
        "seal",
        "algorithm_changed_after_signing",
        "Signed as EdDSA, and the header then changed to ES256.",
        _with(_GOOD.seals[0].replace(b"\x01\x27\x04", b"\x01\x26\x04", 1)),
        Refusal.SIGNATURE,
    )
    yield Case(
        "seal",
        "algorithm_of_another_key",
        "An Ed25519 key's id under ES256: the certificate pins the algorithm.",
        _with(_custom(EDITOR, protected=cbor.encode({1: -7, 4: kid}))),
        Refusal.SIGNATURE,
    )


def _labels() -> Iterator[Case]:
    for name, label, why in (
        (
            "of_a_policy",
            Kind.POLICY.label(),
            "Signed as a policy: no signature is valid for another type.",
        ),
        ("of_another_version", "loa/playlist/2", "Signed as version 2."),
        ("without_external_data", "", "Signed without the type: external_aad is empty."),
        ("of_upper_case", "Loa/Playlist/1", "The label is bytes, not words."),
    ):
        yield Case(
            "seal",
            f"signature_{name}",
            why,
            _with(_custom(EDITOR, label=label.encode())),
            Refusal.SIGNATURE,
        )
    yield Case(
        "seal",
        "signature_of_a_multi_signer_message",
        "Context 'Signature' of COSE_Sign in the place of 'Signature1'.",
        _with(_custom(EDITOR, context="Signature")),
        Refusal.SIGNATURE,
    )
    yield Case(
        "seal",
        "policy_seals_under_a_playlist",
        "Both seals are good for the same bytes as a policy.",
        _with(
            *Bundle.from_bytes(
                sign_bundle(Kind.POLICY, _BODY, [EDITOR.signer, APPROVER.signer])
            ).seals
        ),
        Refusal.SIGNATURE,
    )


def _signatures() -> Iterator[Case]:
    good, other = _GOOD.seals[0], bodies.playlist(serial=6).to_bytes()
    yield Case(
        "seal",
        "own_payload_attached",
        "A valid seal over a small payload of its own, in a bundle of another payload.",
        _with(seal(b"x", _LABEL, EDITOR.signer, detached=False)),
        Refusal.SIGNATURE,
    )
    yield Case(
        "seal",
        "of_another_payload",
        "Mix and match: the seal of serial 6 under serial 5.",
        _with(seal(other, _LABEL, EDITOR.signer)),
        Refusal.SIGNATURE,
    )
    yield Case(
        "seal",
        "signature_flipped",
        "One bit of the signature.",
        _with(good[:-1] + bytes([good[-1] ^ 1])),
        Refusal.SIGNATURE,
    )
    yield Case(
        "seal",
        "signature_of_zeros",
        "64 zero bytes.",
        _with(good[:-64] + bytes(64)),
        Refusal.SIGNATURE,
    )
    yield Case(
        "seal",
        "ecdsa_signature_of_zeros",
        "r = s = 0 verified everywhere in a library once (CVE-2022-21449).",
        _with(good, _GOOD.seals[1][:-64] + bytes(64)),
        Refusal.SIGNATURE,
    )
    r, s = _halves(_GOOD.seals[1])
    mirrored = _GOOD.seals[1][:-64] + r.to_bytes(32) + (_P256 - s).to_bytes(32)
    yield Case(
        "seal",
        "ecdsa_other_half",
        "(r, n - s) is valid too; objects are known by their payload's hash, not a seal's.",
        _with(good, mirrored),
    )
    level = 2**252 + 27742317777372353535851937790883648493
    high = (int.from_bytes(good[-32:], "little") + level).to_bytes(32, "little")
    yield Case(
        "seal",
        "ed25519_s_beyond_the_order",
        "S + L is refused (RFC 8032 section 5.1.7): a signature has one form.",
        _with(good[:-32] + high),
        Refusal.SIGNATURE,
    )
    yield Case(
        "seal",
        "by_nobody_known",
        "A good signature by a key without certificate.",
        _with(seal(_BODY, _LABEL, person("stranger").signer)),
        Refusal.UNKNOWN_SIGNER,
    )
    yield Case(
        "seal",
        "with_the_kid_of_another",
        "A stranger's signature under the editor's key id.",
        _with(good[:-64] + seal(_BODY, _LABEL, person("stranger").signer)[-64:]),
        Refusal.SIGNATURE,
    )


def _halves(data: bytes) -> tuple[int, int]:
    return int.from_bytes(data[-64:-32]), int.from_bytes(data[-32:])
