"""The way from whoever speaks to the province's server: chunks go out by a thread of its own.

A chunk that is late is of no use to anybody, so what waits is short, and the oldest goes first when
there is too much. A server that is away is tried again until somebody says that it is over.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loa_manager.live.timeline import Piece
from loa_manager.live.voice import Voice
from loa_manager.service_client import ServiceClient
from loa_protocol.errors import MessageError, PeerError, RefusedError

CHUNK_S: Final = 5.0  # for one request: longer, and what it carries is late anyhow
MOST_WAITING: Final = 30
NEAR_MS: Final = 50  # what the way there and back may make of two clocks that agree
AGAIN_S: Final = 1.0  # between tries while the server is away
_SEEN: Final = "replayed"  # an answer that was lost; the chunk itself was not
_CLOSED: Final = "no_session"
NOT_THERE: Final = "not_here"  # the grant is not in force: nobody, or not everybody, has signed

Clock = Callable[[], int]  # unix ms


@dataclass(frozen=True, slots=True)
class Opened:
    """What the server said when a session was opened."""

    word: str
    ahead_ms: int  # how far its clock is ahead of ours
    end: int


@dataclass(frozen=True, slots=True)
class LineState:
    """How it goes with what was said."""

    is_open: bool
    why: str  # the reason, where it is not
    sent_ms: int  # of sound
    lost: int  # chunks that came too late or were refused
    waiting: int


def open_session(client: ServiceClient, voice: Voice, clock: Clock) -> Opened:
    """Ask the server to take the chunks of *voice*.

    Raises:
        RefusedError: ``not_here``: the grant is not in force there; or another reason.
        FetchError: the server is not reached.
        MessageError: its answer is none.
    """
    before = clock()
    answer = client.call("POST", f"/live/{voice.grant.id.hex()}").json()
    after = clock()
    try:
        word, now_ms, end = answer["word"], answer["now_ms"], answer["end"]
    except (TypeError, KeyError):
        raise MessageError("the server's answer opens no session") from None
    if not (isinstance(word, str) and word.isascii() and isinstance(now_ms, int)):
        raise MessageError("the server's answer opens no session")
    # half of the way there and back: its clock was read about then (RFC 5905 section 8)
    return Opened(word, now_ms - (before + after) // 2, int(end))


class Line:
    """Sends the chunks of one or more voices, one after the other."""

    def __init__(self, connect: Callable[[], ServiceClient], clock: Clock) -> None:
        """Begin the thread; *clock* is the server's, as far as we know it."""
        self._connect, self._clock = connect, clock
        self._words: dict[bytes, str] = {}
        self._waiting: deque[tuple[Voice, Piece, bytes]] = deque()
        self._news = threading.Condition()
        self._is_over = False
        self._why, self._sent_ms, self._lost = "", 0, 0
        self._thread = threading.Thread(target=self._work, name="live line", daemon=True)
        self._thread.start()

    def know(self, voice: Voice, word: str) -> None:
        """Use *word* for the chunks of *voice*: its session was opened before."""
        self._words[voice.grant.id] = word

    def say(self, voice: Voice, piece: Piece) -> None:
        """Send *piece* as soon as may be; never waits."""
        with self._news:
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append((voice, piece, voice.seal(piece)))
            self._news.notify()

    @property
    def state(self) -> LineState:
        """How it goes."""
        with self._news:
            waiting = len(self._waiting)
        return LineState(not self._why, self._why, self._sent_ms, self._lost, waiting)

    def close(self, within_s: float = CHUNK_S) -> None:
        """Send what waits, for *within_s* at most, and end."""
        with self._news:
            self._is_over = True
            self._news.notify()
        self._thread.join(within_s)

    def _work(self) -> None:
        client: ServiceClient | None = None
        while (found := self._next()) is not None:
            voice, piece, data = found
            if piece.at_ms < self._clock():
                self._lost += 1
                continue
            try:
                client = client or self._connect()
                self._send(client, voice, data)
            except RefusedError as refused:
                self._on_refusal(refused, voice, found)
            except (PeerError, MessageError) as error:
                self._why = str(error)
                self._put_back(found)
                self._pause()
            else:
                self._why = ""
                self._sent_ms += piece.end_ms - piece.at_ms
        if client is not None:
            client.close()

    def _send(self, client: ServiceClient, voice: Voice, data: bytes) -> None:
        word = self._words.get(voice.grant.id)
        if word is None:
            word = open_session(client, voice, self._clock).word
            self._words[voice.grant.id] = word
        with contextlib.suppress(_Seen):
            _post(client, word, data)

    def _on_refusal(
        self, refused: RefusedError, voice: Voice, found: tuple[Voice, Piece, bytes]
    ) -> None:
        self._why = refused.code
        if refused.code == _CLOSED:  # a server that began anew: opened once more, at once
            self._words.pop(voice.grant.id, None)
            self._put_back(found)
            return
        self._lost += 1
        if refused.code == NOT_THERE:
            self._pause()

    def _put_back(self, found: tuple[Voice, Piece, bytes]) -> None:
        with self._news:
            self._waiting.appendleft(found)

    def _pause(self) -> None:
        with self._news:
            if not self._is_over:
                self._news.wait_for(lambda: self._is_over, AGAIN_S)

    def _next(self) -> tuple[Voice, Piece, bytes] | None:
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._is_over)
            return self._waiting.popleft() if self._waiting else None


class _Seen(Exception):  # noqa: N818 - no error
    """The server has this chunk already."""


def _post(client: ServiceClient, word: str, data: bytes) -> None:
    try:
        client.post_bare(f"/live/{word}/chunk", data)
    except RefusedError as refused:
        if refused.code == _SEEN:
            raise _Seen from None
        raise


class CommonClock:
    """The server's time on this machine, which a step of this machine's own clock does not move."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Go by this machine's own clock until the server has told its time anew."""
        self._ahead_ns = time.time_ns() - time.monotonic_ns()

    def __call__(self) -> int:
        """Return unix milliseconds."""
        return (time.monotonic_ns() + self._ahead_ns) // 1_000_000

    def correct(self, ahead_ms: int) -> None:
        """Follow the server's clock, which is ahead of this one by *ahead_ms*."""
        if abs(ahead_ms) > NEAR_MS:
            self._ahead_ns += ahead_ms * 1_000_000
