"""One more seal on a draft: by somebody with the role, who has not sealed it yet. Pure.

The device counts distinct holders; what it would refuse later is refused at the desk now.
"""

from __future__ import annotations

from loa_manager.in_date import check_in_date
from loa_manager.keyring import Identity
from loa_protocol.chain import resolve
from loa_protocol.envelope import Bundle, add_signature, open_seal
from loa_protocol.language import translator
from loa_protocol.objects.authority import Role
from loa_protocol.objects.playlist import Playlist
from loa_protocol.scope import is_inside
from loa_protocol.trust import Now, Refusal, Resolved, Trusted, TrustError

_ = translator("loa_manager")


def signers_of(bundle: Bundle, trusted: Trusted, now: Now) -> list[Resolved]:
    """Return who has sealed *bundle* so far.

    Raises:
        FormatError: a seal or certificate is damaged.
        TrustError: one is not valid.
    """
    known = resolve(bundle.certificates, trusted, now)
    signers: list[Resolved] = []
    for data in bundle.seals:
        seal = open_seal(data)
        signer = known.get(seal.kid)
        if signer is None:
            raise TrustError(Refusal.UNKNOWN_SIGNER, seal.kid.hex())
        if seal.payload is not None or not seal.is_by(signer.key, bundle.payload, bundle.label):
            raise TrustError(Refusal.SIGNATURE, signer.holder)
        signers.append(signer)
    return signers


def add_seal(data: bytes, identity: Identity, role: Role, trusted: Trusted, now: Now) -> bytes:
    """Return the draft *data* with a seal by *identity* in its *role*.

    Raises:
        TrustError: ROLE, SCOPE or EPOCH: the certificate does not allow it; THRESHOLD: the same
            holder has sealed it already; EXPIRED: its certificate has ended; or a seal or
            certificate is not valid.
        FormatError: *data* is no playlist.
    """
    bundle = Bundle.from_bytes(data)
    playlist = Playlist.from_bytes(bundle.payload)
    earlier = signers_of(bundle, trusted, now)
    check_in_date(identity, now)
    signer = resolve(identity.chain, trusted, now).get(identity.signer.public.kid)
    if signer is None or signer.certificate is None:
        raise TrustError(Refusal.CHAIN, _("{name} has no certificate").format(name=identity.name))
    if role not in signer.roles:
        text = _("{holder} is no {role}")
        raise TrustError(Refusal.ROLE, text.format(holder=signer.holder, role=role.name.lower()))
    if not any(is_inside(playlist.scope, prefix) for prefix in signer.scopes):
        text = _("{holder} does not speak for {scope}")
        detail = text.format(holder=signer.holder, scope=playlist.scope)
        raise TrustError(Refusal.SCOPE, detail)
    if playlist.epoch > signer.certificate.epoch:
        raise TrustError(Refusal.EPOCH, _("the draft's epoch is above the certificate's"))
    if signer.holder in {each.holder for each in earlier}:
        text = _("{holder} has signed already; the second signature is another person's")
        raise TrustError(Refusal.THRESHOLD, text.format(holder=signer.holder))
    return add_signature(data, identity.signer, certificates=identity.chain)
