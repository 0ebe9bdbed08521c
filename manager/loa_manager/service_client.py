"""A person's machine asks the province's server, with its seal on every request.

The server is known by the device CA that stands in the home's ``public`` folder, whatever the
system believes in; the person is known by the key (see :mod:`loa_manager.request_seal`). Its
address comes from the province's signed settings, or from whoever calls.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import secrets
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from loa_manager.home import Home
from loa_manager.keyring import Identity
from loa_manager.publish.desk import find_settings
from loa_manager.request_seal import NONCE_BYTES, Claim, seal_request
from loa_protocol.errors import ConfigError, FetchError, MessageError, RefusedError
from loa_protocol.language import translator

_ = translator("loa_manager")

TIMEOUT_S: Final = 30.0
MAX_ANSWER: Final = 16 << 20  # an inbox of many drafts; media are read piece by piece
_PIECE: Final = 64 * 1024
_LOST: Final = (ConnectionError, http.client.HTTPException, ssl.SSLError)
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said, read to its end."""

    status: int
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - JSON of any shape; callers narrow it
        """Return the body as JSON; raise MessageError when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise MessageError(f"the server's answer is not JSON: {error}") from None


class ServiceClient:
    """One kept connection to the server, for one person."""

    def __init__(
        self,
        home: Home,
        identity: Identity,
        address: str | None = None,
        clock: Clock = lambda: datetime.now(UTC),
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Know whom to ask; nothing is sent yet.

        Raises:
            ConfigError: nobody says where the server is, or the device CA is not here.
            FormatError, TrustError: the settings are not what officers have signed.
            StoreError: they cannot be read.
        """
        self.address = (address or service_address(home, clock())).rstrip("/")
        parts = urlsplit(self.address)
        if parts.scheme != "https" or not parts.hostname:
            fault = _("expected an address such as https://loa.example.vn:8443")
            raise ConfigError(self.address, [fault])
        self._host, self._identity, self._clock = parts.hostname, identity, clock
        self._connection = http.client.HTTPSConnection(
            parts.hostname, parts.port or 443, timeout=timeout_s, context=_context(home)
        )

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def call(self, method: str, target: str, body: bytes = b"") -> Answer:
        """Ask the server and return its answer.

        Args:
            method: As in HTTP.
            target: Path and query, in the characters of a URL.
            body: What is sent; nothing for GET.

        Raises:
            RefusedError: it said no; ``code`` is its reason.
            FetchError: it cannot be reached, or is not the province's.
        """
        return self._read(self._send(method, target, body, {}), target)

    def post_bare(self, target: str, body: bytes) -> Answer:
        """Send *body* without our seal, where it has its own; once only. Raises as :meth:`call`."""
        try:
            self._connection.request("POST", target, body)
            return self._read(self._connection.getresponse(), target)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise FetchError(self.address + target, 0, _why(error)) from None

    def _read(self, response: http.client.HTTPResponse, target: str) -> Answer:
        data = response.read(MAX_ANSWER + 1)
        if len(data) > MAX_ANSWER:
            self.close()
            raise FetchError(self.address + target, response.status, _("the answer is too long"))
        if response.status >= 400:
            raise RefusedError(self.address, _reason(response.status, data))
        return Answer(response.status, data)

    def download(self, target: str, offset: int = 0) -> Iterator[bytes]:
        """Give the answer to a GET piece by piece, from *offset* on; raises as :meth:`call`.

        The first piece is empty where the server begins at 0 all the same.
        """
        response = self._send("GET", target, b"", {"Range": f"bytes={offset}-"} if offset else {})
        if response.status >= 400:
            raise RefusedError(self.address, _reason(response.status, response.read(_PIECE)))
        if offset and response.status != 206:
            yield b""
        while piece := self._piece(response, target):
            yield piece

    def _piece(self, response: http.client.HTTPResponse, target: str) -> bytes:
        try:
            return response.read(_PIECE)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise FetchError(self.address + target, 0, _why(error)) from None

    def _send(
        self, method: str, target: str, body: bytes, more: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        """Send one request; once more, newly sealed, where a kept connection was cut meanwhile."""
        is_kept = self._connection.sock is not None
        try:
            return self._send_once(method, target, body, more)
        except _LOST as error:
            self.close()
            if not is_kept:
                raise FetchError(self.address + target, 0, _why(error)) from None
        except OSError as error:
            self.close()
            raise FetchError(self.address + target, 0, _why(error)) from None
        return self._send(method, target, body, more)  # not kept any more: this ends

    def _send_once(
        self, method: str, target: str, body: bytes, more: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        claim = Claim(
            method=method,
            target=target,
            host=self._host,
            time_ms=int(self._clock().timestamp() * 1000),
            nonce=secrets.token_bytes(NONCE_BYTES),
            body=hashlib.sha256(body).digest(),
        )
        headers = {**seal_request(self._identity, claim), **more}
        self._connection.request(method, target, body or None, headers)
        return self._connection.getresponse()


def call(home: Home, identity: Identity, method: str, target: str, body: bytes = b"") -> Answer:
    """Ask the server of *home*'s province once; raises as :class:`ServiceClient`."""
    client = ServiceClient(home, identity)
    try:
        return client.call(method, target, body)
    finally:
        client.close()


def service_address(home: Home, now: datetime) -> str:
    """Return where the server of *home*'s province answers, by its signed settings.

    Raises:
        ConfigError: the home has no settings.
        FormatError, TrustError, StoreError: they are not to be used.
    """
    settings = find_settings(home, now)
    if settings is None:
        fault = _("no settings name the server: give --server, or run loa key export-public again")
        raise ConfigError(str(home.path), [fault])
    return settings.service[0]


def _context(home: Home) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(home.device_ca_path))
    except (OSError, ssl.SSLError):
        fault = _("no certificate of the device CA; get it with: loa key export-public")
        raise ConfigError(str(home.device_ca_path), [fault]) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _reason(status: int, body: bytes) -> str:
    try:
        reason = json.loads(body)["reason"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return str(status)
    return reason if isinstance(reason, str) and len(reason) <= 64 else str(status)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
