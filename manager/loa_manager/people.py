"""Keys in the homes of people: made there, certified by the province, installed, followed, listed.

A key that is to be followed by another stays in use until the new one's certificate arrives: the
new key waits in ``next/``, the old one ends in ``old/``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.x509.oid import NameOID

from loa_manager import x509
from loa_manager.content_tree import write_durably
from loa_manager.home import Home, make_private_folder, read_bytes
from loa_manager.key_places import NEXT, REQUEST, archive_key, promote_key
from loa_manager.key_terms import PEOPLE, name_of, people_of
from loa_manager.key_token import TokenPlace
from loa_manager.keyring import (
    KEY,
    TOKEN,
    Kind,
    Secrets,
    has_key,
    load_chain,
    make_key,
    make_key_on_token,
    make_request,
    parse_chain,
    parse_request,
    public_of,
    read_chain,
)
from loa_protocol.chain import resolve
from loa_protocol.errors import ConfigError
from loa_protocol.keys import Signer, SoftSigner
from loa_protocol.language import translator
from loa_protocol.objects.authority import HOLDER, Certificate, Role
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now

_ = translator("loa_manager")


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What can be told of a key without opening it; None where it has no certificate.

    Attributes:
        folder: Which key folder of the home.
        name: The file's, without suffix.
        holder: As the certificate names it.
        roles: What it may sign.
        scopes: Where.
        expires: When it, or what it hangs on, ends.
        kid: The key id.
        is_on_token: Whether the key lives on a token.
    """

    folder: str
    name: str
    holder: str | None = None
    roles: tuple[Role, ...] = ()
    scopes: tuple[str, ...] = ()
    expires: datetime | None = None
    kid: bytes | None = None
    is_on_token: bool = False


def make_own_key(
    home: Home,
    role: Role,
    holder: str,
    passphrase: Secrets,
    *,
    token: TokenPlace | None = None,
    kind: Kind | None = None,
) -> tuple[Path, bytes]:
    """Make the key for *role* in *home* with a request beside it.

    Args:
        home: Whose key it is.
        role: What it is for; the file has its name.
        holder: The person, as the certificate shall name them.
        passphrase: Locks the file, or is the token's PIN.
        token: Where the key is made; None for a file.
        kind: By default Ed25519 in a file and P-256 on a token.

    Returns:
        The request's path and the key id.

    Raises:
        ConfigError: there is a key for that role already, or the token is not there.
        PeerError: the token failed.
        MessageError: *holder* cannot stand in a certificate.
    """
    make_private_folder(home.own_keys)
    path = home.own_keys / role.name.lower()
    return _make(path, holder, (role,), passphrase, token=token, kind=kind)


def rotate_own_key(
    home: Home,
    name: str,
    passphrase: Secrets,
    *,
    token: TokenPlace | None = None,
    kind: Kind | None = None,
) -> tuple[Path, bytes]:
    """Make a key that shall follow the own key *name*, with a request for the same rights.

    The present key stays in use until the new one's certificate is installed.

    Returns:
        The request's path and the new key id.

    Raises:
        ConfigError: there is no such key, or one waits to follow it already.
        PeerError: the token failed.
    """
    path = home.own_keys / name
    asked = path.with_name(f"{name}{REQUEST}")
    if not has_key(path) or not asked.is_file():
        raise ConfigError(str(path), [_("no key of this name; make one with loa key make")])
    old = parse_request(read_bytes(asked))
    make_private_folder(path.parent / NEXT)
    following = path.parent / NEXT / name
    return _make(following, old.holder, old.roles, passphrase, token=token, kind=kind)


def _make(
    path: Path,
    holder: str,
    roles: tuple[Role, ...],
    secrets: Secrets,
    *,
    token: TokenPlace | None,
    kind: Kind | None,
) -> tuple[Path, bytes]:
    HOLDER.to_value(holder)  # what no certificate could say is refused before a key is made
    signer: Signer = (
        SoftSigner(make_key(path.with_name(f"{path.name}{KEY}"), secrets, kind or "ed25519"))
        if token is None
        else make_key_on_token(
            path.with_name(f"{path.name}{TOKEN}"), token, secrets, kind or "p256"
        )
    )
    request = path.with_name(f"{path.name}{REQUEST}")
    write_durably(request, make_request(signer, holder, roles))
    return request, signer.public.kid


def install_chain(home: Home, data: bytes, now: datetime) -> Certificate:
    """Put the armoured chain *data* beside the key that it certifies.

    Where the home knows the province's root, the chain is judged by it first. A key that waited in
    ``next/`` takes the place of the one before, which is kept in ``old/``.

    Raises:
        FormatError: *data* is no chain.
        TrustError: it does not lead to the root, or is out of date.
        ConfigError: none of this home's keys is in it.
        StoreError: a file cannot be moved; the same call goes on where it was.
    """
    chain = parse_chain(data)
    if home.root_path.is_file():
        resolve(chain, home.trusted(), Now(int(now.timestamp()), ClockTrust.T3))
    certificates = {each.key.kid: each for each in read_chain(chain)}
    following = home.own_keys / NEXT
    for request in [*sorted(following.glob("*.request")), *sorted(home.own_keys.glob("*.request"))]:
        kid = parse_request(read_bytes(request)).key.kid
        if kid in certificates:
            write_durably(request.with_suffix(".cert"), data)
            if request.parent == following:
                place = home.own_keys / request.stem
                if has_key(place) and public_of(place).kid != kid:
                    archive_key(place, now)
                promote_key(place)
            return certificates[kid]
    raise ConfigError(str(home.own_keys), [_("no key here belongs to these certificates")])


def list_keys(home: Home) -> list[KeyFacts]:
    """Return what is known of every key in *home*, folder by folder.

    Raises:
        ConfigError: there is no home of ours there.
        StoreError, FormatError: a file cannot be read or is damaged.
    """
    if not (home.public.is_dir() or home.own_keys.parent.is_dir()):
        fault = _("no home here; one is made by loa init, or by loa key make for a person")
        raise ConfigError(str(home.path), [fault])
    folders = (
        home.root_keys,
        home.authority_keys,
        home.server_keys,
        home.own_keys,
        home.own_keys / NEXT,
    )
    return [facts for folder in folders for facts in _folder_keys(folder)]


def list_people(home: Home, now: datetime) -> list[KeyFacts]:
    """Return what the province in *home* certified for people: keys in use that lie elsewhere.

    Raises:
        StoreError, FormatError: the register cannot be read or is damaged.
    """
    return [
        KeyFacts(
            PEOPLE,
            name_of(each.certificate),
            each.certificate.holder,
            each.certificate.roles,
            each.certificate.scopes,
            datetime.fromtimestamp(each.certificate.expires, UTC),
            each.kid,
        )
        for each in people_of(home, now)
    ]


def _folder_keys(folder: Path) -> Iterator[KeyFacts]:
    files = [*folder.glob(f"*{KEY}"), *folder.glob(f"*{TOKEN}")]
    for key in sorted(files, key=lambda each: each.name):
        is_on_token, pem = key.suffix == TOKEN, key.with_suffix(".pem")
        kid, chain = public_of(key).kid, read_chain(load_chain(key))
        if chain:
            own = chain[-1]  # the key's own certificate comes last, after those of its issuers
            ends = min(each.expires for each in chain)
            yield KeyFacts(
                folder.name,
                key.stem,
                own.holder,
                own.roles,
                own.scopes,
                datetime.fromtimestamp(ends, UTC),
                own.key.kid,
                is_on_token,
            )
        elif pem.is_file():
            certificate = x509.from_pem(read_bytes(pem))
            common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
            yield KeyFacts(
                folder.name,
                key.stem,
                str(common),
                expires=certificate.not_valid_after_utc,
                kid=kid,
            )
        else:
            yield KeyFacts(folder.name, key.stem, kid=kid, is_on_token=is_on_token)
