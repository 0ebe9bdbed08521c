"""Drafts of a root, and cards of keys: what is none is refused by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_root_draft import fuzz
from loa_manager.armour import armour, unarmour
from loa_manager.home import Home
from loa_manager.root_draft import (
    Changes,
    make_draft,
    parse_draft,
    sign_draft,
)
from loa_manager.root_holders import make_card, parse_card
from loa_protocol import language
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import ConfigError, FormatError
from loa_protocol.keys import Algorithm, SoftSigner
from loa_protocol.objects.authority import Root, RootKey
from loa_protocol.trust import TrustError
from support.bench_lab import province_home
from support.root_desk import LATER, holder, newcomer


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_LANG", "en")
    monkeypatch.setattr(language, "_chosen", [])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return province_home(tmp_path)


def test_a_strangers_key_signs_no_draft(home: Home, tmp_path: Path) -> None:
    draft = make_draft(home.root_bundle, Changes(threshold=2), LATER)
    stranger, _card = newcomer(tmp_path, "stranger")
    with pytest.raises(ConfigError, match="neither"):
        sign_draft(draft, stranger)
    once = sign_draft(draft, holder(home, 1))
    assert sign_draft(once, holder(home, 1)) == once


@pytest.mark.requirement("SEC-6")
def test_a_draft_whose_root_in_force_is_no_root_is_not_even_shown(home: Home) -> None:
    """Whoever prepares a draft cannot pretend that a holder of theirs was there before."""
    bundle = Bundle.from_bytes(home.root_bundle)
    root = Root.from_bytes(bundle.payload)
    faked = dataclasses.replace(root, threshold=2)
    forged = dataclasses.replace(bundle, payload=faked.to_bytes()).to_bytes()
    draft = make_draft(home.root_bundle, Changes(threshold=4), LATER)
    with pytest.raises(TrustError):
        parse_draft(dataclasses.replace(draft, present=forged).to_text())


@given(st.binary(max_size=400))
def test_any_bytes_are_a_draft_or_refused_by_name(data: bytes) -> None:
    fuzz(data)


@given(st.integers(0, 10**6))
def test_no_flipped_bit_of_a_draft_gets_through(seed: int) -> None:
    bits = bytearray(unarmour("LOA ROOT DRAFT", _drafted()))
    bit = seed % (len(bits) * 8)
    bits[bit // 8] ^= 1 << bit % 8
    before = parse_draft(_drafted())
    try:
        after = parse_draft(armour("LOA ROOT DRAFT", bytes(bits)))
    except (FormatError, TrustError):
        return
    raise AssertionError(f"{after} after {before}")


_MADE: list[bytes] = []


def _drafted() -> bytes:
    if not _MADE:
        keys = [SoftSigner(ed25519.Ed25519PrivateKey.generate()) for _ in range(3)]
        root = Root(
            scope="vn/ls",
            version=1,
            test=True,
            created=0,
            keys=tuple(
                RootKey(algorithm=k.public.algorithm, raw=k.public.raw, holder=f"h{n}")
                for n, k in enumerate(keys)
            ),
            threshold=2,
            algorithms=(Algorithm.EDDSA,),
            formats={},
            floors={},
            recovery_keys=2,
        )
        present = sign_bundle(Kind.ROOT, root.to_bytes(), keys[:2])
        draft = make_draft(present, Changes(floors={Kind.ALERT: 2}), LATER)
        _MADE.append(sign_draft(draft, keys[0]).to_text())
    return _MADE[0]


def test_a_card_of_a_key_that_did_not_make_it_is_refused(tmp_path: Path) -> None:
    signer, _card = newcomer(tmp_path, "one")
    other, _card = newcomer(tmp_path, "two")
    card = bytearray(unarmour("LOA ROOT KEY", make_card(signer, "một")))
    at = bytes(card).index(signer.public.raw)
    card[at : at + 32] = other.public.raw
    with pytest.raises(FormatError):
        parse_card(armour("LOA ROOT KEY", bytes(card)))
