"""Make the demo's sound material anew: ``python tools/make-material.py`` (needs espeak-ng).

Speech comes from a free formant synthesiser, chime and music from the arithmetic below. The results
are committed, so that nobody needs this to run the demo.
"""

from __future__ import annotations

import pathlib
import subprocess
import tempfile
import wave

import av
import numpy as np

OUT = pathlib.Path(__file__).parents[1] / "hwsim" / "loa_lab" / "material" / "sound"
RATE = 48_000
SPEECH = {
    "thong-bao": (
        "Ủy ban nhân dân xã thông báo. Sáng thứ bảy, toàn thể bà con hai bản ra quân vệ sinh "
        "đường làng, khơi thông cống rãnh. Đề nghị mỗi hộ cử một người tham gia, mang theo "
        "cuốc và xẻng. Xin cảm ơn bà con."
    ),
    "thoi-tiet": (
        "Bản tin thời tiết và mùa vụ. Đêm nay và ngày mai trời nhiều mây, có mưa nhỏ vài nơi. "
        "Vùng núi cao đề phòng rét hại. Bà con chú ý che chắn chuồng trại, giữ ấm cho trâu bò, "
        "và chưa nên gieo mạ trong những ngày này. Tiếp theo là tin về giá nông sản tại chợ "
        "phiên. Giá ngô hạt và thóc khô không thay đổi so với tuần trước. Trạm y tế xã nhắc "
        "bà con đưa trẻ đi tiêm chủng đúng lịch, vào thứ năm tuần này, tại nhà văn hóa bản."
    ),
}
PENTATONIC = (392.0, 440.0, 523.25, 587.33, 659.25, 783.99)  # G A C D E G


def tone(frequency: float, seconds: float, decay: float) -> np.ndarray:
    """Return a struck note with three partials."""
    t = np.arange(int(RATE * seconds)) / RATE
    partials = ((1, 1.0), (2, 0.4), (3.01, 0.2))
    body = sum(a * np.sin(2 * np.pi * frequency * k * t) for k, a in partials)
    return np.asarray(body * np.exp(-t * decay) * np.minimum(1, t * 200))


def notes(melody: list[tuple[float, float]], seconds: float, decay: float) -> np.ndarray:
    """Lay (start s, frequency) notes over each other."""
    sound = np.zeros(int(RATE * seconds))
    for start, frequency in melody:
        at = int(start * RATE)
        note = tone(frequency, 2.5, decay)[: len(sound) - at]
        sound[at : at + len(note)] += note
    return sound / np.abs(sound).max() * 0.5


def chime() -> np.ndarray:
    """Four falling bells: the station is on air."""
    return notes([(0.0, 783.99), (0.7, 659.25), (1.4, 523.25), (2.1, 392.0)], 4.0, 2.0)


def music(seconds: float, seed: int) -> np.ndarray:
    """A wandering pentatonic tune with a low answer every second bar."""
    rng, melody, at, step = np.random.default_rng(seed), [], 0.0, 2
    while at < seconds - 1.0:
        step = int(np.clip(step + rng.integers(-2, 3), 0, len(PENTATONIC) - 1))
        melody.append((at, PENTATONIC[step]))
        if int(at / 0.4) % 4 == 0:
            melody.append((at, PENTATONIC[step % 3] / 2))
        at += float(rng.choice([0.4, 0.4, 0.8]))
    return notes(melody, seconds, 3.0)


def speech(text: str) -> np.ndarray:
    """Let the synthesiser read *text*, 300 ms of air on both sides, at 48 kHz."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["espeak-ng", "-v", "vi", "-s", "145", "-w", file.name, text], check=True)
        with wave.open(file.name) as reader:
            raw = np.frombuffer(reader.readframes(reader.getnframes()), np.int16) / 32768
            source = reader.getframerate()
    positions = np.arange(int(len(raw) * RATE / source)) * source / RATE
    air = np.zeros(int(RATE * 0.3))
    sound = np.concatenate([air, np.interp(positions, np.arange(len(raw)), raw) * 0.6, air])
    return sound + bed(len(sound))


def bed(samples: int) -> np.ndarray:
    """A soft chord under the voice: a synthesiser pauses in digital silence, a studio never."""
    t = np.arange(samples) / RATE
    chord = sum(np.sin(2 * np.pi * f * t + f) for f in (196.0, 261.63, 329.63))
    return np.asarray(chord * 0.008 * (1 + 0.3 * np.sin(2 * np.pi * 0.2 * t)))


def write(name: str, sound: np.ndarray, bit_rate: int) -> None:
    """Write *sound* as mono Opus."""
    with av.open(str(OUT / f"{name}.opus"), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE, layout="mono")
        stream.bit_rate = bit_rate
        samples = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = RATE
        fifo = av.AudioFifo()
        fifo.write(frame)
        while (part := fifo.read(960)) is not None:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def main() -> None:
    """Write every file."""
    OUT.mkdir(parents=True, exist_ok=True)
    write("nhac-hieu", chime(), 48_000)
    write("dan-ca", music(14.0, 7), 48_000)
    write("nhac-dem", music(75.0, 11), 24_000)
    for name, text in SPEECH.items():
        write(name, speech(text), 24_000)


if __name__ == "__main__":
    main()
