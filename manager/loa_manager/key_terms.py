"""Until when the keys of a home are certified: read from the files beside them, none opened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509 as pyca

from loa_manager import x509
from loa_manager.denial import denied_values
from loa_manager.home import Home, read_bytes
from loa_manager.issued import Issued, current, list_issued
from loa_manager.key_warnings import Term
from loa_manager.keyring import load_chain, read_chain
from loa_protocol.objects.authority import Certificate

PEOPLE = "people"  # keys in other homes, known from the register


def terms_of(home: Home, now: datetime) -> list[Term]:
    """Return the terms of every certificate that *home* has to care for.

    The keys in its own folders, and of other people the newest certificate of each key, as long as
    it holds and is not denied: who let it run out has to ask anew.

    Raises:
        StoreError, FormatError: a file cannot be read or is damaged.
    """
    folders = (home.authority_keys, home.server_keys, home.own_keys)
    own = [term for folder in folders for term in folder_terms(folder)]
    return [*own, *_people(home, now)]


def folder_terms(folder: Path) -> Iterator[Term]:
    """Yield the terms of the certificates in one key folder."""
    for path in sorted(folder.glob("*.cert")):
        chain = load_chain(path.with_suffix(""))
        if chain:
            yield chain_term(folder.name, path.stem, chain)
    for path in sorted(folder.glob("*.pem")):
        yield tls_term(folder.name, path.stem, x509.from_pem(read_bytes(path)))


def chain_term(folder: str, name: str, chain: tuple[bytes, ...]) -> Term:
    """Return the term of the last certificate of *chain*, as long as all of it holds."""
    certificates = read_chain(chain)
    return _term(folder, name, certificates[-1], min(each.expires for each in certificates))


def tls_term(folder: str, name: str, certificate: pyca.Certificate) -> Term:
    """Return the term of an X.509 certificate."""
    return Term(
        folder=folder,
        name=name,
        holder="",
        starts=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
    )


def people_of(home: Home, now: datetime) -> list[Issued]:
    """Return the certificates of people that are in use: not ended, followed or denied.

    Raises:
        StoreError, FormatError: the register cannot be read or is damaged.
    """
    if not home.root_path.is_file():
        return []
    denied = denied_values(home)
    issued = current(list_issued(home), int(now.timestamp()))
    return [each for each in issued if each.is_persons and each.kid not in denied]


def name_of(certificate: Certificate) -> str:
    """Return what a person's key is called in lists: by what it may sign."""
    return "+".join(role.name.lower() for role in certificate.roles)


def _people(home: Home, now: datetime) -> Iterator[Term]:
    for each in people_of(home, now):
        certificate = each.certificate
        yield _term(PEOPLE, name_of(certificate), certificate, certificate.expires)


def _term(folder: str, name: str, certificate: Certificate, ends: int) -> Term:
    return Term(
        folder=folder,
        name=name,
        holder=certificate.holder,
        starts=datetime.fromtimestamp(certificate.not_before, UTC),
        ends=datetime.fromtimestamp(ends, UTC),
    )
