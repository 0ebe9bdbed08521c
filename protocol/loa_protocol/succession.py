"""How trust itself passes on: a root to its successor, a board to another root."""

from __future__ import annotations

from loa_protocol.envelope import Bundle, Kind, open_seal
from loa_protocol.objects.authority import Root, Transfer
from loa_protocol.trust import Now, Refusal, Trusted, TrustError


def accept_root(data: bytes, present: Trusted | None, now: Now) -> Root:
    """Judge a root: signed by its own threshold, and by the present root's where there is one.

    The present root itself is accepted again. Where holders' keys change, the present root's
    ``recovery_keys`` must agree if they are more than its threshold.

    Raises:
        FormatError: *data* is no root bundle.
        TrustError: a signature, threshold or version is wrong.
    """
    bundle = _open(data, Kind.ROOT, None if present is None else present.root)
    new = Root.from_bytes(bundle.payload)
    for each in new.keys:
        if each.algorithm not in new.algorithms:
            raise TrustError(Refusal.CHAIN, f"algorithm {each.algorithm.name} is not allowed")
    if present is None:
        _check_holders(bundle, ((new, new.threshold),))
    else:
        _check_holders(bundle, ((new, new.threshold), (present.root, _needed(present.root, new))))
        _check_step(new, present)
    if new.created > now.unix_s and now.is_known:
        raise TrustError(Refusal.NOT_YET, f"created {new.created}")
    return new


def accept_transfer(data: bytes, trusted: Trusted, now: Now) -> Transfer:
    """Judge a transfer to another root: signed by the present root's threshold, for this board.

    Raises:
        FormatError: *data* is no transfer bundle.
        TrustError: a signature, threshold, address or date is wrong.
    """
    bundle = _open(data, Kind.TRANSFER, trusted.root)
    transfer = Transfer.from_bytes(bundle.payload)
    _check_holders(bundle, ((trusted.root, trusted.root.threshold),))
    if transfer.old_root != trusted.root_digest:
        raise TrustError(Refusal.NOT_ADDRESSED, "another root")
    if transfer.endpoint is not None and transfer.endpoint != trusted.endpoint_id:
        raise TrustError(Refusal.NOT_ADDRESSED, transfer.endpoint.hex())
    if now.unix_s >= transfer.expires:
        raise TrustError(Refusal.EXPIRED, f"at {transfer.expires}")
    return transfer


def root_signers(data: bytes, roots: tuple[Root, ...]) -> frozenset[bytes]:
    """Return the key ids by which the root or transfer *data* is validly signed.

    Raises:
        FormatError: *data* is no bundle.
        TrustError: a seal is by a key of none of *roots*, or not valid.
    """
    return _signed(Bundle.from_bytes(data), roots)


def holders_of(root: Root, kids: frozenset[bytes]) -> frozenset[str]:
    """Return the distinct holders of *root* to whom the keys *kids* belong: one each at most."""
    own = {key.key.kid: key.holder for key in root.keys}
    return frozenset(own[kid] for kid in kids if kid in own)


def _open(data: bytes, kind: Kind, present: Root | None) -> Bundle:
    bundle = Bundle.from_bytes(data)
    if bundle.kind != kind:
        raise TrustError(Refusal.KIND, f"kind {bundle.kind}")
    floor = 1 if present is None else present.formats.get(kind, 1)
    if bundle.version != 1 or bundle.version < floor:
        raise TrustError(Refusal.VERSION, bundle.label)
    return bundle


def _needed(old: Root, new: Root) -> int:
    """Return how many holders of *old* must agree to *new*."""
    return old.threshold if new.keys == old.keys else max(old.threshold, old.recovery_keys)


def _check_step(new: Root, present: Trusted) -> None:
    old = present.root
    if new.scope != old.scope or new.test != old.test:
        raise TrustError(Refusal.SCOPE, new.scope)
    if new == old:
        return
    if new.version == old.version:
        raise TrustError(Refusal.EQUIVOCATION, f"two roots of version {new.version}")
    if new.version != old.version + 1:  # one step at a time, as in TUF 5.3
        raise TrustError(Refusal.ROLLBACK, f"root {new.version} after {old.version}")


def _check_holders(bundle: Bundle, needs: tuple[tuple[Root, int], ...]) -> None:
    signed = _signed(bundle, tuple(root for root, _ in needs))
    for root, needed in needs:
        holders = holders_of(root, signed)
        if len(holders) < needed:
            raise TrustError(Refusal.THRESHOLD, f"{len(holders)} of {needed} root holders")


def _signed(bundle: Bundle, roots: tuple[Root, ...]) -> frozenset[bytes]:
    keys = {key.key.kid: key.key for root in roots for key in root.keys}
    signed: set[bytes] = set()
    for data in bundle.seals:
        seal = open_seal(data)
        if seal.kid not in keys:
            raise TrustError(Refusal.UNKNOWN_SIGNER, seal.kid.hex())
        if seal.payload is not None or not seal.is_by(keys[seal.kid], bundle.payload, bundle.label):
            raise TrustError(Refusal.SIGNATURE, seal.kid.hex())
        signed.add(seal.kid)
    return frozenset(signed)
