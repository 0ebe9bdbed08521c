"""A board's trust, orders and outbox on a real disk, run in a process that dies where a test says.

Everything is the agent's own but the line (the content tree lies in memory) and the sound: the
stage writes down what it is told. No production code knows of the points: they are set around it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loa_endpoint.app.inbox import Inbox
from loa_endpoint.app.inbox_around import Surroundings
from loa_endpoint.app.keeper import Keeper
from loa_endpoint.content import sync as sync_loop
from loa_endpoint.content.cache import Cache
from loa_endpoint.content.fetch import Answer, Fetcher, Request, Sink
from loa_endpoint.content.sync import ContentSync
from loa_endpoint.core.orders import Kept
from loa_endpoint.core.want import Step
from loa_endpoint.store import files
from loa_endpoint.store.database import Database
from loa_endpoint.store.identity import IdentityStore
from loa_endpoint.store.orders import OrderStore
from loa_endpoint.store.outbox import Outbox, Writer
from loa_endpoint.store.state import State
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import FetchError, StoreError
from loa_protocol.objects.placement import Assignment
from loa_protocol.record import Body, OrderTaken, Record
from loa_protocol.trust import Accepted, position_of, subject_of
from support.content_lab import ContentLab
from support.province import CLUSTER, NOW, province

SMALL = 400_000  # bytes of outbox


def provision(home: Path) -> None:
    """Make a board of the tests' province in *home*."""
    state = State.open(home / "state.db", create=True)
    store = IdentityStore(home, state)
    store.keep_root(province().root_bundle)
    device = store.make_key()
    body = Assignment(
        endpoint=device.public.fingerprint, epoch=1, serial=1, scope=CLUSTER, village="Bản Mới"
    )
    data = province().sign(Kind.ASSIGNMENT, body, *province().officers)
    position = position_of(body, Bundle.from_bytes(data).digest)
    assert position is not None
    store.keep("assignment", data, subject_of(Kind.ASSIGNMENT, body), position)
    state.close()
    Outbox.open(home / "outbox.db", _writer(state), create=True, capacity_bytes=SMALL).close()


class _Line(Fetcher):
    """Files of a lab instead of a server."""

    def __init__(self, lab: ContentLab) -> None:
        self._lab = lab

    async def fetch(self, request: Request, sink: Sink | None = None) -> Answer:
        data = self._lab.files.get(request.path)
        if data is None:
            raise FetchError(request.url, 404)
        return Answer(200, data, "")


@dataclass
class Run:
    """One run of the agent, from its boot to its end."""

    home: Path
    lab: ContentLab
    journal: list[str] = field(default_factory=list)

    def boot(self) -> None:
        """Read back what was kept, as the agent does before anything else."""
        self.state = State.open(self.home / "state.db")
        self.keeper = Keeper(IdentityStore(self.home, self.state))
        self.outbox = Outbox.open(self.home / "outbox.db", _writer(self.state))
        self.outbox.begin()
        around = Surroundings(
            now=lambda: NOW,
            nonce=lambda: b"",
            alert_without_time=lambda: False,
            want_time=lambda: None,
            look=lambda _: None,
            look_for_media=lambda: None,
        )
        cache = Cache(self.home / "media")
        self.inbox = Inbox(around, self.state, self.keeper, cache, self)
        self.inbox.listener = self
        for kept in self.inbox.kept():
            self._write(f"restored {kept.id.hex()}")
        if self.keeper.playlist is not None:
            self._write(f"plays {self.keeper.playlist.serial}")
        self.sync = ContentSync(
            sync_loop.Surroundings(
                identity=bytes(16),
                addresses=lambda: ["https://content.example"],
                is_nudged=lambda: True,
                now=lambda: NOW,
            ),
            _Line(self.lab),
            self.keeper,
            self,
            inbox=self.inbox,
        )

    def run(self, *offered: bytes) -> None:
        """Boot, catch up, and take what is pushed twice over."""
        self.boot()
        asyncio.run(self._work(offered))
        self.outbox.close()
        self.state.close()

    async def _work(self, offered: tuple[bytes, ...]) -> None:
        for _ in range(2):
            await self.sync.round()
            for data in offered:
                await self.inbox.offer(data, "mqtt")

    def _write(self, line: str) -> None:
        with (self.home / "journal").open("a") as file:
            file.write(f"{line}\n")

    # what the agent's stage and plane are told

    def on_order(self, kept: Kept) -> None:
        self._write(f"acted {kept.id.hex()}")

    def keep(self, body: Body) -> bool:
        self.outbox.append(Record(at_ms=NOW.unix_s * 1000, trust=NOW.trust, body=body))
        if isinstance(body, OrderTaken):
            self._write(f"acknowledged {body.id.hex()}")
        return True

    def kept(self, accepted: Accepted) -> None:
        if self.keeper.put_into_force(accepted) and accepted.kind is Kind.PLAYLIST:
            self._write(f"plays {getattr(accepted.body, 'serial', 0)}")

    def refused(self, what: str, reason: str, detail: str, digest: bytes | None) -> None:
        self._write(f"refused {what} {reason} {detail}")

    def fetch_failed(self, error: FetchError) -> None:
        self._write(f"failed {error.url}")

    def store_failed(self, error: StoreError) -> None:
        self._write(f"failed {error.where} {error.why}")


def _writer(state: State) -> Writer:
    return Writer(
        endpoint=bytes(16),
        version="0.1.0",
        next_epoch=state.next_epoch,
        stamp=lambda: (NOW.unix_s * 1000, NOW.trust),
    )


def run_and_die(home: Path, lab: ContentLab, point: str, *offered: bytes) -> None:
    """Run a board in a process of its own, which must be killed at *point*."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            POINTS[point]()
            Run(home, lab).run(*offered)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"{point} was never reached"


def run_to_the_end(home: Path, lab: ContentLab, *offered: bytes) -> None:
    """Run a board in a process of its own, which must come to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: os._exit(code))  # no fixture of the test ends in the child
            Run(home, lab).run(*offered)
            code = 0
    assert os.waitpid(child, 0)[1] == 0


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _around(owner: Any, name: str, *, before: bool = False, when: Any = None) -> None:
    """Die before or after the call of *owner*'s *name* for which *when* holds."""
    original = getattr(owner, name)

    def wrapped(*args: Any, **options: Any) -> Any:
        is_it = when is None or when(*args)
        if before and is_it:
            _die()
        result = original(*args, **options)
        if is_it:
            _die()
        return result

    setattr(owner, name, wrapped)


def _before_take(step: Step) -> Callable[[], None]:
    return lambda: _around(
        ContentSync, "_take", before=True, when=lambda _self, want, *_: want.step is step
    )


def _before_commit() -> None:
    """Die when an order was written and not yet committed."""
    original = Database.transaction

    @contextlib.contextmanager
    def wrapped(self: Database) -> Iterator[Any]:
        with original(self) as connection:
            before = connection.total_changes
            yield connection
            if self.path.name == "state.db" and connection.total_changes >= before + 2:
                _die()  # an order and its id: no other change of a board at work is of two rows

    Database.transaction = wrapped  # type: ignore[method-assign]  # for this process alone


def _is_playlist(_self: object, accepted: Accepted, *_: object) -> bool:
    return accepted.kind is Kind.PLAYLIST


def _names(name: str) -> Callable[..., bool]:
    return lambda path, *_: Path(path).name == name


def _tells_taken(_self: object, body: Body) -> bool:
    return isinstance(body, OrderTaken)


POINTS: dict[str, Callable[[], None]] = {
    "playlist fetched": _before_take(Step.PLAYLIST),
    "playlist verified": lambda: _around(Keeper, "keep", before=True, when=_is_playlist),
    "playlist position kept": lambda: _around(
        State, "raise_position", when=lambda _self, subject, _p: subject[0] is Kind.PLAYLIST
    ),
    "playlist half written": lambda: _around(files, "_write_synced", when=_names("playlist.new")),
    "playlist kept": lambda: _around(Keeper, "keep", when=_is_playlist),
    "playlist in force": lambda: _around(Run, "kept", when=_is_playlist),
    "root fetched": _before_take(Step.ROOT),
    "root verified": lambda: _around(Keeper, "keep_root", before=True),
    "root half written": lambda: _around(files, "_write_synced", when=_names("root.new")),
    "root kept": lambda: _around(IdentityStore, "keep_root"),
    "root in force": lambda: _around(Keeper, "keep_root"),
    "order fetched": _before_take(Step.ORDER),
    "order offered": lambda: _around(Inbox, "_offer", before=True),
    "order verified": lambda: _around(OrderStore, "take", before=True),
    "sound kept": lambda: _around(Cache, "put"),
    "order half kept": _before_commit,
    "order kept": lambda: _around(OrderStore, "take"),
    "order acted": lambda: _around(Run, "on_order"),
    "order acknowledged": lambda: _around(Run, "keep", when=_tells_taken),
}
