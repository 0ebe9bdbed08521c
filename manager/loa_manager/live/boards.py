"""Which boards have taken a grant, and whether an order silences them: asked now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from loa_manager.orders.giving import Known
from loa_manager.service_client import ServiceClient
from loa_protocol.errors import FormatError, PeerError
from loa_protocol.scope import is_inside

EVERY_S: Final = 5.0
_SILENCING: Final = ("hold", "lockdown", "stop")
_MOST_ROWS: Final = 2048


@dataclass(frozen=True, slots=True)
class Taken:
    """How many boards of how many have taken the grant, and what silences them, if anything."""

    taken: int = 0
    boards: int = 0
    refused: int = 0
    silenced_by: str = ""


def read_rows(rows: Any, grant: str, scope: str) -> Taken:  # noqa: ANN401 - JSON of any shape
    """Return what the server's list of orders says of *grant*, whose place is *scope*.

    Raises:
        FormatError: it is no list of orders.
    """
    found = Taken()
    silenced = ""
    for row in rows[:_MOST_ROWS] if isinstance(rows, list) else ():
        known = Known.of(row)
        if known.id.hex() == grant:
            count = int(known.facts["boards"])
            refused = sum(each["state"] == "refused" for each in known.facts["answers"])
            found = Taken(count - int(known.facts["silent"]), count, refused)
        stands = known.facts["state"] == "in_force" and known.facts["what"] in _SILENCING
        if stands and is_inside(scope, known.scope):
            silenced = str(known.facts["what"])
    return Taken(found.taken, found.boards, found.refused, silenced)


class Boards:
    """Asks the server by a thread of its own; what it cannot tell stays as it was."""

    def __init__(self, connect: Callable[[], ServiceClient], grant: bytes, scope: str) -> None:
        """Begin to ask."""
        self._connect, self._grant, self._scope = connect, grant.hex(), scope
        self._is_over = threading.Event()
        self.now = Taken()
        threading.Thread(target=self._work, name="boards", daemon=True).start()

    def close(self) -> None:
        """Ask no more."""
        self._is_over.set()

    def _work(self) -> None:
        client: ServiceClient | None = None
        while not self._is_over.is_set():
            try:
                client = client or self._connect()
                rows = client.call("GET", f"/orders/{quote(self._scope)}").json()
                self.now = read_rows(rows, self._grant, self._scope)
            except (PeerError, FormatError):
                pass  # the line says that the server is away
            self._is_over.wait(EVERY_S)
        if client is not None:
            client.close()
