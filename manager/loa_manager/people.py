"""Keys in the homes of people: made there, certified by the province, installed, listed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.x509.oid import NameOID

from loa_manager import x509
from loa_manager.content_tree import write_durably
from loa_manager.home import Home, make_private_folder, read_bytes
from loa_manager.keyring import (
    Passphrase,
    make_key,
    make_request,
    parse_chain,
    parse_request,
    read_chain,
)
from loa_protocol.chain import resolve
from loa_protocol.errors import ConfigError
from loa_protocol.keys import SoftSigner
from loa_protocol.language import translator
from loa_protocol.objects.authority import Certificate, Role
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now

_ = translator("loa_manager")


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What can be told of a key without opening it; None where it has no certificate."""

    folder: str
    name: str
    holder: str | None = None
    roles: tuple[Role, ...] = ()
    scopes: tuple[str, ...] = ()
    expires: datetime | None = None
    kid: bytes | None = None


def make_own_key(home: Home, role: Role, holder: str, passphrase: Passphrase) -> tuple[Path, bytes]:
    """Make the key for *role* in *home* with a request beside it.

    Returns:
        The request's path and the key id.

    Raises:
        ConfigError: there is a key for that role already.
        MessageError: *holder* cannot stand in a certificate.
    """
    name = role.name.lower()
    make_private_folder(home.own_keys)
    request = home.own_keys / f"{name}.request"
    signer = SoftSigner(make_key(home.own_keys / f"{name}.key", passphrase))
    write_durably(request, make_request(signer, holder, (role,)))
    return request, signer.public.kid


def install_chain(home: Home, data: bytes, now: datetime) -> Certificate:
    """Put the armoured chain *data* beside the key that it certifies.

    Where the home knows the province's root, the chain is judged by it first.

    Raises:
        FormatError: *data* is no chain.
        TrustError: it does not lead to the root, or is out of date.
        ConfigError: none of this home's keys is in it.
    """
    chain = parse_chain(data)
    if home.root_path.is_file():
        resolve(chain, home.trusted(), Now(int(now.timestamp()), ClockTrust.T3))
    certificates = {each.key.kid: each for each in read_chain(chain)}
    for request in sorted(home.own_keys.glob("*.request")):
        kid = parse_request(read_bytes(request)).key.kid
        if kid in certificates:
            write_durably(request.with_suffix(".cert"), data)
            return certificates[kid]
    raise ConfigError(str(home.own_keys), [_("no key here belongs to these certificates")])


def list_keys(home: Home) -> list[KeyFacts]:
    """Return what is known of every key in *home*, folder by folder.

    Raises:
        ConfigError: there is no home of ours there.
    """
    if not (home.public.is_dir() or home.own_keys.parent.is_dir()):
        fault = _("no home here; one is made by loa init, or by loa key make for a person")
        raise ConfigError(str(home.path), [fault])
    folders = (home.root_keys, home.authority_keys, home.server_keys, home.own_keys)
    return [facts for folder in folders for facts in _folder_keys(folder)]


def _folder_keys(folder: Path) -> Iterator[KeyFacts]:
    for key in sorted(folder.glob("*.key")):
        chain, pem = key.with_suffix(".cert"), key.with_suffix(".pem")
        if chain.is_file():
            # the key's own certificate comes last, after those of its issuers
            own = read_chain(parse_chain(read_bytes(chain)))[-1]
            yield KeyFacts(
                folder.name,
                key.stem,
                own.holder,
                own.roles,
                own.scopes,
                datetime.fromtimestamp(own.expires, UTC),
                own.key.kid,
            )
        elif pem.is_file():
            certificate = x509.from_pem(read_bytes(pem))
            common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
            yield KeyFacts(
                folder.name, key.stem, str(common), expires=certificate.not_valid_after_utc
            )
        else:
            yield KeyFacts(folder.name, key.stem)
