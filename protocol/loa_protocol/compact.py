"""The compact form of an order: a bundle without its certificates, for carriers of a few bytes.

Only the parts that differ from order to order are in it. Key ids stand in full: what a compact form
says is then the same whoever reads it, and an order whose signers' certificates are not known yet
can wait for them like any other. The certificates come from what the reader holds; the bundle that
is put together is judged by the acceptance rule as if it had come whole.

Nothing is compressed: payloads of random ids, hashes and signatures gain nothing, and a reader that
inflates what anybody sent needs limits that this form does not.
"""

from __future__ import annotations

from typing import Final

from loa_protocol.envelope import MAX_SEALS, Bundle, Kind, open_seal
from loa_protocol.errors import MessageError, VersionError
from loa_protocol.keys import KID_BYTES, SIGNATURE_BYTES

MARK: Final = 0xE1  # the first byte: the compact form, version 1; no text begins with it
MAX_BYTES: Final = 1024  # eight messages
KINDS: Final = (Kind.ALERT, Kind.COMMAND)
_HEAD_BYTES: Final = 4  # mark, kind, version, count of seals
_ALGORITHMS: Final = (0x26, 0x27)  # as in a seal's protected header: ES256, EdDSA
SEAL_BYTES: Final = 1 + KID_BYTES + SIGNATURE_BYTES
_FRAME: Final = b"\xd2\x84\x55\xa2\x01"  # of a detached seal, up to the algorithm
_AFTER_ALGORITHM: Final = b"\x04\x50"
_AFTER_KID: Final = b"\xa0\xf6\x58\x40"


def compact(data: bytes) -> bytes:
    """Return the compact form of the bundle *data*; its certificates stay behind.

    Raises:
        FormatError: *data* is no bundle, or one of another kind than alerts and commands, or it is
            too long.
    """
    bundle = Bundle.from_bytes(data)
    if bundle.kind not in KINDS:
        raise MessageError(f"no compact form of {bundle.label}")
    seals = b"".join(_pack_seal(each) for each in bundle.seals)
    packed = bytes((MARK, bundle.kind, bundle.version, len(bundle.seals))) + seals + bundle.payload
    if len(packed) > MAX_BYTES:
        raise MessageError(f"{len(packed)} bytes are more than the {MAX_BYTES} of a compact form")
    return packed


def expand(data: bytes) -> bytes:
    """Return the bundle, without certificates, whose compact form is *data*.

    Raises:
        FormatError: *data* is no compact form.
    """
    if not _HEAD_BYTES < len(data) <= MAX_BYTES:
        raise MessageError(f"{len(data)} bytes are no compact form")
    mark, kind, version, count = data[:_HEAD_BYTES]
    if mark != MARK:
        raise VersionError(f"not a compact form that is known here: 0x{mark:02x}")
    if kind not in KINDS:
        raise MessageError(f"no compact form of kind {kind}")
    at = _HEAD_BYTES + count * SEAL_BYTES
    if not 1 <= count <= MAX_SEALS or at >= len(data):
        raise MessageError(f"{count} seals in {len(data)} bytes")
    places = range(_HEAD_BYTES, at, SEAL_BYTES)
    return Bundle(
        kind=kind,
        version=version,
        payload=data[at:],
        seals=tuple(_unpack_seal(data[place : place + SEAL_BYTES]) for place in places),
        certificates=(),
    ).to_bytes()


def is_compact(data: bytes) -> bool:
    """Tell whether *data* begins as a compact form does."""
    return data[:1] == bytes((MARK,))


def _pack_seal(seal: bytes) -> bytes:
    opened = open_seal(seal)
    if opened.payload is not None:
        raise MessageError("a seal with its payload inside has no compact form")
    algorithm = seal[len(_FRAME)]
    return bytes((algorithm,)) + opened.kid + opened.signature


def _unpack_seal(packed: bytes) -> bytes:
    algorithm, kid, signature = packed[:1], packed[1 : 1 + KID_BYTES], packed[1 + KID_BYTES :]
    if algorithm[0] not in _ALGORITHMS:
        raise MessageError(f"no algorithm: 0x{algorithm[0]:02x}")
    return _FRAME + algorithm + _AFTER_ALGORITHM + kid + _AFTER_KID + signature
