"""The HTTPS side of a server around a laboratory CA, a real database and a province's keys."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
from sqlalchemy import Engine
from starlette.routing import Route

from loa_manager import database, devices
from loa_manager.content_tree import ContentTree
from loa_manager.serve.enrolment import Enrolment
from loa_manager.serve.listener import Listener
from loa_manager.serve.roster import RegistryRoster
from loa_manager.serve.web import Identify, Web
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.schema import Wire
from support import province, registry
from support.broker_lab import running, server_tls
from support.device_ca_lab import Client, X509Lab, client_context

CLUSTERS = ("vn/ls/st0137/c01", "vn/ls/st0137/c02", "vn/ls/st0137/c03")


class OnlineKey:
    """The laboratory's online key in the form in which the server signs."""

    def sign(self, kind: Kind, body: Wire) -> bytes:
        person = province.province().online
        return sign_bundle(kind, body.to_bytes(), [person.signer], certificates=person.chain)


@dataclass
class ServerLab:
    """Everything behind the routes."""

    folder: Path
    x509: X509Lab = field(default_factory=X509Lab)
    shift_s: float = 0  # of the server's clock
    boards: Callable[[Identify], Sequence[Route]] = lambda _: ()  # more routes for boards
    engine: Engine = field(init=False)
    tree: ContentTree = field(init=False)
    port: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.engine = registry.new_database(self.folder)
        with database.writing(self.engine) as connection:
            registry.load_village(connection)
        self.tree = ContentTree(self.folder / "content")
        root = province.province().root_bundle
        digest = self.tree.put_object(root)
        self.tree.set_root("vn/ls", 1, digest)
        self.tree.write_head(OnlineKey().sign(Kind.HEAD, self.tree.head_facts().at(province.START)))

    @property
    def root_digest(self) -> str:
        return Bundle.from_bytes(province.province().root_bundle).digest.hex()

    def register(self, client: Client, cluster: str = CLUSTERS[0]) -> Client:
        with database.writing(self.engine) as connection:
            devices.register(connection, client.public, cluster=cluster, village="Pác Mẫu", at_ms=1)
        return client

    def revoke(self, client: Client) -> None:
        with database.writing(self.engine) as connection:
            devices.revoke(connection, client.id, at_ms=2)

    def web(self) -> Web:
        return Web(
            content=self.tree.path,
            authorities=self.x509.authorities,
            roster=RegistryRoster(self.engine),
            enrolment=Enrolment(self.engine, self.x509.enrolment),
            time_signer=OnlineKey(),
            clock=self.now,
            boards=self.boards,
        )

    def now(self) -> datetime:
        return datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.shift_s, UTC)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        listener = Listener(self.web().app(), server_tls(self.x509), "127.0.0.1", 0)
        self.port = listener.port
        async with running(listener.run):
            yield

    def http(self, client: Client | None = None) -> httpx.AsyncClient:
        """Return an HTTP client that shows *client*'s certificate."""
        return self.http_with(client_context(self.x509, client))

    def http_with(self, context: ssl.SSLContext) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=f"https://localhost:{self.port}", verify=context, trust_env=False
        )
