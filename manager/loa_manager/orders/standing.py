"""The list of what stands: orders in force, bulletins on offer, and who may give orders. Pure.

The head names the hash of the document made of it. A row leaves at its *until*; absence from the
list ends nothing, so a row that stays too long is harmless and one that leaves too early is not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import ConfigError, MessageError
from loa_protocol.language import translator
from loa_protocol.objects.online import OrderMark, SignerMark, StandingOrders

_ = translator("loa_manager")

MOST_ROWS: Final = 1024  # of each kind, as in objects/online.py
RELEASED_STAY_S: Final = 30 * 86_400
"""How long a hold and its release stay listed for boards that were off."""
_LEVEL: Final = "level"
_ORDER: Final = ("scope", "kind", "digest", "until", _LEVEL)
_SIGNER: Final = ("scope", "digest", "until")
_TABLES: Final = ("orders", "signers", "bulletins")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerRow:
    """A certificate of somebody who may give orders in a scope, and when it ends."""

    scope: str
    digest: bytes
    until: int


@dataclass(frozen=True, slots=True)
class OrderList:
    """Rows of the list; each digest once a scope."""

    orders: tuple[OrderMark, ...] = ()
    signers: tuple[SignerRow, ...] = ()
    bulletins: tuple[OrderMark, ...] = ()

    @property
    def digests(self) -> frozenset[bytes]:
        """The digests of everything that is listed."""
        rows = (*self.orders, *self.bulletins)
        return frozenset([row.digest for row in rows] + [row.digest for row in self.signers])

    def with_order(
        self, mark: OrderMark, now_s: int, released: Collection[bytes] = ()
    ) -> OrderList:
        """Return the list with one more order.

        Args:
            mark: Its row; the same order again changes nothing.
            now_s: What is over by then leaves.
            released: Digests of the holds and lockdowns that it releases for good: from now on they
                stay as long as their release does.

        Raises:
            ConfigError: the list is full.
        """
        kept = [
            dataclasses.replace(row, until=mark.until) if row.digest in released else row
            for row in self.pruned(now_s).orders
            if row.digest != mark.digest
        ]
        return dataclasses.replace(self.pruned(now_s), orders=_bounded([*kept, mark]))

    def with_bulletin(self, mark: OrderMark, now_s: int) -> OrderList:
        """Return the list with one more offer; raise ConfigError when it is full."""
        kept = [row for row in self.pruned(now_s).bulletins if row.digest != mark.digest]
        return dataclasses.replace(self.pruned(now_s), bulletins=_bounded([*kept, mark]))

    def with_signers(self, rows: Iterable[SignerRow], now_s: int) -> OrderList:
        """Return the list with more certificates of order-givers; the newest stay where many are.

        They help boards to resolve short messages and decide nothing, so a full list is no fault.
        """
        found = {(row.scope, row.digest): row for row in (*self.signers, *rows)}
        lasting = [row for row in found.values() if row.until > now_s]
        lasting.sort(key=lambda row: row.until)
        return dataclasses.replace(self, signers=tuple(lasting[-MOST_ROWS:]))

    def pruned(self, now_s: int) -> OrderList:
        """Return the list without what is over."""
        return OrderList(
            tuple(row for row in self.orders if row.until > now_s),
            tuple(row for row in self.signers if row.until > now_s),
            tuple(row for row in self.bulletins if row.until > now_s),
        )

    def document(self) -> bytes | None:
        """Return the bundle whose digest the head names; None where nothing stands.

        It has no seals: each order has its own.
        """
        if not self.orders and not self.signers:
            return None
        signers = sorted({(row.scope, row.digest) for row in self.signers})
        return _unsealed(
            StandingOrders(
                orders=_sorted(self.orders),
                signers=tuple(SignerMark(scope=scope, digest=digest) for scope, digest in signers),
            )
        )

    def offers(self) -> bytes:
        """Return the bundle, of the same form, that lists the bulletins on offer."""
        return _unsealed(StandingOrders(orders=_sorted(self.bulletins), signers=()))

    def to_json(self) -> dict[str, list[dict[str, object]]]:
        """Return the list as JSON values, digests in hex."""
        return {
            "orders": [_row(row, _ORDER) for row in self.orders],
            "signers": [_row(row, _SIGNER) for row in self.signers],
            "bulletins": [_row(row, _ORDER) for row in self.bulletins],
        }

    @classmethod
    def from_json(cls, value: object) -> OrderList:
        """Read what :meth:`to_json` made; raise MessageError for anything else."""
        if not isinstance(value, dict) or value.keys() != set(_TABLES):
            raise MessageError(f"orders: expected an object of {', '.join(_TABLES)}")
        orders, signers, bulletins = (_rows(value[name], name) for name in _TABLES)
        return cls(
            tuple(_mark(row) for row in orders),
            tuple(_signer(row) for row in signers),
            tuple(_mark(row) for row in bulletins),
        )


def parse_standing(data: bytes) -> StandingOrders:
    """Read the document of the list; raise FormatError when *data* is none."""
    bundle = Bundle.from_bytes(data)
    if bundle.kind != Kind.STANDING_ORDERS or bundle.version != 1:
        raise MessageError(f"expected standing orders, got kind {bundle.kind}")
    return StandingOrders.from_bytes(bundle.payload)


def _unsealed(document: StandingOrders) -> bytes:
    return Bundle(
        kind=Kind.STANDING_ORDERS,
        version=1,
        payload=document.to_bytes(),
        seals=(),
        certificates=(),
    ).to_bytes()


def _sorted(rows: Iterable[OrderMark]) -> tuple[OrderMark, ...]:
    return tuple(sorted(rows, key=lambda row: (row.scope, row.digest)))


def _bounded(rows: list[OrderMark]) -> tuple[OrderMark, ...]:
    if len(rows) > MOST_ROWS:
        fault = _("{count} rows stand already; order for a larger place, or wait for some to end")
        raise ConfigError(_("standing orders"), [fault.format(count=len(rows) - 1)])
    return tuple(rows)


def _row(row: OrderMark | SignerRow, names: Iterable[str]) -> dict[str, object]:
    values = {name: getattr(row, name) for name in names}
    return {name: each.hex() if isinstance(each, bytes) else each for name, each in values.items()}


def _rows(value: Any, name: str) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON is narrowed here
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise MessageError(f"{name}: expected a list of objects")
    return value


def _mark(row: dict[str, Any]) -> OrderMark:
    if row.keys() - {_LEVEL} != set(_ORDER) - {_LEVEL}:  # a row of before has none
        raise MessageError(f"an order's row: expected {', '.join(_ORDER)}")
    # the wire object's own parser knows the limits of each field
    value = {1: row["scope"], 2: row["kind"], 3: _hex(row["digest"]), 4: row["until"]}
    return OrderMark.from_value(value if row.get("level") is None else {**value, 5: row["level"]})


def _signer(row: dict[str, Any]) -> SignerRow:
    if row.keys() != set(_SIGNER):
        raise MessageError(f"a signer's row: expected {', '.join(_SIGNER)}")
    mark = SignerMark.from_value({1: row["scope"], 2: _hex(row["digest"])})
    if type(row["until"]) is not int:
        raise MessageError("a signer's row: until is no number")
    return SignerRow(scope=mark.scope, digest=mark.digest, until=row["until"])


def _hex(value: object) -> bytes:
    if not isinstance(value, str):
        raise MessageError(f"digest {value!r:.80} is no text")
    try:
        return bytes.fromhex(value)
    except ValueError:
        raise MessageError(f"digest {value!r:.80} is not hex") from None
