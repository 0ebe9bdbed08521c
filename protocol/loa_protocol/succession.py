"""How trust itself passes on: a root to its successor, a board to another root."""

from __future__ import annotations

from loa_protocol.envelope import Bundle, Kind, open_seal
from loa_protocol.objects.authority import Root, Transfer
from loa_protocol.trust import Now, Refusal, Trusted, TrustError


def accept_root(data: bytes, present: Trusted | None, now: Now) -> Root:
    """Judge a root: signed by its own threshold, and by the present root's where there is one.

    Raises:
        FormatError: *data* is no root bundle.
        TrustError: a signature, threshold or version is wrong.
    """
    bundle = Bundle.from_bytes(data)
    if bundle.kind != Kind.ROOT:
        raise TrustError(Refusal.KIND, bundle.label)
    new = Root.from_bytes(bundle.payload)
    _check_root_threshold(bundle, (new,) if present is None else (new, present.root))
    if present is not None:
        if new.scope != present.root.scope or new.test != present.root.test:
            raise TrustError(Refusal.SCOPE, new.scope)
        if new == present.root:
            return new
        if new.version != present.root.version + 1:  # one step at a time, as in TUF 5.3
            raise TrustError(Refusal.ROLLBACK, f"root {new.version} after {present.root.version}")
    if new.created > now.unix_s and now.is_known:
        raise TrustError(Refusal.NOT_YET, f"created {new.created}")
    return new


def accept_transfer(data: bytes, trusted: Trusted, now: Now) -> Transfer:
    """Judge a transfer to another root: signed by the present root's threshold, for this board.

    Raises:
        FormatError: *data* is no transfer bundle.
        TrustError: a signature, threshold, address or date is wrong.
    """
    bundle = Bundle.from_bytes(data)
    if bundle.kind != Kind.TRANSFER:
        raise TrustError(Refusal.KIND, bundle.label)
    transfer = Transfer.from_bytes(bundle.payload)
    _check_root_threshold(bundle, (trusted.root,))
    if transfer.old_root != trusted.root_digest:
        raise TrustError(Refusal.NOT_ADDRESSED, "another root")
    if transfer.endpoint is not None and transfer.endpoint != trusted.endpoint_id:
        raise TrustError(Refusal.NOT_ADDRESSED, transfer.endpoint.hex())
    if now.unix_s >= transfer.expires:
        raise TrustError(Refusal.EXPIRED, f"at {transfer.expires}")
    return transfer


def _check_root_threshold(bundle: Bundle, roots: tuple[Root, ...]) -> None:
    keys = {key.key.kid: key.key for root in roots for key in root.keys}
    signed: set[bytes] = set()
    for data in bundle.seals:
        seal = open_seal(data)
        if seal.kid not in keys:
            raise TrustError(Refusal.UNKNOWN_SIGNER, seal.kid.hex())
        key = keys[seal.kid]
        if not seal.is_by(key, bundle.payload, bundle.label):
            raise TrustError(Refusal.SIGNATURE, seal.kid.hex())
        signed.add(seal.kid)
    for root in roots:
        own = {key.key.kid: key.holder for key in root.keys}
        holders = {own[kid] for kid in signed if kid in own}
        if len(holders) < root.threshold:
            raise TrustError(Refusal.THRESHOLD, f"{len(holders)} of {root.threshold} root holders")
