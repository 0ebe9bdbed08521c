"""Every voice that has an instant, kept on it. Pure: it is told when sample 0 sounded."""

from __future__ import annotations

from collections.abc import Callable

from loa_endpoint.audio.aligned import FAR, off_by
from loa_endpoint.audio.mixer import Mixer
from loa_endpoint.audio.voice import CLICK, Sound


class AlignedVoices:
    """The alignment of what a mixer plays."""

    def __init__(self, mixer: Mixer, tell: Callable[[str, str], None]) -> None:
        """Follow the voices of *mixer*; *tell* is given a fault's name and words."""
        self._mixer, self._tell = mixer, tell

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
