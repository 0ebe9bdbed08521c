"""Certificates that need not travel every time.

Receipts and pushed heads come by the thousand from the same online keys; a text message has no room
for certificates at all. Whoever has them completes such a bundle before it is judged. Nothing is
trusted for it: the completed bundle is judged as if it had come whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace

from loa_protocol.envelope import MAX_CERTIFICATES, Bundle, open_seal
from loa_protocol.errors import FormatError
from loa_protocol.objects.authority import Certificate


def bare(data: bytes) -> bytes:
    """Return the bundle *data* without its certificates."""
    return replace(Bundle.from_bytes(data), certificates=()).to_bytes()


class Companions:
    """Certificates by the keys they are for."""

    def __init__(
        self, certificates: Iterable[bytes] = (), on_change: Callable[[bytes], None] | None = None
    ) -> None:
        """Begin with *certificates*; *on_change* is told what :meth:`remember` learned."""
        self._on_change = on_change
        self.keep(certificates)

    @classmethod
    def of(cls, last: bytes | None, on_change: Callable[[bytes], None]) -> Companions:
        """Begin with those of the bundle *last*, if one was kept; a damaged one is as good as none.

        Args:
            last: What *on_change* was told in another life.
            on_change: Told the bundle whose certificates are to be kept.
        """
        certificates: tuple[bytes, ...] = ()
        if last is not None:
            with contextlib.suppress(FormatError):
                certificates = Bundle.from_bytes(last).certificates
        return cls(certificates, on_change)

    def keep(self, certificates: Iterable[bytes]) -> None:
        """Know these and no others; what is no certificate is left out."""
        self._certificates = tuple(certificates)
        self._by_key = {kid: each for each in self._certificates if (kid := _key_of(each))}

    def remember(self, data: bytes) -> None:
        """Know the certificates of the bundle *data*, which was accepted; none others then."""
        certificates = Bundle.from_bytes(data).certificates
        if certificates and certificates != self._certificates:
            self.keep(certificates)
            if self._on_change is not None:
                self._on_change(data)

    def know(self, bundle: Bundle) -> bool:
        """Tell whether somebody who sealed *bundle* has a certificate here, or along with it.

        Where nobody has, it can't be judged: that is no sign of an attack.

        Raises:
            FormatError: a seal is none.
        """
        return bool(bundle.certificates) or any(
            open_seal(each).kid in self._by_key for each in bundle.seals
        )

    def complete(self, data: bytes) -> bytes:
        """Return the bundle *data* with the certificates here that it lacks.

        Raises:
            FormatError: it is no bundle, or a seal is none.
        """
        bundle = Bundle.from_bytes(data)
        seals = (*bundle.seals, *_seals_of(bundle.certificates))
        found = self.above(seals, MAX_CERTIFICATES - len(bundle.certificates))
        more = [each for each in found if each not in bundle.certificates]
        if not more:
            return data
        return replace(bundle, certificates=(*bundle.certificates, *more)).to_bytes()

    def above(self, seals: Iterable[bytes], limit: int) -> list[bytes]:
        """Return the certificates here of those who made *seals*, and of who issued those."""
        found: dict[bytes, bytes] = {}
        waiting = [open_seal(each).kid for each in seals]
        while waiting and len(found) < limit:
            kid = waiting.pop(0)
            if kid in self._by_key and kid not in found:
                found[kid] = self._by_key[kid]
                waiting += [open_seal(each).kid for each in _seals_of([found[kid]])]
        return list(found.values())


def _seals_of(certificates: Iterable[bytes]) -> list[bytes]:
    return [seal for each in certificates for seal in Bundle.from_bytes(each).seals]


def _key_of(certificate: bytes) -> bytes | None:
    """Return the id of the key; None for what is no certificate."""
    try:
        return Certificate.from_bytes(Bundle.from_bytes(certificate).payload).key.kid
    except FormatError:
        return None
