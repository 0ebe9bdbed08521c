"""Broker and call-out together: what has to be there before a board can send a word."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from loa_manager.serve.admission import Authorities, Roster
from loa_manager.serve.broker import Broker
from loa_manager.serve.broker_config import RANDOM_PORT, BrokerConfig
from loa_manager.serve.callout import Callout, CalloutKeys
from loa_manager.serve.secret_file import SecretFile

START_LIMIT_S: Final = 20.0


@dataclass(frozen=True, slots=True, repr=False)
class ServerTls:
    """What the server shows and trusts in TLS."""

    key_pem: bytes  # plain; in memory only
    authorities: Authorities

    @property
    def certificate_pem(self) -> bytes:
        """The server's own certificate."""
        return _pem(x509.load_der_x509_certificate(self.authorities.server))

    def server_context(self) -> ssl.SSLContext:
        """Return a server's context: TLS 1.3; client certificates are taken, none is demanded."""
        known = (self.authorities.device, *self.authorities.enrolment)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_OPTIONAL  # one that is shown must be good
        context.load_verify_locations(cadata=b"".join(_pem(each) for each in known).decode())
        self._show_certificate(context)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return the TLS context with which the server's parts reach its own broker."""
        context = ssl.create_default_context(cadata=_pem(self.authorities.device).decode())
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        # the certificate names the addresses that boards use; ours to ourselves is loopback.
        # Only a certificate for serving, by the device CA, passes: no board has one.
        context.check_hostname = False
        self._show_certificate(context)
        return context

    def _show_certificate(self, context: ssl.SSLContext) -> None:
        with closing(SecretFile("loa-tls", self.key_pem + self.certificate_pem)) as file:
            context.load_cert_chain(file.path)


@dataclass(slots=True)
class MessagePlane:
    """The running broker and the call-out that answers it."""

    tls: ServerTls
    roster: Roster
    folder: Path
    host: str
    port: int  # 0: any free one
    keys: CalloutKeys
    inherited: tuple[int, ...] = ()  # open files that the broker holds as long as it lives
    broker: Broker = field(init=False)
    callout: Callout = field(init=False)
    _files: list[SecretFile] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.callout = Callout(self.keys, self.tls.authorities, self.roster)
        own = x509.load_der_x509_certificate(self.tls.authorities.server)
        # a bench identity ends at the handshake: its issuer is not among these
        clients = b"".join(_pem(each) for each in (*self.tls.authorities.enrolment, own))
        certificate, key, client_file = (
            self._file(data) for data in (self.tls.certificate_pem, self.tls.key_pem, clients)
        )
        config = BrokerConfig(
            host=self.host,
            mqtt_port=self.port or RANDOM_PORT,
            client_port=RANDOM_PORT,
            store=self.folder / "store",
            certificate=certificate,
            key=key,
            clients=client_file,
            issuer=self.keys.issuer.public,
            user=self.keys.user.public,
        )
        descriptors = [*(each.descriptor for each in self._files), *self.inherited]
        self.broker = Broker(config, self.folder / "nats.conf", descriptors=descriptors)

    @property
    def mqtt_port(self) -> int:
        """Where boards reach the broker; known once it is ready."""
        return self.broker.config.mqtt_port

    async def wait_open(self) -> int:
        """Wait until clients are answered, now or after a restart; return the MQTT port."""
        await self.broker.is_ready.wait()
        await self.callout.is_open.wait()
        return self.mqtt_port

    async def run(self, ready: asyncio.Event) -> None:
        """Run both until cancelled; set *ready* once clients are answered.

        Raises:
            ConfigError: the broker does not start; the text is its own complaint.
            PeerError: it does not let the call-out in.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_broker())
            await self.broker.wait_ready(START_LIMIT_S)
            address = f"tls://127.0.0.1:{self.broker.config.client_port}"
            await self.callout.open(address, self.tls.client_context())
            group.create_task(self._run_callout())
            ready.set()

    async def _run_broker(self) -> None:
        try:
            await self.broker.run()
        finally:
            for file in self._files:
                file.close()

    async def _run_callout(self) -> None:
        try:
            await self.callout.sweep()
        finally:
            await self.callout.close()

    def _file(self, data: bytes) -> Path:
        self._files.append(SecretFile("loa-broker", data))
        return self._files[-1].path


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
