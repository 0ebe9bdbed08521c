"""A province's home with its registry, and people who give orders."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from loa_manager import database
from loa_manager.content_tree import write_durably
from loa_manager.home import Home
from loa_manager.orders import book
from loa_manager.orders.book import Entry
from loa_manager.orders.desk import OrderDesk
from loa_manager.orders.paper import Paper, open_paper
from loa_manager.orders.survey import Told, survey
from loa_protocol.envelope import Kind
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.command import Command, Verb
from loa_protocol.record import OrderState, OrderTaken
from loa_protocol.schema import Wire
from loa_protocol.trust import Accepted
from support import registry
from support.desks import set_policy
from support.orders import SIREN, alert, command
from support.province import NOW, Person, policy, province
from support.telling import Teller

AT = datetime.fromtimestamp(NOW.unix_s, UTC)
SIREN_BYTES = b"siren"
CLUSTERS = ("vn/ls/st0137/c01", "vn/ls/st0137/c02", "vn/ls/st0137/c03")


def paper_of(body: Wire, *people: Person) -> Paper:
    """Return *body* sealed by *people*."""
    kind = {Alert: Kind.ALERT, Command: Kind.COMMAND}[type(body)]
    return open_paper(province().sign(kind, body, *people))


@dataclass
class Ordering:
    """The home, the database and the boards of the fictitious commune."""

    folder: Path
    home: Home = field(init=False)
    engine: Engine = field(init=False)
    boards: list[Teller] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home = Home(self.folder)
        write_durably(self.home.root_path, province().root_bundle)
        tree = self.home.content
        tree.set_root("vn/ls", 1, tree.put_object(province().root_bundle))
        set_policy(self.home, policy(preapproved=(SIREN.sha256,)))
        self.engine = registry.new_database(self.folder)
        with database.writing(self.engine) as connection:
            registry.load_village(connection)
            for cluster in CLUSTERS:
                board = Teller()
                board.register(connection, cluster)
                board.boot()
                self.boards.append(board)
        write_durably(tree.media_path(SIREN.sha256), b"x" * SIREN.size)

    @property
    def desk(self) -> OrderDesk:
        return OrderDesk.open(self.home, AT)

    def publish(self, body: Wire, *people: Person) -> Accepted:
        return book.publish(paper_of(body, *people), self.home, self.desk, at=AT)

    def alert(self, *people: Person, **changes: Any) -> Alert:
        body = alert(**changes)
        self.publish(body, *(people or province().wardens[:1]))
        return body

    def command(self, verb: Verb, *people: Person, **changes: Any) -> Command:
        body = command(verb, **changes)
        self.publish(body, *(people or province().wardens[:1]))
        return body

    def listed(self) -> list[Entry]:
        return book.listed(self.home)

    def survey(self) -> list[Told]:
        with database.reading(self.engine) as connection:
            return survey(connection, self.listed())

    def answer(
        self, board: int, body: Alert | Command, state: OrderState, detail: str = ""
    ) -> None:
        """Let a board say how far it has come."""
        paper = paper_of(body)
        taken = OrderTaken(
            id=body.id, kind=paper.kind, digest=paper.bundle.digest, state=state, detail=detail
        )
        self.boards[board].tell(taken)
