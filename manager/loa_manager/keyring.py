"""Private keys in a home: made, locked, loaded; requests and certificates that go with them.

A key is ``<name>.key`` (locked by a passphrase, see :mod:`loa_manager.key_file`), or lives on a
PKCS#11 token that ``<name>.token`` names (see :mod:`loa_manager.key_token`). Its certificate chain
stands beside as ``<name>.cert``, an X.509 certificate as ``<name>.pem``. Requests and chains are
armoured text: they travel by mail and on paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from loa_manager.armour import armour, unarmour
from loa_manager.home import read_bytes, write_private
from loa_manager.key_file import STRONG, Cost, LockedError, PrivateKey, lock_key, unlock_key
from loa_manager.key_file import read_public as public_in_file
from loa_manager.key_token import (
    TokenPlace,
    TokenSigner,
    check_module,
    make_token_key,
    read_token_file,
)
from loa_manager.self_signed import SelfSigned
from loa_protocol import cbor
from loa_protocol.envelope import Bundle
from loa_protocol.errors import ConfigError, FormatError, MessageError, StoreError
from loa_protocol.keys import Algorithm, PublicKey, Signer, SoftSigner
from loa_protocol.language import translator
from loa_protocol.objects.authority import HOLDER, Certificate, Role
from loa_protocol.schema import Bytes, Choice, ListOf, Wire, wire

_ = translator("loa_manager")

Kind = Literal["ed25519", "p256"]
MIN_PASSPHRASE: Final = 8
KEY, TOKEN = ".key", ".token"
_CHAIN_TITLE: Final = "LOA CERTIFICATES"


class PassphraseError(ConfigError):
    """The passphrase does not open the key."""


@dataclass(frozen=True, slots=True, repr=False)
class Passphrase:
    """A secret that shows itself to nobody but :attr:`secret`'s reader: a passphrase, or a PIN.

    Attributes:
        secret: The text.
        cost: How dear a guess is at the keys that are made with it.
    """

    secret: str
    cost: Cost = STRONG

    def check(self) -> None:
        """Raise ConfigError when it is too short to lock a key file with."""
        if len(self.secret) < MIN_PASSPHRASE:
            fault = _("at least {n} characters, please").format(n=MIN_PASSPHRASE)
            raise ConfigError(_("passphrase"), [fault])

    def for_key(self, name: str) -> Passphrase:  # noqa: ARG002 - one passphrase for every key
        """Return itself: the same for every key."""
        return self

    def __repr__(self) -> str:
        return "Passphrase(***)"


class Secrets(Protocol):
    """What opens keys: one passphrase for all of them, or one for each holder's."""

    def for_key(self, name: str) -> Passphrase:
        """Return the passphrase, or the PIN, of the key *name* (without suffix)."""


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


def make_key(path: Path, passphrase: Secrets, kind: Kind = "ed25519") -> PrivateKey:
    """Make a private key, store it locked at *path* (``<name>.key``) and return it.

    Raises:
        ConfigError: a key stands there already (keys are never overwritten), or the passphrase is
            too short.
        StoreError: it cannot be written.
    """
    _check_free(path)
    secret = passphrase.for_key(path.stem)
    secret.check()
    key: PrivateKey = (
        ed25519.Ed25519PrivateKey.generate()
        if kind == "ed25519"
        else ec.generate_private_key(ec.SECP256R1())
    )
    write_private(path, lock_key(key, secret.secret.encode(), secret.cost))
    return key


def make_key_on_token(
    path: Path, place: TokenPlace, pin: Secrets, kind: Kind = "p256"
) -> TokenSigner:
    """Make a key on the token at *place*, note it at *path* (``<name>.token``), and return it.

    Raises:
        ConfigError: a key stands there already, the token is not here or refuses the PIN, or its
            module is not one of the machine's own programs.
        PeerError: the token failed.
        StoreError: the note cannot be written.
    """
    _check_free(path)
    check_module(place.module)
    secret = pin.for_key(path.stem)
    algorithm = Algorithm.ES256 if kind == "p256" else Algorithm.EDDSA
    key = make_token_key(place, secret, path.stem, algorithm)
    write_private(path, key.to_json())
    return TokenSigner(key, secret)


def load_key(path: Path, passphrase: Secrets) -> PrivateKey:
    """Return the private key at *path* (with or without its ``.key``).

    Raises:
        StoreError: the file cannot be read.
        PassphraseError: the passphrase does not open it.
        ConfigError: the key is on a token, which this use cannot take.
        FormatError: it is no key of ours.
    """
    stem = _stem(path)
    if _beside(stem, TOKEN).exists():
        raise ConfigError(str(stem), [_("this key is on a token; a key file is needed here")])
    file = _beside(stem, KEY)
    if not file.exists():
        fault = _("no such key here; loa key list shows a home's keys, loa key make makes one")
        raise StoreError(str(file), fault)
    data = read_bytes(file)
    try:
        return unlock_key(data, passphrase.for_key(stem.name).secret.encode())
    except LockedError:
        # a wrong passphrase and a damaged file cannot be told apart
        fault = _("the passphrase does not open this key, or the file is damaged")
        raise PassphraseError(str(file), [fault]) from None
    except FormatError as error:
        raise type(error)(f"{file}: {error}") from None


def load_signer(path: Path, passphrase: Secrets) -> Identity:
    """Return the key at *path*, in a file or on a token, with the certificate chain beside it.

    A token's PIN is used when it signs, not before.

    Raises:
        StoreError, ConfigError, PassphraseError: as :func:`load_key`.
        FormatError: the key or the chain file is damaged.
    """
    stem = _stem(path)
    note = _beside(stem, TOKEN)
    signer: Signer = (
        TokenSigner(read_token_file(note), passphrase.for_key(stem.name))
        if note.exists()
        else SoftSigner(load_key(stem, passphrase))
    )
    return Identity(stem.name, signer, load_chain(stem))


def load_chain(path: Path) -> tuple[bytes, ...]:
    """Return the certificate chain beside the key at *path*; empty where there is none yet.

    Raises:
        StoreError: the file cannot be read.
        FormatError: it is damaged.
    """
    file = _beside(_stem(path), ".cert")
    return parse_chain(read_bytes(file)) if file.exists() else ()


def public_of(path: Path) -> PublicKey:
    """Return the public key that the file of the key at *path* names, without opening it.

    Good for lists and warnings; what is certified is taken from an opened key or a request.

    Raises:
        StoreError, FormatError, ConfigError: it cannot be read.
    """
    stem = _stem(path)
    note = _beside(stem, TOKEN)
    if note.exists():
        return read_token_file(note).public
    return public_in_file(read_bytes(_beside(stem, KEY)))


def has_key(path: Path) -> bool:
    """Tell whether a key of the name *path* stands there, in a file or on a token."""
    stem = _stem(path)
    return _beside(stem, KEY).exists() or _beside(stem, TOKEN).exists()


_REQUEST: Final = SelfSigned("LOA KEY REQUEST", "loa/key-request/1", KeyRequest)


def make_request(signer: Signer, holder: str, roles: tuple[Role, ...]) -> bytes:
    """Return the armoured request of *signer*'s key for a certificate.

    Raises:
        MessageError: *holder* is too long or not NFC.
    """
    public = signer.public
    request = KeyRequest(algorithm=public.algorithm, raw=public.raw, holder=holder, roles=roles)
    return _REQUEST.make(request, signer)


def parse_request(data: bytes) -> KeyRequest:
    """Read an armoured request and check that the key itself made it.

    Raises:
        FormatError: *data* is no request, or its signature is not the key's own.
    """
    return _REQUEST.parse(data)


def format_chain(chain: tuple[bytes, ...]) -> bytes:
    """Return *chain* as armoured text."""
    return armour(_CHAIN_TITLE, cbor.encode(list(chain)))


def parse_chain(data: bytes) -> tuple[bytes, ...]:
    """Read an armoured certificate chain; who signed it is judged when it is used.

    Raises:
        FormatError: *data* is no chain, or a member is no certificate.
    """
    members = cbor.decode(unarmour(_CHAIN_TITLE, data))
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


def _check_free(path: Path) -> None:
    if has_key(path):
        raise ConfigError(str(path), [_("a key stands here already; it is never overwritten")])


def _stem(path: Path) -> Path:
    return path.with_suffix("") if path.suffix in (KEY, TOKEN) else path


def _beside(stem: Path, suffix: str) -> Path:
    return stem.with_name(f"{stem.name}{suffix}")
