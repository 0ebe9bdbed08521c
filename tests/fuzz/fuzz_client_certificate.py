"""A client certificate, as the broker or the TLS layer hands it on."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from loa_manager.serve.admission import Denial, Denied, admit
from support.device_ca_lab import FixedRoster, X509Lab


@cache
def _lab() -> tuple[X509Lab, bytes]:
    lab = X509Lab()
    return lab, lab.board().certificate


def fuzz(data: bytes) -> None:
    """Judge *data* as a certificate, and a good one with *data* written over a part of it."""
    lab, good = _lab()
    at = int.from_bytes(data[:2]) % len(good)
    for der in (data, good[:at] + data + good[at + len(data) :]):
        verdict = admit(der, lab.authorities, FixedRoster(), datetime.now(UTC))
        assert isinstance(verdict, Denied)
        assert verdict.reason in Denial
