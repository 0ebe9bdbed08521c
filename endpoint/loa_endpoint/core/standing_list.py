"""What the head's standing orders ask of one endpoint: which orders to fetch, and whether all came.

The list is not signed; the head names its hash, and each order on it has seals of its own. Whoever
owns the server can withhold it, which is no more than withholding the head: nothing else of that
head is taken before the list and what it names for us were had, and such a head is not a fresh one.
What is not on the list goes on as it was: absence ends nothing.

The list may hold junk, since head keys are online. An order that is refused is put aside until
something changes, and a round asks for a bounded number of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from loa_endpoint.core import want as wants
from loa_endpoint.core.want import Step, Want
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import MessageError
from loa_protocol.objects.authority import Level
from loa_protocol.objects.online import OrderMark, SignerMark, StandingOrders
from loa_protocol.scope import is_inside

NO_LIST: Final = bytes(32)  # what a head says where nothing stands
MOST_ORDERS: Final = 64  # asked for in one round; the next goes on
MOST_SIGNERS: Final = 96  # of the list; what does not fit into the store would be fetched for ever
# Silence first: it must be here before anything that it silences.
_FIRST: Final = {Kind.COMMAND: 0, Kind.ALERT: 1, Kind.GRANT: 2}


class StandingList:
    """One endpoint's view of the newest list."""

    def __init__(self) -> None:
        self._digest = NO_LIST
        self._is_broken = False
        self._orders: tuple[OrderMark, ...] = ()
        self._signers: tuple[SignerMark, ...] = ()
        self._refused: set[bytes] = set()
        self._asked = 0

    @property
    def named(self) -> bytes:
        """The hash of the list that is here."""
        return self._digest

    def begin(self) -> None:
        """Begin a round."""
        self._asked = 0

    def forget_refusals(self) -> None:
        """Ask again for what was refused: the time became known, or what is trusted changed."""
        self._refused.clear()

    def is_settled(self, named: bytes, held: Mapping[bytes, Level]) -> bool:
        """Tell whether the list that the head *named* and its orders for us were had.

        Args:
            named: The head's hash.
            held: The orders that were taken or wait, by digest, and at which level.
        """
        if named == NO_LIST:
            return True
        if named != self._digest or self._is_broken:
            return False
        return not self._missing(held)

    def wanted(
        self, named: bytes, held: Mapping[bytes, Level], done: Collection[str]
    ) -> Iterator[Want]:
        """Yield the list, then the orders on it that are not here, or with lighter seals only.

        Args:
            named: The head's hash.
            held: The orders that were taken or wait, by digest, and at which level.
            done: Paths that gave all they could in this round.
        """
        if named == NO_LIST:
            return
        if named != self._digest:
            yield from _undone([wants.object_named(Step.STANDING_ORDERS, named)], done)
            return
        asked = _undone((wants.order(m.digest, m.scope) for m in self._missing(held)), done)
        yield from islice(asked, self._left)

    def wanted_signers(self, held: Collection[bytes], done: Collection[str]) -> Iterator[Want]:
        """Yield the certificates of those who may give us orders; *held* are their digests."""
        missing = (m for m in self._signers[:MOST_SIGNERS] if m.digest not in held)
        yield from _undone((wants.signer(m.digest, m.scope) for m in missing), done)

    def on_asked(self) -> None:
        """Count an order that was asked for."""
        self._asked += 1

    def on_list(self, data: bytes, scope: str, now_s: int) -> None:
        """Take the list, whose payload has the hash that was asked for.

        Args:
            data: Its bundle.
            scope: Ours: rows for other places are none of our business.
            now_s: The trusted time: rows that are over are left out.

        Raises:
            FormatError: it is no list; it is not asked for again.
        """
        bundle = Bundle.from_bytes(data)
        self._digest, self._orders, self._signers = bundle.digest, (), ()
        self._is_broken = True
        if bundle.kind != Kind.STANDING_ORDERS or bundle.version != 1:
            raise MessageError(f"expected standing orders, got kind {bundle.kind}")
        body = StandingOrders.from_bytes(bundle.payload)
        self._is_broken = False
        ours = [m for m in body.orders if is_inside(scope, m.scope) and m.until > now_s]
        known = [m for m in ours if m.kind in _FIRST]
        self._orders = tuple(sorted(known, key=lambda m: (_FIRST[Kind(m.kind)], m.digest)))
        self._signers = tuple(m for m in body.signers if is_inside(scope, m.scope))
        self._refused &= {m.digest for m in self._orders}

    def check_kind(self, digest: bytes, data: bytes) -> None:
        """Refuse an order that is listed as another kind than it is.

        Raises:
            FormatError: it is; it is put aside.
        """
        kind = Bundle.from_bytes(data).kind
        if not any(m.digest == digest and m.kind == kind for m in self._orders):
            self._refused.add(digest)
            raise MessageError(f"listed as another kind than {kind}")

    def on_refused(self, digest: bytes) -> None:
        """Put an order aside: it came, and was refused, or is no more than what was here."""
        self._refused.add(digest)

    def _missing(self, held: Mapping[bytes, Level]) -> list[OrderMark]:
        return [
            m
            for m in self._orders
            if m.digest not in self._refused
            and (m.digest not in held or held[m.digest] < (m.level or Level.COMMUNE))
        ]

    @property
    def _left(self) -> int:
        return max(0, MOST_ORDERS - self._asked)


def _undone(found: Iterable[Want], done: Collection[str]) -> Iterator[Want]:
    return (want for want in found if want.path not in done)
