"""Keys that live on a PKCS#11 token: made there, used there, never outside.

What stands in a home is a small JSON file ``<name>.token``: which module drives the token, which
token it is, which object on it, and the public key. No secret is in it; the PIN is asked for like a
passphrase. A session lasts for one operation, so that a token can be pulled and shared.

``python-pkcs11`` is needed only where a token is (extra ``token``), and loaded when one is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from loa_manager.home import read_bytes
from loa_protocol.errors import ConfigError, MessageError, PeerError
from loa_protocol.keys import Algorithm, PublicKey
from loa_protocol.language import translator

_ = translator("loa_manager")

MAX_FILE: Final = 4096
PLACES: Final = ("/usr", "/opt", "/lib", "/lib64")
"""Where programs stand that the machine's administrator installed."""
_FORMAT: Final = 1
_ID_BYTES: Final = 16
_FIELDS: Final = {
    "format",
    "module",
    "token_serial",
    "token_label",
    "object",
    "algorithm",
    "public",
}
# RFC 8410: the curve's name as PKCS#11 2.40 and 3.0 both take it (PrintableString edwards25519)
_EDWARDS25519: Final = bytes.fromhex("130c656477617264733235353139")
_CURVES: Final = {Algorithm.ES256: "ES256", Algorithm.EDDSA: "EdDSA"}


class Pin(Protocol):
    """Something that shows the PIN to the token alone."""

    @property
    def secret(self) -> str:
        """The PIN."""


class PinError(ConfigError):
    """The token refused the PIN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPlace:
    """Which token: by its module and by what is written on it."""

    module: str
    label: str | None = None
    serial: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """Where one key lives, as its file says it."""

    module: str
    token_serial: str
    token_label: str
    object_id: bytes
    public: PublicKey

    @property
    def place(self) -> TokenPlace:
        """The token it is on."""
        return TokenPlace(module=self.module, serial=self.token_serial, label=self.token_label)

    def to_json(self) -> bytes:
        """Return the content of the ``.token`` file."""
        value = {
            "format": _FORMAT,
            "module": self.module,
            "token_serial": self.token_serial,
            "token_label": self.token_label,
            "object": self.object_id.hex(),
            "algorithm": _CURVES[self.public.algorithm],
            "public": self.public.raw.hex(),
        }
        return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> TokenKey:
        """Read the content of a ``.token`` file.

        Raises:
            FormatError: it is none.
        """
        value = _object(data)
        algorithms = {name: algorithm for algorithm, name in _CURVES.items()}
        if value["algorithm"] not in algorithms:
            raise MessageError(f"algorithm {value['algorithm']!r:.20} is not known")
        try:
            object_id, raw = bytes.fromhex(value["object"]), bytes.fromhex(value["public"])
        except ValueError as error:
            raise MessageError(f"not hex: {error}") from None
        if not value["module"].startswith("/"):
            raise MessageError("the module is no absolute path")
        public = PublicKey(algorithms[value["algorithm"]], raw)
        public.check()
        return cls(
            module=value["module"],
            token_serial=value["token_serial"],
            token_label=value["token_label"],
            object_id=object_id,
            public=public,
        )


def _object(data: bytes) -> dict[str, str]:
    if len(data) > MAX_FILE:
        raise MessageError(f"{len(data)} bytes are more than the {MAX_FILE} of a token file")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"not JSON: {error}") from None
    if not isinstance(value, dict) or value.keys() != _FIELDS:
        raise MessageError(f"expected an object of {', '.join(sorted(_FIELDS))}")
    if type(value["format"]) is not int or value.pop("format") != _FORMAT:
        raise MessageError("a format that is not known")
    if not all(isinstance(each, str) for each in value.values()):
        raise MessageError("expected texts")
    return value


@dataclass(frozen=True, slots=True, repr=False)
class TokenSigner:
    """A signer whose private key never leaves its token."""

    key: TokenKey
    pin: Pin

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self.key.public

    def sign(self, message: bytes) -> bytes:
        """Return the token's signature over *message*.

        Raises:
            PinError: the token refuses the PIN.
            ConfigError: the token is not here, or has no such key.
            PeerError: the token failed, or signed with another key than the file names.
        """
        p11 = _library()
        with _session(self.key.place, self.pin) as session, _telling(self.key.module):
            found = session.get_key(object_class=p11.ObjectClass.PRIVATE_KEY, id=self.key.object_id)
            signature = _sign(p11, found, self.key.public.algorithm, message)
        if not self.public.is_signature(signature, message):
            fault = _("the token signed with another key than the file names")
            raise PeerError(f"{self.key.token_label}: {fault}")
        return signature

    def __repr__(self) -> str:
        return f"TokenSigner({self.public.kid.hex()})"


def make_token_key(place: TokenPlace, pin: Pin, name: str, algorithm: Algorithm) -> TokenKey:
    """Make a key on the token at *place* and return where it lives.

    Args:
        place: The token.
        pin: Opens it.
        name: Label of the key on the token, for people.
        algorithm: P-256 (every token), or Ed25519 (where the token can).

    Raises:
        PinError: the token refuses the PIN.
        ConfigError: no such token, or it cannot make such a key.
        PeerError: the token failed.
    """
    p11 = _library()
    object_id = os.urandom(_ID_BYTES)
    with _session(place, pin, writing=True) as session, _telling(place.module):
        token = session.token
        point = _generate(p11, session, algorithm, label=name, id=object_id)
        key = TokenKey(
            module=place.module,
            token_serial=_text(token.serial),
            token_label=_text(token.label),
            object_id=object_id,
            public=_public(algorithm, point),
        )
    TokenSigner(key, pin).sign(b"loa: the key answers")  # what cannot sign never gets a file
    return key


def read_token_file(path: Path) -> TokenKey:
    """Read the ``.token`` file at *path*.

    Raises:
        ConfigError: others may write it, or its module stands where anybody could have put it: it
            names a program that we load, and it may have come on somebody's stick.
        FormatError: it is no such file.
        StoreError: it cannot be read.
    """
    data = read_bytes(path)
    if path.stat().st_mode & 0o022:
        raise ConfigError(str(path), [_("others may write this file; it names a program we load")])
    key = TokenKey.from_json(data)
    check_module(key.module)
    return key


def check_module(module: str) -> None:
    """Raise ConfigError where *module* does not stand among the machine's own programs."""
    place = Path(module).resolve()
    if not any(place.is_relative_to(each) for each in PLACES):
        text = _("a token's module is loaded from {places} only: install it there")
        raise ConfigError(module, [text.format(places=", ".join(PLACES))])


def _library() -> Any:  # noqa: ANN401 - an optional package, loaded when a token is used
    try:
        return importlib.import_module("pkcs11")
    except ImportError:
        fault = _("tokens need python-pkcs11: pip install 'loa-manager[token]'")
        raise ConfigError(_("token"), [fault]) from None


@contextlib.contextmanager
def _session(place: TokenPlace, pin: Pin, *, writing: bool = False) -> Iterator[Any]:
    p11 = _library()
    token = _token(p11, place)
    where = place.label or place.serial or place.module
    try:
        with _telling(place.module):
            session = token.open(rw=writing, user_pin=pin.secret)
    except p11.exceptions.PinLocked:
        raise PinError(where, [_("the PIN is locked; the token's own tool unlocks it")]) from None
    except (p11.exceptions.PinIncorrect, p11.exceptions.PinLenRange):
        raise PinError(where, [_refused_pin(p11, place)]) from None
    try:
        yield session
    finally:
        session.close()


def _token(p11: Any, place: TokenPlace) -> Any:  # noqa: ANN401
    try:
        module = p11.lib(str(Path(place.module).resolve()))  # one module, whatever it is called by
    except RuntimeError as error:
        fault = _("this PKCS#11 module cannot be loaded: {why}").format(why=error)
        raise ConfigError(place.module, [fault]) from None
    with _telling(place.module):
        here = [slot.get_token() for slot in module.get_slots(token_present=True)]
    fitting = [
        token
        for token in here
        if (place.serial is None or _text(token.serial) == place.serial)
        and (place.label is None or _text(token.label) == place.label)
        and token.flags & p11.TokenFlag.TOKEN_INITIALIZED
    ]
    if len(fitting) != 1:
        names = ", ".join(f"{_text(each.label)} ({_text(each.serial)})" for each in here) or "-"
        fault = _("{n} tokens fit; there are: {names}").format(n=len(fitting), names=names)
        raise ConfigError(place.label or place.serial or place.module, [fault])
    return fitting[0]


def _refused_pin(p11: Any, place: TokenPlace) -> str:  # noqa: ANN401
    flags = _token(p11, place).flags
    if flags & p11.TokenFlag.USER_PIN_FINAL_TRY:
        return _("wrong PIN; one more wrong one locks the token")
    if flags & p11.TokenFlag.USER_PIN_COUNT_LOW:
        return _("wrong PIN; few tries are left before the token locks itself")
    return _("wrong PIN")


@contextlib.contextmanager
def _telling(module: str) -> Iterator[None]:
    """Turn what a token refuses, but for PINs, into errors of ours."""
    p11 = _library()
    errors = p11.exceptions
    try:
        yield
    except (errors.PinIncorrect, errors.PinLocked, errors.PinLenRange):
        raise
    except errors.NoSuchKey:
        raise ConfigError(module, [_("the key is not on this token")]) from None
    except (errors.MechanismInvalid, errors.DomainParamsInvalid, errors.CurveNotSupported):
        raise ConfigError(module, [_("the token cannot make or use a key of this kind")]) from None
    except errors.PKCS11Error as error:
        raise PeerError(f"{module}: {type(error).__name__} {error}".rstrip()) from None


def _generate(p11: Any, session: Any, algorithm: Algorithm, **names: object) -> bytes:  # noqa: ANN401
    attribute = p11.Attribute
    if algorithm is Algorithm.ES256:
        curve = importlib.import_module("pkcs11.util.ec").encode_named_curve_parameters("secp256r1")
        kind, mechanism = p11.KeyType.EC, p11.Mechanism.EC_KEY_PAIR_GEN
    else:
        curve = _EDWARDS25519
        kind, mechanism = p11.KeyType.EC_EDWARDS, p11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN
    domain = session.create_domain_parameters(kind, {attribute.EC_PARAMS: curve}, local=True)
    private = {attribute.SENSITIVE: True, attribute.EXTRACTABLE: False, attribute.SIGN: True}
    public, _private = domain.generate_keypair(
        mechanism=mechanism, store=True, private_template=private, **names
    )
    return bytes(public[attribute.EC_POINT])


def _sign(p11: Any, key: Any, algorithm: Algorithm, message: bytes) -> bytes:  # noqa: ANN401
    if algorithm is Algorithm.EDDSA:
        return bytes(key.sign(message, mechanism=p11.Mechanism.EDDSA))
    # hashed here: every token has plain ECDSA, not every one ECDSA_SHA256; r and s come as 64 bytes
    return bytes(key.sign(hashlib.sha256(message).digest(), mechanism=p11.Mechanism.ECDSA))


def _public(algorithm: Algorithm, point: bytes) -> PublicKey:
    """Return the key of *point*: a DER OCTET STRING by the standard, bare on some tokens."""
    size = 65 if algorithm is Algorithm.ES256 else 32
    raw = point[2:] if len(point) == size + 2 and point[0] == 0x04 else point
    try:
        if algorithm is Algorithm.ES256:
            return PublicKey.of(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw))
        return PublicKey.of(ed25519.Ed25519PublicKey.from_public_bytes(raw))
    except ValueError as error:
        raise PeerError(f"the token gave no public key: {error}") from None


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
