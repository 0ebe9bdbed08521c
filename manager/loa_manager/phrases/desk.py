"""What is done with a phrase bank at a desk: a bulletin from a template, and what is still missing.

The shell around the pure modules of this package.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loa_manager.home import Home, read_bytes
from loa_manager.phrases.bank import PhraseBank
from loa_manager.phrases.matching import Cover, Piece, cover
from loa_manager.phrases.sheet import Phrase
from loa_manager.phrases.template import Field, Template, fill, load_template, text_of
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_sound.assembly import assemble
from loa_sound.blocks import Samples

_ = translator("loa_manager")

_FIRST_100: Final = tuple(str(number) for number in range(100))


@dataclass(frozen=True, slots=True, eq=False)
class Assembled:
    """A bulletin made of phrases: what it says, its sound, and the phrases in it."""

    template: Template
    text: str
    sound: Samples
    phrases: tuple[Phrase, ...]


def phrase_bank(home: Home) -> PhraseBank:
    """Return the phrases of *home*."""
    return PhraseBank(home.path / "phrases")


def find_template(home: Home, name: str) -> Template:
    """Return the template at the path *name*, else the one of that name in *home*.

    Raises:
        StoreError: there is none.
        ConfigError: with every fault.
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = home.path / "phrases" / "templates" / f"{name}.toml"
    return load_template(read_bytes(path), str(path))


def templates(home: Home) -> list[Path]:
    """Return the templates of *home*."""
    return sorted((home.path / "phrases" / "templates").glob("*.toml"))


def say(bank: PhraseBank, template: Template, values: Mapping[str, str]) -> Assembled:
    """Put together what *template* says with *values*.

    Raises:
        ConfigError: values are wrong, or phrases are missing, changed or not signed off; of each
            kind all are named.
        SoundError: a recording is damaged.
    """
    tokens = fill(template, values)
    phrases = bank.read(template.language)
    found = cover(tokens, phrases)
    used = tuple({each.phrase.id: each.phrase for each in found.pieces}.values())
    faults = [*_missing_texts(found, template.language), *bank.faults(used), *_unheard(used)]
    if faults:
        raise ConfigError(template.title, faults)
    sounds = {each.id: bank.sound(each) for each in used}
    try:
        sound = assemble([_played(each, sounds) for each in found.pieces])
    except ValueError:
        fault = _("there is nothing to say, or a recording is too soft to be measured")
        raise ConfigError(template.title, [fault]) from None
    text = text_of(tokens, {each.id: each.text for each in phrases})
    return Assembled(template, text, sound, used)


def missing_for(template: Template, phrases: Iterable[Phrase]) -> list[str]:
    """Return what *template* may ever need to say and nobody has recorded, each once."""
    known = list(phrases)
    found: dict[str, None] = {}
    for values in _samples(template):
        found.update(dict.fromkeys(cover(fill(template, values), known).missing))
    return list(found)


def _played(piece: Piece, sounds: Mapping[str, Samples]) -> tuple[Samples, int]:
    return sounds[piece.phrase.id], piece.pause_ms


def _missing_texts(found: Cover, language: str) -> list[str]:
    text = _("nobody has recorded “{words}” in {language}")
    return [text.format(words=words, language=language) for words in found.missing]


def _unheard(phrases: Iterable[Phrase]) -> list[str]:
    text = _("nobody has signed off “{text}” ({id}): loa phrases check --sign-off NAME")
    return [text.format(text=each.text, id=each.id) for each in phrases if not each.heard_by]


def _samples(template: Template) -> Iterator[dict[str, str]]:
    """Yield values under which every word of every field is said at least once."""
    ways = {field.name: _sample_values(field, template.language) for field in _used(template)}
    for at in range(max((len(each) for each in ways.values()), default=1)):
        yield {name: each[at % len(each)] for name, each in ways.items()}


def _used(template: Template) -> Iterable[Field]:
    return template.fields.values()


def _sample_values(field: Field, language: str) -> list[str]:
    mark = "." if language == "en" else ","
    if field.kind == "time":
        return [f"{int(each) % 24}:{int(each) % 60:02}" for each in _FIRST_100]
    if field.kind == "date":
        return [f"{at % 31 + 1}/{(1, 3, 5, 7, 8, 10, 12, 12)[at % 8]}" for at in range(31 * 8)] + [
            f"1/{month + 1}" for month in range(12)
        ]
    if field.kind == "place":
        return list(field.choices) or [field.name]
    if field.kind == "level":
        least, most = int(field.least or 0), int(min(99, field.most or 20))
        wholes = range(least, most)
        return [f"{wholes[at % len(wholes)]}{mark}{at:02}" for at in range(100)] if wholes else []
    least, most = int(max(0, field.least or 0)), int(min(999_999, field.most or 999_999))
    numbers = {least, most, *range(least, min(most, least + 111)), 1_001, 15_015, 999_999}
    return [str(number) for number in sorted(numbers) if least <= number <= most]
