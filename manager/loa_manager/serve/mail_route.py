"""The mailbox over HTTPS: drafts and signatures between the machines of editor and approver.

Every route asks who is there by the seal on the request, and names the scope and the role that it
needs. No GET changes anything. What the mailbox does with it is :mod:`loa_manager.mailbox.office`.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from loa_manager.mailbox import rejection
from loa_manager.mailbox.entry import DESKS, Entry, entry_facts
from loa_manager.mailbox.office import Office
from loa_manager.mailbox.parts import PORTION
from loa_manager.serve.signed_request import Doorkeeper
from loa_protocol import cbor

_PRIVATE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class MailRoutes:
    """The routes below ``/mailbox/``."""

    def __init__(self, office: Office, door: Doorkeeper) -> None:
        self._office, self._door = office, door

    def routes(self) -> list[Route]:
        """Return them for the application."""
        draft, media = "/mailbox/drafts/{digest}", "/mailbox/drafts/{digest}/media/{sha256}"
        return [
            Route("/mailbox/inbox/{scope:path}", self._inbox),
            Route("/mailbox/drafts", self._submit, methods=["POST"]),
            Route(draft, self._draft),
            Route(f"{draft}/state", self._state),
            Route(f"{draft}/approval", self._approve, methods=["POST"]),
            Route(f"{draft}/rejection", self._reject, methods=["POST"]),
            Route(media, self._media),
            Route(f"{media}/{{offset:int}}", self._receive, methods=["POST"]),
        ]

    async def _inbox(self, request: Request) -> Response:
        signed = await self._door.identify(request)
        scope = request.path_params["scope"]
        signed.sender.need(scope, *DESKS)
        entries = await self._door.do(self._office.inbox, scope, signed.at)
        return JSONResponse([entry_facts(entry) for entry in entries], headers=_PRIVATE)

    async def _submit(self, request: Request) -> Response:
        signed = await self._door.identify(request, cbor.MAX_BYTES, is_noted=True)
        entry = await self._door.do(self._office.submit, signed.sender, signed.body, signed.at)
        return _answer(entry)

    async def _draft(self, request: Request) -> Response:
        signed = await self._door.identify(request)
        digest = request.path_params["digest"]
        posted = await self._door.do(self._office.find, signed.sender, digest, *DESKS)
        kind = "application/octet-stream"
        return Response(posted.data, headers=_PRIVATE, media_type=kind)

    async def _state(self, request: Request) -> Response:
        signed = await self._door.identify(request)
        digest = request.path_params["digest"]
        return _answer(await self._door.do(self._office.show, signed.sender, digest, signed.at))

    async def _approve(self, request: Request) -> Response:
        signed = await self._door.identify(request, cbor.MAX_BYTES, is_noted=True)
        digest = request.path_params["digest"]
        given = signed.sender, digest, signed.body, signed.at
        return _answer(await self._door.do(self._office.approve, *given))

    async def _reject(self, request: Request) -> Response:
        signed = await self._door.identify(request, rejection.MAX_BYTES, is_noted=True)
        digest = request.path_params["digest"]
        given = signed.sender, digest, signed.body, signed.at
        return _answer(await self._door.do(self._office.reject, *given))

    async def _media(self, request: Request) -> Response:
        signed = await self._door.identify(request)
        names = request.path_params["digest"], request.path_params["sha256"]
        path = await self._door.do(self._office.media_file, signed.sender, *names)
        return FileResponse(path, headers=_PRIVATE, media_type="application/octet-stream")

    async def _receive(self, request: Request) -> Response:
        signed = await self._door.identify(request, PORTION)
        names = request.path_params["digest"], request.path_params["sha256"]

        def receive() -> dict[str, Any]:
            offset = request.path_params["offset"]
            return self._office.receive(
                signed.sender, *names, offset=offset, data=signed.body, now=signed.at
            )

        return JSONResponse(await self._door.do(receive), headers=_PRIVATE)


def _answer(entry: Entry) -> Response:
    return JSONResponse(entry_facts(entry), headers=_PRIVATE)
