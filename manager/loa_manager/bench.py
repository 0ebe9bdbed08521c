"""Provisioning at the bench: the technician's side, step by step, resumable at each of them.

:class:`Bench` asks the board what it holds and does what is missing; a pulled cable costs nothing
but the same command again. The board judges everything itself. What the province contributes
(signatures, certificates, records) comes through :class:`Desk`.
"""

from __future__ import annotations

import enum
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from loa_manager import x509
from loa_protocol import bench
from loa_protocol.envelope import Bundle
from loa_protocol.errors import ConfigError, FormatError, LoaError, RefusedError
from loa_protocol.keys import PublicKey
from loa_protocol.language import translator

_ = translator("loa_manager")


class Step(enum.StrEnum):
    """What is done, in this order."""

    HELLO = "hello"
    KEY = "key"
    ROOT = "root"
    ASSIGNMENT = "assignment"
    SETTINGS = "settings"
    CERTIFICATE = "certificate"
    PROOF = "proof"
    RECORD = "record"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class Progress:
    """A step that was done, or whose outcome the board held already."""

    step: Step
    was_there: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the board is to hang."""

    cluster: str
    village: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the technician asked for."""

    place: Place
    again: bool = False
    transfer: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """A board that is ready, and what it was given."""

    endpoint: str
    cluster: str
    root: bytes
    software: str


class Desk(Protocol):
    """What the province contributes at the bench."""

    @property
    def root(self) -> bytes:
        """The bundle of the present root."""

    @property
    def authority(self) -> bytes:
        """The device CA, DER."""

    def assign(self, key: PublicKey, place: Place, *, anew: bool) -> bytes:
        """Return the signed assignment of that board; an equal one of before unless *anew*."""

    def settings(self, cluster: str) -> bytes:
        """Return the signed settings for the cluster."""

    def certify(self, csr: bytes) -> bytes:
        """Return a bench certificate (DER) for the key of the request."""

    def is_known_certificate(self, endpoint: str, serial: str) -> bool:
        """Tell whether that certificate is on record for that board, and still valid."""

    def register(self, key: PublicKey, place: Place, certificate: bytes | None) -> None:
        """Record that the board hangs there, and the certificate if it was given one."""

    def note(self, step: Step, detail: Mapping[str, object], result: str) -> None:
        """Write an audit row."""


Ask = Callable[[bench.Question], bench.Answer]


class Bench:
    """One board on the bench."""

    def __init__(
        self,
        ask: Ask,
        desk: Desk,
        *,
        on_step: Callable[[Progress], None] = lambda _progress: None,
        agree: Callable[[bench.Status], bool] = lambda _status: True,
    ) -> None:
        """Work on the board behind *ask*.

        Args:
            ask: Asks the board one question.
            desk: The province.
            on_step: Told of every step.
            agree: Asked once, with what the board holds, before anything is changed.
        """
        self._ask_board, self._desk = ask, desk
        self._on_step, self._agree = on_step, agree
        self._endpoint = ""

    def provision(self, order: Order) -> Provisioned:
        """Bring the board to its place, from wherever it stands.

        Raises:
            ConfigError: the board hangs elsewhere and ``again`` was not asked for, or nobody
                agreed.
            RefusedError: the board said no; ``code`` is its reason.
            PeerError: it fell silent or the cable was pulled; the same call goes on from there.
        """
        status = self._hello(order)
        csr = self._make_key()
        key = PublicKey.of(x509.read_csr(csr))
        self._install_root(status, order)
        status = self._status()  # a transfer has emptied the board
        self._install_assignment(status, key, order)
        self._install_settings(status, order)
        certificate = self._install_certificate(status, csr, key, order)
        held = self._prove(key)
        self._desk.register(key, order.place, certificate)
        self._done(Step.RECORD, detail=order.place.cluster)
        self._expect(Step.FINISH, bench.Finish())
        self._done(Step.FINISH)
        assert held.root is not None  # compared with ours
        return Provisioned(
            endpoint=self._endpoint,
            cluster=order.place.cluster,
            root=held.root,
            software=status.software,
        )

    def _hello(self, order: Order) -> bench.Status:
        answer = self._ask(Step.HELLO, bench.Hello(version=bench.VERSION))
        if not isinstance(answer, bench.Status):
            raise _unexpected(answer)
        is_ours = answer.root == Bundle.from_bytes(self._desk.root).digest
        if is_ours and answer.scope not in (None, order.place.cluster) and not order.again:
            text = _("this board hangs at {scope}; give --again to move it").format(
                scope=answer.scope
            )
            raise ConfigError(_("board"), [text])
        if not self._agree(answer):
            raise ConfigError(_("board"), [_("stopped before anything was changed")])
        self._done(Step.HELLO, detail=answer.software)
        return answer

    def _make_key(self) -> bytes:
        answer = self._ask(Step.KEY, bench.MakeKey())
        if not isinstance(answer, bench.Request):
            raise _unexpected(answer)
        self._endpoint = x509.endpoint_id(x509.read_csr(answer.csr))
        self._done(Step.KEY, detail=self._endpoint)
        return answer.csr

    def _install_root(self, status: bench.Status, order: Order) -> None:
        digest = Bundle.from_bytes(self._desk.root).digest
        there = status.root == digest
        if not there:
            question = bench.InstallRoot(root=self._desk.root, transfer=order.transfer)
            self._expect(Step.ROOT, question)
        self._done(Step.ROOT, was_there=there, detail=bench.short_fingerprint(digest))

    def _status(self) -> bench.Status:
        answer = self._ask(Step.HELLO, bench.AskStatus())
        if not isinstance(answer, bench.Status):
            raise _unexpected(answer)
        return answer

    def _install_assignment(self, status: bench.Status, key: PublicKey, order: Order) -> None:
        bundle = self._desk.assign(key, order.place, anew=order.again)
        there = status.assignment == Bundle.from_bytes(bundle).digest
        if not there:
            self._expect(Step.ASSIGNMENT, bench.InstallAssignment(bundle=bundle))
        self._done(Step.ASSIGNMENT, was_there=there, detail=order.place.cluster)

    def _install_settings(self, status: bench.Status, order: Order) -> None:
        bundle = self._desk.settings(order.place.cluster)
        digest = Bundle.from_bytes(bundle).digest
        # a board that moves has dropped settings that do not cover its new place
        there = status.settings == digest and status.scope == order.place.cluster
        if not there:
            self._expect(Step.SETTINGS, bench.InstallSettings(bundle=bundle))
        self._done(Step.SETTINGS, was_there=there, detail=digest.hex()[:16])

    def _install_certificate(
        self, status: bench.Status, csr: bytes, key: PublicKey, order: Order
    ) -> bytes | None:
        known = status.serial is not None and self._desk.is_known_certificate(
            self._endpoint, status.serial
        )
        if known and not order.again:
            self._done(Step.CERTIFICATE, was_there=True, detail=status.serial or "")
            return None
        certificate = self._desk.certify(csr)
        if PublicKey.of(x509.from_der_key(certificate)) != key:
            raise FormatError("the certificate is for another key")
        question = bench.InstallCertificate(certificate=certificate, authority=self._desk.authority)
        self._expect(Step.CERTIFICATE, question)
        self._done(Step.CERTIFICATE, detail=x509.serial_of(certificate))
        return certificate

    def _prove(self, key: PublicKey) -> bench.Held:
        nonce = secrets.token_bytes(32)
        answer = self._ask(Step.PROOF, bench.Prove(nonce=nonce))
        if not isinstance(answer, bench.Proof):
            raise _unexpected(answer)
        held = bench.check_proof(answer, key, nonce)
        if held.root != Bundle.from_bytes(self._desk.root).digest:
            raise FormatError("the board proves another root than the one it was given")
        self._done(Step.PROOF)
        return held

    def _expect(self, step: Step, question: bench.Question) -> None:
        answer = self._ask(step, question)
        if not isinstance(answer, bench.Done):
            raise _unexpected(answer)

    def _ask(self, step: Step, question: bench.Question) -> bench.Answer:
        try:
            answer = self._ask_board(question)
        except LoaError as error:
            self._desk.note(step, self._facts(str(error)), type(error).__name__)
            raise
        if isinstance(answer, bench.Refused):
            self._desk.note(step, self._facts(answer.detail), answer.reason)
            raise RefusedError(_("board"), answer.reason)
        return answer

    def _done(self, step: Step, *, was_there: bool = False, detail: str = "") -> None:
        self._desk.note(step, {**self._facts(detail), "was_there": was_there}, "ok")
        self._on_step(Progress(step, was_there, detail))

    def _facts(self, detail: str) -> dict[str, object]:
        return {"endpoint": self._endpoint, "detail": detail}


def _unexpected(answer: bench.Answer) -> FormatError:
    return FormatError(f"the board answered {type(answer).__name__} to another question")
