"""Sound files on the way into a playlist: measured, transcoded where need be, kept by hash.

A :class:`MediaStore` is a folder in a home. A file once added is known by its hash: adding it again
measures and transcodes nothing. What travels is the *kept* file, which is the source itself or its
transcoding; what a playlist names is the kept file's hash.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loa_manager.content_tree import store_by_hash, write_durably
from loa_manager.publish.gain import MediaFacts
from loa_protocol.errors import ConfigError, FormatError, MessageError, StoreError
from loa_protocol.language import translator
from loa_sound.errors import SoundError
from loa_sound.measure import Measurement, measure_file
from loa_sound.transcode import transcode_to_opus

_ = translator("loa_manager")

KEPT_CODECS: Final = frozenset({"opus", "mp3", "mp3float", "aac", "flac"})
KEPT_RATES: Final = range(16_000, 48_001)  # Hz: speech needs 16 kHz, a horn plays none above 48
KEPT_BITS_PER_S: Final = 320_000  # dearer files are transcoded: clusters pay by the megabyte
_OVERHEAD: Final = 16 * 1024  # bytes of headers and tags, which are no sound
_CHUNK: Final = 1 << 20
_NUMBERS: Final = ("size", "duration_ms", "loudness_clufs", "true_peak_cdbtp")

OnBytes = Callable[[int], None]
"""Told how many bytes each step has dealt with."""
OnFile = Callable[[str, int], OnBytes]
"""Told the name and size of each file at its start."""


def unwatched(_name: str, _size: int) -> OnBytes:
    """Watch nothing, where nobody looks at a progress bar."""
    return lambda _count: None


@dataclass(frozen=True, slots=True)
class Kept:
    """A file in the store: its facts, where it stands, and where it came from."""

    facts: MediaFacts
    path: Path
    name: str
    codec: str
    is_transcoded: bool


class MediaStore:
    """The folder of kept media: files by hash, and ``known/`` with what was measured of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, source: Path, on_bytes: OnBytes | None = None) -> Kept:
        """Measure *source*, keep it (transcoded where need be) and return what is kept.

        Args:
            source: A sound file.
            on_bytes: Told how many bytes of *source* each step has dealt with.

        Raises:
            SoundError: it is no sound, or not whole.
            ConfigError: it is too short or too soft to be measured.
            StoreError: it cannot be read, or the store not written.
        """
        known = self._known(_hash(source, on_bytes), source.name)
        return known or self._keep(source)

    def list(self) -> list[Kept]:
        """Return every kept file, by name."""
        notes = [path.name for path in (self.folder / "known").glob("*")]
        kept = [self._known(bytes.fromhex(name), "") for name in notes if len(name) == 64]
        return sorted((each for each in kept if each is not None), key=lambda each: each.name)

    def _keep(self, source: Path) -> Kept:
        # measured is what is kept: the source itself may change under our eyes
        sha256 = store_by_hash(source, self.folder)
        copy = self.folder / sha256.hex()
        try:
            measured = _measure(copy, source)
            if is_fit(measured, copy.stat().st_size):
                return self._note(sha256, source.name, copy, measured, is_transcoded=False)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=self.folder) as place:
                opus = Path(place) / "sound.opus"
                _transcode(copy, opus, source)
                final = self.folder / store_by_hash(opus, self.folder).hex()
            copy.unlink()
            return self._note(
                sha256, source.name, final, _measure(final, source), is_transcoded=True
            )
        except (FormatError, ConfigError):
            copy.unlink(missing_ok=True)
            raise

    def _note(
        self, source: bytes, name: str, path: Path, measured: Measurement, *, is_transcoded: bool
    ) -> Kept:
        assert measured.integrated_lufs is not None  # _measure refuses such files
        facts = MediaFacts(
            sha256=bytes.fromhex(path.name),
            size=path.stat().st_size,
            duration_ms=measured.duration_ms,
            loudness_clufs=min(0, round(measured.integrated_lufs * 100)),
            true_peak_cdbtp=round(measured.true_peak_dbtp * 100),
        )
        note = {
            "sha256": facts.sha256.hex(),
            **{key: getattr(facts, key) for key in _NUMBERS},
            "name": name,
            "codec": measured.codec,
            "is_transcoded": is_transcoded,
        }
        text = json.dumps(note, ensure_ascii=False, sort_keys=True).encode()
        write_durably(self.folder / "known" / source.hex(), text)
        return Kept(facts, path, name, measured.codec, is_transcoded)

    def _known(self, source: bytes, name: str) -> Kept | None:
        """Return what is kept of the file with hash *source*; None where nothing usable is."""
        try:
            note = parse_note((self.folder / "known" / source.hex()).read_bytes())
            path = self.folder / note["sha256"]
            size = path.stat().st_size
        except (OSError, MessageError):
            return None  # never added, or the store lost it: it is measured again
        if size != note["size"]:
            return None
        facts = MediaFacts(
            sha256=bytes.fromhex(note["sha256"]), **{key: note[key] for key in _NUMBERS}
        )
        return Kept(facts, path, name or note["name"], note["codec"], note["is_transcoded"])


def is_fit(measured: Measurement, size: int) -> bool:
    """Tell whether a file of *size* bytes may travel as it is."""
    bits_per_s = max(0, size - _OVERHEAD) * 8000 // max(1, measured.duration_ms)
    return (
        measured.codec in KEPT_CODECS
        and measured.sample_rate in KEPT_RATES
        and bits_per_s <= KEPT_BITS_PER_S
    )


def parse_note(data: bytes) -> dict[str, Any]:
    """Parse a note of the store.

    Raises:
        MessageError: *data* is none.
    """
    try:
        note = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"not JSON: {error}") from None
    kinds = dict.fromkeys(_NUMBERS, int) | {
        "sha256": str,
        "name": str,
        "codec": str,
        "is_transcoded": bool,
    }
    if not isinstance(note, dict) or {key: type(value) for key, value in note.items()} != kinds:
        raise MessageError(f"expected an object of {', '.join(kinds)}")
    digest = note["sha256"]
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise MessageError(f"not a hash: {digest:.80}")
    return note


def find_file(folder: Path, name: str) -> Path | None:
    """Return the file that *name* (in NFC) means below *folder*; None where there is none.

    Files from another system may carry their letters taken apart (NFD), so names are compared as
    text. A link that leads out of *folder* is none of the schedule's files.
    """
    direct = folder / name
    if not direct.is_file():
        parent = direct.parent
        names = {_composed(each.name): each for each in parent.iterdir()} if parent.is_dir() else {}
        direct = names.get(direct.name, direct)
    is_inside = direct.resolve().is_relative_to(folder.resolve())
    return direct if direct.is_file() and is_inside else None


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _hash(path: Path, on_bytes: OnBytes | None) -> bytes:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                if on_bytes is not None:
                    on_bytes(len(chunk))
    except OSError as error:
        raise StoreError(str(path), error.strerror or str(error)) from None
    return digest.digest()


def _measure(path: Path, source: Path) -> Measurement:
    """Measure *path*; faults name *source*, which is the file the officer knows."""
    try:
        measured = measure_file(path)
    except SoundError as error:
        raise SoundError(error.reason, source, error.detail) from None
    if measured.integrated_lufs is None:
        fault = _("too short or too soft to be measured: EBU R128 needs 0.4 s above -70 LUFS")
        raise ConfigError(str(source), [fault])
    return measured


def _transcode(copy: Path, target: Path, source: Path) -> None:
    try:
        transcode_to_opus(copy, target)
    except SoundError as error:
        raise SoundError(error.reason, source, error.detail) from None
