"""Tables for people: drawn to the width of their terminal, or plain columns in a pipe.

On a terminal that is too narrow a table first loses its frame and the columns in which nothing
stands, then its cells are broken between words, and where even that will not do each row becomes a
block of lines. Nothing is cut off that a person has to copy: a time with digits missing is worse
than a long list.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from itertools import compress
from typing import Final, Literal, NamedTuple

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

_GAP: Final = "  "
_READABLE: Final = 8  # a column of several words is not made narrower than this
_EMPTY: Final = ("", "-")
_ID: Final = re.compile(r"\b[0-9a-f]{16,}\b", re.ASCII)

Cells = Sequence[Sequence[str]]


class Column(NamedTuple):
    """One column: the key in a row and in JSON, the translated heading, and its alignment.

    Of an id or hash in it, a table that would not fit shows the first *short* digits.
    """

    key: str
    heading: str
    right: bool = False
    short: int = 0

    @property
    def side(self) -> Literal["left", "right"]:
        """Where its cells stand."""
        return "right" if self.right else "left"


def draw(cells: Cells, columns: Sequence[Column], title: str, console: Console) -> None:
    """Print a table on the terminal *console*."""
    room, frame = console.width, 3 * len(columns) + 1
    if sum(_widths(cells, columns)) + frame <= room:
        console.print(_boxed(cells, columns, title))
        return
    if title:
        console.print(escape(title))
    cells, columns = _filled(cells, columns)
    gaps = len(_GAP) * (len(columns) - 1)
    for shown in (cells, _shortened(cells, columns)):
        if widths := fit(_widths(shown, columns), _least(shown, columns), room - gaps):
            console.print(_bare(shown, columns, widths))
            return
    console.print(_blocks(cells, columns))


def plain_lines(cells: Cells, columns: Sequence[Column]) -> list[str]:
    """Return *cells* under their headings in columns as wide as they need."""
    widths = _widths(cells, columns)
    return [
        _GAP.join(
            _padded(text, width, right=column.right)
            for text, width, column in zip(line, widths, columns, strict=True)
        ).rstrip()
        for line in ([column.heading for column in columns], *cells)
    ]


def hanging(text: str, room: int, indent: str, first: str | None = None) -> str:
    """Return *text* in lines of at most *room*, each after *indent*, the first one after *first*.

    No word is broken, whatever it is joined by: a name of a file or a service is copied.
    """
    return textwrap.fill(
        text,
        max(room, len(indent) + 1),
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def fit(natural: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Return widths of *room* together, none below its *least*; nothing where that is too much.

    The widest give way first. Pure.
    """
    widths = list(natural)
    while sum(widths) > room:
        able = [at for at, width in enumerate(widths) if width > least[at]]
        if not able:
            return []
        widths[max(able, key=lambda at: widths[at])] -= 1
    return widths


def _boxed(cells: Cells, columns: Sequence[Column], title: str) -> Table:
    table = Table(title=escape(title) or None, title_justify="left")
    for column in columns:
        table.add_column(column.heading, justify=column.side, overflow="fold")
    for row in cells:
        table.add_row(*map(escape, row))
    return table


def _bare(cells: Cells, columns: Sequence[Column], widths: Sequence[int]) -> Table:
    table = Table(box=None, padding=(0, len(_GAP), 0, 0), pad_edge=False)
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column.heading, justify=column.side, overflow="fold", width=width)
    for number, row in enumerate(cells):
        table.add_row(*map(escape, row))
        is_broken = any(cell_len(text) > width for text, width in zip(row, widths, strict=True))
        if is_broken and number + 1 < len(cells):  # or nobody could tell where a row ends
            table.add_row(*("" for _column in columns))
    return table


def _blocks(cells: Cells, columns: Sequence[Column]) -> RenderableType:
    """Return a block for each row: a line a value, without those that say nothing."""
    table = Table.grid("", "", padding=(0, len(_GAP), 0, 0))
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    for number, row in enumerate(cells):
        if number:
            table.add_row("", "")
        for column, text in zip(columns, row, strict=True):
            if text not in _EMPTY:
                table.add_row(escape(column.heading), escape(text))
    return table


def _filled(cells: Cells, columns: Sequence[Column]) -> tuple[Cells, Sequence[Column]]:
    """Return the columns in which something stands; all of them where there are no rows."""
    used = [any(row[at] not in _EMPTY for row in cells) for at in range(len(columns))]
    if not any(used):
        return cells, columns
    return [list(compress(row, used)) for row in cells], list(compress(columns, used))


def _shortened(cells: Cells, columns: Sequence[Column]) -> list[list[str]]:
    def shortened(text: str, digits: int) -> str:
        return _ID.sub(lambda found: f"{found[0][:digits]}…", text) if digits else text

    return [
        [shortened(text, column.short) for text, column in zip(row, columns, strict=True)]
        for row in cells
    ]


def _widths(cells: Cells, columns: Sequence[Column]) -> list[int]:
    """Return how wide each column is whose cells are not broken."""
    lines = [[column.heading for column in columns], *cells]
    return [max(map(cell_len, texts)) for texts in zip(*lines, strict=True)]


def _least(cells: Cells, columns: Sequence[Column]) -> list[int]:
    """Return how narrow each column may become: no word, nor a short text, is broken."""
    lines = [[column.heading for column in columns], *cells]
    return [
        max(min(_READABLE, whole), *(cell_len(word) for text in texts for word in text.split()), 0)
        for whole, texts in zip(_widths(cells, columns), zip(*lines, strict=True), strict=True)
    ]


def _padded(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - cell_len(text))
    return space + text if right else text + space
