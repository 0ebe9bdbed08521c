"""How much louder or softer a file has to play: loudness to the policy's target, peaks kept.

Hundredths of LUFS, dBTP and dB, as on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PEAK_CEILING_CDBTP: Final = -100  # -1 dBTP, EBU R128's limit for delivery
LOWEST_CDB: Final = -6000  # as the wire object allows
HIGHEST_CDB: Final = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """One sound file as it will travel: what it is, and how loud it was measured."""

    sha256: bytes
    size: int
    duration_ms: int
    loudness_clufs: int
    true_peak_cdbtp: int


def gain_cdb(media: MediaFacts, target_clufs: int) -> int:
    """Return the gain that brings *media* to the target, less where its peaks forbid it."""
    wanted = min(target_clufs - media.loudness_clufs, PEAK_CEILING_CDBTP - media.true_peak_cdbtp)
    return max(LOWEST_CDB, min(HIGHEST_CDB, wanted))


def missing_cdb(media: MediaFacts, target_clufs: int) -> int:
    """Return by how much *media* stays below the target, because of its peaks."""
    return target_clufs - media.loudness_clufs - gain_cdb(media, target_clufs)
