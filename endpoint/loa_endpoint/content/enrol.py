"""Enrolment (EST simpleenroll, RFC 7030): the board's TLS certificate for the next 30 days.

The request goes over TLS with the bench identity, or with the certificate that is to be renewed.
What comes back is taken only when it is for our own key and leads to a CA of the settings.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from loa_endpoint.content.fetch import DEFAULT_PORT, Fetcher, Request
from loa_endpoint.core import want as wants
from loa_endpoint.core.address import parse_address
from loa_endpoint.core.renewal import Life
from loa_endpoint.core.tls_date import fault_of_dates
from loa_protocol.errors import MessageError
from loa_protocol.keys import PublicKey
from loa_protocol.trust import Now

_ENROL: Final = "/enrol/simpleenroll"
_AUTHORITIES: Final = "/enrol/cacerts"
_MAX_CHAIN: Final = 4


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a board enrols with: its request (PKCS#10, DER), its key, the CAs it trusts (DER)."""

    request: bytes
    public: PublicKey
    authorities: Sequence[bytes]


async def enrol(fetcher: Fetcher, address: str, enrolment: Enrolment, now: Now) -> bytes:
    """Return a new certificate with those between it and the CA, as PEM, leaf first.

    Args:
        fetcher: Shows the bench identity, or the certificate to be renewed.
        address: https address of the service.
        enrolment: Who we are.
        now: The trusted time.

    Raises:
        FetchError: the service does not answer, or refuses.
        ConfigError: *address* is none.
        MessageError: the answer is no certificate for our key under our CAs.
    """
    place = parse_address(address, "https", DEFAULT_PORT)
    asking = Request(
        address=place,
        path=_ENROL,
        limit=wants.SMALL,
        method="POST",
        body=base64.encodebytes(enrolment.request),
        headers={
            "Content-Type": "application/pkcs10",
            "Content-Transfer-Encoding": "base64",
            "Accept": "application/pkcs7-mime",
        },
    )
    answer = read_certificates((await fetcher.fetch(asking)).body)
    above = [_load(each) for each in enrolment.authorities]
    if chain_of(answer, enrolment.public, above) is None:  # RFC 7030 lets the CAs come apart
        rest = Request(address=place, path=_AUTHORITIES, limit=wants.SMALL)
        answer += read_certificates((await fetcher.fetch(rest)).body)
    chain = chain_of(answer, enrolment.public, above)
    if chain is None:
        raise MessageError("the certificate does not lead to a CA of the settings")
    _check(chain[0], enrolment.public, now)
    return b"".join(each.public_bytes(Encoding.PEM) for each in chain)


def read_certificates(body: bytes) -> list[x509.Certificate]:
    """Parse the base64 of a certs-only PKCS#7.

    Raises:
        MessageError: *body* is none.
    """
    # Here, as it brings the parser of e-mail, 0.6 MB, and is wanted once in 30 days.
    from cryptography.hazmat.primitives.serialization import pkcs7  # noqa: PLC0415 - see above

    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
        return pkcs7.load_der_pkcs7_certificates(der)
    except (binascii.Error, ValueError, UnsupportedAlgorithm) as error:
        raise MessageError(f"not a PKCS#7 of certificates: {error}") from None


def chain_of(
    found: Sequence[x509.Certificate], public: PublicKey, above: Sequence[x509.Certificate]
) -> list[x509.Certificate] | None:
    """Return our certificate and those between it and one of *above*; None where there is none.

    Raises:
        MessageError: none of *found* is for our key.
    """
    own = [each for each in found if _public_of(each) == public]
    if not own:
        raise MessageError("no certificate for our key")
    chain = [max(own, key=lambda each: each.not_valid_after_utc)]
    while len(chain) <= _MAX_CHAIN:
        if any(_is_issued_by(chain[-1], each) for each in above):
            return chain
        issuers = [each for each in found if each not in chain and _is_issued_by(chain[-1], each)]
        if not issuers:
            return None
        chain.append(issuers[0])
    return None


def life_of(pem: bytes) -> Life:
    """Return the validity of the first certificate in *pem*.

    Raises:
        MessageError: there is none.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise MessageError(f"not a certificate: {error}") from None
    return _life(certificate)


def _check(certificate: x509.Certificate, public: PublicKey, now: Now) -> None:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if [name.value for name in names] != [public.kid.hex()]:
        raise MessageError("a certificate for our key under another name")
    life = _life(certificate)
    if fault := fault_of_dates(life.not_before, life.not_after, now):
        raise MessageError(fault)


def _life(certificate: x509.Certificate) -> Life:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return Life(int(begins.timestamp()), int(ends.timestamp()))


def _load(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise MessageError(f"a CA of the settings is no certificate: {error}") from None


def _public_of(certificate: x509.Certificate) -> PublicKey | None:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, (ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)):
        return PublicKey.of(key)
    return None


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
