"""Short-lived certificates for boards: EST's simpleenroll and cacerts (RFC 7030), nothing more.

The authority behind it can issue 30-day certificates for the key that was registered at the bench,
and nothing else. To revoke a board is to refuse the next one.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509 as pyca
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from loa_manager import database, devices, tables, x509
from loa_manager.serve.admission import Admitted, CertificateKind, is_key
from loa_protocol.errors import MessageError, RefusedError, StoreError
from loa_protocol.keys import PublicKey

MAX_BODY: Final = 8192  # a P-256 request is 300 bytes in base64
RENEW_AFTER: Final = timedelta(days=10)
MOST_A_DAY: Final = 10  # a board that asks in a loop must not fill the database
_LIFE: Final = x509.LDEVID_LIFE


class EnrolmentRefusedError(RefusedError):
    """The board is known, and gets no certificate now; *retry_s* says when it may ask again."""

    def __init__(self, code: str, retry_s: int = 0) -> None:
        super().__init__("enrolment", code)
        self.retry_s = retry_s


@dataclass(frozen=True, slots=True)
class Asked:
    """What a refusal may hang on."""

    by: Admitted
    key: object  # as the request carries it
    registered: PublicKey
    issued_today: int


def judge(asked: Asked, now: datetime) -> None:
    """Let *asked* pass.

    Raises:
        EnrolmentRefusedError: ``other_key``: not the key registered at the bench; ``too_many``: ten
            were issued today; ``too_early``: the certificate it shows is younger than ten days.
    """
    if not is_key(asked.key, asked.registered):
        raise EnrolmentRefusedError("other_key")
    if asked.issued_today >= MOST_A_DAY:
        raise EnrolmentRefusedError("too_many", retry_s=86_400)
    if asked.by.kind is CertificateKind.DEVICE:
        due = asked.by.expires - _LIFE + RENEW_AFTER
        if now < due:
            raise EnrolmentRefusedError("too_early", retry_s=int((due - now).total_seconds()) + 1)


def parse_body(body: bytes) -> bytes:
    """Return the DER request in the base64 *body*.

    Raises:
        MessageError: too long, or not base64.
    """
    if len(body) > MAX_BODY:
        raise MessageError(f"a request of more than {MAX_BODY} bytes")
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise MessageError("the request is not base64") from None


def format_certificates(*certificates: pyca.Certificate) -> bytes:
    """Return *certificates* as certs-only PKCS#7 in base64, as RFC 7030 4.1.3 and 4.2.3 want it."""
    return base64.encodebytes(pkcs7.serialize_certificates(list(certificates), Encoding.DER))


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The enrolment authority at work on the registry."""

    engine: Engine
    issuer: x509.Issuer

    def enrol(self, body: bytes, by: Admitted, now: datetime) -> bytes:
        """Return the new certificate for the request in *body*, noted in the registry.

        Args:
            body: PKCS#10 in base64.
            by: Whose client certificate came with it.
            now: UTC.

        Raises:
                FormatError: *body* is no request.
            EnrolmentRefusedError: as :func:`judge`, or ``revoked``.
            StoreError: it could not be noted, so none was issued.
        """
        csr = parse_body(body)
        key = x509.read_csr(csr)
        try:
            return self._issue(csr, key, by, now)
        except SQLAlchemyError as error:
            raise StoreError("database", str(error)) from error

    def _issue(self, csr: bytes, key: object, by: Admitted, now: datetime) -> bytes:
        with database.writing(self.engine) as connection:
            board = devices.find(connection, by.name)
            if board is None or not board.is_active:  # revoked since the handshake
                raise EnrolmentRefusedError("revoked")
            since = round((now - timedelta(days=1)).timestamp() * 1000)
            table = tables.certificate
            count = select(func.count()).where(
                table.c.endpoint == by.name,
                table.c.purpose == "ldevid",
                table.c.issued_ms > since,
            )
            judge(Asked(by, key, board.key, connection.scalar(count) or 0), now)
            certificate = pyca.load_der_x509_certificate(x509.make_ldevid(csr, self.issuer, now))
            devices.record_certificate(
                connection,
                by.name,
                serial=f"{certificate.serial_number:x}",
                purpose="ldevid",
                issued_ms=round(now.timestamp() * 1000),
                expires_ms=round(certificate.not_valid_after_utc.timestamp() * 1000),
            )
        return format_certificates(certificate)
