"""Orders over HTTPS: from the machines of people into the list of what stands.

An order has its own seals and needs no others to be believed; the route is still for people only,
and for their own places. The server judges an order as the boards will, and signs nothing.

Where the sound that an order names is not here, the order waits for it: whoever brought it sends
the sound in portions, and then the order once more.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from loa_manager import database
from loa_manager.home import Home
from loa_manager.mailbox.parts import PORTION, OffsetError
from loa_manager.orders import book
from loa_manager.orders.arrivals import Arrivals, FullError
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
        self._arrivals = Arrivals(home.path / "arrivals", home.content)

    def routes(self) -> list[Route]:
        """Return them for the application."""
        return [
            Route("/orders", self._take, methods=["POST"]),
            Route("/orders/{scope:path}", self._list),
            Route("/orders/{digest}/media/{sha256}/{offset:int}", self._receive, methods=["POST"]),
        ]

    async def _take(self, request: Request) -> Response:
        signed = await self._door.identify(request, cbor.MAX_BYTES, is_noted=True)
        answer = await self._door.do(self._publish, signed.sender, signed.body, signed.at)
        return JSONResponse(answer, headers=_PRIVATE)

    async def _receive(self, request: Request) -> Response:
        signed = await self._door.identify(request, PORTION)
        names = request.path_params["digest"], request.path_params["sha256"]
        given = signed.sender, *names, request.path_params["offset"], signed.body
        return JSONResponse(await self._door.do(self._append, *given), headers=_PRIVATE)

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
        desk, digest = OrderDesk.open(self._home, now), paper.bundle.digest
        waiting = self._arrivals.find(sender.kid, digest)
        if waiting is not None:  # its sound lies there
            paper = dataclasses.replace(paper, path=waiting.path)
        try:
            book.publish(paper, self._home, desk, at=now)
        except TrustError as error:
            raise RequestError(403, str(error.reason), sender.holder) from None
        except ConfigError:
            raise RequestError(409, "limit", sender.holder) from None
        except book.MissingSoundError:  # but for that, the boards would take it
            self._wait(sender, paper, now)
            raise RequestError(409, "media_missing", sender.holder) from None
        self._arrivals.drop(sender.kid, digest)
        return {"id": paper.id.hex(), "digest": digest.hex(), "state": "given"}

    def _wait(self, sender: Sender, paper: Paper, now: datetime) -> None:
        try:
            self._arrivals.wait(paper, sender.kid, int(now.timestamp()))
        except FullError:
            raise RequestError(507, "full", sender.holder) from None

    def _append(
        self, sender: Sender, digest: str, sha256: str, offset: int, data: bytes
    ) -> dict[str, Any]:
        paper = self._arrivals.find(sender.kid, _hash(digest, sender))
        if paper is None:
            raise RequestError(404, "not_here", sender.holder)
        sender.need(paper.body.scope, *roles_of(paper))
        media = {each.sha256: each for each in paper.media}.get(_hash(sha256, sender))
        if media is None:
            raise RequestError(404, "not_here", sender.holder)
        try:
            received = self._arrivals.append(paper, media, offset, data)
        except OffsetError:
            raise RequestError(409, "offset", sender.holder) from None
        except TrustError as error:
            raise RequestError(409, str(error.reason), sender.holder) from None
        return {"received": received, "size": media.size}

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


def _hash(text: str, sender: Sender) -> bytes:
    """Return the hash that *text* names; what is none names nothing that is here."""
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise RequestError(404, "not_here", sender.holder)
    return bytes.fromhex(text)


def _opened(data: bytes) -> Paper:
    try:
        return open_paper(data)
    except FormatError:
        raise RequestError(400, "format") from None
