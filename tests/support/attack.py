"""Turning valid bundles into others: nodes of their CBOR deleted, doubled, swapped, retyped, moved.

Payloads and certificates are opened and closed again, so that a change may lie at any depth and
the bundle is still of the profile: what refuses it must be more than the parser.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loa_protocol import cbor
from loa_protocol.envelope import Bundle
from loa_protocol.errors import FormatError

Path = tuple[Any, ...]
EDGES = (0, 1, 23, 24, 255, 256, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, -1)


@dataclass(frozen=True)
class Inside:
    """CBOR inside a byte string: a payload, a certificate."""

    value: Any


def unfold(data: bytes) -> dict[int, Any]:
    """Return the bundle *data* as a tree, payload and certificates opened."""
    value: Any = cbor.decode(data)
    value[3] = Inside(cbor.decode(value[3]))
    value[5] = [Inside(unfold(each)) for each in value[5]]
    return dict(value)


def fold(tree: Any) -> Any:
    """Return *tree* as a CBOR value, everything closed again."""
    match tree:
        case Inside():
            return cbor.encode(fold(tree.value))
        case dict():
            return {key: fold(each) for key, each in tree.items()}
        case list():
            return [fold(each) for each in tree]
    return tree


def paths(tree: Any, at: Path = ()) -> list[Path]:
    """Return the paths of all nodes below *tree*."""
    found: list[Path] = []
    match tree:
        case Inside():
            found += paths(tree.value, (*at, None))
        case dict() | list():
            rows = tree.items() if isinstance(tree, dict) else enumerate(tree)
            for key, each in rows:
                found += [(*at, key), *paths(each, (*at, key))]
    return found


def node(tree: Any, path: Path) -> Any:
    """Return the node at *path*; None in a path goes into an :class:`Inside`."""
    for step in path:
        tree = tree.value if step is None else tree[step]
    return tree


class Attacker:
    """Somebody who has seen *bundles* and makes others of them, the same ones for each *seed*."""

    def __init__(self, bundles: Sequence[bytes], seed: int) -> None:
        self._rng = random.Random(seed)
        self._bundles = list(bundles)
        self._trees = [unfold(each) for each in bundles]
        self._paths = [paths(each) for each in self._trees]
        opened = [Bundle.from_bytes(each) for each in bundles]
        self._genuine = {_said(each): each for each in opened}
        self._certificates = {
            Bundle.from_bytes(each).payload: Bundle.from_bytes(each)
            for bundle in opened
            for each in bundle.certificates
        }

    def says_the_same(self, data: bytes) -> bool:
        """Tell whether *data* is one of ours, its seals and certificates in another order or twice.

        Certificates of others of ours may have come in; none may be missing.
        """
        try:
            bundle = Bundle.from_bytes(data)
            genuine = self._genuine.get(_said(bundle))
            if genuine is None or set(bundle.seals) != set(genuine.seals):
                return False
            held = [Bundle.from_bytes(each) for each in bundle.certificates]
        except FormatError:
            return False
        needed = {Bundle.from_bytes(each).payload for each in genuine.certificates}
        return needed <= {each.payload for each in held} and all(map(self._is_known, held))

    def _is_known(self, certificate: Bundle) -> bool:
        known = self._certificates.get(certificate.payload)
        if known is None or certificate.certificates or _said(certificate) != _said(known):
            return False
        return set(certificate.seals) == set(known.seals)

    def next(self) -> bytes:
        """Return another bundle that says something else than those it was made of."""
        while True:
            at = self._rng.randrange(len(self._trees))
            if self._rng.random() < 0.25:
                made = self._cut(self._bundles[at])
            else:
                tree = self._trees[at]
                for _ in range(self._rng.choice((1, 1, 1, 2, 3))):
                    tree = self._change(tree, at)
                made = self._close(tree)
            if made and not self.says_the_same(made):
                return made

    def _close(self, tree: Any) -> bytes:
        try:
            return cbor.encode(fold(tree))
        except ValueError:  # a number of more than 64 bits: draw again
            return b""

    def _cut(self, data: bytes) -> bytes:
        rng, other = self._rng, self._rng.choice(self._bundles)
        a, b = rng.randrange(len(data)), rng.randrange(len(other))
        match rng.randrange(4):
            case 0:
                return data[:a]
            case 1:
                return data[:a] + other[b:]
            case 2:
                return data[:a] + other[b : b + rng.randint(1, 64)] + data[a:]
        return data[:a] + data[a + rng.randint(1, 64) :]

    def _change(self, tree: Any, at: int) -> Any:
        path = self._rng.choice(self._paths[at])
        try:
            old = node(tree, path)
        except (KeyError, IndexError, TypeError, AttributeError):
            return tree  # an earlier change took it away
        match self._rng.randrange(6):
            case 0:
                return _put(tree, path, None, _delete)
            case 1:
                return _put(tree, path, old, self._double)
            case 2:
                return self._swap(tree, path, old, at)
            case 3:
                return _put(tree, path, self._retyped(old))
            case 4:
                return _put(tree, path, self._foreign())
        return _put(tree, path, self._nudged(old))

    def _double(self, parent: Any, key: Any, value: Any) -> None:
        if isinstance(parent, list):
            parent.insert(self._rng.randint(0, len(parent)), value)
        else:
            parent[self._rng.randrange(24)] = value

    def _swap(self, tree: Any, path: Path, old: Any, at: int) -> Any:
        other = self._rng.choice(self._paths[at])
        if other[: len(path)] == path or path[: len(other)] == other:
            return tree
        try:
            theirs = node(tree, other)
        except (KeyError, IndexError, TypeError, AttributeError):
            return tree
        return _put(_put(tree, path, theirs), other, old)

    def _foreign(self) -> Any:
        source = self._rng.randrange(len(self._trees))
        return node(self._trees[source], self._rng.choice(self._paths[source]))

    def _retyped(self, old: Any) -> Any:
        raw = cbor.encode(fold(old))
        others: list[Any] = [raw, raw.hex(), [old], {1: old}, True, 0, Inside(old), b"", "", [], {}]
        if isinstance(old, list):
            others.append(dict(enumerate(old, start=1)))
        if isinstance(old, dict):
            others.append(list(old.values()))
        return self._rng.choice(others)

    def _nudged(self, old: Any) -> Any:
        rng = self._rng
        match old:
            case bool():
                return not old
            case int():
                return rng.choice(
                    (old + 1, old - 1, -1 - old, old ^ 1 << rng.randrange(40), *EDGES)
                )
            case bytes() if old:
                at = rng.randrange(len(old))
                return old[:at] + bytes([old[at] ^ 1 << rng.randrange(8)]) + old[at + 1 :]
            case str():
                return rng.choice((old + "x", old[1:], old.upper(), f"{old}/x", old[::-1]))
            case list():
                return rng.sample(old, len(old))
            case dict() if old:
                return {key + rng.choice((0, 0, 1)): each for key, each in old.items()}
        return rng.choice(EDGES)


def _said(bundle: Bundle) -> tuple[int, int, bytes]:
    return bundle.kind, bundle.version, bundle.payload


def _delete(parent: Any, key: Any, _value: Any) -> None:
    del parent[key]


def _set(parent: Any, key: Any, value: Any) -> None:
    parent[key] = value


def _put(tree: Any, path: Path, value: Any, change: Any = _set) -> Any:
    """Return a copy of *tree* with *change* done at *path*; unchanged where there is no such."""
    step = path[0]
    if step is None:
        return (
            Inside(_put(tree.value, path[1:], value, change)) if isinstance(tree, Inside) else tree
        )
    if not isinstance(tree, (dict, list)):
        return tree
    copy = tree.copy()
    try:
        if len(path) > 1:
            copy[step] = _put(copy[step], path[1:], value, change)
        else:
            change(copy, step, value)
    except (KeyError, IndexError):
        return tree
    return copy
