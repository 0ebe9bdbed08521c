"""Who the board is and whom it trusts: the device key, certificates, and the bundles under trust/.

::

    device.key          P-256, made here, 0600; nothing ever reads it out but the signer
    identity/           bench.pem, ca.pem (and ldevid.pem, which enrolment writes)
    trust/              root, assignment, settings, policy, playlist, deny-list, ...: bundles

Every file is written whole, synced and renamed. What may be written is judged elsewhere
(:mod:`loa_endpoint.bench`, :mod:`loa_endpoint.content`); this module keeps.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from loa_endpoint.store.files import make_folder, read_whole, remove, storing, write_atomically
from loa_endpoint.store.state import State
from loa_protocol import cbor
from loa_protocol.errors import StoreError
from loa_protocol.keys import SoftSigner
from loa_protocol.trust import Position, Subject

ROOT: Final = "root"
ASSIGNMENT: Final = "assignment"
SETTINGS: Final = "settings"
# Policies by how many parts of a scope they stand below the root's: province, station, cluster, ...
POLICIES: Final = ("policy", *(f"policy-{parts}" for parts in range(1, 8)))
NEXT_PLAYLIST: Final = "next-playlist"  # accepted, and not in force before its not-before
STANDING: Final = "standing-programme"
NEXT_STANDING: Final = "next-standing-programme"
BUNDLES: Final = (
    ROOT,
    ASSIGNMENT,
    SETTINGS,
    *POLICIES,
    "playlist",
    NEXT_PLAYLIST,
    STANDING,
    NEXT_STANDING,
    "deny-list",
)
RECOVERING: Final = "recovering"  # there while a recovery is under way
_MAX_PEM: Final = 16 * 1024
_SECRET: Final = 0o600


class IdentityStore:
    """The board's identity and trust below one home folder."""

    def __init__(self, home: Path, state: State) -> None:
        """Open it; a recovery that the power interrupted is finished first.

        Raises:
            StoreError: the disk refuses.
        """
        self.home, self.state = home, state
        make_folder(home, mode=0o700)
        if (home / RECOVERING).exists():
            self._wipe()

    def signer(self) -> SoftSigner | None:
        """Return what signs with the device key; None where there is no key yet.

        Raises:
            StoreError: the key file is damaged; only a recovery helps.
        """
        pem = read_whole(self.home / "device.key", limit=_MAX_PEM)
        if pem is None:
            return None
        try:
            key = serialization.load_pem_private_key(pem, None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise StoreError(
                str(self.home / "device.key"), "damaged; run loa-endpoint recover, then provision"
            )
        return SoftSigner(key)

    def make_key(self) -> SoftSigner:
        """Return the signer of the device key, which is made where there is none.

        Raises:
            StoreError: it could not be kept, and is forgotten.
        """
        present = self.signer()
        if present is not None:
            return present
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),  # a board that starts alone has nobody to ask
        )
        write_atomically(self.home / "device.key", pem, mode=_SECRET)
        return SoftSigner(key)

    def request(self) -> bytes:
        """Return the PKCS#10 request (DER) for the device key, which is made if need be."""
        signer = self.make_key()
        assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
        name = x509.NameAttribute(NameOID.COMMON_NAME, signer.public.kid.hex())
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([name]))
        return builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    @property
    def is_complete(self) -> bool:
        """Whether a technician has brought all that this board needs to be one of a province.

        Raises:
            StoreError: what is kept cannot be read.
        """
        kept = (self.bundle(name) for name in ("root", "assignment", "settings"))
        return None not in (self.signer(), *kept, self.certificate())

    def bundle(self, name: str) -> bytes | None:
        """Return the bundle *name* of trust/; None where there is none."""
        return read_whole(self._trust(name), limit=cbor.MAX_BYTES)

    def positions(self) -> dict[Subject, Position]:
        """Return how far each state object has come."""
        return self.state.positions()

    def keep(self, name: str, data: bytes, subject: Subject, position: Position) -> None:
        """Keep an accepted state object: its position first, then the bundle.

        Raises:
            StoreError: it could not be kept; the bundle before is still in force.
        """
        self.state.raise_position(subject, position)
        make_folder(self.home / "trust", mode=0o700)
        write_atomically(self._trust(name), data)

    def keep_root(self, data: bytes) -> None:
        """Keep an accepted root."""
        make_folder(self.home / "trust", mode=0o700)
        write_atomically(self._trust(ROOT), data)

    def drop(self, name: str) -> None:
        """Remove the bundle *name*; nothing happens where there is none."""
        remove(self._trust(name))

    def leave_root(self) -> None:
        """Remove everything that the present root stands behind, and last of all nothing of it.

        The root itself stays until :meth:`keep_root` replaces it: a board that loses its power in
        between is silent and still belongs to whom it belonged.
        """
        for name in BUNDLES:
            if name != ROOT:
                self.drop(name)
        for name in ("bench.pem", "ldevid.pem", "ca.pem"):
            remove(self.home / "identity" / name)
        self.state.start_over()

    def certificate(self) -> x509.Certificate | None:
        """Return the bench identity; None where there is none or it is damaged."""
        pem = read_whole(self.home / "identity" / "bench.pem", limit=_MAX_PEM)
        try:
            return None if pem is None else x509.load_pem_x509_certificate(pem)
        except (ValueError, x509.InvalidVersion):
            return None  # the bench gives another

    def keep_certificate(self, certificate: x509.Certificate, authority: x509.Certificate) -> None:
        """Keep the bench identity and the CA it is by."""
        make_folder(self.home / "identity", mode=0o700)
        for name, each in (("ca.pem", authority), ("bench.pem", certificate)):
            write_atomically(
                self.home / "identity" / name, each.public_bytes(serialization.Encoding.PEM)
            )

    def recover(self) -> None:
        """Forget who we are: keys, trust and media go, the outbox stays.

        What was recorded is evidence and is read out by hand; the epoch counter stays too, so that
        no two records ever share a number.

        Raises:
            StoreError: the disk refuses; the next start goes on with it.
        """
        write_atomically(self.home / RECOVERING, b"")
        self._wipe()

    def _wipe(self) -> None:
        key = self.home / "device.key"
        with storing(key):
            if key.exists():  # over the old blocks where the file system allows it
                with key.open("r+b", buffering=0) as file:
                    file.write(bytes(key.stat().st_size))
                    os.fsync(file.fileno())
        for path in (key, *(self._trust(name) for name in BUNDLES)):
            remove(path)
        for folder in ("trust", "identity", "media"):
            with storing(self.home / folder):
                if (self.home / folder).exists():
                    shutil.rmtree(self.home / folder)
        self.state.start_over()
        remove(self.home / RECOVERING)

    def _trust(self, name: str) -> Path:
        if name not in BUNDLES:
            raise ValueError(f"{name!r} is no bundle of trust/")
        return self.home / "trust" / name
