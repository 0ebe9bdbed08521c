"""Which boards exist, which pole each hangs on, and which certificates they were given.

The device key registered here at the bench is what ingest judges batches with, never a chain alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Row, select, update

from loa_manager import tables
from loa_protocol.errors import ConfigError
from loa_protocol.keys import Algorithm, PublicKey

ACTIVE, REVOKED = "active", "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One registered board."""

    id: str
    key: PublicKey
    cluster: str
    village: str
    state: str

    @property
    def is_active(self) -> bool:
        """Whether its batches and connections are accepted."""
        return self.state == ACTIVE


def register(
    connection: Connection, key: PublicKey, *, cluster: str, village: str, at_ms: int
) -> Endpoint:
    """Record that the board with *key* hangs on *cluster* from *at_ms* on.

    Idempotent for the same pole. A board that hung there before is taken off it (and stays known,
    revoked); a known board may move to another pole.

    Raises:
        ConfigError: *cluster* is not in the registry.
        FormatError: *key* is no key of its algorithm.
    """
    key.check()
    known = select(tables.cluster.c.scope).where(tables.cluster.c.scope == cluster)
    if connection.scalar(known) is None:
        raise ConfigError("cluster", [f"{cluster} is not in the registry"])
    endpoint = key.kid.hex()
    _take_off(connection, cluster, keep=endpoint, at_ms=at_ms)
    present = find(connection, endpoint)
    place = {"cluster": cluster, "village": village, "state": ACTIVE}
    if present is None:
        connection.execute(
            tables.endpoint.insert().values(
                id=endpoint, public_key=key.raw, registered_ms=at_ms, **place
            )
        )
    else:
        connection.execute(
            update(tables.endpoint)
            .where(tables.endpoint.c.id == endpoint)
            .values(revoked_ms=None, **place)
        )
    if present is None or not present.is_active or present.cluster != cluster:
        _close_installation(connection, endpoint, at_ms)
        connection.execute(
            tables.installation.insert().values(endpoint=endpoint, cluster=cluster, since_ms=at_ms)
        )
    return Endpoint(id=endpoint, key=key, cluster=cluster, village=village, state=ACTIVE)


def revoke(connection: Connection, endpoint: str, *, at_ms: int) -> None:
    """Refuse the board's connections and batches from now on; what it sent before stays."""
    connection.execute(
        update(tables.endpoint)
        .where(tables.endpoint.c.id == endpoint)
        .values(state=REVOKED, revoked_ms=at_ms)
    )
    _close_installation(connection, endpoint, at_ms)


def find(connection: Connection, endpoint: str) -> Endpoint | None:
    """Return the board with the id *endpoint* (32 hex characters); None where it is unknown."""
    row = connection.execute(
        select(tables.endpoint).where(tables.endpoint.c.id == endpoint)
    ).first()
    return None if row is None else _endpoint(row)


def list_endpoints(connection: Connection) -> list[Endpoint]:
    """Return all boards, revoked ones too, by pole."""
    rows = connection.execute(select(tables.endpoint).order_by(tables.endpoint.c.cluster))
    return [_endpoint(row) for row in rows]


def record_certificate(
    connection: Connection,
    endpoint: str,
    *,
    serial: str,
    purpose: str,
    issued_ms: int,
    expires_ms: int,
) -> None:
    """Note that *endpoint* was given an X.509 certificate (*purpose* ``bench`` or ``ldevid``)."""
    connection.execute(
        tables.certificate.insert().values(
            serial=serial,
            endpoint=endpoint,
            purpose=purpose,
            issued_ms=issued_ms,
            expires_ms=expires_ms,
        )
    )


def _take_off(connection: Connection, cluster: str, *, keep: str, at_ms: int) -> None:
    others = select(tables.endpoint.c.id).where(
        tables.endpoint.c.cluster == cluster,
        tables.endpoint.c.state == ACTIVE,
        tables.endpoint.c.id != keep,
    )
    for endpoint in connection.scalars(others).all():
        revoke(connection, endpoint, at_ms=at_ms)


def _close_installation(connection: Connection, endpoint: str, at_ms: int) -> None:
    connection.execute(
        update(tables.installation)
        .where(tables.installation.c.endpoint == endpoint)
        .where(tables.installation.c.until_ms.is_(None))
        .values(until_ms=at_ms)
    )


def _endpoint(row: Row[tuple[object, ...]]) -> Endpoint:
    return Endpoint(
        id=row.id,
        key=PublicKey(Algorithm.ES256, row.public_key),
        cluster=row.cluster,
        village=row.village,
        state=row.state,
    )
