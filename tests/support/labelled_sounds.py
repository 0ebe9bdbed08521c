"""Sounds of which everybody would say what is wrong with them, or that nothing is."""

from __future__ import annotations

import functools
import subprocess

import numpy as np

from loa_sound.blocks import RATE, Samples

VIETNAMESE = (
    "Thông báo của Ủy ban nhân dân xã. Chiều nay mực nước sông dâng cao, đề nghị bà con chuẩn bị "
    "di dời đến nơi an toàn. Bà con chú ý theo dõi loa truyền thanh và làm theo hướng dẫn của "
    "chính quyền địa phương. "
)
ENGLISH = (
    "The council will meet tomorrow morning at eight in the hall of the commune. All households "
    "are asked to send one member, and to bring the papers that were handed out last week. "
)


@functools.cache
def spoken(text: str, voice: str) -> Samples:
    """Return what Debian's espeak-ng says, at 48 kHz and -18 dBFS."""
    said = subprocess.run(
        ["espeak-ng", "-v", voice, "--stdout", text], capture_output=True, check=True
    ).stdout
    slow = np.frombuffer(said[44 : len(said) // 2 * 2], dtype="<i2").astype(np.float32) / 32768
    count = len(slow) * RATE // 22_050
    sound = np.interp(np.arange(count) * (22_050 / RATE), np.arange(len(slow)), slow)
    return at_level(sound.astype(np.float32), -18.0)


def times(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.arange(round(seconds * RATE)) / RATE


def at_level(sound: Samples, dbfs: float) -> Samples:
    """Return *sound* with an RMS of *dbfs*."""
    rms = float(np.sqrt(np.square(sound, dtype=np.float64).mean()))
    return (sound * (10 ** (dbfs / 20) / rms)).astype(np.float32)


@functools.cache
def syllables(seconds: float, seed: int = 1, dbfs: float = -20.0) -> Samples:
    """Return a voice that says nothing: vowels of changing pitch and timbre, and pauses."""
    random, t = np.random.default_rng(seed), times(seconds)
    sound = np.zeros(len(t))
    at = 0.1
    while at < seconds - 0.5:
        length, pitch = random.uniform(0.12, 0.3), random.uniform(110, 190)
        here = slice(round(at * RATE), round((at + length) * RATE))
        tone = t[here] - at
        bend = pitch * (1 + random.uniform(-0.3, 0.3) * tone / length)
        formants = random.uniform((400, 1000), (900, 2800))
        for number in range(1, 24):
            hz = number * pitch
            weight = float(np.exp(-(((hz - formants) / 250) ** 2)).sum()) + 0.02
            sound[here] += weight * np.sin(2 * np.pi * np.cumsum(bend) * number / RATE)
        sound[here] *= np.sin(np.pi * np.clip(tone / length, 0, 1))
        at += length + (random.uniform(0.4, 0.9) if random.random() < 0.15 else 0.04)
    return at_level(sound.astype(np.float32), dbfs)


def music(seconds: float, seed: int = 3) -> Samples:
    """Return plucked notes that overlap, with their harmonics."""
    random, t = np.random.default_rng(seed), times(seconds)
    sound = np.zeros(len(t))
    for number in range(round(seconds / 0.3)):
        pitch = 220 * 2 ** (int(random.integers(0, 24)) / 12)
        here = slice(round(number * 0.3 * RATE), round((number * 0.3 + 1) * RATE))
        tone = t[here] - number * 0.3
        for harmonic in range(1, 6):
            fade = np.exp(-tone * 2.5) * (1 - np.exp(-tone * 60)) / harmonic
            sound[here] += np.sin(2 * np.pi * pitch * harmonic * tone) * fade
    return at_level(sound.astype(np.float32), -20.0)


def organ(seconds: float) -> Samples:
    """Return held notes that come and go, among them quiet high ones."""
    t = times(seconds)
    notes = (220, 330, 440, 554, 660, 880, 1108, 1320, 2640)
    sound = sum(
        np.sin(2 * np.pi * hz * t) * (0.4 if at % 2 else 1) * (np.sin(t * 4 / (1 + at)) > -0.2)
        for at, hz in enumerate(notes)
    )
    return at_level(np.asarray(sound, dtype=np.float32), -20.0)


def siren(seconds: float) -> Samples:
    """Return two tones in turn, half a second each."""
    hz = np.where(times(seconds) % 1 < 0.5, 600.0, 900.0)
    return (0.3 * np.sin(2 * np.pi * np.cumsum(hz) / RATE)).astype(np.float32)


def wail(seconds: float) -> Samples:
    """Return a siren that rises and falls."""
    hz = 800 + 400 * np.sin(2 * np.pi * times(seconds) / 4)
    return (0.3 * np.sin(2 * np.pi * np.cumsum(hz) / RATE)).astype(np.float32)


def hum(seconds: float) -> Samples:
    """Return mains hum with all its odd harmonics."""
    return (0.1 * np.sign(np.sin(2 * np.pi * 50 * times(seconds)))).astype(np.float32)


def hiss(seconds: float, seed: int = 1) -> Samples:
    """Return what a receiver without a station sounds like, after its de-emphasis of 50 us."""
    white = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    spectrum = np.fft.rfft(white)
    hz = np.fft.rfftfreq(len(white), 1 / RATE)
    spectrum *= (hz < 15_000) / np.sqrt(1 + (hz / 3_183) ** 2)
    return at_level(np.fft.irfft(spectrum, len(white)).astype(np.float32), -20.0)


def clipped(sound: Samples, drive_db: float) -> Samples:
    """Return *sound* cut off at full scale, in 16 bits, after a gain."""
    driven = np.clip(sound * 10 ** (drive_db / 20), -1, 1)
    whole: Samples = (np.rint(driven * 32767) / 32768).astype(np.float32)
    return whole


def squealing(hz: float, seconds: float, start: float, dbfs: float) -> Samples:
    """Return a tone that grows by 40 dB a second from *start* on, up to *dbfs*."""
    t = times(seconds)
    level = np.minimum(dbfs, dbfs - 40 + 40 * (t - start)) * (t >= start)
    tone = 10 ** (level / 20) * 2**0.5 * np.sin(2 * np.pi * hz * t)
    return (tone * (t >= start)).astype(np.float32)
