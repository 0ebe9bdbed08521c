"""TLS of the agent: which authorities, which certificate, judged by which clock."""

from __future__ import annotations

from loa_endpoint.app.keeper import Keeper
from loa_endpoint.app.timekeeper import Timekeeper
from loa_endpoint.uplink.tls import ClientIdentity, EndpointContext, client_context

BENCH, DEVICE = "bench.pem", "ldevid.pem"


def tls_context(
    keeper: Keeper,
    time: Timekeeper,
    *,
    certificate: str | None,
    meters_packets: bool = False,
) -> EndpointContext:
    """Return the context of one connection, with *certificate* of identity/ where one is named.

    Raises:
        ConfigError: an authority of the settings is no certificate.
        StoreError: the identity's files cannot be read.
    """
    home = keeper.store.home
    identity = None
    if certificate is not None:
        identity = ClientIdentity(home / "identity" / certificate, home / "device.key")
    return client_context(
        time.now,
        authorities=keeper.in_force.authorities,
        identity=identity,
        meters_packets=meters_packets,
    )
