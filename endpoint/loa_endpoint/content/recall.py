"""Files of the black box to the server: offered first, then sent piece by piece.

The server says what it lacks and from which byte on, so that whatever was cut is taken up there.
"""

from __future__ import annotations

from dataclasses import dataclass

from loa_endpoint.content.fetch import DEFAULT_PORT, Fetcher, Request
from loa_endpoint.core import want as wants
from loa_endpoint.core.address import parse_address
from loa_protocol.recall import Lack, Offer

_HEADERS = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class Answers:
    """The way to the server for one recall, by its id."""

    fetcher: Fetcher
    address: str
    order: bytes

    async def offer(self, offer: Offer) -> Lack:
        """Say what there is; return what the server lacks of it.

        Raises:
            FetchError: the server does not answer, or refuses.
            ConfigError: the address is none.
            FormatError: the answer is none.
        """
        return await self._ask("POST", "/offer", offer.to_bytes())

    async def send(self, sha256: bytes, offset: int, piece: bytes) -> Lack:
        """Send *piece* of a file from byte *offset* on; return what is lacking of that file.

        Raises:
            FetchError: the server does not answer, or refuses: 422 where the whole is not of that
                hash.
            ConfigError: the address is none.
            FormatError: the answer is none.
        """
        return await self._ask("PUT", f"/{sha256.hex()}/{offset}", piece)

    async def _ask(self, method: str, path: str, body: bytes) -> Lack:
        request = Request(
            address=parse_address(self.address, "https", DEFAULT_PORT),
            path=f"/recall/{self.order.hex()}{path}",
            limit=wants.limit_for(len(body) + wants.SMALL.bytes),
            method=method,
            body=body,
            headers=_HEADERS,
        )
        return Lack.from_bytes((await self.fetcher.fetch(request)).body)
