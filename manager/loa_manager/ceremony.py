"""What only the holders of the root can do, with their keys at hand.

In a real province the five keys lie in five places, and come to this machine for an hour a year.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from loa_manager.authority import (
    OFFICER_LIFE,
    OFFICER_ROLES,
    OFFICERS,
    Grant,
    make_certificate,
)
from loa_manager.content_tree import write_durably
from loa_manager.home import Home
from loa_manager.keyring import Passphrase, format_chain, load_signer
from loa_manager.serials import next_serial
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import ConfigError
from loa_protocol.keys import KID_BYTES, Signer
from loa_protocol.language import translator
from loa_protocol.objects.authority import Level, Role, Root, Transfer
from loa_protocol.record import ClockTrust
from loa_protocol.succession import accept_root, accept_transfer
from loa_protocol.trust import Now

_ = translator("loa_manager")

ROOT_HOLDERS: Final = tuple(f"root-{n}" for n in range(1, 6))
ROOT_THRESHOLD: Final = 3
TRANSFER_LIFE: Final = timedelta(days=30)


def certify_officers(home: Home, root: Root, passphrase: Passphrase, now: datetime) -> datetime:
    """Certify both officers for a year, by the first two holders of the root.

    Returns:
        Until when.

    Raises:
        StoreError: the root's keys are not on this machine.
        ConfigError: the passphrase does not open them.
    """
    issuers = _holders(home, 2, passphrase)
    grant = Grant(
        scopes=(root.scope,),
        roles=OFFICER_ROLES,
        may_issue=tuple(Role),
        level=Level.PROVINCE,
        life=OFFICER_LIFE,
    )
    for name in OFFICERS:
        key = load_signer(home.authority_keys / name, passphrase).signer.public
        serial = next_serial(home.authority_keys, "certificate", now)
        certificate = make_certificate(key, name, grant, serial=serial, now=now)
        own = sign_bundle(Kind.CERTIFICATE, certificate.to_bytes(), issuers)
        write_durably(home.authority_keys / f"{name}.cert", format_chain((own,)))
    return now + OFFICER_LIFE


def sign_transfer(
    home: Home, new_root: bytes, passphrase: Passphrase, now: datetime, endpoint: bytes | None
) -> bytes:
    """Consent that boards of this province go over to another root.

    Args:
        home: The province that lets them go.
        new_root: The other province's root bundle.
        passphrase: Opens the keys of the root's holders.
        now: The consent holds for thirty days from here.
        endpoint: The id of the one board it is for; None for every board.

    Returns:
        The bundle that `loa provision --transfer` takes to the board.

    Raises:
        StoreError: the root's keys are not on this machine.
        FormatError, TrustError: *new_root* is no root that its own holders signed.
    """
    instant = Now(int(now.timestamp()), ClockTrust.T3)
    accept_root(new_root, None, instant)
    transfer = Transfer(
        old_root=Bundle.from_bytes(home.root_bundle).digest,
        new_root=Bundle.from_bytes(new_root).digest,
        endpoint=endpoint,
        expires=int((now + TRANSFER_LIFE).timestamp()),
    )
    data = sign_bundle(
        Kind.TRANSFER, transfer.to_bytes(), _holders(home, ROOT_THRESHOLD, passphrase)
    )
    if endpoint is None:
        accept_transfer(data, home.trusted(), instant)
    return data


def parse_endpoint(text: str) -> bytes:
    """Return the id of a board written as 32 hex characters; raise ConfigError for others."""
    try:
        endpoint = bytes.fromhex(text)
    except ValueError:
        endpoint = b""
    if len(endpoint) != KID_BYTES:
        raise ConfigError(_("board"), [_("expected 32 hex digits, got {text}").format(text=text)])
    return endpoint


def _holders(home: Home, count: int, passphrase: Passphrase) -> list[Signer]:
    """Open the keys of the first *count* holders of the root."""
    return [
        load_signer(home.root_keys / holder, passphrase).signer for holder in ROOT_HOLDERS[:count]
    ]
