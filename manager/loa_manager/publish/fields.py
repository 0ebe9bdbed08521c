"""One TOML table: reads its values, collecting every fault instead of stopping at the first."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, overload

from loa_manager.publish.places import Fault, Places
from loa_manager.publish.values import Reader, WrongValue
from loa_protocol.language import translator

_ = translator("loa_manager")
_T = TypeVar("_T")


class Fields:
    """One table of the schedule, and where its faults go."""

    def __init__(
        self,
        table: Mapping[str, Any],
        path: Sequence[str | int],
        *,
        places: Places,
        faults: list[Fault],
    ) -> None:
        self.table, self.path, self.what = table, tuple(path), ""
        self._places, self._faults = places, faults
        self._asked: set[str] = set()

    @overload
    def read(self, key: str, reader: Reader[_T]) -> _T | None: ...
    @overload
    def read(self, key: str, reader: Reader[_T], default: _T) -> _T: ...
    def read(self, key: str, reader: Reader[_T], default: _T | None = None) -> _T | None:
        """Return the value of *key*; where it is missing or wrong, *default*.

        A wrong value is noted as a fault, a missing one is not: see :meth:`need`.
        """
        self._asked.add(key)
        if key not in self.table:
            return default
        try:
            return reader(self.table[key])
        except WrongValue as wrong:
            got = repr(self.table[key])
            self.blame(_("{expected}, got {got:.60}").format(expected=wrong, got=got), key)
            return default

    def need(self, key: str, reader: Reader[_T]) -> _T | None:
        """Return the value of *key*; missing or wrong is noted and gives None."""
        if key not in self.table:
            self._asked.add(key)
            self.blame(_("{key} is missing").format(key=key))
        return self.read(key, reader)

    def tables(self, key: str) -> list[Mapping[str, Any]]:
        """Return the members of the table array *key*; what is none is noted."""
        self._asked.add(key)
        value = self.table.get(key, [])
        if isinstance(value, list) and all(isinstance(member, dict) for member in value):
            return value
        self.blame(_("expected [[{key}]] tables").format(key=key), key)
        return []

    def under(self, table: Mapping[str, Any], *steps: str | int) -> Fields:
        """Return a table below this one; its faults go to the same list."""
        return Fields(table, (*self.path, *steps), places=self._places, faults=self._faults)

    def place(self, key: str | None = None) -> str:
        """Return where this table, or *key* in it, stands."""
        return self._places.name(self.path, key, what=self.what)

    def blame(self, text: str, key: str | None = None) -> None:
        """Note a fault of this table, or of *key* in it."""
        self._faults.append(Fault(self.place(key), text))

    def finish(self) -> None:
        """Note every key that nobody asked for, with the nearest one that exists."""
        for key in self.table:
            if key not in self._asked:
                near = difflib.get_close_matches(key, self._asked, n=1)
                hint = _("; did you mean {near}?").format(near=near[0]) if near else ""
                self.blame(_("unknown key {key:.40}").format(key=key) + hint, key)
