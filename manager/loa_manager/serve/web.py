"""The HTTPS routes: content for everybody; enrolment and time for boards that show who they are."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from loa_manager.request_seal import RequestError
from loa_manager.serve.admission import (
    Admitted,
    Authorities,
    CertificateKind,
    Denial,
    Denied,
    Roster,
    admit,
)
from loa_manager.serve.content_route import serve_content
from loa_manager.serve.enrolment import (
    MAX_BODY,
    Enrolment,
    EnrolmentRefusedError,
    format_certificates,
)
from loa_manager.serve.listener import peer_certificate
from loa_manager.serve.repeats import Repeats
from loa_manager.serve.threads import Threads
from loa_manager.serve.time_answer import MAX_NONCE, Seals, answer_time
from loa_protocol.errors import FormatError, StoreError

BODY_S: Final = 10.0  # for a body of at most 8 KiB
PUBLIC: Final = frozenset({"/content/{path:path}", "/enrol/cacerts"})  # no certificate needed
THREADS: Final = 4
_STATUS: Final = {"too_early": 409, "too_many": 429}

log = logging.getLogger(__name__)
Clock = Callable[[], datetime]
Identify = Callable[[Request], Awaitable[Admitted]]


@dataclass(frozen=True, slots=True)
class Web:
    """What the routes answer from."""

    content: Path
    authorities: Authorities
    roster: Roster
    enrolment: Enrolment
    time_signer: Seals
    clock: Clock = lambda: datetime.now(UTC)
    repeats: Repeats = field(default_factory=Repeats)
    people: Sequence[Route] = ()  # routes that ask for a sealed request, see signed_request
    boards: Callable[[Identify], Sequence[Route]] = lambda _: ()  # routes for certified boards
    _threads: Threads = field(default_factory=lambda: Threads("web", THREADS))

    def app(self) -> Starlette:
        """Return the application."""
        return Starlette(
            routes=[
                Route("/content/{path:path}", self._content),  # GET and HEAD
                Route("/enrol/cacerts", self._authorities),
                Route("/enrol/simpleenroll", self._enrol, methods=["POST"]),
                Route("/time", self._time, methods=["POST"]),
                *self.boards(self.identify),
                *self.people,
            ],
            exception_handlers={
                HTTPException: _answer_http_error,
                FormatError: _answer_format_error,
                EnrolmentRefusedError: _answer_refusal,
                RequestError: _answer_request_error,
                StoreError: _answer_store_error,
                Exception: _answer_bug,  # answered so; then it goes on to the log
            },
        )

    async def _content(self, request: Request) -> Response:
        return await self._threads.run(serve_content, self.content, request)

    async def _authorities(self, _request: Request) -> Response:
        known = self.authorities
        return _certificates(format_certificates(known.device, *known.enrolment))

    async def _enrol(self, request: Request) -> Response:
        by = await self.identify(request)
        body = await read_body(request, MAX_BODY)
        try:
            answer = await self._threads.run(self.enrolment.enrol, body, by, self.clock())
        except EnrolmentRefusedError as refused:
            self._say("enrolment_refused", by.name, refused.code)
            raise
        log.info("certificate_issued", extra={"endpoint": by.name})
        return _certificates(answer)

    async def _time(self, request: Request) -> Response:
        await self.identify(request)
        nonce = await read_body(request, MAX_NONCE)
        answer = answer_time(nonce, self.time_signer, self.clock())
        return Response(answer, media_type="application/octet-stream")

    async def identify(self, request: Request) -> Admitted:
        """Return the board that asks; raise HTTPException where none of ours does."""
        verdict = await self._threads.run(
            admit, peer_certificate(request.scope), self.authorities, self.roster, self.clock()
        )
        if isinstance(verdict, Admitted) and verdict.kind is not CertificateKind.SERVER:
            return verdict
        denied = verdict if isinstance(verdict, Denied) else Denied(Denial.KIND, verdict.name)
        if denied.reason is Denial.NO_CERTIFICATE:
            raise HTTPException(401, denied.reason)
        self._say("client_refused", denied.who, denied.reason)
        raise HTTPException(403, denied.reason)

    def _say(self, event: str, who: str, reason: str) -> None:
        held = self.repeats.admit(f"{event} {reason}", who, time.monotonic())
        if held is not None:
            log.warning(event, extra={"who": who, "reason": reason, "held_back": held})


async def read_body(request: Request, most: int) -> bytes:
    """Return the body of *request*.

    Raises:
        HTTPException: 413 when it is longer than *most*, 408 when it does not come in time.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise HTTPException(413, "too_long")
    except TimeoutError:
        raise HTTPException(408, "too_slow") from None
    return bytes(body)


def _certificates(data: bytes) -> Response:
    return Response(
        data,
        media_type="application/pkcs7-mime; smime-type=certs-only",
        headers={"Content-Transfer-Encoding": "base64"},
    )


def error_response(status: int, reason: str, headers: dict[str, str] | None = None) -> Response:
    """Return the one shape of errors: HTTP's name in ``error``, a stable code in ``reason``."""
    name = HTTPStatus(status).phrase.lower().replace(" ", "_")
    return JSONResponse({"error": name, "reason": reason}, status, headers)


Handler = Callable[[Request, Exception], Awaitable[Response]]


async def _answer_http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = {404: "not_here", 405: "method"}
    reason = known.get(error.status_code, str(error.detail))
    return error_response(error.status_code, reason, dict(error.headers or {}))


async def _answer_format_error(_request: Request, _error: Exception) -> Response:
    return error_response(400, "format")


async def _answer_refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, EnrolmentRefusedError)
    headers = {"Retry-After": str(error.retry_s)} if error.retry_s else None
    return error_response(_STATUS.get(error.code, 403), error.code, headers)


async def _answer_request_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return error_response(error.status, error.reason)


async def _answer_store_error(_request: Request, error: Exception) -> Response:
    log.error("store_failed", extra={"why": str(error)})
    return error_response(503, "store")


async def _answer_bug(_request: Request, _error: Exception) -> Response:
    return error_response(500, "internal")
