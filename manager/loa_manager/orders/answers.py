"""Who has taken an order: what boards answered, and which are silent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from loa_manager import devices, tables
from loa_manager.orders.paper import Body
from loa_protocol.objects.command import Command
from loa_protocol.record import OrderState
from loa_protocol.scope import is_inside

_IN_ONE_QUERY: Final = 500


@dataclass(frozen=True, slots=True)
class Board:
    """An active board and where it hangs."""

    id: str
    cluster: str
    village: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The last word of one board about one order."""

    state: OrderState
    detail: str
    at_ms: int


Answers = Mapping[str, Mapping[str, Answer]]  # order id in hex -> board -> answer


def load_boards(connection: Connection) -> list[Board]:
    """Return the active boards, by cluster."""
    table = tables.endpoint.c
    query = select(table.id, table.cluster, table.village).where(table.state == devices.ACTIVE)
    return [Board(row.id, row.cluster, row.village) for row in connection.execute(query)]


def load_answers(connection: Connection, orders: Collection[bytes]) -> Answers:
    """Return what was answered to *orders* (ids), the last word of each board.

    Records may arrive in any order; a board numbers its own.
    """
    table = tables.order_answer
    wanted = sorted(order.hex() for order in orders)
    found: dict[str, dict[str, Answer]] = {order: {} for order in wanted}
    for at in range(0, len(wanted), _IN_ONE_QUERY):
        query = (
            select(table)
            .where(table.c.order_id.in_(wanted[at : at + _IN_ONE_QUERY]))
            .order_by(table.c.epoch, table.c.sequence)
        )
        for row in connection.execute(query):
            answer = Answer(OrderState(row.state), row.detail, row.at_ms)
            found[row.order_id][row.endpoint] = answer
    return found


def addressed(body: Body, boards: Iterable[Board]) -> list[Board]:
    """Return the boards that *body* is for. Pure."""
    mine = [board for board in boards if is_inside(board.cluster, body.scope)]
    if isinstance(body, Command) and body.endpoint is not None:
        return [board for board in mine if board.id == body.endpoint.hex()]
    return mine


def silent(boards: Sequence[Board], answers: Mapping[str, Answer]) -> list[Board]:
    """Return those of *boards* that have not answered. Pure."""
    return [board for board in boards if board.id not in answers]


def clusters_of_village(boards: Iterable[Board], scope: str, village: str) -> list[str]:
    """Return the clusters below *scope* whose assignment names *village*. Pure."""
    wanted = village.casefold().strip()
    return sorted(
        {
            board.cluster
            for board in boards
            if is_inside(board.cluster, scope) and board.village.casefold().strip() == wanted
        }
    )
