"""Fuzz target: drafts of a root and cards of root keys, which come by mail and on sticks."""

from __future__ import annotations

import contextlib

from loa_manager.armour import armour
from loa_manager.root_draft import RootDraft, parse_draft
from loa_manager.root_holders import parse_card
from loa_protocol.errors import FormatError
from loa_protocol.trust import TrustError


def fuzz(data: bytes) -> None:
    """Offer *data* as a draft and as a card, bare, armoured, and as the root inside a draft."""
    for text in (data, armour("LOA ROOT DRAFT", data), armour("LOA ROOT KEY", data)):
        for parse in (parse_draft, parse_card):
            with contextlib.suppress(FormatError, TrustError):
                parse(text)
    if data:
        with contextlib.suppress(FormatError, TrustError):
            parse_draft(RootDraft(present=data[:16384], proposed=data[:16384]).to_text())
