"""Who is asking? Requests of people's machines, which carry their seal (see `request_seal`).

Any route for people asks :meth:`Doorkeeper.identify` first, and then names the scope and the roles
that it needs. The seal is judged before a byte of the body is read, so that strangers cannot make
the server keep what they send.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from cryptography import x509 as pyca
from starlette.requests import Request

from loa_manager.allowance import Allowance
from loa_manager.home import Home
from loa_manager.publish.desk import trusted_with_denials
from loa_manager.request_seal import Claim, Door, RequestError, Sender, Shown, check_body
from loa_manager.serve.repeats import Repeats
from loa_manager.serve.threads import Threads
from loa_manager.serve.web import read_body
from loa_protocol.errors import FormatError
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, Trusted, TrustError

log = logging.getLogger(__name__)
Clock = Callable[[], datetime]
Mark = tuple[tuple[int, ...], ...]
DESKS: Final = 4  # people's requests at work at once
# a duty officer may have three hundred communes to warn; a hostile key must not fill the account,
# nor have heads made every second
ROWS_AT_ONCE: Final = 600
ROWS_AN_HOUR: Final = 600
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Signed:
    """A request that somebody known has sealed, and its whole body."""

    sender: Sender
    body: bytes
    at: datetime


class Doorkeeper:
    """Lets requests in that a person's certified key has sealed.

    One a server: it remembers what it has let in, so that nothing counts twice.
    """

    def __init__(
        self, home: Home, certificate: bytes, clock: Clock = lambda: datetime.now(UTC)
    ) -> None:
        """Take the names to be asked under from the server's own *certificate* (DER)."""
        self.home, self.clock = home, clock
        self._hosts = names_of(certificate)
        self._door = Door(_ms(clock()))
        self._gate = Threads("gate", 1)  # one after the other: the door has a memory
        self._desks = Threads("desk", DESKS)
        self._rows = Allowance(ROWS_AT_ONCE, ROWS_AN_HOUR / 3600)
        self._known: tuple[Mark, Trusted] | None = None
        self._repeats = Repeats()

    async def identify(self, request: Request, most: int = 0, *, is_noted: bool = False) -> Signed:
        """Return who sent *request*, and its body of at most *most* bytes.

        Args:
            request: The request.
            most: The longest body.
            is_noted: Whether it leaves a row in the account, given or refused: there are so many
                of one person in an hour.

        Raises:
            RequestError: it is refused; what the sender may do is not asked yet.
            HTTPException: the body is too long, or does not come in time.
            StoreError: the home's root or deny lists cannot be read.
        """
        now = self.clock()
        try:
            sender, claim = await self._gate.run(self._judge, request, now)
            if is_noted:
                self._count(sender, now)
            body = await read_body(request, most)
            check_body(claim, body)
        except RequestError as refused:
            self.say(refused)
            raise
        return Signed(sender, body, now)

    def _count(self, sender: Sender, now: datetime) -> None:
        if self._rows.left(sender.holder, now.timestamp()) < 1:
            raise RequestError(429, "too_many", sender.holder)
        self._rows.use(sender.holder, 1, now.timestamp())

    async def do(self, act: Callable[..., Result], *given: Any) -> Result:  # noqa: ANN401 - as act
        """Let *act* work in a thread, and say what it refused.

        Raises:
            RequestError: *act*'s own; or ``unavailable`` where the province's rules are damaged or
                out of date, which is not the sender's fault.
        """
        try:
            return await self._desks.run(act, *given)
        except RequestError as refused:
            self.say(refused)
            raise
        except (TrustError, FormatError) as error:
            raise RequestError(503, "unavailable") from error

    def say(self, refused: RequestError) -> None:
        """Log a refusal, each speaker once a minute."""
        held = self._repeats.admit(refused.reason, refused.who, time.monotonic())
        if held is not None:
            fields = {"who": refused.who, "reason": refused.reason, "held_back": held}
            log.warning("request_refused", extra=fields)

    def _judge(self, request: Request, now: datetime) -> tuple[Sender, Claim]:
        shown = Shown(
            method=request.method,
            target=_target(request),
            hosts=self._hosts,
            headers={name.lower(): value for name, value in request.headers.items()},
        )
        instant = Now(int(now.timestamp()), ClockTrust.T3)
        try:
            trusted = self._trusted(instant)
        except (TrustError, FormatError) as error:  # not the sender's fault
            raise RequestError(503, "unavailable") from error
        return self._door.judge(shown, trusted, instant, _ms(now))

    def _trusted(self, now: Now) -> Trusted:
        """Return root and denials, read anew when one of their files has changed."""
        files = (self.home.root_path, self.home.content.path / "index.json")
        marks = tuple(_mark(file) for file in files)
        if self._known is None or self._known[0] != marks:
            self._known = marks, trusted_with_denials(self.home, now)
        return self._known[1]


def names_of(certificate: bytes) -> frozenset[str]:
    """Return the host names and addresses in the server's X.509 *certificate* (DER)."""
    parsed = pyca.load_der_x509_certificate(certificate)
    found = parsed.extensions.get_extension_for_class(pyca.SubjectAlternativeName).value
    names = [name.lower() for name in found.get_values_for_type(pyca.DNSName)]
    addresses = found.get_values_for_type(pyca.IPAddress)
    return frozenset((*names, *(str(address) for address in addresses)))


def _target(request: Request) -> str:
    # as sent: what was signed is what stood in the request line, not what decoding made of it
    raw: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return (raw + (b"?" + query if query else b"")).decode("latin-1")


def _mark(file: Path) -> tuple[int, ...]:
    """Return what changes when *file* is replaced, also within one tick of the disk's clock."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
