"""What is the matter with a sound file, in words that tell what to do about it."""

from __future__ import annotations

from loa_protocol.language import translator
from loa_sound.quality import Finding, Trouble

_ = translator("loa_manager")


def advice(finding: Finding) -> str:
    """Return *finding* as a sentence for whoever made the recording."""
    texts = {
        Trouble.CLIPPED: _(
            "clipped at {count} places, first at {at}; it will crackle: record it again with the"
            " input turned down"
        ),
        Trouble.QUIET: _(
            "very quiet ({hundredths} LUFS): its noise is raised along with it; record it again,"
            " closer to the microphone"
        ),
        Trouble.WIDE_RANGE: _(
            "soft and loud parts lie {hundredths} LU apart, and the soft ones will not be heard"
            " outdoors; use a compressor"
        ),
        Trouble.DC: _(
            "off centre by {per_mille} thousandths of full scale (DC), which takes room from the"
            " sound; look at the sound card, or filter below 40 Hz"
        ),
        Trouble.ANTIPHASE: _(
            "left and right undo each other: on one loudspeaker it loses {hundredths} dB; turn"
            " over the phase of one channel, or keep one alone"
        ),
        Trouble.MOSTLY_SILENT: _(
            "{count} % of it is silence; is it the right recording, and is it whole?"
        ),
        Trouble.LONG_PAUSE: _(
            "silent for {seconds} s from {at} on; cut the pause, or name it in the schedule with"
            " expected_silence"
        ),
    }
    return texts[finding.trouble].format(
        count=finding.amount,
        at=clock_text(finding.at_ms),
        hundredths=f"{finding.amount / 100:.1f}",
        per_mille=finding.amount,
        seconds=round(finding.amount / 1000),
    )


def cut_text(before_ms: int, behind_ms: int) -> str:
    """Return how much silence was cut, in words; empty where none was."""
    parts = []
    if before_ms:
        parts.append(_("{seconds} s before").format(seconds=f"{before_ms / 1000:.1f}"))
    if behind_ms:
        parts.append(_("{seconds} s behind").format(seconds=f"{behind_ms / 1000:.1f}"))
    return ", ".join(parts)


def clock_text(ms: int) -> str:
    """Return a place in a sound, as 1:05."""
    return f"{ms // 60_000}:{ms // 1000 % 60:02}"
