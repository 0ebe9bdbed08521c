"""Judging live sound: chunks under an accepted grant, each sealed by the session's own key.

A relay only forwards bytes. What it forges, repeats, holds back for long or mixes from another
session is refused here, and a refused chunk is silence.
"""

from __future__ import annotations

from typing import Final

from loa_protocol.envelope import Kind, open_seal, seal
from loa_protocol.errors import MessageError
from loa_protocol.keys import Signer
from loa_protocol.objects.live import Grant, LiveChunk
from loa_protocol.trust import Now, Refusal, TrustError

LATE_MS: Final = 30_000  # trust.md section 2: later than this is refused
EARLY_MS: Final = 30_000  # nobody presents sound further ahead
LABEL: Final = Kind.LIVE_CHUNK.label()


def seal_chunk(chunk: LiveChunk, signer: Signer) -> bytes:
    """Return *chunk* sealed by the session's key."""
    return seal(chunk.to_bytes(), LABEL, signer, detached=False)


def grant_of(data: bytes) -> bytes:
    """Return the id of the grant that the chunk *data* names, unjudged, to find its session.

    Raises:
        FormatError: *data* is no chunk.
    """
    return _parse(data).grant


class LiveSession:
    """What came so far under one grant."""

    def __init__(self, grant: Grant) -> None:
        self.grant = grant
        self._seen: set[int] = set()
        self._from = 0  # every number below it was seen or is too late

    def accept(self, data: bytes, now: Now) -> LiveChunk:
        """Judge one chunk.

        Args:
            data: The sealed chunk.
            now: The trusted time; below T2 no live sound is judged to be in time.

        Raises:
            FormatError: *data* is no chunk.
            TrustError: it is not of this session, was seen, or is not in time.
        """
        chunk = _parse(data)
        if chunk.grant != self.grant.id:
            raise TrustError(Refusal.NOT_ADDRESSED, f"a chunk of grant {chunk.grant.hex()}")
        opened = open_seal(data)
        if opened.kid != self.grant.key.kid:
            raise TrustError(Refusal.UNKNOWN_SIGNER, opened.kid.hex())
        if not opened.is_by(self.grant.key, opened.payload or b"", LABEL):
            raise TrustError(Refusal.SIGNATURE, opened.kid.hex())
        self._check_time(chunk, now)
        if chunk.number < self._from or chunk.number in self._seen:
            raise TrustError(Refusal.REPLAYED, f"chunk {chunk.number}")
        self._remember(chunk.number)
        return chunk

    def _check_time(self, chunk: LiveChunk, now: Now) -> None:
        if not now.is_known:
            raise TrustError(Refusal.NOT_YET, "live sound needs the time")
        now_ms, start_ms, end_ms = now.unix_s * 1000, self.grant.start * 1000, self.grant.end * 1000
        if now_ms >= end_ms or chunk.at_ms >= end_ms:
            raise TrustError(Refusal.EXPIRED, f"the session ended at {self.grant.end}")
        if now_ms - chunk.at_ms > LATE_MS:
            raise TrustError(Refusal.EXPIRED, f"late by {now_ms - chunk.at_ms} ms")
        if chunk.at_ms < start_ms or chunk.at_ms - now_ms > EARLY_MS:
            raise TrustError(Refusal.NOT_YET, f"for {chunk.at_ms}")

    def _remember(self, number: int) -> None:
        self._seen.add(number)
        while self._from in self._seen:
            self._seen.remove(self._from)
            self._from += 1
        if len(self._seen) > _KEPT:  # numbers that were lost: they would be too late by now
            self._from = sorted(self._seen)[_KEPT // 2]
            self._seen = {each for each in self._seen if each >= self._from}


_KEPT: Final = 1024  # chunks of about a second: far more than LATE_MS


def _parse(data: bytes) -> LiveChunk:
    opened = open_seal(data)
    if opened.payload is None:
        raise MessageError("a chunk carries its payload")
    return LiveChunk.from_bytes(opened.payload)
