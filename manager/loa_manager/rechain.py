"""New certificates under old signatures.

What officers signed stays signed when they are certified anew: a bundle's payload and seals are
theirs, its certificates only show the way to the root. So when that way changes (a new year, a new
root), the certificates in the content tree and beside the server's keys are exchanged, and nothing
is signed again. A digest is of the payload alone, so no name changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from loa_manager.authority import OFFICERS
from loa_manager.content_tree import write_durably
from loa_manager.home import Home, read_bytes
from loa_manager.keyring import format_chain, load_chain, parse_chain
from loa_protocol.envelope import Bundle
from loa_protocol.objects.authority import Certificate


def newest_of(certificates: Sequence[bytes], newer: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return *certificates*, each replaced by the one of *newer* for the same key and holder."""
    table = {_subject(each): each for each in newer}
    return tuple(
        table[subject] if subject in table and _serial(table[subject]) > _serial(each) else each
        for each in certificates
        for subject in (_subject(each),)
    )


def renew_bundle(data: bytes, newer: Iterable[bytes]) -> bytes:
    """Return the bundle *data* with its certificates exchanged for those of *newer*."""
    bundle = Bundle.from_bytes(data)
    certificates = newest_of(bundle.certificates, newer)
    if certificates == bundle.certificates:
        return data
    return dataclasses.replace(bundle, certificates=certificates).to_bytes()


def renew_arrived(home: Home, data: bytes) -> bytes:
    """Return the bundle *data*, which somebody signed elsewhere, with the officers' newest.

    People's own homes know the officers' certificates of the day on which they got theirs.

    Raises:
        StoreError, FormatError: a chain in the home cannot be read or is damaged.
    """
    chains = [load_chain(home.authority_keys / name) for name in OFFICERS]
    return renew_bundle(data, [each for chain in chains for each in chain])


def renew_home(home: Home, newer: Sequence[bytes]) -> int:
    """Exchange certificates in the content tree and beside the server's keys.

    Returns:
        How many files changed. Done again after an interruption, it does what was left.

    Raises:
        StoreError, FormatError: a file cannot be read, is damaged, or cannot be written.
    """
    changed = 0
    for path in _bundles(home.content.path):
        data = read_bytes(path)
        if (renewed := renew_bundle(data, newer)) != data:
            write_durably(path, renewed)
            changed += 1
    for path in sorted(home.server_keys.glob("*.cert")):
        chain = parse_chain(read_bytes(path))
        if (above := newest_of(chain, newer)) != chain:
            write_durably(path, format_chain(above))
            changed += 1
    return changed


def _bundles(tree: Path) -> Iterator[Path]:
    yield from sorted(path for path in (tree / "objects").glob("*") if _is_named(path))
    yield from sorted((tree / "state").rglob("settings"))
    yield from sorted((tree / "state").rglob("assignment"))
    yield from sorted((tree / "state").rglob("standing"))


def _is_named(path: Path) -> bool:
    """Tell whether *path* is an object and not what an interrupted write left behind."""
    return not path.name.startswith(".")


def _subject(data: bytes) -> tuple[bytes, str]:
    certificate = _certificate(data)
    return certificate.raw, certificate.holder


def _serial(data: bytes) -> tuple[int, int]:
    certificate = _certificate(data)
    return certificate.epoch, certificate.serial


def _certificate(data: bytes) -> Certificate:
    return Certificate.from_bytes(Bundle.from_bytes(data).payload)
