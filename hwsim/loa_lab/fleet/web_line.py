"""HTTPS of a virtual endpoint: one request at a time over one kept connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from loa_endpoint.content.fetch import Answer
from loa_endpoint.core.address import Address
from loa_endpoint.uplink.tls import EndpointContext
from loa_lab.fleet.line import Line, Meter, open_line
from loa_protocol.errors import FetchError, RefusedError

ANSWER_S: Final = 60.0
REUSE_S: Final = 55.0  # as the real one: servers commonly end quiet connections after a minute
_END: Final = b"\r\n\r\n"


class WebLine:
    """What an endpoint asks of the content server; *context* is asked anew for each connection."""

    def __init__(self, meter: Meter, context: Callable[[], EndpointContext]) -> None:
        self._meter, self._context = meter, context
        self._line: Line | None = None
        self._held = bytearray()
        self._stir = asyncio.Event()
        self._used_s = 0.0

    async def get(self, place: Address, path: str, headers: Mapping[str, str]) -> Answer:
        """Fetch *path*, which begins with a slash.

        Raises:
            FetchError: there is no answer; its status where it is none of 200, 304 and 404.
        """
        url = f"{place.origin}{place.path}{path}"
        try:
            async with asyncio.timeout(ANSWER_S):
                line = await self._opened(place)
                line.write(_request(place, path, headers))
                status, fields, body = await self._read(line)
        except (RefusedError, TimeoutError, ValueError) as error:
            self.close()
            raise FetchError(url, 0, str(error) or type(error).__name__) from None
        self._used_s = time.monotonic()
        if status not in (200, 304, 404):
            raise FetchError(url, status)
        return Answer(status, body, fields.get("etag", ""))

    def close(self) -> None:
        """End the kept connection."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    async def _opened(self, place: Address) -> Line:
        if time.monotonic() - self._used_s > REUSE_S:
            self.close()
        if self._line is None or not self._line.is_open:
            self._held.clear()
            context = self._context()
            self._line = await open_line(
                lambda: Line(context, place.host, self._meter, self._on_data, self._stir.set),
                place.host,
                place.port,
            )
        return self._line

    def _on_data(self, data: bytes) -> None:
        self._held += data
        self._stir.set()

    async def _read(self, line: Line) -> tuple[int, dict[str, str], bytes]:
        while _END not in self._held:
            await self._more(line)
        head, _, rest = bytes(self._held).partition(_END)
        first, *others = head.decode("latin-1").split("\r\n")
        pairs = (each.partition(":") for each in others)
        fields = {name.lower(): value.strip() for name, _, value in pairs}
        status = int(first.split(" ")[1])
        length = 0 if status == 304 else int(fields.get("content-length", "0"))
        while len(self._held) < len(head) + len(_END) + length:
            await self._more(line)
        rest = bytes(self._held[len(head) + len(_END) :])
        self._held.clear()
        return status, fields, rest

    async def _more(self, line: Line) -> None:
        self._stir.clear()
        if not line.is_open:
            raise RefusedError("https", "the server ended the connection")
        await self._stir.wait()


def _request(place: Address, path: str, headers: Mapping[str, str]) -> bytes:
    """Return the bytes that the real one sends."""
    fields = {
        "Host": f"{place.host}:{place.port}",
        "Accept-Encoding": "identity",
        "User-Agent": "loa-endpoint",
        **headers,
    }
    lines = [f"GET {place.path}{path} HTTP/1.1", *(f"{n}: {v}" for n, v in fields.items())]
    return "\r\n".join(lines).encode() + _END
