"""The register of certificates that the province issued: one file each, never changed.

It lies beside the officers' keys. From it a revocation knows which keys a holder has and until when
they must stay denied, and a renewal knows what is due. A certificate is written down before it
leaves; one that was lost with a disk can still be denied by its key id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from loa_manager.content_tree import write_durably
from loa_manager.home import Home, read_bytes
from loa_manager.keyring import format_chain, parse_chain
from loa_manager.orders.signers import list_signers
from loa_protocol.envelope import Bundle, open_seal
from loa_protocol.objects.authority import Certificate
from loa_protocol.scope import is_inside

_FOLDER: Final = "issued"


@dataclass(frozen=True, slots=True)
class Issued:
    """One certificate of the register."""

    certificate: Certificate
    digest: bytes
    issuers: frozenset[bytes]  # key ids of those who signed it

    @property
    def kid(self) -> bytes:
        """The id of the certified key."""
        return self.certificate.key.kid

    @property
    def is_persons(self) -> bool:
        """Whether it is neither an officer's nor the server's: renewed for people who ask."""
        certificate = self.certificate
        return not certificate.may_issue and all(role.is_speaking for role in certificate.roles)


def keep_issued(home: Home, bundle: bytes) -> None:
    """Write the certificate *bundle* into the register of *home*.

    Boards are told of those who may give orders: see :mod:`loa_manager.orders.signers`.

    Raises:
        StoreError: it cannot be written; then the certificate must not leave.
    """
    opened = Bundle.from_bytes(bundle)
    certificate = Certificate.from_bytes(opened.payload)
    name = f"{certificate.serial}-{opened.digest.hex()[:16]}.cert"
    write_durably(home.authority_keys / _FOLDER / name, format_chain((bundle,)))
    list_signers(home, [bundle], certificate.not_before)


def list_issued(home: Home) -> list[Issued]:
    """Return every certificate of the register, oldest first.

    Raises:
        StoreError: a file cannot be read.
        FormatError: one is damaged.
    """
    found = []
    for path in (home.authority_keys / _FOLDER).glob("*.cert"):
        for data in parse_chain(read_bytes(path)):
            bundle = Bundle.from_bytes(data)
            issuers = frozenset(open_seal(each).kid for each in bundle.seals)
            found.append(Issued(Certificate.from_bytes(bundle.payload), bundle.digest, issuers))
    return sorted(found, key=lambda each: (each.certificate.serial, each.digest))


def in_force(issued: Iterable[Issued], now_s: int) -> list[Issued]:
    """Return the newest certificate of each key of *issued*, where it still holds. Pure."""
    newest = {each.kid: each for each in issued}  # oldest first: the last one stays
    held = [each for each in newest.values() if each.certificate.expires > now_s]
    return sorted(held, key=lambda each: each.certificate.serial)


def current(issued: Iterable[Issued], now_s: int) -> list[Issued]:
    """Return what of :func:`in_force` is in use: a key that was followed by another is not. Pure.

    The newest certificate for the same holder, roles and scopes is the one in use, whichever its
    key.
    """
    newest = {
        (each.certificate.holder, each.certificate.roles, each.certificate.scopes): each
        for each in in_force(issued, now_s)
    }
    return list(newest.values())


def epoch_of(issued: Iterable[Issued], scopes: Iterable[str], least: int) -> int:
    """Return the epoch that *scopes* have come to; a new certificate never falls behind it. Pure.

    Args:
        issued: The register.
        scopes: Of the certificate to be issued.
        least: The epoch of whoever issues it.
    """
    asked = list(scopes)
    epochs = [
        each.certificate.epoch
        for each in issued
        if any(
            is_inside(one, other) or is_inside(other, one)
            for one in asked
            for other in each.certificate.scopes
        )
        and each.is_persons
    ]
    return max([least, *epochs])
