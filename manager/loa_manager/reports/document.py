"""A report ready to be written: figures in the rows and words of a template, in one language."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from loa_manager.registry.units import UnitTree
from loa_manager.reports.figures import Cell, Figures
from loa_manager.reports.period import Period, show_day
from loa_manager.reports.template import Template, TemplateRow
from loa_protocol.language import translator

_ = translator("loa_manager")
TEST_MARK: Final = "THỬ NGHIỆM / TEST"  # trust.md section 5: the same in every language


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line; a heading has no *value*. *name* tells apart the rows of one figure."""

    label: str
    figure: str = ""
    name: str = ""
    unit: str = ""
    value: Decimal | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What is written, whatever the format."""

    report: str
    template: str
    language: str
    period: Period
    as_of: date
    is_test: bool
    title: str
    note: str
    rows: tuple[Row, ...]
    definitions: tuple[str, ...]

    @property
    def heading(self) -> tuple[str, ...]:
        """The lines above the table."""
        period = _("Period: {name}").format(name=self.period.name)
        as_of = _("Figures up to {day}").format(day=show_day(self.as_of))
        mark = (TEST_MARK,) if self.is_test else ()
        return (*mark, self.title, period, as_of, self.note)


def build(
    template: Template,
    figures: Figures,
    units: UnitTree,
    *,
    language: str,
    period: Period,
    as_of: date,
    is_test: bool,
) -> Document:
    """Put *figures* into the rows and words of *template*."""
    rows: list[Row] = []
    for row in template.rows:
        rows.extend(_rows(row, template, figures, units, language=language, as_of=as_of))
    return Document(
        report=template.report,
        template=template.id,
        language=language,
        period=period,
        as_of=as_of,
        is_test=is_test,
        title=_nfc(template.title[language]),
        note=_nfc(template.note[language]),
        rows=tuple(rows),
        definitions=tuple(_nfc(wording[language]) for wording in template.definitions),
    )


def show_number(value: Decimal, language: str) -> str:
    """Write a number without groups; with a decimal comma in Vietnamese."""
    text = f"{value:f}"
    return text.replace(".", ",") if language == "vi" else text


def _rows(
    row: TemplateRow,
    template: Template,
    figures: Figures,
    units: UnitTree,
    *,
    language: str,
    as_of: date,
) -> Iterable[Row]:
    wording = row.wording[language]
    if not row.figure:
        yield Row(label=_nfc(wording))
        return
    denominator = figures[row.of][0].value if row.of else Decimal(0)
    for cell in figures[row.figure]:
        name = _name(row.each, cell, template, units, language=language, as_of=as_of)
        yield Row(
            label=_nfc(wording.format(name=name, of=show_number(denominator, language))),
            figure=row.figure,
            name=cell.name,
            unit=template.units[row.unit][language],
            value=cell.value,
            ids=cell.ids,
        )


def _name(
    kind: str, cell: Cell, template: Template, units: UnitTree, *, language: str, as_of: date
) -> str:
    if kind == "commune":
        unit = units.at(cell.name, as_of)
        return f"{unit.name} ({cell.name})" if unit else cell.name or _("place not known")
    wording = template.names.get(kind, {}).get(cell.name)
    return wording[language] if wording else cell.name


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
