"""What a hostile web server can do on the wire to whoever asks it for a file, by name."""

from __future__ import annotations

import asyncio
import random
import ssl
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

PIECE: Final = bytes(65_536)
ENDLESS: Final = 1024  # pieces: 64 MiB is endless enough
DRIP_S: Final = 0.1
DRIPS: Final = 12
BOMB_MIB: Final = 64


class GoneError(Exception):
    """The connection is to be dropped."""


GONE: Final = (
    GoneError,
    OSError,
    ssl.SSLError,
    asyncio.IncompleteReadError,
    asyncio.LimitOverrunError,
    asyncio.CancelledError,  # the whole front goes away
)
"""Ends of a connection that are nobody's fault."""


@dataclass
class Trick:
    """One answer to one request."""

    writer: asyncio.StreamWriter
    path: str
    true: bytes  # what an honest server would give
    other: bytes  # something else that is well-formed
    elsewhere: int  # a port that nobody may be sent to
    chance: random.Random

    async def endless_body(self) -> None:
        await send_head(self.writer)
        await self._endless(PIECE)

    async def endless_chunks(self) -> None:
        await send_head(self.writer, "Transfer-Encoding: chunked")
        await self._endless(b"10000\r\n" + PIECE + b"\r\n")

    async def slow_drip(self) -> None:
        await drip(self.writer, self.true, DRIPS)
        raise GoneError

    async def length_too_long(self) -> None:
        await send_head(self.writer, f"Content-Length: {len(self.true) + 1000}")
        await self._write(self.true)
        raise GoneError

    async def length_too_short(self) -> None:
        """Leave the rest on the kept connection, with an answer to the next request in it."""
        await send_head(self.writer, f"Content-Length: {len(self.true) // 2}")
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"
        await self._write(self.true[len(self.true) // 2 :])
        await self._write(answer % (len(self.other), self.other))

    async def redirect(self) -> None:
        where = f"https://127.0.0.1:{self.elsewhere}/content{self.path}"
        await send_head(self.writer, f"Location: {where}", "Content-Length: 0", status=302)

    async def compression_bomb(self) -> None:
        body = bomb()
        await send_head(self.writer, "Content-Encoding: gzip", f"Content-Length: {len(body)}")
        await self._write(body)

    async def huge_header(self) -> None:
        await self._write(b"HTTP/1.1 200 OK\r\nX-Huge: ")
        await self._endless(b"x" * len(PIECE))

    async def many_headers(self) -> None:
        await send_head(self.writer, *(f"X-{n}: {'y' * 1000}" for n in range(20_000)))
        await self._write(self.true)
        raise GoneError

    async def not_HTTP(self) -> None:  # noqa: N802 - called by the name of its card
        await self._write(self.chance.randbytes(4096))
        raise GoneError

    async def server_error(self) -> None:
        await send(self.writer, self.other, 500)

    async def reset_mid_body(self) -> None:
        await send_head(self.writer, f"Content-Length: {len(self.true)}")
        await self._write(self.true[: len(self.true) // 2])
        raise GoneError

    async def swap(self) -> None:
        await send(self.writer, self.other)

    async def tamper(self) -> None:
        at = self.chance.randrange(len(self.true))
        flipped = bytes([self.true[at] ^ 1 << self.chance.randrange(8)])
        await send(self.writer, self.true[:at] + flipped + self.true[at + 1 :])

    async def _endless(self, piece: bytes) -> None:
        for _ in range(ENDLESS):
            await self._write(piece)
        raise GoneError

    async def _write(self, data: bytes) -> None:
        if self.writer.transport.is_closing():
            raise GoneError
        self.writer.write(data)
        await self.writer.drain()


CARDS: Final = (
    "endless body",
    "endless chunks",
    "slow drip",
    "length too long",
    "length too short",
    "redirect",
    "compression bomb",
    "huge header",
    "many headers",
    "not HTTP",
    "server error",
    "reset mid-body",
    "swap",
    "tamper",
)


async def play(card: str, trick: Trick) -> None:
    """Answer as *card* says; raise GoneError where the connection ends with it."""
    method: Callable[[], Awaitable[None]] = getattr(trick, card.replace(" ", "_").replace("-", "_"))
    await method()


async def drip(writer: asyncio.StreamWriter, content: bytes, most: int | None = None) -> None:
    """Send *content* a byte at a time: *most* of them, or as long as the other side listens."""
    await send_head(writer, f"Content-Length: {len(content)}")
    for at in range(len(content) if most is None else most):
        writer.write(content[at : at + 1])
        await writer.drain()
        await asyncio.sleep(DRIP_S)


async def send_head(writer: asyncio.StreamWriter, *headers: str, status: int = 200) -> None:
    """Send status and headers."""
    lines = "\r\n".join((f"HTTP/1.1 {status} so", *headers))
    writer.write(lines.encode() + b"\r\n\r\n")
    await writer.drain()


async def send(writer: asyncio.StreamWriter, body: bytes, status: int = 200) -> None:
    """Send a whole answer, as it should be."""
    await send_head(writer, f"Content-Length: {len(body)}", status=status)
    writer.write(body)
    await writer.drain()


def length_of(head: str) -> int:
    """Return the length of the body that a request announces."""
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(value)
    return 0


@cache
def bomb() -> bytes:
    """Return a few kilobytes of gzip that are 64 MiB of nothing."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [packer.compress(bytes(1 << 20)) for _ in range(BOMB_MIB)]
    return b"".join(pieces) + packer.flush()
