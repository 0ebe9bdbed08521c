"""Knocks on the server's doors: which TLS they speak, and whom they let in.

Each probe tells what came back, as facts; what to think of it is :mod:`loa_manager.doctor.doors`'
business. Nothing is sent but a greeting.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from loa_manager import x509

LIMIT_S: Final = 3.0
CLOSED: Final = "closed"
_NAME: Final = b"0" * 32
_BODY: Final = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(_NAME).to_bytes(2) + _NAME
CONNECT: Final = bytes([0x10, len(_BODY)]) + _BODY  # MQTT 3.1.1, section 3.1
TAKEN: Final = b"\x20\x02\x00\x00"  # CONNACK, connection accepted
GREETING: Final = b"GET / HTTP/1.1\r\nHost: loa\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a door said: the TLS version (empty: none was agreed), bytes, and why it ended."""

    version: str = ""
    data: bytes = b""
    error: str = ""

    @property
    def speaks(self) -> bool:
        """Whether it sent anything that is not TLS's own complaint."""
        return bool(self.data) and not self.data.startswith(b"\x15\x03")  # RFC 8446, 5.1: alert

    def facts(self) -> dict[str, object]:
        """Return it for JSON."""
        shown = self.data[:40].decode("latin-1")
        return {"tls": self.version, "answer": shown, "error": self.error}


def ask(host: str, port: int, context: ssl.SSLContext | None, greeting: bytes) -> Answer:
    """Greet the door at *host* and *port*, over TLS where there is a *context*."""
    version = ""
    try:
        with contextlib.ExitStack() as stack:
            line = stack.enter_context(socket.create_connection((host, port), LIMIT_S))
            if context is not None:
                line = stack.enter_context(context.wrap_socket(line, server_hostname=host))
                version = line.version() or ""
            line.sendall(greeting)
            data = line.recv(512)
            return Answer(version, data, "" if data else CLOSED)
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return Answer(version, error=CLOSED)
    except ssl.SSLError as error:
        return Answer(version, error=error.reason or CLOSED)
    except TimeoutError:
        return Answer(version, error="timeout")
    except OSError as error:
        return Answer(version, error=error.strerror or type(error).__name__)


def context_of(ca_pem: str, *, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """Return a client's context that speaks *version* only and knows the project's CA only.

    Names are not compared: the certificate has the names under which boards come, and we knock at
    the address where the socket is.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=ca_pem)
    context.maximum_version = version
    context.minimum_version = version
    return context


@contextlib.contextmanager
def stranger(ca_pem: str) -> Iterator[ssl.SSLContext]:
    """Give a context that shows a good certificate of an authority that is not the project's."""
    now, key, own = datetime.now(UTC), _key(), _key()
    ca = x509.Issuer(x509.make_device_ca(key, "vn/stranger", now), key)
    der = x509.make_server_certificate(own.public_key(), ["stranger.invalid"], ca, now)
    secret = own.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    context = context_of(ca_pem)
    with tempfile.NamedTemporaryFile(prefix="loa-doctor-") as file:  # 0600; worth nothing to anyone
        os.write(file.fileno(), secret + x509.to_pem(der))
        context.load_cert_chain(file.name)
    yield context


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
