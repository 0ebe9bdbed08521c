"""Every voice that has an instant, kept on it. Pure: it is told when sample 0 sounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from loa_endpoint.audio.aligned import FAR, off_by
from loa_endpoint.audio.mixer import Mixer
from loa_endpoint.audio.voice import CLICK, Sound

MOVED_NS: Final = 100_000
"""A card that has drifted so far, or ran dry, begins what is planned at another sample."""


class AlignedVoices:
    """The alignment of what a mixer plays."""

    def __init__(self, mixer: Mixer, tell: Callable[[str, str], None]) -> None:
        """Follow the voices of *mixer*; *tell* is given a fault's name and words."""
        self._mixer, self._tell = mixer, tell
        self._planned_ns = 0  # by when sample 0 sounded what is planned was looked at last

    def aim(self, sound: Sound, position: int, at_ns: int) -> None:
        """Let *position* of *sound*, sounding or about to, belong at *at_ns*."""
        voice = self._mixer.voice_of(sound)
        starts = [s for s in self._mixer.starts_before(None) if s.sound is sound]
        for each in (voice, *starts):
            if each is not None and each.aligned is not None:
                each.aligned.aim(position, at_ns)

    def follow(self, epoch_ns: int, silence: int, drift_ppm: float) -> float | None:
        """See how far off every voice is; return the worst in samples, None where none has to be.

        Args:
            epoch_ns: When sample 0 of the timeline sounded.
            silence: So many samples from now on nobody is to hear anything.
            drift_ppm: How much too fast the card is.
        """
        if abs(epoch_ns - self._planned_ns) > MOVED_NS:
            self._planned_ns = epoch_ns
            self._plan_anew(epoch_ns)
        worst: float | None = None
        for voice in self._mixer.voices:
            if voice.aligned is None or voice.leaving:
                continue
            aligned = voice.aligned
            aligned.follow(epoch_ns, voice.offset)
            if silence and voice.level <= CLICK:
                position = self._mixer.now + voice.offset
                shift = aligned.leap(voice.sound, position, silence)
                if shift:
                    voice.offset += shift
                    voice.reenter()
            if abs(aligned.late) > FAR and not aligned.is_told:
                aligned.is_told = True
                self._tell("unaligned", f"{voice.sound.name}: {off_by(aligned.late, drift_ppm)}")
            off = aligned.take_worst()
            worst = off if worst is None or abs(off) > abs(worst) else worst
        return worst

    def _plan_anew(self, epoch_ns: int) -> None:
        for start in self._mixer.starts_before(None):
            if start.aligned is not None and start.sample > self._mixer.now:
                sample = start.aligned.first_sample(epoch_ns, start.position)
                self._mixer.retime(start, sample)
