"""Sound made in the test: tones, noise, chirps, and files of them in every format Loa plays."""

from __future__ import annotations

import pathlib
import wave
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

RATE = 48_000
Wave = NDArray[np.float32]

FORMATS: dict[str, tuple[str, str]] = {
    "wav": ("wav", "pcm_s16le"),
    "flac": ("flac", "flac"),
    "mp3": ("mp3", "libmp3lame"),
    "m4a": ("mp4", "aac"),
    "aac": ("adts", "aac"),
    "opus": ("ogg", "libopus"),
}
"""Suffix -> FFmpeg's names of container and encoder."""


def tone(seconds: float, hz: float = 1000.0, level: float = 0.1, rate: int = RATE) -> Wave:
    """Make a sine of peak *level*."""
    t = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def chirp(seconds: float, rate: int = RATE, level: float = 0.3) -> Wave:
    """Make a sweep in which every place differs from every other, softened at both ends."""
    t = np.arange(round(seconds * rate)) / rate
    wave_ = level * np.sin(2 * np.pi * (200 + 60 * t) * t)
    edge = min(len(t) // 10, rate // 20)
    wave_[:edge] *= np.linspace(0, 1, edge)
    wave_[-edge:] *= np.linspace(1, 0, edge)
    return wave_.astype(np.float32)


def noise(seconds: float, level: float = 0.1, seed: int = 1) -> Wave:
    """Make white noise of RMS *level*."""
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(
        np.float32
    )


def write(path: pathlib.Path, sound: Wave, rate: int = RATE, **options: Any) -> pathlib.Path:
    """Encode *sound*, one row a channel, in the format of the suffix.

    ``bit_rate``, ``codec`` and FFmpeg's encoder options may be given.
    """
    container, codec = FORMATS[path.suffix[1:]]
    codec = options.pop("codec", codec)
    bit_rate = options.pop("bit_rate", None)
    rows = np.atleast_2d(sound).astype(np.float32)
    layout = "mono" if len(rows) == 1 else "stereo"
    with av.open(str(path), "w", format=container) as out:
        stream: Any = out.add_stream(
            codec, rate=rate, layout=layout, options={k: str(v) for k, v in options.items()}
        )
        if bit_rate:
            stream.bit_rate = bit_rate
        if codec == "libopus":
            stream.format = "flt"
        for at in range(0, rows.shape[1], 4096):
            part = np.ascontiguousarray(rows[:, at : at + 4096])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, at
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return path


def to_pcm(sound: Wave) -> NDArray[np.int16]:
    """Convert to 16 bits, as a WAV holds them."""
    return np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)


def write_wav(path: pathlib.Path, sound: Wave, rate: int = RATE) -> pathlib.Path:
    """Write a mono 16-bit WAV with the standard library, independent of FFmpeg."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(to_pcm(sound).tobytes())
    return path


def read_wav(path: pathlib.Path) -> NDArray[np.int16]:
    """Read a mono 16-bit WAV at 48 kHz with the standard library, header believed."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def power_at(sound: Wave, hz: float) -> float:
    """Return which share of the power lies within 5 % of *hz*."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    bins = np.fft.rfftfreq(len(sound), 1 / RATE)
    near = (bins > hz * 0.95) & (bins < hz * 1.05)
    return float(spectrum[near].sum() / spectrum.sum())
