"""What the content tree holds, as a value: the newest of everything, and the Merkle tree over it.

Pure: no files here (see :mod:`loa_manager.content_tree`). The index only rises; what stands in it
was judged by whoever put it there.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from loa_manager.orders.standing import OrderList
from loa_protocol import merkle
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import MessageError
from loa_protocol.objects.online import Head, Inclusion, Leaf, PolicyMark
from loa_protocol.replay import judge_state
from loa_protocol.trust import Position, Subject

FORMAT: Final = 1
NO_OBJECT: Final = bytes(32)  # a head's hash of what does not exist
_FIELDS: Final = ("format", "root", "playlists", "policies", "deny_lists")
_LATER: Final = frozenset({"orders", "states"})  # an index of before has them not


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """Everything a head says but the time and the seal."""

    scope: str
    tree: bytes
    leaves: int
    standing_orders: bytes
    deny_list: bytes
    root_version: int
    root: bytes
    policies: tuple[PolicyMark, ...]

    def at(self, unix_s: int) -> Head:
        """Return the head to sign at *unix_s*."""
        facts = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return Head(time=unix_s, **facts)


@dataclass(frozen=True, slots=True)
class ContentIndex:
    """The newest root, and the newest playlist, policy and deny list of each scope.

    The root is kept as a leaf too, its version as the serial. What no head names (settings,
    assignments, standing programmes) is noted by scope and name, to know whose changed.
    """

    root: Leaf | None = None
    playlists: Mapping[str, Leaf] = field(default_factory=dict)
    policies: Mapping[str, Leaf] = field(default_factory=dict)
    deny_lists: Mapping[str, Leaf] = field(default_factory=dict)
    orders: OrderList = field(default_factory=OrderList)
    states: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)

    @property
    def leaves(self) -> list[Leaf]:
        """The leaves of the head's tree: one a scope with a playlist, in the scopes' order."""
        return [leaf for _, leaf in sorted(self.playlists.items())]

    @property
    def positions(self) -> dict[Subject, Position]:
        """How far each state object has come, as the acceptance rule wants it."""
        tables = (
            (Kind.PLAYLIST, self.playlists),
            (Kind.POLICY, self.policies),
            (Kind.DENY_LIST, self.deny_lists),
        )
        return {
            (kind, scope): Position(leaf.epoch, leaf.serial, leaf.digest)
            for kind, table in tables
            for scope, leaf in table.items()
        }

    def with_root(self, leaf: Leaf) -> ContentIndex:
        """Return the index with a newer root; raise TrustError when it is not newer."""
        old = {} if self.root is None else {leaf.scope: self.root}
        return dataclasses.replace(self, root=_risen(old, leaf)[leaf.scope])

    def with_playlist(self, leaf: Leaf) -> ContentIndex:
        """Return the index with a newer playlist; raise TrustError when it is not newer.

        A cluster's may stand beside its station's: each endpoint plays that of the nearest scope.
        """
        return dataclasses.replace(self, playlists=_risen(self.playlists, leaf))

    def with_policy(self, leaf: Leaf) -> ContentIndex:
        """Return the index with a newer policy; raise TrustError when it is not newer."""
        return dataclasses.replace(self, policies=_risen(self.policies, leaf))

    def with_deny_list(self, leaf: Leaf) -> ContentIndex:
        """Return the index with a newer deny list; raise TrustError when it is not newer."""
        return dataclasses.replace(self, deny_lists=_risen(self.deny_lists, leaf))

    def with_orders(self, orders: OrderList) -> ContentIndex:
        """Return the index with another list of what stands."""
        return dataclasses.replace(self, orders=orders)

    def with_state(self, scope: str, name: str, digest: bytes) -> ContentIndex:
        """Return the index with another state file of *scope*."""
        named = {**self.states.get(scope, {}), name: digest}
        return dataclasses.replace(self, states={**self.states, scope: named})

    def changed_since(self, old: ContentIndex) -> list[str]:
        """Return the scopes whose playlist or state is another one than in *old*."""
        tables = ((old.playlists, self.playlists), (old.states, self.states))
        return sorted(
            {
                scope
                for before, after in tables
                for scope, value in after.items()
                if before.get(scope) != value
            }
        )

    def head_facts(self) -> HeadFacts | None:
        """Return what a head says of this index; None as long as there is no root."""
        if self.root is None:
            return None
        denied = self.deny_lists.get(self.root.scope)
        standing = self.orders.document()
        return HeadFacts(
            scope=self.root.scope,
            tree=merkle.root([leaf.to_bytes() for leaf in self.leaves]),
            leaves=len(self.playlists),
            standing_orders=NO_OBJECT if standing is None else Bundle.from_bytes(standing).digest,
            deny_list=NO_OBJECT if denied is None else denied.digest,
            root_version=self.root.serial,
            root=self.root.digest,
            policies=tuple(
                PolicyMark(
                    scope=mark.scope, epoch=mark.epoch, serial=mark.serial, digest=mark.digest
                )
                for _, mark in sorted(self.policies.items())
            ),
        )

    def inclusions(self) -> list[Inclusion]:
        """Return, for each leaf, the path that shows it under the head's root."""
        leaves = self.leaves
        data = [leaf.to_bytes() for leaf in leaves]
        return [
            Inclusion(leaf=leaf, index=at, path=tuple(merkle.path(data, at)))
            for at, leaf in enumerate(leaves)
        ]

    def to_json(self) -> bytes:
        """Return the index as indented JSON, digests in hex."""
        value = {
            "format": FORMAT,
            "root": None if self.root is None else {"scope": self.root.scope, **_row(self.root)},
            "playlists": {scope: _row(leaf) for scope, leaf in self.playlists.items()},
            "policies": {scope: _row(leaf) for scope, leaf in self.policies.items()},
            "deny_lists": {scope: _row(leaf) for scope, leaf in self.deny_lists.items()},
            "orders": self.orders.to_json(),
            "states": {
                scope: {name: digest.hex() for name, digest in named.items()}
                for scope, named in self.states.items()
            },
        }
        return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> ContentIndex:
        """Parse *data*.

        Raises:
            MessageError: *data* is not an index of this format.
        """
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise MessageError(f"not JSON: {error}") from None
        if not isinstance(value, dict) or value.keys() - _LATER != set(_FIELDS):
            raise MessageError(f"expected an object of {', '.join(_FIELDS)}")
        if value["format"] != FORMAT:
            raise MessageError(f"format {value['format']!r:.40} is not {FORMAT}")
        root = value["root"]
        return cls(
            None if root is None else _root_leaf(root),
            _table(value["playlists"]),
            _table(value["policies"]),
            _table(value["deny_lists"]),
            OrderList.from_json(value["orders"]) if "orders" in value else OrderList(),
            _states(value.get("states", {})),
        )


def _risen(table: Mapping[str, Leaf], leaf: Leaf) -> dict[str, Leaf]:
    reached = table.get(leaf.scope)
    judge_state(
        Position(leaf.epoch, leaf.serial, leaf.digest),
        None if reached is None else Position(reached.epoch, reached.serial, reached.digest),
    )
    return {**table, leaf.scope: leaf}


def _row(leaf: Leaf) -> dict[str, object]:
    return {"epoch": leaf.epoch, "serial": leaf.serial, "digest": leaf.digest.hex()}


def _root_leaf(row: Any) -> Leaf:  # noqa: ANN401 - JSON of any shape is narrowed here
    if not isinstance(row, dict) or "scope" not in row:
        raise MessageError(f"root: expected an object, got {row!r:.40}")
    return _leaf(row["scope"], {key: row[key] for key in row if key != "scope"})


def _table(value: Any) -> dict[str, Leaf]:  # noqa: ANN401 - JSON of any shape is narrowed here
    if not isinstance(value, dict):
        raise MessageError(f"expected an object by scope, got {value!r:.40}")
    return {scope: _leaf(scope, row) for scope, row in value.items()}


def _states(value: Any) -> dict[str, dict[str, bytes]]:  # noqa: ANN401 - narrowed here
    if not isinstance(value, dict):
        raise MessageError(f"expected an object by scope, got {value!r:.40}")
    found: dict[str, dict[str, bytes]] = {}
    for scope, named in value.items():
        if not isinstance(named, dict):
            raise MessageError(f"{scope!r:.80}: expected an object by name")
        found[scope] = {name: _digest(scope, digest) for name, digest in named.items()}
    return found


def _leaf(scope: Any, row: Any) -> Leaf:  # noqa: ANN401 - JSON of any shape is narrowed here
    if not isinstance(row, dict) or row.keys() != {"epoch", "serial", "digest"}:
        raise MessageError(f"{scope!r:.80}: expected epoch, serial and digest")
    raw = _digest(scope, row["digest"])
    # the wire object's own parser knows the limits of each field
    return Leaf.from_value({1: scope, 2: row["epoch"], 3: row["serial"], 4: raw})


def _digest(scope: Any, digest: Any) -> bytes:  # noqa: ANN401 - JSON of any shape is narrowed here
    try:
        return bytes.fromhex(digest)
    except (TypeError, ValueError):
        raise MessageError(f"{scope!r:.80}: digest {digest!r:.80} is not hex") from None
