"""The deny list: which keys and hashes are refused whatever else holds, and for how long.

Pure but for reading the list in force. An entry stays until nothing that it could refuse is alive:
a key's, until a year after its last certificate ended, since what it signed on the last day may be
a standing programme. Who signs the list is :class:`loa_manager.authority.Authority`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from loa_manager.home import Home
from loa_manager.issued import Issued, current
from loa_protocol.envelope import Bundle
from loa_protocol.errors import ConfigError
from loa_protocol.keys import KID_BYTES
from loa_protocol.language import translator
from loa_protocol.objects.placement import Denied, DeniedKind, DenyList

_ = translator("loa_manager")

# a board that does not know the time refuses a list without an entry that may still be needed, and
# so with what else is new on it: an entry stays until the floor of every board has passed it
KEPT_AFTER: Final = timedelta(days=366)
AFTER_EXPIRY: Final = timedelta(days=366)
UNKNOWN_LIFE: Final = timedelta(days=366)  # a key that is not in the register: as an officer's
DIGEST_LIFE: Final = timedelta(days=3653)  # a bad file does not become good
MAX_ENTRIES: Final = 4096
_DIGEST_BYTES: Final = 32


def denials(
    issued: Sequence[Issued],
    *,
    keys: Iterable[bytes] = (),
    holders: Iterable[str] = (),
    digests: Iterable[bytes] = (),
    now_s: int,
) -> list[Denied]:
    """Return the entries that deny *keys*, all keys of *holders*, and *digests*. Pure.

    Args:
        issued: The register, which says whose keys there are and until when they are certified.
        keys: Key ids.
        holders: Names as they stand in certificates.
        digests: Hashes of objects or of media.
        now_s: The time, unix seconds.

    Raises:
        ConfigError: nothing was certified for a holder.
    """
    wanted, faults = set(keys), []
    for holder in holders:
        own = {each.kid for each in issued if each.certificate.holder == holder}
        if not own:
            faults.append(_("no certificate was issued to {holder}").format(holder=holder))
        wanted |= own
    if faults:
        raise ConfigError(_("deny list"), faults)
    entries = [
        Denied(kind=DeniedKind.KEY, value=kid, until=_until(issued, kid, now_s))
        for kid in sorted(wanted)
    ]
    last = now_s + int(DIGEST_LIFE.total_seconds())
    return entries + [
        Denied(kind=DeniedKind.DIGEST, value=digest, until=last) for digest in sorted(set(digests))
    ]


def extended(
    present: DenyList | None, scope: str, entries: Iterable[Denied], now_s: int
) -> DenyList:
    """Return *present* with *entries*, and without those whose time passed `KEPT_AFTER` ago. Pure.

    Where there are too many, those whose time has passed leave at once. Epoch and serial are given
    when it is signed.

    Raises:
        ConfigError: there are more than a deny list holds.
    """
    kept = {} if present is None else {(each.kind, each.value): each for each in present.entries}
    for entry in entries:
        old = kept.get((entry.kind, entry.value))
        if old is None or old.until < entry.until:  # an entry's time is never shortened
            kept[entry.kind, entry.value] = entry
    every = [each for _key, each in sorted(kept.items())]
    ended_s = now_s - int(KEPT_AFTER.total_seconds())
    alive = tuple(each for each in every if each.until > ended_s)
    if len(alive) > MAX_ENTRIES:
        alive = tuple(each for each in every if each.until > now_s)
    if len(alive) > MAX_ENTRIES:
        fault = _("{n} entries; a deny list holds {most}").format(n=len(alive), most=MAX_ENTRIES)
        raise ConfigError(_("deny list"), [fault])
    return DenyList(scope=scope, epoch=0, serial=0, entries=alive)


def check_bearable(
    entries: Iterable[Denied], issued: Sequence[Issued], signing: frozenset[bytes], now_s: int
) -> None:
    """Refuse *entries* that would take a key away on which others still hang. Pure.

    Args:
        entries: What is to be denied.
        issued: The register.
        signing: The key ids of the officers who would sign the list.
        now_s: The time, unix seconds.

    Raises:
        ConfigError: naming everybody who would fall silent.
    """
    denied = {entry.value for entry in entries}
    faults = []
    if denied & signing:
        faults.append(_("an officer who signs this list; give that officer another key first"))
    faults += [
        _("{holder}'s certificate hangs on a key to be denied; first: loa key renew --due").format(
            holder=each.certificate.holder
        )
        for each in current(issued, now_s)
        if each.issuers & denied and each.kid not in denied
    ]
    if faults:
        raise ConfigError(_("deny list"), list(dict.fromkeys(faults)))


def present_bundle(home: Home) -> Bundle | None:
    """Return the province's deny list in the content tree of *home*; None where there is none.

    It was judged when it was put there.

    Raises:
        StoreError, FormatError: it cannot be read.
    """
    leaf = home.content.index().deny_lists.get(home.root.scope)
    return None if leaf is None else Bundle.from_bytes(home.content.object(leaf.digest))


def present_list(home: Home) -> DenyList | None:
    """Return the deny list itself; as :func:`present_bundle`."""
    bundle = present_bundle(home)
    return None if bundle is None else DenyList.from_bytes(bundle.payload)


def denials_in_force(home: Home) -> tuple[Denied, ...]:
    """Return the entries of the deny list of *home*; raises as :func:`present_bundle`."""
    present = present_list(home)
    return () if present is None else present.entries


def denied_values(home: Home) -> frozenset[bytes]:
    """Return the denied key ids and digests of *home*; raises as :func:`present_bundle`."""
    return frozenset(entry.value for entry in denials_in_force(home))


def parse_values(texts: Iterable[str], length: int) -> list[bytes]:
    """Return values of *length* bytes written in hex.

    Raises:
        ConfigError: naming every text that is none.
    """
    values, faults = [], []
    for text in texts:
        try:
            value = bytes.fromhex(text)
        except ValueError:
            value = b""
        if len(value) == length:
            values.append(value)
        else:
            fault = _("expected {n} hex digits, got {text}").format(n=2 * length, text=text)
            faults.append(fault)
    if faults:
        raise ConfigError(_("deny list"), faults)
    return values


def parse_keys(texts: Iterable[str]) -> list[bytes]:
    """Return key ids written in hex; raises as :func:`parse_values`."""
    return parse_values(texts, KID_BYTES)


def parse_digests(texts: Iterable[str]) -> list[bytes]:
    """Return SHA-256 hashes written in hex; raises as :func:`parse_values`."""
    return parse_values(texts, _DIGEST_BYTES)


def _until(issued: Sequence[Issued], kid: bytes, now_s: int) -> int:
    ends = [each.certificate.expires for each in issued if each.kid == kid]
    unknown = now_s + int(UNKNOWN_LIFE.total_seconds())
    return max(ends, default=unknown) + int(AFTER_EXPIRY.total_seconds())
