"""What only the holders of the root can do, with their keys at hand.

In a real province the five keys lie in five places, and come together for an hour a year. Any
distinct holders will do: two to certify officers, as many as the root asks for the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loa_manager.authority import (
    OFFICER_LIFE,
    OFFICER_ROLES,
    OFFICERS,
    Grant,
    make_certificate,
    officers_epoch,
)
from loa_manager.content_tree import write_durably
from loa_manager.home import Home
from loa_manager.issued import keep_issued
from loa_manager.keyring import (
    KEY,
    TOKEN,
    Secrets,
    format_chain,
    load_chain,
    load_signer,
    make_key,
)
from loa_manager.rechain import renew_home
from loa_manager.root_holders import (
    ISSUING_HOLDERS,
    ROOT_HOLDERS,
    ROOT_THRESHOLD,
    distinct,
    home_holders,
)
from loa_manager.serials import next_serial
from loa_protocol.chain import resolve
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import ConfigError, StoreError
from loa_protocol.keys import KID_BYTES, PublicKey, Signer
from loa_protocol.language import translator
from loa_protocol.objects.authority import Level, Role, Root, Transfer
from loa_protocol.record import ClockTrust
from loa_protocol.succession import accept_root, accept_transfer
from loa_protocol.trust import Now, TrustError

if TYPE_CHECKING:
    from loa_manager.root_draft import RootDraft

__all__ = [
    "ROOT_HOLDERS",
    "ROOT_THRESHOLD",
    "Consent",
    "certify_officers",
    "lost_officers",
    "parse_endpoint",
    "publish_root",
    "sign_transfer",
]

_ = translator("loa_manager")

TRANSFER_LIFE: Final = timedelta(days=30)
_LOST: Final = "lost"  # where the keys go that were replaced


def certify_officers(
    home: Home,
    root: Root,
    passphrase: Secrets,
    now: datetime,
    *,
    holders: Iterable[Signer] | None = None,
    anew: Collection[str] = (),
    epoch: int | None = None,
) -> datetime:
    """Certify both officers for a year, by two distinct holders of the root.

    What they signed before is given the new certificates, so that it leads to the present root.

    Args:
        home: The province.
        root: Its present root.
        passphrase: Opens the officers' keys (and the root's, where *holders* is None).
        now: When.
        holders: The root's holders; None for those whose keys lie in the home.
        anew: Officers who get another key, theirs being lost or stolen.
        epoch: A higher one, to outrun stolen keys that signed far ahead; by default the present.

    Returns:
        Until when.

    Raises:
        StoreError: the root's keys are not on this machine.
        ConfigError: the passphrase does not open them, they are of too few holders, or the epoch
            would fall.
    """
    issuers = _issuers(home, root, ISSUING_HOLDERS, passphrase, holders)
    grant = _officers_grant(home, root, epoch)
    newer = []
    for name in OFFICERS:
        key = _officer_key(home, name, passphrase, now, is_new=name in anew)
        serial = next_serial(home.authority_keys, "certificate", now)
        certificate = make_certificate(key, name, grant, serial=serial, now=now)
        own = sign_bundle(Kind.CERTIFICATE, certificate.to_bytes(), issuers)
        keep_issued(home, own)
        write_durably(home.authority_keys / f"{name}.cert", format_chain((own,)))
        newer.append(own)
    renew_home(home, newer)
    return now + OFFICER_LIFE


def lost_officers(home: Home, now: datetime) -> list[str]:
    """Return the officers whose certificates do not lead to the present root, or have ended.

    Raises:
        StoreError, FormatError: a file cannot be read or is damaged.
    """
    return [name for name in OFFICERS if not _is_certified(home, name, now)]


def sign_transfer(
    home: Home,
    new_root: bytes,
    passphrase: Secrets | None,
    now: datetime,
    endpoint: bytes | None,
    *,
    holders: Iterable[Signer] | None = None,
) -> bytes:
    """Consent that boards of this province go over to another root.

    Args:
        home: The province that lets them go.
        new_root: The other province's root bundle.
        passphrase: Opens the root's keys in the home; None where *holders* is given.
        now: The consent holds for thirty days from here.
        endpoint: The id of the one board it is for; None for every board.
        holders: The root's holders; None for those whose keys lie in the home.

    Returns:
        The bundle that `loa provision --transfer` takes to the board.

    Raises:
        StoreError: the root's keys are not on this machine.
        ConfigError: they are of too few holders.
        FormatError, TrustError: *new_root* is no root that its own holders signed.
    """
    instant = _instant(now)
    accept_root(new_root, None, instant)
    transfer = Transfer(
        old_root=Bundle.from_bytes(home.root_bundle).digest,
        new_root=Bundle.from_bytes(new_root).digest,
        endpoint=endpoint,
        expires=int((now + TRANSFER_LIFE).timestamp()),
    )
    root = home.root
    signers = _issuers(home, root, root.threshold, passphrase, holders)
    data = sign_bundle(Kind.TRANSFER, transfer.to_bytes(), signers)
    if endpoint is None:
        accept_transfer(data, home.trusted(), instant)
    return data


@dataclass(frozen=True, slots=True)
class Consent:
    """A root that came into force."""

    root: Root
    officers_lost: tuple[str, ...]  # their certificates no longer lead to it


def publish_root(home: Home, draft: RootDraft, now: datetime) -> Consent:
    """Put the root of *draft* into force: into the content tree first, then into the home.

    Done again after an interruption, it does what was left.

    Raises:
        ConfigError: the draft follows another root than the home's.
        TrustError: too few holders have signed, or a board would refuse it.
        StoreError: it could not be written.
    """
    present = Bundle.from_bytes(home.root_bundle).digest
    if present not in (draft.base.digest, draft.next.digest):
        fault = _("this draft follows another root than the one in force; draft it anew")
        raise ConfigError(_("root"), [fault])
    root = accept_root(draft.proposed, home.trusted(), _instant(now))
    home.content.put_root(draft.proposed)
    write_durably(home.root_path, draft.proposed)
    return Consent(root, tuple(lost_officers(home, now)))


def parse_endpoint(text: str) -> bytes:
    """Return the id of a board written as 32 hex characters; raise ConfigError for others."""
    try:
        endpoint = bytes.fromhex(text)
    except ValueError:
        endpoint = b""
    if len(endpoint) != KID_BYTES:
        raise ConfigError(_("board"), [_("expected 32 hex digits, got {text}").format(text=text)])
    return endpoint


def _officers_grant(home: Home, root: Root, epoch: int | None) -> Grant:
    present = officers_epoch(home)
    if epoch is not None and epoch < present:
        text = _("epoch {epoch} falls behind the present one, {present}")
        raise ConfigError(_("officers"), [text.format(epoch=epoch, present=present)])
    return Grant(
        scopes=(root.scope,),
        roles=OFFICER_ROLES,
        may_issue=tuple(Role),
        level=Level.PROVINCE,
        life=OFFICER_LIFE,
        epoch=epoch or present,
    )


def _issuers(
    home: Home,
    root: Root,
    count: int,
    passphrase: Secrets | None,
    holders: Iterable[Signer] | None,
) -> list[Signer]:
    if holders is not None:
        return distinct(holders, root, count)
    assert passphrase is not None  # callers bring one or the other
    return home_holders(home, root, count, passphrase)


def _officer_key(
    home: Home, name: str, passphrase: Secrets, now: datetime, *, is_new: bool
) -> PublicKey:
    file = home.authority_keys / f"{name}{KEY}"
    if is_new:
        _set_aside(file, now)
        make_key(file, passphrase)
    return load_signer(file, passphrase).signer.public


def _set_aside(file: Path, now: datetime) -> None:
    """Move a key that counts no more out of the way: keys are never overwritten."""
    folder = file.parent / _LOST
    try:
        for each in (file, file.with_suffix(TOKEN), file.with_suffix(".cert")):
            if each.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
                each.rename(folder / f"{now:%Y%m%d%H%M%S}-{each.name}")
    except OSError as error:
        raise StoreError(str(file), error.strerror or str(error)) from None


def _is_certified(home: Home, name: str, now: datetime) -> bool:
    chain = load_chain(home.authority_keys / name)
    try:
        resolve(chain, home.trusted(), _instant(now))
    except TrustError:
        return False
    return True


def _instant(now: datetime) -> Now:
    return Now(int(now.timestamp()), ClockTrust.T3)
