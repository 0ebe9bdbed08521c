"""The time, signed over the nonce of the board that asks."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol

from loa_protocol.envelope import Kind
from loa_protocol.objects.online import TimeAnswer
from loa_protocol.schema import Wire

MAX_NONCE: Final = 32


class Seals(Protocol):
    """What signs an object with its certificates."""

    def sign(self, kind: Kind, body: Wire) -> bytes:
        """Return the bundle of *body*."""


def answer_time(nonce: bytes, signer: Seals, now: datetime) -> bytes:
    """Return the bundle that tells *now* to who made *nonce*.

    Raises:
        MessageError: the nonce is not 16 to 32 bytes.
    """
    answer = TimeAnswer(nonce=nonce, time_ms=round(now.timestamp() * 1000))
    return signer.sign(Kind.TIME_ANSWER, answer)
