"""Certificates that need not travel every time.

Receipts and pushed heads come by the thousand from the same online keys. Whoever accepted one with
its certificates knows them; the next may come bare and is completed before it is judged. Nothing is
trusted for it: the completed bundle is judged as if it had come whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

from loa_protocol.envelope import Bundle
from loa_protocol.errors import FormatError


def bare(data: bytes) -> bytes:
    """Return the bundle *data* without its certificates."""
    return replace(Bundle.from_bytes(data), certificates=()).to_bytes()


class Companions:
    """The certificates of the last bundle of one kind that was accepted whole."""

    def __init__(
        self, last: bytes | None = None, on_change: Callable[[bytes], None] = lambda _: None
    ) -> None:
        """Begin with the bundle *last*, if one was kept; *on_change* is told what to keep."""
        self._certificates: tuple[bytes, ...] = ()
        self._on_change = on_change
        if last is not None:
            with contextlib.suppress(FormatError):  # a damaged one is as good as none
                self._certificates = Bundle.from_bytes(last).certificates

    def complete(self, data: bytes) -> bytes:
        """Return the bundle *data* with the certificates that it came without.

        Raises:
            FormatError: it is no bundle.
        """
        bundle = Bundle.from_bytes(data)
        if bundle.certificates or not self._certificates:
            return data
        return replace(bundle, certificates=self._certificates).to_bytes()

    def remember(self, data: bytes) -> None:
        """Keep the certificates of *data*, which was accepted."""
        certificates = Bundle.from_bytes(data).certificates
        if certificates and certificates != self._certificates:
            self._certificates = certificates
            self._on_change(data)
