"""Whether the carrier that the tuner hears is the station the playlist names.

The proof judged here is the RDS programme identification (PI), as the tuner's own vote reports it.
It cannot tell a station from one that copies its PI: the threat model says so. What it does tell is
that a bare carrier, or a neighbour that captures the frequency, never reaches the loudspeakers.
"""

from __future__ import annotations

import enum
from typing import Final

from loa_protocol.parameters import FallbackParameters

CERTAIN: Final = 0  # the tuner's grades: 0 certain ... 3 unlikely


class Proof(enum.Enum):
    """How far the carrier has proved itself."""

    NONE = "none"  # not seen often enough yet
    HELD = "held"
    DOUBTED = "doubted"  # held, but uncertain lines of another PI come in
    REFUSED = "refused"  # another PI, or the playlist names none
    STALE = "stale"  # was held; RDS has been missing for too long

    @property
    def may_sound(self) -> bool:
        """Tell whether FM may be opened or stay open."""
        return self is Proof.HELD or self is Proof.DOUBTED


class FmProof:
    """Vote on PI lines; times are monotonic milliseconds.

    Args:
        pi: The PI that the signed window names; None where it names no PI proof, and then nothing
            is ever proved.
        parameters: Counts and the longest absence.
    """

    def __init__(self, pi: int | None, parameters: FallbackParameters) -> None:
        self._pi = pi
        self._parameters = parameters
        self._matches = 0
        self._certain_strangers = 0
        self._vague_strangers = 0
        self._matched_ms = 0
        self.proof = Proof.NONE if pi is not None else Proof.REFUSED
        self.other_pi: int | None = None

    @property
    def reason(self) -> str:
        """Name why FM may not sound: ``no_proof``, ``other_pi``, ``no_pi``; empty if it may."""
        if self.proof.may_sound:
            return ""
        if self._pi is None:
            return "no_proof"
        return "other_pi" if self.proof is Proof.REFUSED else "no_pi"

    def see(self, pi: int, certainty: int, now_ms: int) -> Proof:
        """Take one PI line and return the state of the proof."""
        self.tick(now_ms)
        if self._pi is None:
            return self.proof
        if pi == self._pi:
            self._see_match(certainty, now_ms)
        elif certainty == CERTAIN:
            self._see_certain_stranger(pi)
        else:
            self._see_vague_stranger()
        return self.proof

    def tick(self, now_ms: int) -> Proof:
        """Let time pass and return the state of the proof."""
        deadline = self.next_deadline()
        if deadline is not None and now_ms >= deadline:
            self.proof = Proof.STALE
            self._matches = 0
        return self.proof

    def next_deadline(self) -> int | None:
        """Return when the proof goes stale unless the PI is seen again, None if it is not held."""
        if not self.proof.may_sound:
            return None
        return self._matched_ms + self._parameters.fm_pi_absent_ms

    def start_anew(self) -> None:
        """Drop the proof: the tuner was lost or stands on another frequency."""
        self._matches = self._certain_strangers = self._vague_strangers = 0
        self.other_pi = None
        self.proof = Proof.NONE if self._pi is not None else Proof.REFUSED

    def _see_match(self, certainty: int, now_ms: int) -> None:
        if certainty != CERTAIN:
            return  # neither for nor against
        self._matches += 1
        self._certain_strangers = self._vague_strangers = 0
        self._matched_ms = now_ms
        if self.proof.may_sound or self._matches >= self._parameters.fm_pi_proof_count:
            self.proof = Proof.HELD
            self.other_pi = None

    def _see_certain_stranger(self, pi: int) -> None:
        self._matches = 0
        self._certain_strangers += 1
        self.other_pi = pi
        # Open, one line is enough to close; closed, a single stray line only stops the vote.
        enough = self._parameters.fm_pi_mismatch_count
        if self.proof.may_sound or self._certain_strangers >= enough:
            self.proof = Proof.REFUSED

    def _see_vague_stranger(self) -> None:
        self._vague_strangers += 1
        if not self.proof.may_sound:
            self._matches = 0
        elif self._vague_strangers >= self._parameters.fm_pi_mismatch_count:
            self.proof = Proof.DOUBTED
