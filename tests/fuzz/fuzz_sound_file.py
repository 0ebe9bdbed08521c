"""Media files: whatever calls itself one, and true ones with damage."""

from __future__ import annotations

import functools
import pathlib
import tempfile

from loa_sound.errors import SoundError
from loa_sound.quality import Trouble, examine_file
from loa_sound.trimming import plan_cut
from support.sound_files import chirp, write


@functools.cache
def _corpus() -> tuple[bytes, ...]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            write(pathlib.Path(folder, f"x.{suffix}"), chirp(0.5))
            for suffix in ("wav", "flac", "mp3", "m4a", "opus", "aac")
        ]
        return tuple(path.read_bytes() for path in paths)


def fuzz(data: bytes) -> None:
    """Measure *data* as a file, and a true file with *data* written into it.

    The first byte chooses the true file, the next two the place.
    """
    _measure(data)
    if len(data) < 4:
        return
    corpus = _corpus()
    whole = bytearray(corpus[data[0] % len(corpus)])
    at = int.from_bytes(data[1:3], "big") * len(whole) // 65_536
    whole[at : at + len(data) - 3] = data[3:]
    _measure(bytes(whole))


def _measure(content: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".mp3") as file:
        file.write(content)
        file.flush()
        try:
            examined = examine_file(pathlib.Path(file.name))
        except SoundError:
            return
    facts, cut = examined.measurement, plan_cut(examined.outline)
    assert 0 <= cut.start <= cut.end <= cut.length
    assert all(each.amount >= 0 or each.trouble is Trouble.QUIET for each in examined.findings)
    assert facts.duration_ms >= 0
    assert -120 <= facts.true_peak_dbtp < 30
