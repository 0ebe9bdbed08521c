"""The question for the time: a nonce goes out, a signed answer over it comes back.

Only carried here. Whether the answer can be trusted is judged by the acceptance rule (over the same
nonce), and whether it was quick enough by ``core/clock.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

from loa_endpoint.content.fetch import DEFAULT_PORT, Fetcher, Request
from loa_endpoint.core import want as wants
from loa_endpoint.core.address import parse_address
from loa_protocol.errors import FetchError


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A bundle that claims to answer, and the monotonic ms between which it was made."""

    nonce: bytes
    answer: bytes
    asked_ms: int
    answered_ms: int


async def ask_time(fetcher: Fetcher, address: str, nonce: bytes) -> Reply:
    """Ask the service at *address* for the time over *nonce* (16 to 32 fresh random bytes).

    The connection is opened first: a handshake over a slow mobile link would make the round trip
    longer than the answer may take.

    Raises:
        FetchError: the service does not answer, or refuses.
        ConfigError: *address* is none.
    """
    request = Request(
        address=parse_address(address, "https", DEFAULT_PORT),
        path="/time",
        limit=wants.SMALL,
        method="POST",
        body=nonce,
        headers={"Content-Type": "application/octet-stream"},
    )
    await fetcher.connect(request)
    answer = await fetcher.fetch(request)
    if answer.trip is None:
        raise FetchError(request.url, answer.status, "it came over no line")
    asked_ms, answered_ms = answer.trip
    return Reply(nonce=nonce, answer=answer.body, asked_ms=asked_ms, answered_ms=answered_ms)
