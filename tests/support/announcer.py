"""A local announcer who is espeak-ng: recordings of phrases, each at a loudness of its own."""

from __future__ import annotations

import subprocess
import wave
from pathlib import Path

import numpy as np

from loa_manager.phrases.bank import PhraseBank
from loa_manager.phrases.sheet import Recording
from support.sound_files import write_wav

WORDS = (
    *("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín", "mười", "mươi"),
    *("mốt", "tư", "lăm", "trăm", "linh", "nghìn", "phẩy", "mét", "giờ", "phút", "ngày", "mùng"),
    *("tháng", "âm"),
)
PHRASES = {
    "chu-y": "Chú ý!",
    "muc-nuoc-song": "Mực nước sông",
    "ky-cung": "Kỳ Cùng",
    "la": "là",
    "luc": "lúc",
    "tren-bao-dong": "trên báo động",
}


def record(path: Path, text: str, *, gain: float = 1.0, voice: str = "vi") -> Path:
    """Say *text* into a WAV with half a second of silence around it."""
    said = path.with_suffix(".espeak.wav")
    command = ["espeak-ng", "--stdin", "-v", voice, "-w", str(said)]
    subprocess.run(command, input=text.encode(), check=True)
    with wave.open(str(said), "rb") as file:
        rate = file.getframerate()
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    said.unlink()
    quiet = np.zeros(rate // 2, dtype=np.float32)
    sound = np.concatenate((quiet, pcm.astype(np.float32) / 32768 * gain, quiet))
    return write_wav(path, sound.astype(np.float32), rate)


def fill_bank(folder: Path, recordings: Path, phrases: dict[str, str] | None = None) -> PhraseBank:
    """Return a bank of all Vietnamese number words and *phrases*, signed off by nobody."""
    bank = PhraseBank(folder)
    recordings.mkdir(parents=True, exist_ok=True)
    texts = {f"tu-{at}": word for at, word in enumerate(WORDS)} | (phrases or PHRASES)
    made = []
    for at, (name, text) in enumerate(texts.items()):
        gain = (1.0, 0.5, 0.2, 0.1)[at % 4]
        made.append(Recording(name, text, record(recordings / f"{name}.wav", text, gain=gain)))
    bank.add("vi", made)
    return bank
