"""Live sound over HTTPS: from the machine of whoever speaks to the broker's live topics.

A session is opened once, by a sealed request of somebody who has signed its grant. From then on
chunks come under a word that only the two sides know, so that a stranger's are turned away before a
byte of them is read; and each is judged by the boards' own rule, so that nothing reaches the broker
that is not sealed by the grant's key, is late, early or a repetition. The server holds none of
these keys, and can add nothing.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from loa_manager.allowance import Allowance
from loa_manager.home import Home
from loa_manager.orders.desk import OrderDesk, roles_of
from loa_manager.orders.paper import Paper, open_paper
from loa_manager.request_seal import RequestError, Sender
from loa_manager.serve.signed_request import Doorkeeper
from loa_manager.serve.web import read_body
from loa_protocol.envelope import Kind, open_seal
from loa_protocol.errors import ConfigError, FormatError, StoreError
from loa_protocol.live import LiveSession
from loa_protocol.objects.live import Grant
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, TrustError

log = logging.getLogger(__name__)
Push = Callable[[str, bytes], Awaitable[bool]]
_Mark = tuple[tuple[int, ...], ...]

MOST_CHUNK: Final = 48 * 1024  # bytes: what a board takes of sound (40,000), and its seal
MOST_SESSIONS: Final = 256  # open at once; a province has some two hundred communes
CHUNKS_AT_ONCE: Final = 30.0  # what a network that was away brings at once
CHUNKS_A_S: Final = 4.0  # they are of about a second; some may be shorter
_WORD_BYTES: Final = 16
_PRIVATE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(slots=True)
class _Session:
    """An open session: what judges its chunks, and when its grant was last found good."""

    paper: Paper
    live: LiveSession
    sender: Sender
    mark: _Mark

    @property
    def name(self) -> str:
        return self.paper.id.hex()


class LiveRoutes:
    """The routes below ``/live``."""

    def __init__(self, home: Home, door: Doorkeeper, push: Push) -> None:
        """Forward to *push*, which is told topic and payload, and says whether a broker took it."""
        self._home, self._door, self._push = home, door, push
        self._open: dict[str, _Session] = {}  # by the word
        self._pace = Allowance(CHUNKS_AT_ONCE, CHUNKS_A_S)

    def routes(self) -> list[Route]:
        """Return them for the application."""
        return [
            Route("/live/{grant}", self._begin, methods=["POST"]),
            Route("/live/{word}/chunk", self._take, methods=["POST"]),
        ]

    async def _begin(self, request: Request) -> Response:
        signed = await self._door.identify(request)
        given = signed.sender, request.path_params["grant"], signed.at
        session = await self._door.do(self._find, *given)
        now = int(signed.at.timestamp())
        kept = {
            word: each
            for word, each in self._open.items()
            if each.name != session.name and each.live.grant.end > now
        }
        if len(kept) >= MOST_SESSIONS:
            raise RequestError(429, "too_many", signed.sender.holder)
        word = secrets.token_urlsafe(_WORD_BYTES)
        self._open = {**kept, word: session}
        fields = {"grant": session.name, "who": session.sender.holder}
        log.info("live_opened", extra=fields)
        now_ms = int(self._door.clock().timestamp() * 1000)
        answer = {"word": word, "now_ms": now_ms, "end": session.live.grant.end}
        return JSONResponse(answer, headers=_PRIVATE)

    async def _take(self, request: Request) -> Response:
        word = request.path_params["word"]
        session = self._open.get(word)
        if session is None:
            raise RequestError(401, "no_session")
        if self._pace.left(session.name, time.monotonic()) < 1:
            raise RequestError(429, "too_many", session.sender.holder)
        self._pace.use(session.name, 1, time.monotonic())
        data = await read_body(request, MOST_CHUNK)
        await self._look_again(word, session)
        try:
            session.live.accept(data, Now(int(self._door.clock().timestamp()), ClockTrust.T3))
        except TrustError as error:
            raise RequestError(403, str(error.reason), session.sender.holder) from None
        if not await self._push(f"scope/{session.live.grant.scope}/live", data):
            raise RequestError(503, "no_broker")
        return JSONResponse({"state": "sent"}, headers=_PRIVATE)

    async def _look_again(self, word: str, session: _Session) -> None:
        """Judge the grant anew where root, denials or policy may have changed since."""
        mark = self._mark()
        if mark == session.mark:
            return
        session.mark = mark
        given = session.sender, session.paper, self._door.clock()
        try:
            await self._door.do(self._judge, *given)
        except RequestError as refused:
            if refused.status == 403:
                self._open.pop(word, None)
                log.warning("live_ended", extra={"grant": session.name, "reason": refused.reason})
            raise

    def _find(self, sender: Sender, name: str, now: datetime) -> _Session:
        mark, paper = self._mark(), self._grant(name)
        # of a grant that is not there no more is told than of one that is somebody else's
        if paper is None or sender.kid not in {open_seal(s).kid for s in paper.bundle.seals}:
            raise RequestError(404, "not_here", sender.holder)
        self._judge(sender, paper, now)
        assert isinstance(paper.body, Grant)  # what _grant looks for
        return _Session(paper, LiveSession(paper.body), sender, mark)

    def _grant(self, name: str) -> Paper | None:
        tree = self._home.content
        for row in tree.index().orders.orders:
            if row.kind == Kind.GRANT:
                paper = _readable(tree.object, row.digest)
                if paper is not None and paper.id.hex() == name:
                    return paper
        return None

    def _judge(self, sender: Sender, paper: Paper, now: datetime) -> None:
        sender.need(paper.body.scope, *roles_of(paper))
        try:
            judged = OrderDesk.open(self._home, now).judge(paper)
        except TrustError as error:
            raise RequestError(403, str(error.reason), sender.holder) from None
        except ConfigError:
            raise RequestError(409, "limit", sender.holder) from None
        if not judged.is_complete:
            raise RequestError(403, "threshold", sender.holder)

    def _mark(self) -> _Mark:
        return tuple(map(_mark_of, (self._home.root_path, self._home.content.path / "index.json")))


def _mark_of(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except FileNotFoundError:
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size


async def push_nowhere(_topic: str, _payload: bytes) -> bool:
    """Say that there is no broker, where a server is looked at and not run."""
    return False


def _readable(read: Callable[[bytes], bytes], digest: bytes) -> Paper | None:
    """Return the order; None where its file is damaged, of which the courier tells."""
    try:
        return open_paper(read(digest))
    except (StoreError, FormatError):
        return None
