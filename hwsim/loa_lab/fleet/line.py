"""One TLS connection of a virtual endpoint, with every byte counted as it passes the socket.

The same context as a real board's (TLS 1.3, the province's CA alone, dates judged by the trusted
time), on memory buffers instead of asyncio's own TLS: that holds 256 KiB for each connection, which
is half a gigabyte for a fleet.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loa_endpoint.core.tls_date import fault_of_dates
from loa_endpoint.uplink.tls import EndpointContext
from loa_protocol.errors import FrameError, RefusedError

OPEN_S: Final = 60.0  # for everything up to the end of the handshake, on a busy machine
_CHUNK: Final = 65_536


@dataclass(slots=True)
class Meter:
    """Bytes of TCP payload, TLS included; *pieces* is how many writes and reads they were."""

    up: int = 0
    down: int = 0
    pieces: int = 0

    @property
    def all(self) -> int:
        """Both directions together."""
        return self.up + self.down

    def copy(self) -> Meter:
        """Return its present state, to subtract later."""
        return Meter(self.up, self.down, self.pieces)


class Line(asyncio.Protocol):
    """A connection: told *on_data* what comes, and *on_end* once when it is over."""

    def __init__(
        self,
        context: EndpointContext,
        host: str,
        meter: Meter,
        on_data: Callable[[bytes], None],
        on_end: Callable[[], None],
    ) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        self._now, self._meter = context.now, meter
        self._on_data, self._on_end = on_data, on_end
        self._transport: asyncio.Transport | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_open = False

    # -- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._advance()

    def data_received(self, data: bytes) -> None:
        """Take what came off the socket."""
        self._meter.down += len(data)
        self._meter.pieces += 1
        self._in.write(data)
        self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that it is over."""
        was_open, self.is_open = self.is_open, False
        if not self._opened.done():
            self._opened.set_exception(RefusedError("tls", str(exc or "ended in the handshake")))
            self._opened.exception()  # told to whoever waits; nobody may
        if was_open:
            self._on_end()

    # -- what its owner calls

    async def opened(self) -> None:
        """Wait for the end of the handshake.

        Raises:
            RefusedError: the server cannot be trusted, or does not let us in.
        """
        async with asyncio.timeout(OPEN_S):
            await self._opened

    def write(self, data: bytes) -> None:
        """Send *data*; on a connection that is over it is lost."""
        if self.is_open:
            self._tls.write(data)
            self._flush()

    def close(self) -> None:
        """Let go of it, without a word."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    # -- inside

    def _advance(self) -> None:
        try:
            if not self.is_open:
                self._tls.do_handshake()
                self._judge()
                self.is_open = True
                self._opened.set_result(None)
            self._flush()
            self._read()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._flush()
        except (ssl.SSLError, FrameError) as error:
            self._end(error)

    def _read(self) -> None:
        while self.is_open:
            data = self._tls.read(_CHUNK)
            if not data:
                return
            self._on_data(data)

    def _flush(self) -> None:
        data = self._out.read()
        if data and self._transport is not None:
            self._meter.up += len(data)
            self._meter.pieces += 1
            self._transport.write(data)

    def _judge(self) -> None:
        certificate = self._tls.getpeercert()
        assert certificate  # CERT_REQUIRED
        begins, ends = (
            int(ssl.cert_time_to_seconds(str(certificate[name])))
            for name in ("notBefore", "notAfter")
        )
        if fault := fault_of_dates(begins, ends, self._now()):
            raise ssl.SSLCertVerificationError(1, fault)

    def _end(self, error: Exception) -> None:
        if not self._opened.done():
            self._opened.set_exception(RefusedError("tls", str(error)))
            self._opened.exception()
        if self._transport is not None:
            self._transport.abort()


async def open_line(line: Callable[[], Line], host: str, port: int) -> Line:
    """Connect to *host* and return the line once its handshake is done.

    Raises:
        RefusedError: nobody is there, or the handshake failed.
    """
    try:
        async with asyncio.timeout(OPEN_S):
            _, made = await asyncio.get_running_loop().create_connection(line, host, port)
            await made.opened()
    except (OSError, TimeoutError) as error:
        raise RefusedError(f"{host}:{port}", str(error) or type(error).__name__) from None
    return made
