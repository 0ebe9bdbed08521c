"""A TOML table read key by key, so that every fault of a file is named at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from loa_protocol.errors import ConfigError

FILE_LIMIT: Final = 1 << 20  # bytes; scripts and airs are written by hand


@dataclass
class Table:
    """One table: takes known keys, remembers what was wrong, and what nobody asked for."""

    where: str
    values: Mapping[str, object]
    faults: list[str] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """Take a number from *low* to *high*; the default when absent, *low* when wrong."""
        value = self._take(key, default)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.fault(f"{key} must be a number from {low:g} to {high:g}, got {_shown(value)}")
        return low

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """Take a whole number from *low* to *high*; the default when absent, *low* when wrong."""
        value = self._take(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.fault(f"{key} must be a whole number from {low} to {high}, got {_shown(value)}")
        return low

    def text(self, key: str, default: str | None = None, *, limit: int = 200) -> str:
        """Take a text of 1 to *limit* characters; the default when absent, "" when wrong."""
        value = self._take(key, default)
        if isinstance(value, str) and (value == default or 1 <= len(value) <= limit):
            return value
        self.fault(f"{key} must be a text of 1 to {limit} characters, got {_shown(value)}")
        return ""

    def flag(self, key: str, *, default: bool) -> bool:
        """Take true or false."""
        value = self._take(key, default)
        if isinstance(value, bool):
            return value
        self.fault(f"{key} must be true or false, got {_shown(value)}")
        return default

    def raw(self, key: str) -> object:
        """Take whatever stands under *key*, None when absent."""
        return self._take(key, None, is_needed=False)

    def tables(self, key: str) -> Iterator[Table]:
        """Take an array of tables; their faults are collected here."""
        value = self._take(key, None, is_needed=False)
        if value is None:
            return
        if not isinstance(value, list):
            self.fault(f"{key} must be written as [[{key}]]")
            return
        for number, entry in enumerate(value, 1):
            name = f"{self.where}{key} {number}: "
            if isinstance(entry, dict):
                table = Table(name, entry, self.faults)
                yield table
                table.refuse_unknown()
            else:
                self.faults.append(f"{name}must be a table")

    def fault(self, text: str) -> None:
        """Remember that something is wrong in this table."""
        self.faults.append(self.where + text)

    def refuse_unknown(self) -> None:
        """Remember every key that nobody took."""
        for key in self.values:
            if key not in self._taken:
                self.fault(f"unknown key {key[:40]!r}")

    def _take(self, key: str, default: object, *, is_needed: bool = True) -> object:
        self._taken.add(key)
        if key not in self.values:
            if is_needed and default is None:
                return _MISSING
            return default
        return self.values[key]


def parse_toml(text: str, where: str) -> Table:
    """Read a TOML file's text.

    Raises:
        ConfigError: Too long, or not TOML; *where* names the file.
    """
    if len(text) > FILE_LIMIT:
        raise ConfigError(where, [f"longer than {FILE_LIMIT} characters"])
    try:
        return Table("", tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(where, [f"not TOML: {error}"]) from None


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


_MISSING: Final = _Missing()


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:37] + "..."
