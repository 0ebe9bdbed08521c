"""CSV tables from people's spreadsheets: every fault with its row, or all rows.

A table is UTF-8 (with or without the mark that Excel writes), its first row names the columns, and
commas, semicolons or tabs part them (a Vietnamese Excel writes semicolons). Rows are numbered as a
spreadsheet shows them. Nothing here touches a database.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_ROWS: Final = 100_000
MAX_FAULTS: Final = 100  # more help nobody; the last line tells how many there are
_MARK: Final = b"\xef\xbb\xbf"


class CellError(ValueError):
    """A cell is not what its column wants; the text says what it wants."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, how its text becomes a value, how the value is written again."""

    name: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One parsed row and its number in the spreadsheet; empty cells are None."""

    number: int
    values: Mapping[str, Any]


class Faults:
    """Everything that is wrong with one file, by row; with *is_single* rows have no numbers."""

    def __init__(self, where: str, *, is_single: bool = False) -> None:
        self._where, self._is_single = where, is_single
        self._found: list[tuple[int, str]] = []

    def add(self, row: int, text: str) -> None:
        """Note that *row* is wrong; row 0 is the file as a whole."""
        self._found.append((row, text))

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_any(self) -> None:
        """Raise ConfigError with all faults, in the order of the rows, when there is one."""
        if not self._found:
            return
        found = sorted(self._found, key=lambda each: each[0])
        texts = [self._text(row, fault) for row, fault in found]
        if len(texts) > MAX_FAULTS:
            more = _("and {count} more faults").format(count=len(texts) - MAX_FAULTS)
            texts = [*texts[:MAX_FAULTS], more]
        raise ConfigError(self._where, texts)

    def _text(self, row: int, fault: str) -> str:
        if not row or self._is_single:
            return fault
        return _("row {row}: {fault}").format(row=row, fault=fault)


def read_lines(data: bytes, columns: Sequence[Column], faults: Faults) -> list[Line]:
    """Return the rows of the table *data*; what is wrong with them goes into *faults*.

    A row with a fault is left out, so that the caller may look for more faults in the others.

    Raises:
        ConfigError: the file cannot be read as a table with these columns at all.
    """
    content = _decode(data, faults)
    faults.raise_any()
    records = _records(content, faults)
    if not records:
        faults.add(0, _("the file is empty; its first row must name the columns"))
    faults.raise_any()
    names = [cell.strip() for cell in records[0]]
    _check_names(names, columns, faults)
    faults.raise_any()
    lines: list[Line] = []
    for number, cells in enumerate(records[1:], start=2):
        if any(cell.strip() for cell in cells):
            line = _line(number, names, cells, columns, faults)
            lines += [line] if line else []
    return lines


def write_lines(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> str:
    """Return the table of *rows*, in the form that :func:`read_lines` reads."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    for row in rows:
        cells = ((column, row[column.name]) for column in columns)
        writer.writerow(["" if value is None else column.show(value) for column, value in cells])
    return out.getvalue()


def _decode(data: bytes, faults: Faults) -> str:
    if len(data) > MAX_BYTES:
        faults.add(0, _("the file is larger than {limit} bytes").format(limit=MAX_BYTES))
        return ""
    body = data.removeprefix(_MARK)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        row = body.count(b"\n", 0, error.start) + 1
        faults.add(row, _("not UTF-8; save the table as “CSV UTF-8”"))
        return ""


def _records(content: str, faults: Faults) -> list[list[str]]:
    first = content.split("\n", 1)[0]
    mark = max(",;\t", key=first.count)
    records: list[list[str]] = []
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=mark, strict=True)
    try:
        for cells in reader:
            records.append(cells)
            if len(records) > MAX_ROWS:
                faults.add(0, _("more than {limit} rows").format(limit=MAX_ROWS))
                return records
    except csv.Error as error:
        faults.add(len(records) + 1, _("not a CSV table: {why}").format(why=error))
    return records


def _check_names(names: list[str], columns: Sequence[Column], faults: Faults) -> None:
    known = {column.name for column in columns}
    for name in sorted(set(names) - known):
        faults.add(1, _("unknown column {name}").format(name=repr(name)[:60]))
    for name in sorted({name for name in names if name in known and names.count(name) > 1}):
        faults.add(1, _("column {name} stands twice").format(name=name))
    for column in columns:
        if column.name not in names:
            faults.add(1, _("column {name} is missing").format(name=column.name))


def _line(
    number: int, names: list[str], cells: list[str], columns: Sequence[Column], faults: Faults
) -> Line | None:
    if len(cells) != len(names):
        text = _("{found} cells where the first row has {wanted}")
        faults.add(number, text.format(found=len(cells), wanted=len(names)))
        return None
    texts = dict(zip(names, cells, strict=True))
    values: dict[str, Any] = {}
    for column in columns:
        try:
            values[column.name] = _value(column, texts[column.name])
        except CellError as error:
            faults.add(number, f"{column.name}: {error}")
    return Line(number, values) if len(values) == len(columns) else None


def _value(column: Column, raw: str) -> object:
    text = unicodedata.normalize("NFC", raw.strip())
    if not text:
        if column.required:
            raise CellError(_("is missing"))
        return None
    return column.parse(text)


# --- what cells may hold --------------------------------------------------------------------


def words(limit: int) -> Callable[[str], str]:
    """Return a parser of text of at most *limit* characters on one line."""

    def parse(text: str) -> str:
        if len(text) > limit:
            raise CellError(_("longer than {limit} characters").format(limit=limit))
        if any(unicodedata.category(c) in {"Cc", "Cs"} for c in text):
            raise CellError(_("holds a line break or another control character"))
        if text[0] in "=@":  # a spreadsheet that opens our export would run it
            raise CellError(_("must not begin with = or @"))
        return text

    return parse


def matching(form: re.Pattern[str], example: str) -> Callable[[str], str]:
    """Return a parser of text of the form *form*; *example* shows people what is wanted."""

    def parse(text: str) -> str:
        if form.fullmatch(text) is None:
            raise CellError(_("must look like {example}").format(example=example))
        return text

    return parse


def choice(*allowed: str) -> Callable[[str], str]:
    """Return a parser of one of the words *allowed*."""

    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise CellError(_("must be one of {words}").format(words=", ".join(allowed)))
        return text.lower()

    return parse


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of a whole number from *low* to *high*, both allowed."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise CellError(_("must be a whole number"))
        if not low <= int(text) <= high:
            raise CellError(_("must lie from {low} to {high}").format(low=low, high=high))
        return int(text)

    return parse


def degrees(limit: int) -> Callable[[str], float]:
    """Return a parser of decimal degrees within ± *limit*, with a point or a comma."""

    def parse(text: str) -> float:
        body = text.replace(",", ".", 1)
        figures = body.removeprefix("-").replace(".", "", 1)
        if not (figures.isascii() and figures.isdigit() and len(figures) <= 12):
            raise CellError(_("must be decimal degrees such as 21.8537"))
        if not -limit <= float(body) <= limit:
            raise CellError(_("must lie from {low} to {high}").format(low=-limit, high=limit))
        return float(body)

    return parse


_DAY: Final = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_LOCAL_DAY: Final = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")


def day(text: str) -> date:
    """Parse 2026-07-01 or 01/07/2026; other orders are ambiguous and refused."""
    try:
        if match := _DAY.fullmatch(text):
            year, month, number = map(int, match.groups())
        elif match := _LOCAL_DAY.fullmatch(text):
            number, month, year = map(int, match.groups())
        else:
            raise ValueError
        return date(year, month, number)
    except ValueError:
        raise CellError(_("must be a day such as 2026-07-01 or 01/07/2026")) from None


def yes_or_no(text: str) -> bool:
    """Parse yes or no, in English or Vietnamese."""
    answers = {"yes": True, "no": False, "có": True, "không": False, "1": True, "0": False}
    if text.lower() not in answers:
        raise CellError(_("must be yes or no"))
    return answers[text.lower()]


def show_yes_or_no(value: bool) -> str:
    """Write what :func:`yes_or_no` reads."""
    return "yes" if value else "no"


def show_degrees(value: float) -> str:
    """Write decimal degrees with a point and no more figures than they had."""
    return f"{value:.9f}".rstrip("0").rstrip(".")
