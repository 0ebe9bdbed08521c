"""How loud a wave is, and waves that are as loud as one wants."""

from __future__ import annotations

import numpy as np

from loa_sound.blocks import RATE
from loa_sound.meters import LoudnessMeter
from support.sound_files import Wave, noise, tone


def lufs(sound: Wave) -> float:
    meter = LoudnessMeter()
    meter.feed(sound)
    loudness = meter.finish().integrated_lufs
    assert loudness is not None
    return loudness


def at_level(sound: Wave, level_lufs: float) -> Wave:
    """Return *sound* at a loudness."""
    return (sound * 10 ** ((level_lufs - lufs(sound)) / 20)).astype(np.float32)


def speech(seconds: float = 6) -> Wave:
    """Noise in the shape of speech: four syllables a second, loud and soft phrases."""
    wave = noise(seconds, 0.2)
    voiced = np.convolve(wave, np.exp(-np.arange(200) / 12), "same")  # falls from 600 Hz on
    t = np.arange(len(wave)) / RATE
    syllables = np.maximum(np.sin(2 * np.pi * 4 * t), 0.02)
    phrases = np.where((t % 3) < 1.5, 1.0, 0.2)
    return (voiced * syllables * phrases).astype(np.float32)


def chord(seconds: float = 4) -> Wave:
    """Five tones over the band: music to a meter, and no noise."""
    tones = [tone(seconds, hz, 0.05) for hz in (220, 330, 523, 1046, 3000)]
    return tones[0] + tones[1] + tones[2] + tones[3] + tones[4]
