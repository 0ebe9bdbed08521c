"""Recalls over HTTPS: boards bring what they have been asked for, people fetch what came.

A board shows its 30-day certificate, and is heard on recalls alone that name it and are in force;
what it brings is bounded, and is judged by its hash. A person asks with a sealed request, and is
told of recalls in their own scope.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from loa_manager import database
from loa_manager.home import Home
from loa_manager.orders.paper import Paper, open_paper
from loa_manager.recall.findings import board_at, look
from loa_manager.recall.room import PieceError, Room
from loa_manager.request_seal import RequestError, Sender
from loa_manager.serve.admission import CertificateKind
from loa_manager.serve.signed_request import Doorkeeper
from loa_manager.serve.threads import Threads
from loa_manager.serve.web import Identify, read_body
from loa_protocol.envelope import Kind
from loa_protocol.errors import FormatError, StoreError
from loa_protocol.objects.authority import Role
from loa_protocol.objects.command import Command, Verb
from loa_protocol.recall import MOST_BYTES, MOST_OFFER, MOST_PIECE, Lack, Offer
from loa_protocol.scope import is_scope

log = logging.getLogger(__name__)
_STATUS: Final = {"not_asked": 409, "not_offered": 409, "too_long": 413, "hash": 422}
_MOST_KNOWN: Final = 64
_PRIVATE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class RecallRoutes:
    """The routes below ``/recall``."""

    def __init__(self, home: Home, engine: Engine, door: Doorkeeper) -> None:
        self._home, self._engine, self._door = home, engine, door
        self._room = Room(home)
        self._known: dict[str, Paper] = {}  # recalls that were found before
        self._desk = Threads("recall", 1)  # one piece after the other: the room has files to join

    def for_boards(self, identify: Identify) -> list[Route]:
        """Return those for boards, who are known by *identify*."""

        async def offer(request: Request) -> Response:
            paper = await self._asked_of(request, identify)
            body = await read_body(request, MOST_OFFER)
            return _answer(await self._work(self._offer, paper, body))

        async def piece(request: Request) -> Response:
            order = (await self._asked_of(request, identify)).id
            sha256 = _digest(request.path_params["sha256"], 32)
            offset = request.path_params["offset"]
            if offset > MOST_BYTES:
                raise HTTPException(413, "too_long")
            body = await read_body(request, MOST_PIECE)
            return _answer(await self._work(self._room.take, order, sha256, offset, body))

        return [
            Route("/recall/{order}/offer", offer, methods=["POST"]),
            Route("/recall/{order}/{sha256}/{offset:int}", piece, methods=["PUT"]),
        ]

    def for_people(self) -> list[Route]:
        """Return those for people."""
        return [
            Route("/recall/board/{at_ms:int}/{scope:path}", self._board),
            Route("/recall/{order}", self._look),
            Route("/recall/{order}/{sha256}", self._file),
        ]

    # --- boards

    async def _asked_of(self, request: Request, identify: Identify) -> Paper:
        """Return the recall that *request* answers."""
        by = await identify(request)
        if by.kind is not CertificateKind.DEVICE:
            raise HTTPException(403, "kind")
        paper = await self._desk.run(self._paper, request.path_params["order"])
        # of a recall of another board no more is told than of none
        if paper is None or _command(paper).endpoint != bytes.fromhex(by.name):
            raise HTTPException(404, "not_here")
        return paper

    async def _work(self, act: Callable[..., Lack], *given: Any) -> Lack:  # noqa: ANN401 - as act
        try:
            return await self._desk.run(act, *given)
        except PieceError as refused:
            raise HTTPException(_STATUS[refused.code], refused.code) from None

    def _offer(self, paper: Paper, body: bytes) -> Lack:
        offer, asked = Offer.from_bytes(body), _command(paper)
        since_ms = (asked.since or 0) * 1000
        until_ms = since_ms + asked.duration_s * 1000
        for each in offer.files:
            if each.start_ms >= until_ms or each.start_ms + each.duration_ms <= since_ms:
                raise PieceError("not_asked")
        facts = {"order": paper.id.hex(), "files": len(offer.files)}
        log.info("recall_offered", extra=facts)
        return self._room.offered(paper.id, offer, self._door.clock().timestamp())

    # --- people

    async def _board(self, request: Request) -> Response:
        signed = await self._door.identify(request)
        scope, at_ms = request.path_params["scope"], request.path_params["at_ms"]
        if not is_scope(scope):
            raise RequestError(404, "not_here", signed.sender.holder)
        signed.sender.need(scope, Role.OPERATE)
        found = await self._door.do(self._find_board, scope, at_ms)
        if found is None:
            raise RequestError(404, "not_here", signed.sender.holder)
        return JSONResponse({"endpoint": found[0], "active": found[1]}, headers=_PRIVATE)

    async def _look(self, request: Request) -> Response:
        signed = await self._door.identify(request)
        facts = await self._door.do(self._facts, signed.sender, request.path_params["order"])
        return JSONResponse(facts, headers=_PRIVATE)

    async def _file(self, request: Request) -> Response:
        signed = await self._door.identify(request)
        given = signed.sender, request.path_params["order"]
        paper = await self._door.do(self._readable, *given)
        path = self._room.path(paper.id, _digest(request.path_params["sha256"], 32))
        if not path.is_file():
            raise RequestError(404, "not_here", signed.sender.holder)
        return FileResponse(path, headers=_PRIVATE, media_type="application/octet-stream")

    def _find_board(self, scope: str, at_ms: int) -> tuple[str, bool] | None:
        with database.reading(self._engine) as connection:
            return board_at(connection, scope, at_ms)

    def _facts(self, sender: Sender, order: str) -> dict[str, Any]:
        paper = self._readable(sender, order)
        endpoint = _command(paper).endpoint or b""
        with database.reading(self._engine) as connection:
            return look(connection, self._room, paper.id, endpoint.hex()).facts()

    def _readable(self, sender: Sender, order: str) -> Paper:
        """Return the recall *order*, which *sender* may ask of."""
        paper = self._paper(order)
        if paper is None:
            raise RequestError(404, "not_here", sender.holder)
        sender.need(paper.body.scope, Role.OPERATE)
        return paper

    def _paper(self, name: str) -> Paper | None:
        """Return the recall of that id that is in force."""
        now_s, tree = int(self._door.clock().timestamp()), self._home.content
        known = self._known.get(name)
        if known is not None:
            return known if now_s < _command(known).expires else None
        for row in tree.index().orders.orders:
            if row.kind == Kind.COMMAND and row.until > now_s:
                try:
                    paper = open_paper(tree.object(row.digest))
                except (StoreError, FormatError):
                    continue  # its file is damaged, of which the courier tells
                if paper.id.hex() == name and _command(paper).verb is Verb.RECALL:
                    self._known = {**dict(list(self._known.items())[-_MOST_KNOWN:]), name: paper}
                    return paper
        return None


def _command(paper: Paper) -> Command:
    assert isinstance(paper.body, Command)  # of its kind
    return paper.body


def _digest(text: str, length: int) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != length or data.hex() != text:
        raise HTTPException(404, "not_here")
    return data


def _answer(lack: Lack) -> Response:
    return Response(lack.to_bytes(), headers=_PRIVATE, media_type="application/octet-stream")
