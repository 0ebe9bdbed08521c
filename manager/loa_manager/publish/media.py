"""Sound files on the way into a playlist: measured, trimmed, transcoded, kept by hash.

A :class:`MediaStore` is a folder in a home. A file once added is known by its hash: adding it again
measures and transcodes nothing. What travels is the *kept* file, which is the source itself or its
transcoding; what a playlist names is the kept file's hash. Silence at the ends is cut before that
hash is taken, so nothing is ever changed behind a signature.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from loa_manager.content_tree import store_by_hash, write_durably
from loa_manager.media.sketch import Sketch, draw_sketch, parse_sketch
from loa_manager.publish.gain import MediaFacts
from loa_protocol.errors import ConfigError, FormatError, MessageError, StoreError
from loa_protocol.language import translator
from loa_sound.errors import SoundError
from loa_sound.measure import Measurement
from loa_sound.quality import Examination, Finding, Trouble, examine_file
from loa_sound.transcode import transcode_to_opus
from loa_sound.trimming import Cut, plan_cut

_ = translator("loa_manager")

KEPT_CODECS: Final = frozenset({"opus", "mp3", "mp3float", "aac", "flac"})
KEPT_RATES: Final = range(16_000, 48_001)  # Hz: speech needs 16 kHz, a horn plays none above 48
KEPT_BITS_PER_S: Final = 320_000  # dearer files are transcoded: clusters pay by the megabyte
_OVERHEAD: Final = 16 * 1024  # bytes of headers and tags, which are no sound
_CHUNK: Final = 1 << 20
_NUMBERS: Final = ("size", "duration_ms", "loudness_clufs", "true_peak_cdbtp")
_SPEECH_BITS_PER_S: Final = 32_000
_MUSIC_BITS_PER_S: Final = 64_000  # what was coded once already is coded again with more care

OnBytes = Callable[[int], None]
"""Told how many bytes each step has dealt with."""
OnFile = Callable[[str, int], OnBytes]
"""Told the name and size of each file at its start."""


def unwatched(_name: str, _size: int) -> OnBytes:
    """Watch nothing, where nobody looks at a progress bar."""
    return lambda _count: None


@dataclass(frozen=True, slots=True)
class Kept:
    """A file in the store: its facts, where it stands, and where it came from.

    Attributes:
        trim: Whether silence at its ends was to be cut; None where nobody noted it.
        cut_ms: How much was cut, before and behind.
        findings: What is the matter with the source, at places of the source.
    """

    facts: MediaFacts
    path: Path
    name: str
    codec: str
    is_transcoded: bool
    trim: bool | None = None
    cut_ms: tuple[int, int] = (0, 0)
    findings: tuple[Finding, ...] = field(default=())


class MediaStore:
    """The folder of kept media: files by hash, and ``known/`` with what was measured of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self, source: Path, on_bytes: OnBytes | None = None, *, trim: bool | None = None
    ) -> Kept:
        """Measure *source*, keep it (trimmed, transcoded where need be) and return what is kept.

        Args:
            source: A sound file.
            on_bytes: Told how many bytes of *source* each step has dealt with.
            trim: Whether silence at its ends is cut; None: as was said of this file before, and a
                new one is trimmed.

        Raises:
            SoundError: it is no sound, or not whole.
            ConfigError: it is too short or too soft to be measured.
            StoreError: it cannot be read, or the store not written.
        """
        known = self._known(_hash(source, on_bytes), source.name)
        if known is not None and trim in (None, known.trim):
            return known
        return self._keep(source, trim=trim is not False)

    def list(self) -> list[Kept]:
        """Return every kept file, by name."""
        notes = [path.name for path in (self.folder / "known").glob("*")]
        kept = [self._known(bytes.fromhex(name), "") for name in notes if len(name) == 64]
        return sorted((each for each in kept if each is not None), key=lambda each: each.name)

    def sketch(self, path: Path, sha256: bytes) -> Sketch:
        """Return what the file at *path*, whose hash is *sha256*, looks like; keep that.

        Raises:
            SoundError: it is no sound.
            StoreError: it cannot be read, or the store not written.
        """
        try:
            return parse_sketch(self._sketch_path(sha256.hex()).read_bytes())
        except (OSError, MessageError):
            return self._keep_sketch(sha256.hex(), _examine(path, path))

    def _keep(self, source: Path, *, trim: bool) -> Kept:
        # measured is what is kept: the source itself may change under our eyes
        sha256 = store_by_hash(source, self.folder)
        copy = self.folder / sha256.hex()
        try:
            examined = _examine(copy, source)
            cut = plan_cut(examined.outline) if trim else None
            fit = is_fit(examined.measurement, copy.stat().st_size)
            if fit and not cut:
                return self._note(sha256, source.name, copy, examined, examined, trim=trim)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=self.folder) as place:
                opus = Path(place) / "sound.opus"
                _transcode(copy, opus, source, cut, _MUSIC_BITS_PER_S if fit else None)
                final = self.folder / store_by_hash(opus, self.folder).hex()
            self._drop(copy)
            sounds = _examine(final, source)
            return self._note(sha256, source.name, final, examined, sounds, trim=trim, cut=cut)
        except (FormatError, ConfigError):
            self._drop(copy)
            raise

    def _drop(self, copy: Path) -> None:
        """Remove *copy*, unless it is what is kept of some file."""
        if copy.name not in {each.path.name for each in self.list()}:
            copy.unlink(missing_ok=True)

    def _note(
        self,
        source: bytes,
        name: str,
        path: Path,
        examined: Examination,
        sounds: Examination,
        *,
        trim: bool,
        cut: Cut | None = None,
    ) -> Kept:
        """Note what was found in the source (*examined*) and what the kept file *sounds* like."""
        measured = sounds.measurement
        assert measured.integrated_lufs is not None  # _examine refuses such files
        facts = MediaFacts(
            sha256=bytes.fromhex(path.name),
            size=path.stat().st_size,
            duration_ms=measured.duration_ms,
            loudness_clufs=min(0, round(measured.integrated_lufs * 100)),
            true_peak_cdbtp=round(measured.true_peak_dbtp * 100),
        )
        kept = Kept(
            facts,
            path,
            name,
            measured.codec,
            is_transcoded=path.name != source.hex(),
            trim=trim,
            cut_ms=(cut.before_ms, cut.behind_ms) if cut else (0, 0),
            findings=examined.findings,
        )
        self._keep_sketch(path.name, sounds)
        write_durably(self.folder / "known" / source.hex(), _to_note(kept))
        return kept

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
        return Kept(
            facts,
            path,
            name or note["name"],
            note["codec"],
            note["is_transcoded"],
            trim=note.get("trim"),
            cut_ms=tuple(note.get("cut_ms", (0, 0))),
            findings=tuple(Finding(Trouble(a), b, c) for a, b, c in note.get("findings", ())),
        )

    def _keep_sketch(self, name: str, sounds: Examination) -> Sketch:
        sketch = draw_sketch(sounds)
        write_durably(self._sketch_path(name), sketch.to_bytes())
        return sketch

    def _sketch_path(self, name: str) -> Path:
        return self.folder / "sketch" / name


def is_fit(measured: Measurement, size: int) -> bool:
    """Tell whether a file of *size* bytes may travel as it is."""
    bits_per_s = max(0, size - _OVERHEAD) * 8000 // max(1, measured.duration_ms)
    return (
        measured.codec in KEPT_CODECS
        and measured.sample_rate in KEPT_RATES
        and bits_per_s <= KEPT_BITS_PER_S
    )


def parse_note(data: bytes) -> dict[str, Any]:
    """Parse a note of the store; ``trim``, ``cut_ms`` and ``findings`` may be missing.

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
    later = {"trim": bool, "cut_ms": list, "findings": list}
    if not isinstance(note, dict):
        raise MessageError(f"expected an object of {', '.join(kinds)}")
    found = {key: type(value) for key, value in note.items()}
    if found != kinds | {key: kind for key, kind in later.items() if key in note}:
        raise MessageError(f"expected an object of {', '.join(kinds)}")
    digest = note["sha256"]
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise MessageError(f"not a hash: {digest:.80}")
    _check_details(note.get("cut_ms", [0, 0]), note.get("findings", []))
    return note


def _check_details(cut_ms: list[Any], findings: list[Any]) -> None:
    if len(cut_ms) != 2 or any(type(each) is not int for each in cut_ms):
        raise MessageError("cut_ms: expected two numbers")
    for each in findings:
        kinds = [type(value) for value in each] if isinstance(each, list) else []
        if kinds != [str, int, int] or each[0] not in set(Trouble):
            raise MessageError(f"not a finding: {each!r:.80}")


def _to_note(kept: Kept) -> bytes:
    note = {
        "sha256": kept.facts.sha256.hex(),
        **{key: getattr(kept.facts, key) for key in _NUMBERS},
        "name": kept.name,
        "codec": kept.codec,
        "is_transcoded": kept.is_transcoded,
        "trim": kept.trim,
        "cut_ms": kept.cut_ms,
        "findings": [[str(each.trouble), each.amount, each.at_ms] for each in kept.findings],
    }
    return json.dumps(note, ensure_ascii=False, sort_keys=True).encode()


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


def _examine(path: Path, source: Path) -> Examination:
    """Examine *path*; faults name *source*, which is the file the officer knows."""
    try:
        examined = examine_file(path)
    except SoundError as error:
        raise SoundError(error.reason, source, error.detail) from None
    if examined.measurement.integrated_lufs is None:
        fault = _("too short or too soft to be measured: EBU R128 needs 0.4 s above -70 LUFS")
        raise ConfigError(str(source), [fault])
    return examined


def _transcode(
    copy: Path, target: Path, source: Path, cut: Cut | None, bit_rate: int | None
) -> None:
    try:
        transcode_to_opus(copy, target, bit_rate or _SPEECH_BITS_PER_S, cut=cut)
    except SoundError as error:
        raise SoundError(error.reason, source, error.detail) from None
