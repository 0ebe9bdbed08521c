"""Homes of a province, an editor, an approver and some others, and the server over real TLS."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from sqlalchemy import Engine, select
from starlette.applications import Starlette

from loa_manager import database, tables
from loa_manager.cli.main import run
from loa_manager.founding import Plan, found_province
from loa_manager.home import Home
from loa_manager.keyring import Identity, load_signer
from loa_manager.mailbox.office import Office
from loa_manager.mailbox.room import Limits
from loa_manager.people import make_own_key
from loa_manager.publish.desk import Desk
from loa_manager.publish.drafts import Draft, read_draft
from loa_manager.publish.editing import make_draft, seal_draft
from loa_manager.serve.key_folder import ServerKeys
from loa_manager.serve.listener import Listener
from loa_manager.serve.server import make_web
from loa_manager.service_client import ServiceClient
from loa_protocol.objects.authority import Role
from support.passphrases import cheap
from support.schedules import item, session, text, write_tone

SECRET = cheap("correct horse battery")
STATION, NEIGHBOUR = "vn/ls/st0137", "vn/ls/st0138"
PEOPLE = {  # home -> role, holder, scope
    "nga": ("editor", "Nga", STATION),
    "son": ("approver", "Sơn", STATION),
    "deputy": ("approver", "Lan", STATION),
    "foreign": ("editor", "Tư", NEIGHBOUR),
    "foreign-approver": ("approver", "Năm", NEIGHBOUR),
    "alarm": ("alert", "Bảy", STATION),
}
READY_S = 20.0


def make_homes(folder: Path) -> None:
    """Make the province ``ls`` and the homes of everybody below *folder*."""
    secret = folder / "secret"
    secret.write_text(SECRET.secret + "\n")
    word = ("--passphrase-file", str(secret))

    def loa(*arguments: str) -> None:
        assert run(arguments) == 0, arguments

    plan = Plan(scope="vn/ls", is_test=True)
    found_province(Home(folder / "ls"), plan, SECRET, datetime.now(UTC))
    for name, (role, holder, scope) in PEOPLE.items():
        home, certificate = f"{folder}/{name}", f"{folder}/{name}.cert"
        make_own_key(Home(folder / name), Role[role.upper()], holder, SECRET)
        loa("key", "export-public", "--home", f"{folder}/ls", "-o", home)
        request = f"{home}/keys/own/{role}.request"
        where = ("--scope", scope, "-o", certificate)
        loa("key", "certify", "--home", f"{folder}/ls", request, *where, *word)
        loa("key", "install", "--home", home, certificate)


@dataclass
class MailLab:
    """Homes below *folder*, and their server while it runs."""

    folder: Path
    limits: Limits = field(default_factory=Limits)
    shift_s: float = 0  # of everybody's clock
    port: int = 0
    app: Starlette = field(init=False)
    identities: dict[str, Identity] = field(default_factory=dict)
    clients: list[ServiceClient] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.shift_s)

    def home(self, name: str) -> Home:
        return Home.open(self.folder / name)

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def identity(self, name: str) -> Identity:
        if name not in self.identities:
            role = PEOPLE[name][0]
            self.identities[name] = load_signer(self.home(name).own_keys / role, SECRET)
        return self.identities[name]

    def client(self, name: str) -> ServiceClient:
        made = ServiceClient(self.home(name), self.identity(name), self.address, self.now)
        self.clients.append(made)
        return made

    def desk(self, name: str) -> Desk:
        return Desk.open(self.home(name), self.now())

    @property
    def office(self) -> Office:
        return Office(self.home("ls"), self.limits)

    @contextlib.contextmanager
    def running(self) -> Iterator[MailLab]:
        """Serve in a thread of its own; each start is a new server on the same home."""
        home = self.home("ls")
        keys, engine = ServerKeys.open(home, SECRET), database.open(home.database_url)
        self.app = make_web(home, keys, engine, self.office, self.now).app()
        listener = Listener(self.app, keys.tls, "127.0.0.1", 0)
        self.port = listener.port
        began, loop = threading.Event(), asyncio.new_event_loop()

        async def serve() -> None:
            ready = asyncio.Event()
            task = asyncio.create_task(listener.run(ready))
            await ready.wait()
            self._stop = task.cancel
            began.set()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
        thread.start()
        assert began.wait(READY_S)
        try:
            yield self
        finally:
            for client in self.clients:  # the server waits for connections that are kept
                client.close()
            loop.call_soon_threadsafe(self._stop)
            thread.join(READY_S)
            loop.close()
            engine.dispose()

    def draft(self, *, seconds: float = 1.0, title: str = "Giá lúa", seal: bool = True) -> Draft:
        """Return a draft of today and tomorrow in the editor's home, sealed by the editor."""
        folder = self.folder / "week"
        write_tone(folder / "gia-lua.wav", seconds)
        return self.draft_of(session(item(file='"gia-lua.wav"', title=f'"{title}"')), seal=seal)

    def draft_of(self, *sessions: str, seal: bool = True) -> Draft:
        today = self.now().astimezone(timezone(timedelta(hours=7))).date()
        last = today + timedelta(days=1)
        week = self.folder / "week" / "tuan.toml"
        week.parent.mkdir(exist_ok=True)
        week.write_bytes(text(*sessions, from_=today.isoformat(), to=last.isoformat()))
        target = self.folder / "out" / "tuan.draft"
        desk = self.desk("nga")
        make_draft(week, target, self.home("nga"), desk)
        if seal:
            seal_draft(read_draft(target), self.identity("nga"), Role.EDITOR, desk)
        return read_draft(target)

    def everything(self) -> str:
        """Return a hash over the database, the content tree and the mailbox of the server."""
        home, digest = self.home("ls"), hashlib.sha256()
        with _opened(home) as engine, database.reading(engine) as connection:
            for table in tables.METADATA.sorted_tables:
                digest.update(repr(connection.execute(select(table)).all()).encode())
        for part in ("content", "mailbox", "keys", "public"):
            for file in sorted((home.path / part).rglob("*")):
                digest.update(str(file).encode() + (file.read_bytes() if file.is_file() else b""))
        return digest.hexdigest()

    def account(self) -> list[tuple[str, str, str]]:
        """Return (who, what, detail) of the server's account."""
        with _opened(self.home("ls")) as engine, database.reading(engine) as connection:
            columns = tables.audit.c.who, tables.audit.c.what, tables.audit.c.detail
            rows = connection.execute(select(*columns).order_by(tables.audit.c.position))
            return [(row.who, row.what, row.detail) for row in rows]


@contextlib.contextmanager
def _opened(home: Home) -> Iterator[Engine]:
    engine = database.open(home.database_url)
    try:
        yield engine
    finally:
        engine.dispose()
