"""A bench to test with: a founded province, blank boards, and a cable that can be pulled."""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import select
import shutil
import tempfile
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy

from loa_endpoint.bench.line import open_line, serve_line
from loa_endpoint.bench.server import BenchServer
from loa_endpoint.store.identity import IdentityStore
from loa_endpoint.store.state import State
from loa_manager import database, tables
from loa_manager.authority import Authority, open_device_ca
from loa_manager.bench import Ask, Bench, Order, Place, Progress, Provisioned
from loa_manager.bench_desk import ProvinceDesk
from loa_manager.ceremony import ROOT_HOLDERS
from loa_manager.founding import Plan, found_province
from loa_manager.home import Home
from loa_manager.keyring import load_signer
from loa_protocol import bench
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import PeerError
from loa_protocol.keys import PublicKey
from loa_protocol.objects.authority import Transfer
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now
from support.passphrases import cheap
from support.registry import load_village

SECRET = "mật khẩu để thử"
FOUNDED = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
CLUSTER = "vn/ls/st0137/c01"
PLACE = Place(cluster=CLUSTER, village="Bản Khuổi Mẫu")
BOARD_TIME = Now(0, ClockTrust.T1)  # no clock battery, nothing signed heard yet


@functools.cache
def _founded(which: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="loa-province-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    home = Home(folder / which)
    found_province(home, Plan(scope="vn/ls", is_test=True), cheap(SECRET), FOUNDED)
    engine = database.open(home.database_url)
    with database.writing(engine) as connection:
        load_village(connection)
    engine.dispose()
    return home.path


def province_home(folder: Path, which: str = "one") -> Home:
    """Return a fresh copy of the province *which*, with the demonstration's registry."""
    shutil.copytree(_founded(which), folder / which)
    return Home.open(folder / which)


@contextmanager
def desk_of(home: Home, now: datetime = NOW) -> Iterator[ProvinceDesk]:
    """Give the desk of *home*, its keys opened."""
    engine, passed = database.open(home.database_url), itertools.count()
    try:
        yield ProvinceDesk(
            home=home,
            signing=Authority.open(home, cheap(SECRET)),
            ca=open_device_ca(home, cheap(SECRET)),
            engine=engine,
            who="kỹ thuật viên",
            port="/dev/bench",
            clock=lambda: now + timedelta(milliseconds=next(passed)),  # it never stands still
        )
    finally:
        engine.dispose()


class Board:
    """A board's home and its bench server."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._start()

    def _start(self) -> None:
        self.state = State.open(self.home / "state.db", create=True)
        self.store = IdentityStore(self.home, self.state)
        self.server = BenchServer(self.store, "loa-endpoint test")

    def restart(self) -> None:
        """Take the power away and give it back."""
        self.close()
        self._start()

    def close(self) -> None:
        """Take the power away."""
        self.state.close()

    def ask(self, question: bench.Question) -> bench.Answer:
        """Ask without a line in between."""
        return bench.parse_answer(self.server.handle(bench.encode(question), BOARD_TIME))


def provision(
    ask: Ask, desk: ProvinceDesk, place: Place = PLACE, **order: object
) -> tuple[Provisioned, list[Progress]]:
    """Provision what is behind *ask*; return the outcome and the steps."""
    steps: list[Progress] = []
    facts = Order(place=place, **order)  # type: ignore[arg-type]  # test convenience
    return Bench(ask, desk, on_step=steps.append).provision(facts), steps


class PulledError(Exception):
    """The cable is out."""


Fault = Callable[[bytes], list[bytes]]


@dataclass
class Cable:
    """Two pseudo-terminals joined by a thread, which hands each line to *fault* on its way.

    *fault* returns the lines that arrive, or raises PulledError.
    """

    fault: Fault = lambda line: [line]
    transcript: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._ends = [os.openpty(), os.openpty()]
        self._open = threading.Event()
        self._open.set()
        self.tool, self.board = (Path(os.ttyname(slave)) for _master, slave in self._ends)
        for _master, slave in self._ends:
            tty.setraw(slave)
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def pull(self) -> None:
        """Pull it out: both ends see their line hang up."""
        self._open.clear()
        if threading.current_thread() is not self._thread:
            self._thread.join(5)

    def _carry(self) -> None:
        masters = [master for master, _slave in self._ends]
        rests = dict.fromkeys(masters, b"")
        try:
            while self._open.is_set():
                for master in select.select(masters, [], [], 0.02)[0]:
                    *lines, rests[master] = (rests[master] + os.read(master, 4096)).split(b"\n")
                    other = masters[1 - masters.index(master)]
                    for line in lines:
                        self.transcript += line + b"\n"
                        for each in self.fault(line + b"\n"):
                            os.write(other, each)
        except PulledError:
            self._open.clear()
        finally:
            for pair in self._ends:
                for descriptor in pair:
                    os.close(descriptor)


@contextmanager
def cabled(board: Board, fault: Fault = lambda line: [line]) -> Iterator[Cable]:
    """Give a cable with *board* serving on its far end."""
    cable = Cable(fault)
    line = open_line(cable.board)
    stop = threading.Event()
    thread = threading.Thread(
        target=serve_line,
        args=(line, board.server),
        kwargs={
            "now": lambda: BOARD_TIME,
            "monotonic_ms": lambda: time.monotonic_ns() // 1_000_000,
            "until": stop.is_set,
        },
        daemon=True,
    )
    thread.start()
    try:
        yield cable
    finally:
        stop.set()
        cable.pull()
        thread.join(5)
        os.close(line)
        assert not thread.is_alive()


class Interrupted:
    """Asks a board, and loses the line at one question: before it was heard, or its answer."""

    def __init__(self, ask: Ask, at: int, *, heard: bool) -> None:
        self._ask, self._left, self._heard = ask, at, heard

    def __call__(self, question: bench.Question) -> bench.Answer:
        self._left -= 1
        if self._left >= 0:
            return self._ask(question)
        if self._heard:
            self._ask(question)
        raise PeerError("the cable was pulled")


def key_of(board: Board) -> PublicKey:
    """Return the public half of the board's key."""
    signer = board.store.signer()
    assert signer is not None
    return signer.public


def refusal(board: Board, question: bench.Question) -> str:
    """Return the reason for which the board refuses *question*."""
    answer = board.ask(question)
    assert isinstance(answer, bench.Refused), answer
    return answer.reason


def audit_rows(desk: ProvinceDesk, what: str) -> list[tuple[str, str]]:
    """Return the audit rows whose act begins with *what*: act and result."""
    query = sqlalchemy.select(tables.audit.c.what, tables.audit.c.result).order_by(
        tables.audit.c.position
    )
    with database.reading(desk.engine) as connection:
        return [(row.what, row.result) for row in connection.execute(query) if what in row.what]


def sign_transfer(home: Home, new_root: bytes, holders: int = 3) -> bytes:
    """Return the consent of *holders* of the root of *home* to *new_root*."""
    transfer = Transfer(
        old_root=Bundle.from_bytes(home.root_bundle).digest,
        new_root=new_root,
        expires=int(NOW.timestamp()) + 86_400,
    )
    signers = [
        load_signer(home.root_keys / name, cheap(SECRET)).signer for name in ROOT_HOLDERS[:holders]
    ]
    return sign_bundle(Kind.TRANSFER, transfer.to_bytes(), signers)


def root_digest(desk: ProvinceDesk) -> bytes:
    """Return the digest of the desk's root."""
    return Bundle.from_bytes(desk.root).digest
