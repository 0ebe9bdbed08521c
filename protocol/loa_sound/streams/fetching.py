"""Fetches what somebody else streams: HTTPS that is verified, here and not in FFmpeg.

FFmpeg verifies no certificate unless it is told to, loses the reason where it does, and forgets to
where a playlist leads on. So all bytes come through Python's own TLS, and FFmpeg is shown them.
Plain HTTP is taken from this machine alone, unless whoever runs the relay says otherwise: anybody
on the way could put words into a village's mouth, and we would sign them. Where hosts are named
(a board plays what nobody signs), nothing is asked of any other, wherever a server may lead to.
"""

from __future__ import annotations

import http.client
import ipaddress
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

from loa_protocol.errors import ConfigError, FetchError
from loa_protocol.language import translator

_ = translator("loa_protocol")

STALL_S: Final = 10.0  # without a byte: the stream is lost
LONGEST_S: Final = 30.0  # for a segment, which holds ten seconds or so
MAX_SEGMENT: Final = 16 << 20
_HOPS: Final = 5
_MOVED: Final = (301, 302, 303, 307, 308)
_HEADERS: Final = {"User-Agent": "loa/1", "Accept": "*/*", "Icy-MetaData": "0"}


@dataclass(frozen=True, slots=True)
class Way:
    """How streams are fetched.

    Attributes:
        context: Who is believed.
        takes_plain: Whether plain HTTP is taken from other machines too.
        stall_s: How long nothing may come.
        hosts: HTTPS to these alone; None is any host.
    """

    context: ssl.SSLContext
    takes_plain: bool = False
    stall_s: float = STALL_S
    hosts: frozenset[str] | None = None

    @classmethod
    def by(
        cls,
        ca_file: Path | None,
        *,
        takes_plain: bool,
        stall_s: float = STALL_S,
        hosts: frozenset[str] | None = None,
    ) -> Way:
        """Believe in the system's authorities, or in those of *ca_file* alone.

        Raises:
            ConfigError: the file cannot be read, or holds no certificate.
        """
        try:
            context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(str(ca_file), [str(error)]) from None
        return cls(context, takes_plain, stall_s, hosts)

    def check(self, url: str) -> None:
        """Pass when *url* is one that may be fetched; raise ConfigError where it is not."""
        parts = _split(url)
        if parts is None:
            fault = _("expected an address such as https://radio.example.vn/live")
            raise ConfigError(url, [fault])
        if self.hosts is not None and (parts[0] != "https" or parts[1] not in self.hosts):
            raise ConfigError(url, [_("not https, or another host than the one that is named")])
        if parts[0] == "http" and not self.takes_plain and not _is_here(parts[1]):
            fault = _("plain HTTP: anybody on the way could change it; --plain-http takes it")
            raise ConfigError(url, [fault])

    def open(self, url: str) -> Body:
        """Ask for *url* and return what comes.

        Raises:
            FetchError: it is not there, not whom its certificate names, or leads in circles.
            ConfigError: it leads where nothing is fetched from.
        """
        for _hop in range(_HOPS):
            self.check(url)
            body = self._ask(url)
            if body.status not in _MOVED:
                break
            url = urljoin(url, body.location)
            body.close()
        else:
            raise FetchError(url, 0, _("it leads in circles"))
        if body.status != 200:
            body.close()
            raise FetchError(url, body.status)
        return body

    def fetch(self, url: str, most: int) -> bytes:
        """Return all of *url*, at most *most* bytes; raises as :meth:`open`."""
        body = self.open(url)
        try:
            data, until_s = body.read(most + 1), time.monotonic() + LONGEST_S
            while len(data) <= most and (piece := body.read(most + 1 - len(data))):
                data += piece
                if time.monotonic() > until_s:
                    raise TimeoutError(_("it comes too slowly"))
        except OSError as error:
            raise FetchError(url, 0, _why(error)) from None
        finally:
            body.close()
        if len(data) > most:
            raise FetchError(url, 200, _("the answer is too long"))
        return data

    def _ask(self, url: str) -> Body:
        parts = _split(url)
        assert parts is not None  # checked before
        scheme, host, port, target = parts
        connection: http.client.HTTPConnection
        if scheme == "https":
            connection = http.client.HTTPSConnection(
                host, port, timeout=self.stall_s, context=self.context
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self.stall_s)
        try:
            connection.request("GET", target, headers=_HEADERS)
            return Body(connection, connection.getresponse())
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise FetchError(url, 0, _why(error)) from None


class Body:
    """What a server sends, as it comes."""

    def __init__(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse
    ) -> None:
        self._connection, self._response = connection, response
        self.status = response.status

    @property
    def location(self) -> str:
        """Where it has moved to."""
        return self._response.getheader("Location") or ""

    @property
    def kind(self) -> str:
        """What it says that it is, in lower case and without parameters."""
        return (self._response.getheader("Content-Type") or "").split(";")[0].strip().lower()

    def read(self, count: int) -> bytes:
        """Return up to *count* bytes, waiting for the first; raises OSError."""
        try:
            return self._response.read1(count)
        except http.client.HTTPException as error:
            raise ConnectionError(str(error) or type(error).__name__) from None

    def close(self) -> None:
        """Let go of it."""
        self._response.close()
        self._connection.close()


def _split(url: str) -> tuple[str, str, int | None, str] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii():
        return None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, parts.hostname, port, target


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _why(error: Exception) -> str:
    verify = getattr(error, "verify_message", "")
    return verify or getattr(error, "strerror", None) or str(error) or type(error).__name__
