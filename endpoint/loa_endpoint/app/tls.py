"""TLS of the agent: which authorities, which certificate, judged by which clock."""

from __future__ import annotations

from loa_endpoint.app.keeper import Keeper
from loa_endpoint.app.timekeeper import Timekeeper
from loa_endpoint.uplink.tls import ClientIdentity, EndpointContext, client_context
from loa_protocol.errors import StoreError

BENCH, DEVICE = "bench.pem", "ldevid.pem"
AWAITED = "not issued yet; the board is asking the enrolment service for it, and connects then"


def tls_context(
    keeper: Keeper,
    time: Timekeeper,
    *,
    certificate: str | None,
    system_roots: bool = False,
    meters_packets: bool = False,
) -> EndpointContext:
    """Return the context of one connection.

    Args:
        keeper: Whose settings name the authorities.
        time: By whose clock dates are judged.
        certificate: The one of identity/ to show, if any.
        system_roots: Trust the system's own authorities instead, as an address of content may say.
        meters_packets: Whether MQTT is spoken.

    Raises:
        ConfigError: an authority of the settings is no certificate.
        StoreError: the identity's files cannot be read, or enrolment has not issued it yet.
    """
    home = keeper.store.home
    identity = None
    if certificate is not None:
        folder = home / "identity"
        identity = ClientIdentity(folder / certificate, home / "device.key")
        if not identity.certificate.exists() and (folder / BENCH).exists():
            raise StoreError(str(identity.certificate), AWAITED)
    return client_context(
        time.now,
        authorities=keeper.in_force.authorities,
        system_roots=system_roots,
        identity=identity,
        meters_packets=meters_packets,
    )
