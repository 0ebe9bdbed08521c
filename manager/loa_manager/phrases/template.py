"""A bulletin with places to be filled in: a TOML file into a template, values into what is said.

Pure. The form is described in docs/sound.md.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from loa_manager.phrases.matching import Token, tokens_of
from loa_manager.phrases.reading import (
    Number,
    Reader,
    parse_date,
    parse_number,
    parse_time,
    read_words,
    reader_of,
    with_pause,
)
from loa_manager.phrases.vietnamese import NORTH, SOUTH, Style
from loa_manager.publish.fields import Fields
from loa_manager.publish.places import Fault, find_places
from loa_manager.publish.values import WrongValue, read_choice, read_text, read_word
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")

MAX_BYTES: Final = 64 * 1024
MAX_TEXT: Final = 5_000
KINDS: Final = ("number", "level", "time", "date", "place")
PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "number": ("whole", "fraction"),
    "level": ("whole", "fraction"),
    "time": ("hour", "minute"),
    "date": ("day", "month", "year"),
    "place": (),
}
LEVEL_MAX: Final = 99.0  # metres; what is more was typed without its comma
_END: Final = "\ue000"  # a word of its own, which takes the pause that ends a text
_NO_CHOICES: Final[tuple[str, ...]] = ()
_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}", re.ASCII)
_SLOT = re.compile(r"\{([^{}]*)\}([.!?…,;:]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One place to be filled in; *least* and *most* catch a slip of the finger."""

    name: str
    kind: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A bulletin whose fields are still open."""

    title: str
    language: str
    style: Style
    text: str
    fields: Mapping[str, Field]

    @property
    def reader(self) -> Reader:
        """How its language says numbers."""
        return reader_of(self.language, self.style)


def load_template(data: bytes, where: str) -> Template:
    """Parse a template.

    Raises:
        ConfigError: with every fault.
    """
    faults: list[Fault] = []
    table, text = _parse(data, where)
    top = Fields(table, (), places=find_places(text), faults=faults)
    title = top.need("title", read_text(200))
    language = top.need("language", read_word(35))
    style = top.read("region", read_choice({"north": NORTH, "south": SOUTH}), NORTH)
    said = top.need("text", _read_long)
    fields = _read_fields(top)
    if said is not None and language is not None:
        _check_slots(top, said, fields, reader_of(language))
    top.finish()
    if faults or title is None or language is None or said is None:
        raise ConfigError(where, [str(fault) for fault in faults])
    return Template(title=title, language=language, style=style, text=said, fields=fields)


def fill(template: Template, values: Mapping[str, str]) -> list[Token]:
    """Return what *template* says with *values*, as tokens.

    Raises:
        ConfigError: fields are missing, unknown or wrong; all are named.
    """
    faults = [
        _("there is no field {name}").format(name=name)
        for name in values
        if name not in template.fields
    ]
    said: dict[str, Mapping[str, list[Token]]] = {}
    for field in template.fields.values():
        if field.name not in values:
            faults.append(_("{name} is missing: --set {name}=…").format(name=field.name))
            continue
        try:
            said[field.name] = _say(field, values[field.name], template.reader)
        except WrongValue as wrong:
            text = _("{name}: {expected}, got {got:.60}")
            got = repr(values[field.name])
            faults.append(text.format(name=field.name, expected=wrong, got=got))
    if faults:
        raise ConfigError(template.title, faults)
    return _fill_text(template, said)


def text_of(tokens: list[Token], phrases: Mapping[str, str]) -> str:
    """Return *tokens* as a text to be read by whoever signs; *phrases* are texts by id."""
    words = []
    for token in tokens:
        word = phrases.get(token.phrase, token.phrase) if token.phrase else token.word
        mark = "" if not token.pause_ms else "." if token.pause_ms > 400 else ","
        words.append(word + mark)
    text = " ".join(words)
    return re.sub(r"(^|\. )(\w)", lambda found: found[1] + found[2].upper(), text)


def _parse(data: bytes, where: str) -> tuple[Mapping[str, Any], str]:
    if len(data) > MAX_BYTES:
        raise ConfigError(where, [_("larger than {limit} bytes").format(limit=MAX_BYTES)])
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        return tomllib.loads(text), text
    except UnicodeDecodeError:
        raise ConfigError(where, [_("not UTF-8; save the file with the encoding UTF-8")]) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(where, [_("not TOML: {why}").format(why=error)]) from None


def _read_long(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= MAX_TEXT:
        raise WrongValue(_("expected 1 to {limit} characters").format(limit=MAX_TEXT))
    return value


def _read_fields(top: Fields) -> dict[str, Field]:
    tables = top.read("fields", _read_table) or {}
    found = {}
    for name, table in tables.items():
        if not _NAME.fullmatch(name) or not isinstance(table, dict):
            top.blame(_("expected tables such as [fields.level], a-z and _ in the name"), "fields")
            continue
        each = top.under(table, "fields", name)
        kind = each.need("kind", read_choice({kind: kind for kind in KINDS}))
        least, most = each.read("min", _read_float), each.read("max", _read_float)
        choices = each.read("choices", _read_choices, _NO_CHOICES)
        each.finish()
        if kind is not None:
            found[name] = Field(name=name, kind=kind, least=least, most=most, choices=choices)
    return found


def _read_table(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise WrongValue(_("expected a table"))
    return value


def _read_float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e6:
        raise WrongValue(_("expected a number"))
    return float(value)


def _read_choices(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise WrongValue(_("expected a list of texts"))
    return tuple(read_text(100)(each) for each in value)


def _check_slots(top: Fields, text: str, fields: Mapping[str, Field], reader: Reader) -> None:
    used = set()
    for slot in _SLOT.finditer(text):
        name, _dot, part = slot[1].partition(".")
        used.add(name)
        field = fields.get(name)
        if field is None:
            top.blame(_("{{{name}}} has no table [fields.{name}]").format(name=name), "text")
        elif part and part not in PARTS[field.kind]:
            fault = _("{{{slot}}}: a {kind} has no such part")
            top.blame(fault.format(slot=slot[1], kind=field.kind), "text")
        elif not part and not _can_say(field.kind, reader):
            fault = _("{{{name}}}: this language is read from a table; write {parts}")
            parts = " ".join(f"{{{name}.{each}}}" for each in PARTS[field.kind])
            top.blame(fault.format(name=name, parts=parts), "text")
    if re.search(r"[{}]", _SLOT.sub("", text)):
        top.blame(_("a brace without its partner"), "text")
    for name in fields.keys() - used:
        top.blame(_("[fields.{name}] is not in the text").format(name=name), "fields")


def _can_say(kind: str, reader: Reader) -> bool:
    rules = {"time": reader.time, "date": reader.date, "level": reader.metre}
    return kind not in rules or rules[kind] is not None


def _say(field: Field, value: str, reader: Reader) -> Mapping[str, list[Token]]:
    """Return what *value* is as a whole (under '') and in its parts, as tokens."""
    ways: dict[str, Callable[[Field, str, Reader], Mapping[str, list[Token]]]] = {
        "number": _say_number,
        "level": _say_number,
        "time": _say_time,
        "date": _say_date,
        "place": _say_place,
    }
    return ways[field.kind](field, value, reader)


def _say_number(field: Field, value: str, reader: Reader) -> Mapping[str, list[Token]]:
    number = parse_number(value, reader.language)
    is_level = field.kind == "level"
    most = LEVEL_MAX if is_level and field.most is None else field.most
    if field.least is not None and float(number) < field.least:
        raise WrongValue(_("expected at least {limit:g}").format(limit=field.least))
    if most is not None and float(number) > most:
        raise WrongValue(_("expected at most {limit:g}").format(limit=most))
    whole = reader.number(number)
    if is_level and reader.metre:
        whole = [*whole, *tokens_of(reader.metre)]
    fraction = Number(is_negative=False, whole=int(number.digits or "0"))
    short = Number(number.is_negative, number.whole)
    return {"": whole, "whole": reader.number(short), "fraction": reader.number(fraction)}


def _say_time(_field: Field, value: str, reader: Reader) -> Mapping[str, list[Token]]:
    hour, minute = parse_time(value)
    whole = tokens_of(reader.time(hour, minute)) if reader.time else []
    return {"": whole, "hour": _counted(hour, reader), "minute": _counted(minute, reader)}


def _say_date(_field: Field, value: str, reader: Reader) -> Mapping[str, list[Token]]:
    day, month, year = parse_date(value)
    whole = tokens_of(reader.date(day, month, year)) if reader.date else []
    parts = {"day": _counted(day, reader), "month": _counted(month, reader)}
    return {"": whole, **parts, "year": [] if year is None else _counted(year, reader)}


def _say_place(field: Field, value: str, reader: Reader) -> Mapping[str, list[Token]]:
    name = read_text(100)(value)
    if field.choices and name.casefold() not in {each.casefold() for each in field.choices}:
        raise WrongValue(_("expected one of {words}").format(words=", ".join(field.choices)))
    if any(mark in name for mark in "{}"):
        raise WrongValue(_("expected a name without braces"))
    return {"": read_words(name, reader)}


def _counted(number: int, reader: Reader) -> list[Token]:
    return reader.number(Number(is_negative=False, whole=number))


def _fill_text(template: Template, said: Mapping[str, Mapping[str, list[Token]]]) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    for slot in _SLOT.finditer(template.text):
        tokens += _fixed(template.text[at : slot.start()], template.reader)
        name, _dot, part = slot[1].partition(".")
        behind = tokens_of(f"x{slot[2]} x")[0].pause_ms
        tokens += with_pause(said[name][part], behind)
        at = slot.end()
    tokens += _fixed(template.text[at:], template.reader)
    return tokens


def _fixed(text: str, reader: Reader) -> list[Token]:
    """Return the tokens of a part of the text, whose end is not the end of a sentence."""
    return read_words(f"{text} {_END}", reader)[:-1]
