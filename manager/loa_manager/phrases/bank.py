"""The bank: a folder in a home with recordings, and for each language the list of what they say.

``phrases/<language>/phrases.csv`` has a row a phrase: id, language, text, the recording's hash, and
who heard it and found that it says its text. A recording that is not the listed one is not used.
"""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Final

from loa_manager.content_tree import write_durably
from loa_manager.durable import locked, storing
from loa_manager.home import make_private_folder, read_bytes
from loa_manager.phrases.matching import key_of
from loa_manager.phrases.sheet import Phrase, Recording, parse_list, write_list
from loa_manager.publish.values import WrongValue, read_word
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_sound.blocks import RATE, Samples
from loa_sound.decoder import decode_whole
from loa_sound.outline import outline_of
from loa_sound.quality import Finding, Trouble, examine_file
from loa_sound.trimming import plan_cut
from loa_sound.wave_file import write_wav

_ = translator("loa_manager")

LONGEST_S: Final = 60  # a phrase, not a bulletin
_LIST: Final = "phrases.csv"
_TELLING: Final = (Trouble.CLIPPED, Trouble.ANTIPHASE, Trouble.QUIET, Trouble.DC)


class PhraseBank:
    """The folder ``phrases`` of a home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def languages(self) -> list[str]:
        """Return the languages that have a list."""
        return sorted(path.parent.name for path in self.folder.glob(f"*/{_LIST}"))

    def read(self, language: str) -> list[Phrase]:
        """Return the phrases of *language* by id; none where it has no list.

        Raises:
            ConfigError: the list is damaged; every fault is named.
            StoreError: it cannot be read.
        """
        path = self._folder(language) / _LIST
        return parse_list(read_bytes(path), str(path)) if path.is_file() else []

    def add(self, language: str, recordings: Iterable[Recording]) -> list[tuple[str, Finding]]:
        """Take *recordings*, trimmed, in the place of those with the same ids; nobody heard them.

        Returns:
            What is the matter with them, by id.

        Raises:
            ConfigError: one says what another phrase says, is silent, or is too long.
            SoundError: one is no sound.
            StoreError: a file cannot be read or written.
        """
        folder = self._folder(language)
        make_private_folder(folder)
        with locked(folder / "lock"):
            phrases = {each.id: each for each in self.read(language)}
            found: list[tuple[str, Finding]] = []
            for each in recordings:
                sha256 = _take(each, folder)
                found += [(each.id, finding) for finding in _examine(each.file)]
                phrases[each.id] = Phrase(
                    id=each.id, language=language, text=each.text, sha256=sha256
                )
            _check_texts(phrases.values(), language)
            self._write(language, phrases.values())
        return found

    def sign_off(self, language: str, holder: str, today: date) -> list[Phrase]:
        """Note that *holder* heard every phrase that nobody had heard; return those.

        Raises:
            ConfigError: recordings are missing or changed; all are named.
        """
        with locked(self._folder(language) / "lock"):
            phrases = self.read(language)
            if faults := self.faults(phrases):
                raise ConfigError(language, faults)
            heard = [
                dataclasses.replace(each, heard_by=holder, heard_on=today)
                for each in phrases
                if not each.heard_by
            ]
            by_id = {each.id: each for each in phrases} | {each.id: each for each in heard}
            self._write(language, by_id.values())
        return heard

    def faults(self, phrases: Iterable[Phrase]) -> list[str]:
        """Return, in words, which recordings of *phrases* are missing or are not those listed."""
        found = []
        for each in phrases:
            path = self.path(each)
            if not path.is_file():
                found.append(_("{id}: its recording is missing; add it again").format(id=each.id))
            elif hashlib.sha256(read_bytes(path)).hexdigest() != each.sha256:
                found.append(_("{id}: its recording was changed; add it again").format(id=each.id))
        return found

    def path(self, phrase: Phrase) -> Path:
        """Return where the recording of *phrase* stands."""
        return self._folder(phrase.language) / f"{phrase.sha256}.wav"

    def sound(self, phrase: Phrase) -> Samples:
        """Return the recording of *phrase*.

        Raises:
            SoundError: it is damaged.
        """
        return decode_whole(self.path(phrase))

    def _folder(self, language: str) -> Path:
        try:
            tag = read_word(35)(language)
        except WrongValue as wrong:
            raise ConfigError(language, [str(wrong)]) from None
        if not all(letter.isalnum() or letter == "-" for letter in tag):
            raise ConfigError(language, [_("expected a language such as vi")])
        return self.folder / tag

    def _write(self, language: str, phrases: Iterable[Phrase]) -> None:
        rows = sorted(phrases, key=lambda each: each.id)
        write_durably(self._folder(language) / _LIST, write_list(rows).encode())


def _take(recording: Recording, folder: Path) -> str:
    """Write the trimmed sound of *recording* into *folder* and return its hash."""
    sound = decode_whole(recording.file)
    cut = plan_cut(outline_of(sound), worth_ms=0)
    if outline_of(sound).is_silent:
        raise ConfigError(str(recording.file), [_("nothing can be heard in it")])
    if len(sound) > LONGEST_S * RATE:
        fault = _("longer than {limit} s: a phrase is a few words").format(limit=LONGEST_S)
        raise ConfigError(str(recording.file), [fault])
    with (
        storing(folder),
        tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as place,
    ):
        new = Path(place) / "sound.wav"
        write_wav(new, [sound[cut.start : cut.end]])
        sha256 = hashlib.sha256(read_bytes(new)).hexdigest()
        write_durably(folder / f"{sha256}.wav", read_bytes(new))
    return sha256


def _examine(path: Path) -> list[Finding]:
    return [each for each in examine_file(path).findings if each.trouble in _TELLING]


def _check_texts(phrases: Iterable[Phrase], where: str) -> None:
    """Refuse two phrases that say the same: nobody could tell which of them would sound."""
    first: dict[tuple[str, ...], str] = {}
    faults = []
    for each in phrases:
        key = key_of(each.text)
        if not key:
            faults.append(_("{id}: its text has no words").format(id=each.id))
        elif key in first:
            text = _("{id} says the same as {other}: {text}")
            faults.append(text.format(id=each.id, other=first[key], text=each.text))
        first.setdefault(key, each.id)
    if faults:
        raise ConfigError(where, faults)
