"""The hostile party's machines: at the true server's addresses, with its TLS key, in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from loa_manager.serve.key_folder import ServerKeys
from support.hamlet import WITHIN_S
from support.hostile_forger import Forger
from support.hostile_wire_broker import HostileBroker
from support.hostile_wire_people import Commune
from support.hostile_wire_web import HEAD, HostileWeb
from support.waiting import STEP_S, soon

_Result = TypeVar("_Result")
_Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_BACKLOG: Final = 16
_TRY_S: Final = 1.0
_STEP_S: Final = 15.0


@dataclass
class Front:
    """Web server and broker, and the hand that plays their cards; its methods are a test's."""

    web: HostileWeb
    broker: HostileBroker
    loop: asyncio.AbstractEventLoop
    strayed: list[str] = field(default_factory=list)  # who came to where redirects lead

    @property
    def tried(self) -> Counter[str]:
        """How often each attack was tried, by name."""
        return self.web.tried + self.broker.tried

    def do(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run *work* in the thread and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(WITHIN_S)

    def wait_connected(self) -> None:
        """Wait until the endpoint listens."""
        soon(lambda: self.broker.is_connected, within_s=WITHIN_S)

    def nudge(self) -> None:
        """Let the endpoint look at the content tree, if it listens."""
        with contextlib.suppress(ConnectionError):
            self.do(self.broker.push("look", b""))

    def push(self, what: str, payload: bytes, card: str = "") -> None:
        """Publish; what meets no listener is sent again once there is one."""
        while True:
            self.wait_connected()
            with contextlib.suppress(ConnectionError):
                self.do(self.broker.push(what, payload, as_card=card))
                return

    def heard_all(self) -> None:
        """Wait until what was pushed before has been judged: a nudge behind it is followed."""
        before = self.web.asked[HEAD]
        self.until(lambda: self.web.asked[HEAD] > before)

    def until(self, condition: Callable[[], object], *, within_s: float = WITHIN_S) -> None:
        """Nudge until *condition* holds, once a second."""
        end = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < end, f"not within {within_s:g} s"
            self.nudge()
            with contextlib.suppress(AssertionError):
                soon(condition, within_s=_TRY_S)

    def play(self, *turns: tuple[str, str]) -> None:
        """Let the web server play cards, each on the head or on the list that a head names."""
        for turn in turns:
            self.web.turns.append(turn)
            self.until(lambda: not self.web.turns)

    def breaks(self, card: str) -> bool:
        """Break the session with *card*; tell whether the endpoint has ended it."""
        self.wait_connected()
        session, before = self.broker.sessions, self.web.asked[HEAD]

        def is_over() -> bool:
            return self.broker.sessions > session or not self.broker.is_connected

        self.do(self.broker.break_line(card))
        self.until(lambda: is_over() or self.web.asked[HEAD] > before)
        return is_over()


@contextlib.contextmanager
def front(
    commune: Commune, forger: Forger, keys: ServerKeys, chance: random.Random
) -> Iterator[Front]:
    """Take the true server's place until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="hostile front")
    thread.start()
    strayed: list[str] = []
    servers: list[asyncio.Server] = []
    try:
        elsewhere = _run(loop, _listen_elsewhere(strayed, servers))
        own = [random.Random(chance.random()) for _ in range(2)]
        web = HostileWeb(commune, forger, own[0], keys, elsewhere)
        broker = HostileBroker(commune, forger, own[1], keys)
        for serve, port in ((web.serve, commune.here.https), (broker.serve, commune.here.mqtt)):
            servers.append(_run(loop, _open(serve, port, keys)))
        yield Front(web, broker, loop, strayed)
    finally:
        _run(loop, _close(servers))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _run(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, _Result]) -> _Result:
    return asyncio.run_coroutine_threadsafe(work, loop).result(2 * _STEP_S)


async def _listen_elsewhere(strayed: list[str], servers: list[asyncio.Server]) -> int:
    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        strayed.append(str(writer.get_extra_info("peername")))
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    servers.append(server)
    return int(server.sockets[0].getsockname()[1])


async def _open(serve: _Serve, port: int, keys: ServerKeys) -> asyncio.Server:
    """Listen at *port* as soon as the true server has left it, which was just killed."""
    end = time.monotonic() + _STEP_S
    while True:
        try:
            return await asyncio.start_server(
                serve, "127.0.0.1", port, ssl=keys.tls.server_context(), backlog=_BACKLOG
            )
        except OSError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(STEP_S)


async def _close(servers: list[asyncio.Server]) -> None:
    for server in servers:
        server.close()
    running = asyncio.all_tasks() - {asyncio.current_task()}
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
