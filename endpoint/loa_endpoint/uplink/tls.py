"""TLS for everything the endpoint connects to: 1.3 only, pinned CAs, dates judged by us.

One context is made for each connection, so that a renewed certificate or a new set of CAs is used
from the next connection on. The wiring hands contexts to the content room too.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loa_endpoint.core.message import PacketMeter
from loa_endpoint.core.remedy import store_error
from loa_endpoint.core.tls_date import fault_of_dates
from loa_protocol.errors import ConfigError, FrameError
from loa_protocol.trust import Now

_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL; ssl has no name for it
HANDSHAKE_S: Final = 15.0  # in all: a server that drips bytes must not hold a thread


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """Files of the certificate (with those above it) and of the key that belongs to it."""

    certificate: Path
    key: Path


class EndpointContext(ssl.SSLContext):
    """A client context whose connections judge dates against the trusted time."""

    now: Callable[[], Now]
    meters_packets: bool
    fault = ""  # why the last connection ended, where the other side or we gave a reason
    on_end: Callable[[], None] | None = None  # called from whatever thread was reading
    _socket: socket.socket | None = None

    def note_end(self, fault: str) -> None:
        """Keep why a connection ended, and tell who waits for it."""
        self.fault = self.fault or fault
        if self.on_end is not None:
            self.on_end()

    def hang_up(self) -> None:
        """End the last connection made with this context, whatever anyone waits for on it."""
        connection, self._socket = self._socket, None
        if connection is not None:
            shut_down(connection)


class _JudgedSocket(ssl.SSLSocket):
    """A TLS connection that is refused after the handshake when the dates are wrong."""

    _meter: PacketMeter | None = None

    def do_handshake(self, block: bool = False) -> None:
        context = self.context
        assert isinstance(context, EndpointContext)
        context._socket = self
        self._meter = PacketMeter() if context.meters_packets else None
        timer = threading.Timer(HANDSHAKE_S, shut_down, (self,))
        timer.start()
        try:
            super().do_handshake(block)
            self._judge_dates(context.now())
        except BaseException:
            self.close()
            raise
        finally:
            timer.cancel()

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            data = super().recv(buflen, flags)
            if self._meter is not None:
                self._meter.feed(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except (OSError, FrameError) as error:
            self._note_end(str(error))
            raise ConnectionAbortedError(str(error)) from error
        if not data:
            self._note_end("the other side ended the connection")
        return data

    def _note_end(self, fault: str) -> None:
        context = self.context
        assert isinstance(context, EndpointContext)
        context.note_end(fault)

    def _judge_dates(self, now: Now) -> None:
        certificate = self.getpeercert()
        if not certificate:  # CERT_REQUIRED says that there is one
            raise ssl.SSLCertVerificationError(1, "the server shows no certificate")
        begins, ends = (
            int(ssl.cert_time_to_seconds(str(certificate[name])))
            for name in ("notBefore", "notAfter")
        )
        if fault := fault_of_dates(begins, ends, now):
            raise ssl.SSLCertVerificationError(1, fault)


EndpointContext.sslsocket_class = _JudgedSocket


def client_context(
    now: Callable[[], Now],
    *,
    authorities: Sequence[bytes],
    system_roots: bool = False,
    identity: ClientIdentity | None = None,
    meters_packets: bool = False,
) -> EndpointContext:
    """Return a context for one connection.

    Args:
        now: Reads the trusted time at the end of the handshake.
        authorities: The CAs of the settings, DER; only these are trusted.
        system_roots: Trust the system's own CAs instead: for content behind a public CDN.
        identity: Our certificate, where the server wants one.
        meters_packets: Whether MQTT is spoken: refuse packets larger than any object.

    Raises:
        ConfigError: a CA is no certificate.
        StoreError: the identity's files cannot be read.
    """
    context = EndpointContext(ssl.PROTOCOL_TLS_CLIENT)
    context.now, context.meters_packets = now, meters_packets
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= _NO_CHECK_TIME
    if system_roots:
        context.load_default_certs()
    for authority in () if system_roots else authorities:
        try:
            context.load_verify_locations(cadata=authority)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError("TLS authorities", [f"not a certificate: {error}"]) from error
    if identity is not None:
        try:
            context.load_cert_chain(identity.certificate, identity.key)
        except ssl.SSLError as error:
            where = f"{identity.certificate}, {identity.key}"
            raise ConfigError(where, [f"no certificate and key: {error}"]) from error
        except OSError as error:
            raise store_error(error.filename or identity.certificate, error) from error
    return context


def shut_down(connection: socket.socket) -> None:
    """End a connection from any thread; who reads it sees the end, who closes it may still."""
    with contextlib.suppress(OSError):  # it may have ended by itself
        socket.socket.shutdown(connection, socket.SHUT_RDWR)  # past TLS: no state is touched
