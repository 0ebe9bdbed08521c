"""What somebody without the province's keys can make: keys, certificates and seals of their own."""

from __future__ import annotations

import dataclasses

from cryptography.hazmat.primitives.asymmetric import ed25519

from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.keys import SoftSigner
from loa_protocol.objects.authority import Certificate, Level, Role
from loa_protocol.objects.online import Receipt
from loa_protocol.objects.playlist import Playlist


class Forger:
    """Two made-up officers, an editor and an approver whom they certify, all with real keys."""

    def __init__(self) -> None:
        self._officers = (_key(), _key())
        self._editor, self._approver = _key(), _key()

    def playlist(self, like: Playlist) -> bytes:
        """Return *like*, one serial newer, duly signed by two people of no province."""
        newer = dataclasses.replace(like, serial=like.serial + 1)
        certificates = (
            self._certificate(self._editor, Role.EDITOR, like),
            self._certificate(self._approver, Role.APPROVER, like),
        )
        signers = (self._editor, self._approver)
        return sign_bundle(Kind.PLAYLIST, newer.to_bytes(), signers, certificates=certificates)

    def receipt(self, endpoint: bytes, now_ms: int) -> bytes:
        """Return a receipt that claims a million records of *endpoint*."""
        claim = Receipt(endpoint=endpoint, epoch=1, next=1_000_000, chain=bytes(32), time_ms=now_ms)
        return sign_bundle(Kind.RECEIPT, claim.to_bytes(), [self._officers[0]])

    def _certificate(self, key: SoftSigner, role: Role, like: Playlist) -> bytes:
        certificate = Certificate(
            algorithm=key.public.algorithm,
            raw=key.public.raw,
            holder=f"forged {role.name.lower()}",
            scopes=(like.scope,),
            roles=(role,),
            may_issue=(),
            level=Level.COMMUNE,
            epoch=max(1, like.epoch),
            serial=1,
            not_before=like.not_before,
            expires=like.expires,
        )
        return sign_bundle(Kind.CERTIFICATE, certificate.to_bytes(), self._officers)


def _key() -> SoftSigner:
    return SoftSigner(ed25519.Ed25519PrivateKey.generate())
