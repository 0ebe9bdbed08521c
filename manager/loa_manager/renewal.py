"""One ceremony for everything that is due: the server's certificates, people's, and what is signed.

Due is what ends within so many days, and what an officer signed whose key has been replaced since:
it would fall with that key once it is denied. Officers themselves are renewed by the root's holders
and are only told of here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from loa_manager.authority import SERVER_LIVES, Authority
from loa_manager.content_tree import write_durably
from loa_manager.denial import denied_values, present_bundle
from loa_manager.home import Home, read_bytes
from loa_manager.issued import Issued, current, list_issued
from loa_manager.key_terms import folder_terms
from loa_manager.keyring import Secrets, load_chain, parse_chain, read_chain
from loa_manager.server_keys import renew_server
from loa_protocol.envelope import Bundle, open_seal
from loa_protocol.objects.placement import Assignment, Settings
from loa_protocol.objects.policy import Policy

WITHIN: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """One thing that was renewed.

    Attributes:
        what: ``server``, ``person``, or the kind of object that was signed again.
        name: The key's, the holder's, or the scope.
        kid: The certified key, where it is a certificate of ours.
        expires: Until when it holds now; None where that is said elsewhere.
        file: The certificate to send to its holder.
    """

    what: str
    name: str
    kid: bytes | None = None
    expires: datetime | None = None
    file: Path | None = None


def renew_due(
    authority: Authority,
    secrets: Secrets,
    now: datetime,
    *,
    output: Path,
    within: timedelta = WITHIN,
) -> list[Renewed]:
    """Renew everything that ends within *within* of *now*, or hangs on an officer's former key.

    Done again, or after an interruption, it does what is left.

    Args:
        authority: The present officers.
        secrets: Opens the server's keys and the device CA.
        now: New certificates begin here.
        output: The folder into which people's new certificates are written.
        within: How far ahead.

    Raises:
        ConfigError: a key is not opened, or the officers' own certificates have ended.
        StoreError, FormatError: a file cannot be read, is damaged, or not written.
        TrustError: a board would refuse what was signed.
    """
    home, signing = authority.home, authority.signing_kids
    done = list(sign_again(authority, now))
    names = _server_due(home, signing, now + within)
    if names:
        done += [
            Renewed(what="server", name=each.name, expires=each.expires)
            for each in renew_server(authority, secrets, now, names=names)
        ]
    due = people_due(list_issued(home), denied_values(home), signing, now, within)
    return [*done, *(_renew_person(authority, each, now, output) for each in due)]


def people_due(
    issued: Iterable[Issued],
    denied: frozenset[bytes],
    signing: frozenset[bytes],
    now: datetime,
    within: timedelta,
) -> list[Issued]:
    """Return whose certificates are to be renewed: still certified, not denied. Pure."""
    end_s = (now + within).timestamp()
    return [
        each
        for each in current(issued, int(now.timestamp()))
        if each.is_persons
        and each.kid not in denied
        and each.digest not in denied
        and (each.certificate.expires <= end_s or not each.issuers <= signing)
    ]


def sign_again(authority: Authority, now: datetime) -> Iterator[Renewed]:
    """Sign anew each object in force that an officer's former key has signed.

    Raises:
        StoreError, FormatError: it cannot be read or written.
        TrustError: a board would refuse it, a policy that has ended for example.
    """
    tree, signing = authority.home.content, authority.signing_kids
    for scope, leaf in sorted(tree.index().policies.items()):
        bundle = Bundle.from_bytes(tree.object(leaf.digest))
        policy = Policy.from_bytes(bundle.payload)
        if not _signed_by(bundle, signing) and policy.expires > now.timestamp():
            authority.sign_policy(policy, now)
            yield Renewed(what="policy", name=scope)
    for data in _state(tree.path, "settings", signing):
        settings = Settings.from_bytes(data.payload)
        authority.sign_settings(settings, now)
        yield Renewed(what="settings", name=settings.scope)
    for data in _state(tree.path, "assignment", signing):
        old = Assignment.from_bytes(data.payload)
        authority.sign_assignment(old, now)
        yield Renewed(what="assignment", name=old.scope)
    list_bundle = present_bundle(authority.home)
    if list_bundle is not None and not _signed_by(list_bundle, signing):
        authority.deny((), now)
        yield Renewed(what="deny_list", name=authority.scope)


def _server_due(home: Home, signing: frozenset[bytes], until: datetime) -> set[str]:
    names = {term.name for term in folder_terms(home.server_keys) if term.ends <= until}
    for name in SERVER_LIVES:
        chain = load_chain(home.server_keys / name)
        if not chain or not _signed_by(Bundle.from_bytes(chain[-1]), signing):
            names.add(name)
    return names


def _renew_person(authority: Authority, each: Issued, now: datetime, output: Path) -> Renewed:
    data = authority.renew(each.certificate, now)
    roles = "+".join(role.name.lower() for role in each.certificate.roles)
    file = output / f"{roles}-{each.kid.hex()[:16]}.cert"
    write_durably(file, data)
    ends = min(one.expires for one in read_chain(parse_chain(data)))
    return Renewed(
        what="person",
        name=each.certificate.holder,
        kid=each.kid,
        expires=datetime.fromtimestamp(ends, UTC),
        file=file,
    )


def _state(tree: Path, name: str, signing: frozenset[bytes]) -> Iterator[Bundle]:
    for path in sorted((tree / "state").rglob(name)):
        bundle = Bundle.from_bytes(read_bytes(path))
        if not _signed_by(bundle, signing):
            yield bundle


def _signed_by(bundle: Bundle, signing: frozenset[bytes]) -> bool:
    return all(open_seal(each).kid in signing for each in bundle.seals)
