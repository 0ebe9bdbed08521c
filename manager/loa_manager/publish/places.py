"""Where in a TOML text a table or key stands, so that a fault can name its line.

``tomllib`` forgets lines. This finds them again by looking at the headers; what it cannot find (an
inline table, say) has no line, and the table's path alone has to do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from loa_protocol.language import translator

_ = translator("loa_manager")

_HEADER = re.compile(r"\s*\[(\[?)\s*([\w.\"'-]+)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([\w-]+)\s*=")
_QUOTES = ('"""', "'''")

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the schedule: where, and what."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass
class Places:
    """Lines by table path; members of table arrays are counted from 0."""

    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Sequence[str | int], key: str | None = None) -> int | None:
        """Return the line, from 1, of *key* in the table at *path*, else of the table's header."""
        exact = None if key is None else self.lines.get((*path, key))
        return exact or self.lines.get(tuple(path))

    def name(self, path: Sequence[str | int], key: str | None = None, *, what: str = "") -> str:
        """Return the place for people: ``line 14, session 2 "sáng", item 1, start``."""
        words: list[str] = []
        for step in path:
            if isinstance(step, int):
                words[-1] += f" {step + 1}"
            else:
                words.append(step)
        if what and words:
            words[-1] += f' "{what:.40}"'
        if key is not None:
            words.append(key)
        line = self.line(path, key)
        if line is not None:
            words.insert(0, _("line {line}").format(line=line))
        return ", ".join(words) or _("file")


def find_places(text: str) -> Places:
    """Look through *text* for headers and keys."""
    places = Places()
    counts: dict[Path, int] = {}
    path: Path = ()
    quote = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if quote:
            quote = "" if quote in line else quote
            continue
        if header := _HEADER.match(line):
            path = _table(header[2].split("."), is_array=bool(header[1]), counts=counts)
            places.lines.setdefault(path, number)
        elif key := _KEY.match(line):
            places.lines.setdefault((*path, key[1]), number)
            quote = next((q for q in _QUOTES if line.count(q) % 2), "")
    return places


def _table(names: list[str], *, is_array: bool, counts: dict[Path, int]) -> Path:
    """Return the path of a header: names, each array's followed by its newest member's number."""
    path: Path = ()
    for depth, name in enumerate(names):
        path = (*path, name.strip("\"'"))
        if is_array and depth == len(names) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
