"""A test province for a fleet: founded, registered and certified by calls, served by ``loa serve``.

Its boards' 30-day certificates are issued by the province's own enrolment CA in this process, not
over the enrolment route: two thousand times ten requests a day would measure that route.
"""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Final

from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from sqlalchemy import Connection

from loa_endpoint.content.fetch import DEFAULT_PORT as HTTPS_PORT
from loa_endpoint.core.address import parse_address
from loa_endpoint.uplink.session import DEFAULT_PORT as MQTT_PORT
from loa_lab.fleet.endpoint import Board, Place, reading
from loa_lab.village.crew import Crew, wait_for
from loa_lab.village.ports import free_port
from loa_manager import database, devices, x509
from loa_manager.authority import Authority, Grant
from loa_manager.founding import Plan, found_province
from loa_manager.home import Home, write_private
from loa_manager.key_file import Cost
from loa_manager.keyring import Passphrase
from loa_manager.orders import book
from loa_manager.orders.desk import OrderDesk
from loa_manager.orders.paper import open_paper
from loa_manager.orders.signers import list_signers
from loa_manager.registry.clusters import CLUSTER_COLUMNS, import_clusters
from loa_manager.registry.ledger import Source
from loa_manager.registry.stations import import_stations
from loa_manager.registry.units import import_units
from loa_manager.serve.key_folder import ServerKeys
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.keys import SoftSigner
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.command import Command
from loa_protocol.objects.online import Head
from loa_protocol.objects.placement import Settings

SCOPE: Final = "vn/ls"
STATION: Final = "vn/ls/st0137"
_KINDS: Final = {Alert: Kind.ALERT, Command: Kind.COMMAND}
_READY_S: Final = 60.0
_CLUSTER: Final = {
    "commune_code": "M20101",
    "village": "Bản Thử",
    "speaker_count": "2",
    "speaker_watts": "60",
    "installed_on": "2026-02-20",
    "technology": "ip",
    "management": "loa",
}


@dataclass(frozen=True, slots=True)
class Officer:
    """Somebody who gives orders: a key and the certificates above it."""

    signer: SoftSigner
    chain: tuple[bytes, ...]


@dataclass(slots=True)
class FleetProvince:
    """The home of the province, its people, and the folder of its boards' certificates."""

    folder: Path
    crew: Crew
    home: Home = field(init=False)
    secret: Passphrase = field(init=False)
    authority: Authority = field(init=False)
    operators: tuple[Officer, ...] = field(init=False)
    wardens: tuple[Officer, ...] = field(init=False)
    server: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        # keys that end with the run: opening them is made cheap
        self.secret = Passphrase(secrets.token_hex(16), Cost(log_n=8))
        self.home, now = Home(self.folder / "province"), datetime.now(UTC)
        plan = Plan(
            scope=SCOPE,
            is_test=True,
            hosts=("127.0.0.1",),
            port=free_port(),
            mqtt_port=free_port(),
        )
        found_province(self.home, plan, self.secret, now)
        self.authority = Authority.open(self.home, self.secret)
        self.operators = tuple(self._officer(f"trực {n}", Role.OPERATE) for n in (1, 2))
        self.wardens = tuple(self._officer(f"cảnh báo {n}", Role.ALERT) for n in (1, 2))
        chains = [each for officer in (*self.operators, *self.wardens) for each in officer.chain]
        list_signers(self.home, dict.fromkeys(chains), int(now.timestamp()))

    def serve(self) -> None:
        """Start ``loa serve`` and wait until everything answers."""
        file = self.folder / "passphrase"
        write_private(file, self.secret.secret.encode())
        self.server = self.crew.start(
            "server", "loa", "serve", "--home", self.home.path, "--host", "127.0.0.1", "--json",
            "--passphrase-file", file,
        )  # fmt: skip
        server = self.server

        def is_ready() -> bool:
            self.crew.check("server", server)
            return '"event": "ready"' in self.crew.log("server")

        wait_for("loa serve", is_ready, _READY_S)

    def place(self, clock: Callable[[], float]) -> Place:
        """Return what all boards know; *clock* tells by how many seconds theirs runs ahead."""
        data = self.home.settings_for(SCOPE)
        assert data is not None  # founding signed them
        settings = Settings.from_bytes(Bundle.from_bytes(data).payload)
        trusted = self.home.trusted()
        return Place(
            root=trusted.root,
            root_digest=trusted.root_digest,
            broker=parse_address(settings.broker[0], "mqtts", MQTT_PORT),
            content=parse_address(settings.content[0], "https", HTTPS_PORT),
            authorities=settings.authorities,
            clock=lambda: reading(clock()),
        )

    def enrol(self, count: int) -> list[Board]:
        """Make *count* boards, each with a key of its own, known to the registry."""
        folder, now = self.folder / "boards", datetime.now(UTC)
        folder.mkdir(mode=0o700)
        enrolment = ServerKeys.open(self.home, self.secret).enrolment
        scopes = [f"{STATION}/c{number:04}" for number in range(1, count + 1)]
        boards = [
            _board(folder / f"{number}.pem", scope, enrolment, now)
            for number, scope in enumerate(scopes)
        ]
        engine = database.open(self.home.database_url)
        try:
            with database.writing(engine) as connection:
                _import_places(connection, scopes, now)
                for board in boards:
                    devices.register(
                        connection,
                        board.signer.public,
                        cluster=board.scope,
                        village="Bản Thử",
                        at_ms=int(now.timestamp() * 1000),
                    )
        finally:
            engine.dispose()
        return boards

    def sign(self, body: Alert | Command, officers: Sequence[Officer]) -> bytes:
        """Return the order *body* sealed by *officers*."""
        chains = dict.fromkeys(each for officer in officers for each in officer.chain)
        signers = [officer.signer for officer in officers]
        return sign_bundle(_KINDS[type(body)], body.to_bytes(), signers, certificates=chains)

    def publish(self, order: bytes) -> None:
        """Put *order* into the province's book, from which the server pushes it.

        Raises:
            TrustError: a board would refuse it.
        """
        now = datetime.now(UTC)
        book.publish(open_paper(order), self.home, OrderDesk.open(self.home, now), at=now)

    def standing(self) -> bytes:
        """Return the hash of the standing orders that the newest head names."""
        head = Bundle.from_bytes((self.home.content.path / "head").read_bytes())
        return Head.from_bytes(head.payload).standing_orders

    def log(self) -> list[dict[str, object]]:
        """Return what the server has logged."""
        lines = self.crew.log("server").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _officer(self, holder: str, role: Role) -> Officer:
        signer = SoftSigner(ed25519.Ed25519PrivateKey.generate())
        grant = Grant(scopes=(SCOPE,), roles=(role,), level=Level.PROVINCE)
        own = self.authority.issue(signer.public, holder, grant, datetime.now(UTC))
        above = [each for officer in self.authority.officers for each in officer.chain]
        return Officer(signer, (*dict.fromkeys(above), own))


def _import_places(connection: Connection, scopes: Iterable[str], now: datetime) -> None:
    def source(name: str, table: bytes) -> Source:
        return Source(where=name, data=table, who="fleet", at=now)

    folder = resources.files("loa_lab") / "material" / "registry"
    units, stations = ((folder / name).read_bytes() for name in ("units.csv", "stations.csv"))
    import_units(connection, source("units.csv", units))
    import_stations(connection, source("stations.csv", stations), province=SCOPE)
    rows = [_CLUSTER | {"id": scope.removeprefix(f"{SCOPE}/")} for scope in scopes]
    names = [column.name for column in CLUSTER_COLUMNS]
    lines = [names, *([row.get(name, "") for name in names] for row in rows)]
    table = "".join(",".join(line) + "\n" for line in lines).encode()
    import_clusters(connection, source("clusters.csv", table), province=SCOPE)


def _board(file: Path, scope: str, enrolment: x509.Issuer, now: datetime) -> Board:
    key = ec.generate_private_key(ec.SECP256R1())
    request = pyca.CertificateSigningRequestBuilder().subject_name(pyca.Name([]))
    csr = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    own = x509.to_pem(x509.make_ldevid(csr, enrolment, now))
    above = enrolment.certificate.public_bytes(serialization.Encoding.PEM)
    plain = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(file, own + above + plain)
    return Board.at(SoftSigner(key), file, scope)
