"""Root holders at their desks: their keys, newcomers, and a draft that several have signed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from loa_manager.home import Home
from loa_manager.keyring import load_signer, make_key
from loa_manager.root_draft import (
    Changes,
    RootDraft,
    make_draft,
    parse_draft,
    sign_draft,
)
from loa_manager.root_holders import make_card, parse_card
from loa_protocol.keys import SoftSigner
from loa_protocol.objects.authority import RootKey
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now
from support.bench_lab import FOUNDED, SECRET
from support.passphrases import cheap

PASSPHRASE = cheap(SECRET)
LATER = FOUNDED + timedelta(days=40)
T3 = Now(int(LATER.timestamp()) + 60, ClockTrust.T3)


def holder(home: Home, number: int) -> SoftSigner:
    signer = load_signer(home.root_keys / f"root-{number}", PASSPHRASE).signer
    assert isinstance(signer, SoftSigner)
    return signer


def newcomer(folder: Path, name: str) -> tuple[SoftSigner, RootKey]:
    """Make the key of a new holder and return it with its card."""
    signer = SoftSigner(make_key(folder / f"{name}.key", PASSPHRASE))
    return signer, parse_card(make_card(signer, name))


def replaced(home: Home, folder: Path, gone: int, signers: Sequence[int]) -> RootDraft:
    """Return the signed draft in which ``root-6`` follows holder *gone*."""
    _signer, card = newcomer(folder, "root-6")
    draft = make_draft(home.root_bundle, Changes(add=(card,), remove=(f"root-{gone}",)), LATER)
    for number in signers:
        draft = parse_draft(sign_draft(draft, holder(home, number)).to_text())
    return draft
