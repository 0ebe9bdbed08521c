"""Orders over HTTPS: from the machines of people into the list of what stands.

An order has its own seals and needs no others to be believed; the route is still for people only,
and for their own places. The server judges an order as the boards will, and signs nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from loa_manager import database
from loa_manager.home import Home
from loa_manager.orders import book
from loa_manager.orders.desk import OrderDesk, roles_of
from loa_manager.orders.facts import told_facts
from loa_manager.orders.paper import Paper, open_paper
from loa_manager.orders.survey import survey
from loa_manager.request_seal import RequestError, Sender
from loa_manager.serve.signed_request import Doorkeeper
from loa_protocol import cbor
from loa_protocol.envelope import open_seal
from loa_protocol.errors import ConfigError, FormatError
from loa_protocol.objects.authority import Role
from loa_protocol.scope import is_inside
from loa_protocol.trust import TrustError

WATCHING: Final = (Role.ALERT, Role.LIVE, Role.OPERATE, Role.BULLETIN, Role.EDITOR, Role.APPROVER)
_PRIVATE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class OrderRoutes:
    """The routes below ``/orders``."""

    def __init__(self, home: Home, door: Doorkeeper) -> None:
        self._home, self._door = home, door

    def routes(self) -> list[Route]:
        """Return them for the application."""
        return [
            Route("/orders", self._take, methods=["POST"]),
            Route("/orders/{scope:path}", self._list),
        ]

    async def _take(self, request: Request) -> Response:
        signed = await self._door.identify(request, cbor.MAX_BYTES)
        answer = await self._door.do(self._publish, signed.sender, signed.body, signed.at)
        return JSONResponse(answer, headers=_PRIVATE)

    async def _list(self, request: Request) -> Response:
        signed = await self._door.identify(request)
        scope = request.path_params["scope"]
        signed.sender.need(scope, *WATCHING)
        return JSONResponse(await self._door.do(self._told, scope, signed.at), headers=_PRIVATE)

    def _publish(self, sender: Sender, data: bytes, now: datetime) -> dict[str, Any]:
        paper = _opened(data)
        sender.need(paper.body.scope, *roles_of(paper))
        if sender.kid not in {open_seal(seal).kid for seal in paper.bundle.seals}:
            raise RequestError(403, "sender", sender.holder)  # only who gave it brings it
        desk = OrderDesk.open(self._home, now)
        try:
            book.publish(paper, self._home, desk, at=now)
        except TrustError as error:
            raise RequestError(403, str(error.reason), sender.holder) from None
        except ConfigError:
            raise RequestError(409, "limit", sender.holder) from None
        except book.MissingSoundError:
            raise RequestError(409, "media_missing", sender.holder) from None
        return {"id": paper.id.hex(), "digest": paper.bundle.digest.hex(), "state": "given"}

    def _told(self, scope: str, now: datetime) -> list[dict[str, Any]]:
        entries = book.listed(self._home)
        mine = [
            each
            for each in entries
            if is_inside(each.paper.body.scope, scope) or is_inside(scope, each.paper.body.scope)
        ]
        engine = database.open(self._home.database_url)
        try:
            with database.reading(engine) as connection:
                told = survey(connection, mine)
        finally:
            engine.dispose()
        return [told_facts(each, int(now.timestamp()), within=scope) for each in told]


def _opened(data: bytes) -> Paper:
    try:
        return open_paper(data)
    except FormatError:
        raise RequestError(400, "format") from None
