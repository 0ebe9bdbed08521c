"""The province at the bench: its signatures, certificates, registry and account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from sqlalchemy import Connection, Engine, Row, select

from loa_manager import audit, database, devices, tables, x509
from loa_manager.authority import Authority
from loa_manager.bench import Place, Step
from loa_manager.home import Home, read_bytes
from loa_manager.registry.clusters import WATTS_MAX, WATTS_MIN
from loa_manager.registry.placements import load_placements
from loa_protocol.envelope import Bundle
from loa_protocol.errors import ConfigError, StoreError
from loa_protocol.keys import PublicKey
from loa_protocol.language import translator
from loa_protocol.objects.placement import Assignment
from loa_protocol.scope import is_inside, is_scope

_ = translator("loa_manager")

BENCH: Final = "bench"  # the purpose of a bench identity in the table of certificates


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What the registry says of the pole."""

    place: Place
    watts: int
    present: str | None  # the id of the board that hangs there now

    @property
    def is_unusual(self) -> bool:
        """Whether its loudspeakers lie outside the usual power (PWR-2); never a reason to stop."""
        return not WATTS_MIN <= self.watts <= WATTS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvinceDesk:
    """A real province, its keys opened."""

    home: Home
    signing: Authority
    ca: x509.Issuer
    engine: Engine
    who: str
    port: str
    clock: Callable[[], datetime]

    @property
    def root(self) -> bytes:
        """The bundle of the present root."""
        return self.home.root_bundle

    @property
    def authority(self) -> bytes:
        """The device CA, DER."""
        return self.ca.certificate.public_bytes(serialization.Encoding.DER)

    def assign(self, key: PublicKey, place: Place, *, anew: bool) -> bytes:
        """Return the assignment: the present one where it says the same, unless *anew*."""
        present = self.home.content.path / "state" / place.cluster / "assignment"
        if present.is_file() and not anew:
            data = read_bytes(present)
            body = Assignment.from_bytes(Bundle.from_bytes(data).payload)
            if (body.endpoint, body.scope, body.village) == (
                key.fingerprint,
                place.cluster,
                place.village,
            ):
                return data
        return self.signing.assign(key, place.cluster, place.village, self.clock())

    def settings(self, cluster: str) -> bytes:
        """Return the settings nearest above the cluster.

        Raises:
            StoreError: none covers it, which `loa init` would have made.
        """
        data = self.home.settings_for(cluster)
        if data is None:
            raise StoreError(str(self.home.content.path), _("the province has no settings"))
        return data

    def certify(self, csr: bytes) -> bytes:
        """Return a bench certificate (DER) of ten years."""
        return x509.make_bench_certificate(csr, self.ca, self.clock())

    def is_known_certificate(self, endpoint: str, serial: str) -> bool:
        """Tell whether that certificate is on record for that board, and still valid."""
        wanted = select(tables.certificate.c.expires_ms).where(
            tables.certificate.c.serial == serial, tables.certificate.c.endpoint == endpoint
        )
        with database.reading(self.engine) as connection:
            expires = connection.scalar(wanted)
        return expires is not None and expires > _ms(self.clock())

    def register(self, key: PublicKey, place: Place, certificate: bytes | None) -> None:
        """Record that the board hangs there, and the certificate if it was given one."""
        now = self.clock()
        with database.writing(self.engine) as connection:
            board = devices.register(
                connection, key, cluster=place.cluster, village=place.village, at_ms=_ms(now)
            )
            if certificate is not None:
                devices.record_certificate(
                    connection,
                    board.id,
                    serial=x509.serial_of(certificate),
                    purpose=BENCH,
                    issued_ms=_ms(now),
                    expires_ms=_ms(x509.expiry_of(certificate)),
                )

    def note(self, step: Step, detail: Mapping[str, object], result: str) -> None:
        """Write an audit row for one step."""
        self.audit(f"provision_{step}", detail, result)

    def audit(self, what: str, detail: Mapping[str, object], result: str = "ok") -> None:
        """Write any audit row of this bench."""
        with database.writing(self.engine) as connection:
            audit.write(
                connection,
                self.who,
                what,
                detail,
                self.clock(),
                source=self.port,
                result=result,
            )


def find_cluster(connection: Connection, wanted: str, province: str) -> Cluster:
    """Return the cluster that *wanted* names: its scope, or the end of it (``st0137/c01``).

    Raises:
        ConfigError: no cluster or several have that name, or it is not one of ours to manage.
    """
    scope = wanted if is_inside(wanted, province) else f"{province}/{wanted}"
    if not is_scope(scope):
        raise ConfigError(_("cluster"), [_("{id} is no id of a cluster").format(id=wanted)])
    row = connection.execute(
        select(tables.cluster).where(tables.cluster.c.scope == scope)
    ).first() or _by_last_part(connection, wanted)
    if row is None:
        text = _("{id} is not in the registry; loa cluster add registers it")
        raise ConfigError(_("cluster"), [text.format(id=wanted)])
    if not row.is_managed:
        text = _("{id} is registered as another maker's; no board of ours belongs there")
        raise ConfigError(_("cluster"), [text.format(id=wanted)])
    places = load_placements(connection).get(row.scope, [])
    village = places[-1].village if places else None
    present = connection.scalar(
        select(tables.endpoint.c.id).where(
            tables.endpoint.c.cluster == row.scope, tables.endpoint.c.state == devices.ACTIVE
        )
    )
    last_part = row.scope.rsplit("/", 1)[-1]
    return Cluster(
        place=Place(cluster=row.scope, village=village or last_part),
        watts=row.speaker_watts,
        present=present,
    )


def _by_last_part(connection: Connection, wanted: str) -> Row[Any] | None:
    rows = connection.execute(
        select(tables.cluster).where(tables.cluster.c.scope.endswith(f"/{wanted}", autoescape=True))
    ).all()
    if len(rows) > 1:
        scopes = ", ".join(row.scope for row in rows)
        text = _("{id} may be any of {scopes}")
        raise ConfigError(_("cluster"), [text.format(id=wanted, scopes=scopes)])
    return rows[0] if rows else None


def _ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)
