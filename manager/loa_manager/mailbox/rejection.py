"""An approver's no, sealed like a yes: the server can hold it back, but not make one up.

It is no object for devices: it travels from the approver through the mailbox to the editor.
"""

from __future__ import annotations

from dataclasses import dataclass

from loa_manager.keyring import Identity
from loa_protocol.chain import resolve
from loa_protocol.envelope import MAX_CERTIFICATES, open_seal, seal
from loa_protocol.errors import MessageError
from loa_protocol.objects.authority import SECONDS, Role
from loa_protocol.schema import Bytes, ListOf, Text, Wire, wire
from loa_protocol.scope import is_inside
from loa_protocol.trust import Now, Refusal, Resolved, Trusted, TrustError

LABEL = "loa/rejection/1"
MAX_REASON = 500
MAX_BYTES = 16 * 1024  # as long as three certificates and the longest reason can need


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection(Wire):
    """What an approver says of one draft."""

    draft: bytes = wire(1, Bytes(32, 32))  # digest of the playlist
    scope: str = wire(2, Text(271))
    reason: str = wire(3, Text(MAX_REASON))
    time: int = wire(4, SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sealed(Wire):
    seal: bytes = wire(1, Bytes(1, 4096))
    certificates: tuple[bytes, ...] = wire(2, ListOf(Bytes(1, 8192), MAX_CERTIFICATES))


def seal_rejection(rejection: Rejection, identity: Identity) -> bytes:
    """Return *rejection* under the seal of *identity*, with the chain."""
    sealed = seal(rejection.to_bytes(), LABEL, identity.signer, detached=False)
    return _Sealed(seal=sealed, certificates=identity.chain).to_bytes()


def open_rejection(data: bytes, trusted: Trusted, now: Now) -> tuple[Rejection, Resolved]:
    """Return what was said, and which approver said it.

    Raises:
        FormatError: *data* is no rejection.
        TrustError: it is not by an approver of its scope.
    """
    if len(data) > MAX_BYTES:
        raise MessageError(f"{len(data)} bytes are more than the {MAX_BYTES} allowed")
    outer = _Sealed.from_bytes(data)
    opened = open_seal(outer.seal)
    if opened.payload is None:
        raise MessageError("the rejection has no content")
    rejection = Rejection.from_bytes(opened.payload)
    signer = resolve(outer.certificates, trusted, now).get(opened.kid)
    if signer is None:
        raise TrustError(Refusal.UNKNOWN_SIGNER, opened.kid.hex())
    if not opened.is_by(signer.key, opened.payload, LABEL):
        raise TrustError(Refusal.SIGNATURE, signer.holder)
    if Role.APPROVER not in signer.roles:
        raise TrustError(Refusal.ROLE, signer.holder)
    if not any(is_inside(rejection.scope, prefix) for prefix in signer.scopes):
        raise TrustError(Refusal.SCOPE, signer.holder)
    return rejection, signer
