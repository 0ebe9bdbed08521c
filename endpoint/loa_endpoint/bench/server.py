"""The board's side of the bench: it, and not the tool, decides what it lets in.

:class:`BenchServer` turns each question of the technician's tool into one answer. Root, assignment
and settings are judged by the same acceptance rule as everything else; the X.509 authority is
believed only where the signed settings name it; another root is taken only with a transfer that the
present root signed, or after a recovery. The loop around it is :mod:`loa_endpoint.bench.line`.

It knows no files: what it keeps goes through :class:`Store`.
"""

from __future__ import annotations

import unicodedata
from typing import Final, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from loa_protocol import bench, cbor
from loa_protocol.accept import accept
from loa_protocol.bench import Fault, Stage
from loa_protocol.envelope import Bundle
from loa_protocol.errors import FormatError, StoreError, VersionError
from loa_protocol.keys import PublicKey, Signer
from loa_protocol.objects.authority import Root
from loa_protocol.objects.placement import Assignment, Settings
from loa_protocol.scope import is_inside
from loa_protocol.succession import accept_root, accept_transfer
from loa_protocol.trust import (
    Accepted,
    Now,
    Position,
    Subject,
    Trusted,
    TrustError,
    position_of,
    subject_of,
)

ROOT: Final = "root"
ASSIGNMENT: Final = "assignment"
SETTINGS: Final = "settings"
# what cryptography raises for damaged and for foreign certificates; InvalidVersion is no ValueError
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
)
_OF_A_SCOPE: Final = ("settings", "policy", "playlist")  # dropped when the board moves out of it


class Store(Protocol):
    """What the bench needs to have kept; see :mod:`loa_endpoint.store.identity`."""

    def signer(self) -> Signer | None:
        """Return what signs with the device key; None where there is no key yet."""

    def request(self) -> bytes:
        """Return the PKCS#10 request (DER); makes the key where there is none."""

    @property
    def is_complete(self) -> bool:
        """Whether key, root, place, settings and identity are all kept."""

    def bundle(self, name: str) -> bytes | None:
        """Return a kept bundle."""

    def positions(self) -> dict[Subject, Position]:
        """Return how far each state object has come."""

    def keep(self, name: str, data: bytes, subject: Subject, position: Position) -> None:
        """Keep an accepted state object."""

    def keep_root(self, data: bytes) -> None:
        """Keep an accepted root."""

    def leave_root(self) -> None:
        """Remove what the present root stands behind."""

    def drop(self, name: str) -> None:
        """Remove a kept bundle."""

    def certificate(self) -> x509.Certificate | None:
        """Return the bench identity."""

    def keep_certificate(self, certificate: x509.Certificate, authority: x509.Certificate) -> None:
        """Keep the bench identity and the CA it is by."""


class BenchError(Exception):
    """A question is refused; turned into an answer, never seen outside this module."""

    def __init__(self, reason: Fault, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class BenchServer:
    """Answers questions. It changes nothing where it says no."""

    def __init__(self, store: Store, software: str) -> None:
        """Serve *store* as *software* (name and version)."""
        self._store, self._software = store, software
        self.is_finished = False  # the tool has asked whether all is there, and it was

    def handle(self, data: bytes, now: Now) -> bytes:
        """Return the answer to the question in *data*.

        Args:
            data: A message from the line, of any content.
            now: The time as far as the board knows it.
        """
        try:
            answer = self._answer(bench.parse_question(data), now)
        except VersionError as error:
            answer = _refused(Fault.VERSION, str(error))
        except FormatError as error:
            answer = _refused(Fault.FORMAT, str(error))
        except TrustError as error:
            answer = _refused(error.reason, error.detail)
        except StoreError as error:
            answer = _refused(Fault.STORE, str(error))
        except BenchError as error:
            answer = _refused(error.reason, error.detail)
        return bench.encode(answer)

    def status(self) -> bench.Status:
        """Return what the board holds."""
        signer, root = self._store.signer(), self._store.bundle(ROOT)
        assignment, settings = self._store.bundle(ASSIGNMENT), self._store.bundle(SETTINGS)
        certificate = self._store.certificate()
        begun = Stage.READY if self._store.is_complete else Stage.PARTIAL
        return bench.Status(
            version=bench.VERSION,
            software=self._software,
            stage=Stage.BLANK if root is None else begun,
            key=None if signer is None else signer.public.raw,
            root=_digest(root),
            scope=None if assignment is None else _assignment(assignment).scope,
            assignment=_digest(assignment),
            settings=_digest(settings),
            serial=None if certificate is None else f"{certificate.serial_number:x}",
        )

    def _answer(self, question: bench.Question, now: Now) -> bench.Answer:
        match question:
            case bench.Hello(version=version):
                answer = self._hello(version)
            case bench.AskStatus():
                answer = self.status()
            case bench.MakeKey():
                answer = bench.Request(csr=self._store.request())
            case bench.InstallRoot():
                answer = self._install_root(question, now)
            case bench.InstallAssignment(bundle=data):
                answer = self._install_assignment(data, now)
            case bench.InstallSettings(bundle=data):
                answer = self._install_settings(data, now)
            case bench.InstallCertificate():
                answer = self._install_certificate(question)
            case bench.Prove(nonce=nonce):
                answer = self._prove(nonce)
            case bench.Finish():
                answer = self._finish()
        return answer

    def _hello(self, version: int) -> bench.Answer:
        if version != bench.VERSION:
            raise BenchError(Fault.VERSION, f"the board speaks version {bench.VERSION}")
        self.is_finished = False
        return self.status()

    def _install_root(self, question: bench.InstallRoot, now: Now) -> bench.Answer:
        new = Bundle.from_bytes(question.root)
        present = self._store.bundle(ROOT)
        if present is None:
            accept_root(question.root, None, now)
        elif Bundle.from_bytes(present).digest == new.digest:
            return bench.Done()  # the bytes on the disk stay: they were judged
        elif question.transfer is not None:
            self._transfer(question.transfer, new, now)
        else:
            self._succeed(question.root, now)
        self._store.keep_root(question.root)
        return bench.Done()

    def _succeed(self, data: bytes, now: Now) -> None:
        try:
            accept_root(data, self._trusted(), now)
        except TrustError as error:  # the reason matters less than what helps
            raise BenchError(
                Fault.ROOT_PRESENT, f"another root is in force ({error.reason})"
            ) from None

    def _transfer(self, data: bytes, new: Bundle, now: Now) -> None:
        transfer = accept_transfer(data, self._trusted(), now)
        if transfer.new_root != new.digest:
            raise BenchError(Fault.ROOT_PRESENT, "the transfer names another root")
        accept_root(new.to_bytes(), None, now)
        self._store.leave_root()

    def _install_assignment(self, data: bytes, now: Now) -> bench.Answer:
        self._need_key()
        accepted = accept(data, self._trusted(with_scope=False), now)
        body = accepted.body
        if not isinstance(body, Assignment):
            raise BenchError(Fault.FORMAT, "not an assignment")
        self._keep(ASSIGNMENT, data, accepted)
        for name in _OF_A_SCOPE:
            if (kept := self._store.bundle(name)) and not is_inside(body.scope, _scope(kept)):
                self._store.drop(name)
        return bench.Done()

    def _install_settings(self, data: bytes, now: Now) -> bench.Answer:
        if self._store.bundle(ASSIGNMENT) is None:
            raise BenchError(Fault.INCOMPLETE, "an assignment comes before settings")
        accepted = accept(data, self._trusted(), now)
        if not isinstance(accepted.body, Settings):
            raise BenchError(Fault.FORMAT, "not settings")
        self._keep(SETTINGS, data, accepted)
        return bench.Done()

    def _install_certificate(self, question: bench.InstallCertificate) -> bench.Answer:
        key = self._need_key()
        settings = self._store.bundle(SETTINGS)
        if settings is None:
            raise BenchError(Fault.NO_SETTINGS)
        named = Settings.from_bytes(Bundle.from_bytes(settings).payload).authorities
        if question.authority not in named:
            raise BenchError(Fault.AUTHORITY, "the signed settings do not name this CA")
        try:
            authority = x509.load_der_x509_certificate(question.authority)
            certificate = x509.load_der_x509_certificate(question.certificate)
            public = certificate.public_key()
            certificate.verify_directly_issued_by(authority)
        except _UNREADABLE as error:
            raise BenchError(Fault.CERTIFICATE, f"{error or type(error).__name__}") from None
        if not isinstance(public, ec.EllipticCurvePublicKey) or PublicKey.of(public) != key:
            raise BenchError(Fault.CERTIFICATE, "for another key")
        self._store.keep_certificate(certificate, authority)
        return bench.Done()

    def _prove(self, nonce: bytes) -> bench.Answer:
        signer = self._store.signer()
        if signer is None:
            raise BenchError(Fault.NO_KEY)
        return bench.prove(
            bench.Held(
                nonce=nonce,
                root=_digest(self._store.bundle(ROOT)),
                assignment=_digest(self._store.bundle(ASSIGNMENT)),
                settings=_digest(self._store.bundle(SETTINGS)),
            ),
            signer,
        )

    def _finish(self) -> bench.Answer:
        if self.status().stage is not Stage.READY:
            raise BenchError(Fault.INCOMPLETE)
        self.is_finished = True
        return bench.Done()

    def _keep(self, name: str, data: bytes, accepted: Accepted) -> None:
        position = position_of(accepted.body, accepted.digest)
        assert position is not None  # assignment and settings are state
        self._store.keep(name, data, subject_of(accepted.kind, accepted.body), position)

    def _need_key(self) -> PublicKey:
        signer = self._store.signer()
        if signer is None:
            raise BenchError(Fault.NO_KEY)
        return signer.public

    def _trusted(self, *, with_scope: bool = True) -> Trusted:
        data = self._store.bundle(ROOT)
        if data is None:
            raise BenchError(Fault.NO_ROOT)
        root = Bundle.from_bytes(data)
        signer, assignment = self._store.signer(), self._store.bundle(ASSIGNMENT)
        return Trusted(
            root=Root.from_bytes(root.payload),
            root_digest=root.digest,
            scope=_assignment(assignment).scope if assignment and with_scope else None,
            fingerprint=None if signer is None else signer.public.fingerprint,
            positions=self._store.positions(),
        )


def _refused(reason: str, detail: str) -> bench.Refused:
    text = "".join(letter if letter.isprintable() else "?" for letter in detail)[:200]
    return bench.Refused(reason=str(reason), detail=unicodedata.normalize("NFC", text))


def _digest(data: bytes | None) -> bytes | None:
    return None if data is None else Bundle.from_bytes(data).digest


def _assignment(data: bytes) -> Assignment:
    return Assignment.from_bytes(Bundle.from_bytes(data).payload)


def _scope(data: bytes) -> str:
    """Return the scope of a kept settings, policy or playlist bundle: its payload's key 1."""
    value = cbor.decode(Bundle.from_bytes(data).payload)
    scope = value.get(1) if isinstance(value, dict) else None
    return scope if isinstance(scope, str) else ""
