"""Private keys as files: made, encrypted, loaded; requests and certificates that go with them.

A key is ``<name>.key`` (PKCS#8 PEM, encrypted by a passphrase), its certificate chain stands beside
as ``<name>.cert``, an X.509 certificate as ``<name>.pem``. Requests and chains are armoured text:
they travel by mail and on paper. No private key leaves this module but inside a signer.
"""

from __future__ import annotations

import base64
import binascii
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from loa_manager.home import read_bytes, write_private
from loa_protocol import cbor
from loa_protocol.envelope import Bundle, open_seal, seal
from loa_protocol.errors import ConfigError, FormatError, MessageError
from loa_protocol.keys import Algorithm, PublicKey, Signer, SoftSigner
from loa_protocol.language import translator
from loa_protocol.objects.authority import HOLDER, Certificate, Role
from loa_protocol.schema import Bytes, Choice, ListOf, Wire, wire

_ = translator("loa_manager")

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
Kind = Literal["ed25519", "p256"]
MIN_PASSPHRASE: Final = 8
MAX_FILE: Final = 64 * 1024  # a chain has at most 16 certificates of a few hundred bytes
_REQUEST_LABEL: Final = "loa/key-request/1"
_REQUEST_TITLE: Final = "LOA KEY REQUEST"
_CHAIN_TITLE: Final = "LOA CERTIFICATES"


@dataclass(frozen=True, slots=True, repr=False)
class Passphrase:
    """A secret that shows itself to nobody but :attr:`secret`'s reader."""

    secret: str

    def __post_init__(self) -> None:
        if len(self.secret) < MIN_PASSPHRASE:
            fault = _("at least {n} characters, please").format(n=MIN_PASSPHRASE)
            raise ConfigError(_("passphrase"), [fault])

    def __repr__(self) -> str:
        return "Passphrase(***)"


@dataclass(frozen=True, slots=True)
class Identity:
    """A key that signs, and the certificates that lead from it to the root."""

    name: str
    signer: Signer
    chain: tuple[bytes, ...]

    @property
    def certificate(self) -> Certificate | None:
        """The key's own certificate; None where it has none (root keys, new keys)."""
        own = [each for each in read_chain(self.chain) if each.key == self.signer.public]
        return own[-1] if own else None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest(Wire):
    """What somebody asks to have certified; sealed by the key itself, which proves possession."""

    algorithm: Algorithm = wire(1, Choice(Algorithm))
    raw: bytes = wire(2, Bytes(32, 33))
    holder: str = wire(3, HOLDER)
    roles: tuple[Role, ...] = wire(4, ListOf(Choice(Role), 16, 1))

    @property
    def key(self) -> PublicKey:
        """The key to certify."""
        return PublicKey(self.algorithm, self.raw)


def make_key(path: Path, passphrase: Passphrase, kind: Kind = "ed25519") -> PrivateKey:
    """Make a private key, store it encrypted at *path* and return it.

    Raises:
        ConfigError: a key stands there already; keys are never overwritten.
        StoreError: it cannot be written.
    """
    if path.exists():
        raise ConfigError(str(path), [_("a key stands here already; it is never overwritten")])
    key: PrivateKey = (
        ed25519.Ed25519PrivateKey.generate()
        if kind == "ed25519"
        else ec.generate_private_key(ec.SECP256R1())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.secret.encode()),
    )
    write_private(path, pem)
    return key


def load_key(path: Path, passphrase: Passphrase) -> PrivateKey:
    """Return the private key at *path* (with or without its ``.key``).

    Raises:
        StoreError: the file cannot be read.
        ConfigError: the passphrase does not open it, or it is no key of ours.
    """
    file = path if path.suffix == ".key" else path.with_name(f"{path.name}.key")
    data = read_bytes(file)
    try:
        key = serialization.load_pem_private_key(data, passphrase.secret.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # OpenSSL cannot tell a wrong passphrase from a damaged file
        fault = _("the passphrase does not open this key, or the file is damaged")
        raise ConfigError(str(file), [fault]) from None
    if not isinstance(key, (ed25519.Ed25519PrivateKey, ec.EllipticCurvePrivateKey)):
        raise ConfigError(str(file), [_("neither an Ed25519 nor a P-256 key")])
    return key


def load_signer(path: Path, passphrase: Passphrase) -> Identity:
    """Return the key at *path* as a signer with the certificate chain beside it.

    Raises:
        StoreError, ConfigError: as :func:`load_key`.
        FormatError: the chain file is damaged.
    """
    signer = SoftSigner(load_key(path, passphrase))
    stem = path.with_suffix("") if path.suffix == ".key" else path
    chain_file = stem.with_name(f"{stem.name}.cert")
    chain = parse_chain(read_bytes(chain_file)) if chain_file.exists() else ()
    return Identity(stem.name, signer, chain)


def make_request(signer: Signer, holder: str, roles: tuple[Role, ...]) -> bytes:
    """Return the armoured request of *signer*'s key for a certificate.

    Raises:
        MessageError: *holder* is too long or not NFC.
    """
    public = signer.public
    request = KeyRequest(algorithm=public.algorithm, raw=public.raw, holder=holder, roles=roles)
    return _armour(_REQUEST_TITLE, seal(request.to_bytes(), _REQUEST_LABEL, signer, detached=False))


def parse_request(data: bytes) -> KeyRequest:
    """Read an armoured request and check that the key itself made it.

    Raises:
        FormatError: *data* is no request, or its signature is not the key's own.
    """
    opened = open_seal(_unarmour(_REQUEST_TITLE, data))
    if opened.payload is None:
        raise MessageError("the request has no content")
    request = KeyRequest.from_bytes(opened.payload)
    request.key.check()
    if not opened.is_by(request.key, opened.payload, _REQUEST_LABEL):
        raise MessageError("the request is not signed by the key it names")
    return request


def format_chain(chain: tuple[bytes, ...]) -> bytes:
    """Return *chain* as armoured text."""
    return _armour(_CHAIN_TITLE, cbor.encode(list(chain)))


def parse_chain(data: bytes) -> tuple[bytes, ...]:
    """Read an armoured certificate chain; who signed it is judged when it is used.

    Raises:
        FormatError: *data* is no chain, or a member is no certificate.
    """
    members = cbor.decode(_unarmour(_CHAIN_TITLE, data))
    if not isinstance(members, list):
        raise MessageError("expected a list of certificates")
    chain = tuple(member for member in members if isinstance(member, bytes))
    if len(chain) != len(members):
        raise MessageError("a certificate is not a byte string")
    read_chain(chain)
    return chain


def read_chain(chain: tuple[bytes, ...]) -> tuple[Certificate, ...]:
    """Return the certificates of *chain*, unjudged; raise FormatError when one is none."""
    return tuple(Certificate.from_bytes(Bundle.from_bytes(each).payload) for each in chain)


def _armour(title: str, data: bytes) -> bytes:
    lines = textwrap.wrap(base64.b64encode(data).decode(), 64)
    return "\n".join([f"-----BEGIN {title}-----", *lines, f"-----END {title}-----", ""]).encode()


def _unarmour(title: str, data: bytes) -> bytes:
    if len(data) > MAX_FILE:
        raise FormatError(f"{len(data)} bytes are more than the {MAX_FILE} allowed")
    try:
        text = data.decode("ascii").strip()
    except UnicodeDecodeError:
        raise FormatError(f"not a {title}: not plain text") from None
    begin, end = f"-----BEGIN {title}-----", f"-----END {title}-----"
    if not text.startswith(begin) or not text.endswith(end) or len(text) < len(begin) + len(end):
        raise FormatError(f"not a {title}: begin or end is missing")
    try:
        return base64.b64decode("".join(text[len(begin) : -len(end)].split()), validate=True)
    except binascii.Error:
        raise FormatError(f"a {title} with damaged base64") from None
