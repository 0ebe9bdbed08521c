"""Certificates: their layout, and whatever two officers might sign by mistake."""

from __future__ import annotations

import contextlib

from loa_protocol.chain import resolve
from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.errors import FormatError
from loa_protocol.objects.authority import Certificate
from loa_protocol.trust import TrustError
from vectors.generator.world import NOW, OFFICERS, ROOTS, trusted


def fuzz(data: bytes) -> None:
    """Parse *data* as a certificate; judge it as one that is validly signed."""
    with contextlib.suppress(FormatError):
        assert Certificate.from_bytes(data).to_bytes() == data
    if not data:
        return
    signers = [each.signer for each in OFFICERS]
    own = sign_bundle(Kind.CERTIFICATE, data, signers)
    with contextlib.suppress(FormatError, TrustError):
        found = resolve((*OFFICERS[0].chain, *OFFICERS[1].chain, own), trusted(), NOW)
        assert len(found) <= len(ROOTS) + len(OFFICERS) + 1
