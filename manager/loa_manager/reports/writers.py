"""Writes a report as CSV, spreadsheet or JSON: the same bytes for the same facts (REP-5, REP-6)."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, time
from decimal import Decimal
from typing import Any, Final

import xlsxwriter

from loa_manager.reports.document import Document, Row, show_number
from loa_protocol.language import translator

_ = translator("loa_manager")

SHEET_ROWS: Final = 1_048_576  # a spreadsheet has no more
_MARK: Final = "\ufeff"


def write_csv(document: Document, *, explain: bool) -> bytes:
    """Return the report as CSV in UTF-8 with the mark that Excel needs.

    Vietnamese spreadsheets write decimal commas, so cells are parted by semicolons there.
    """
    out = io.StringIO()
    out.write(_MARK)
    mark = ";" if document.language == "vi" else ","
    writer = csv.writer(out, delimiter=mark, lineterminator="\r\n")
    for line in document.heading:
        writer.writerow([line])
    writer.writerow([])
    writer.writerow(_titles(explain))
    for number, row in _numbered(document):
        cells = [number, row.label, row.unit, _shown(row, document.language)]
        writer.writerow([*cells, " ".join(row.ids)] if explain else cells)
    writer.writerow([])
    for definition in document.definitions:
        writer.writerow([definition])
    return out.getvalue().encode()


def write_json(document: Document, *, explain: bool) -> bytes:
    """Return the report as JSON; ``figures`` gives the single figures by their keys."""
    rows = [_fact(row, explain=explain) for row in document.rows]
    single = {
        row.figure: _number(row.value)
        for row in document.rows
        if row.value is not None and not row.name
    }
    value = {
        "report": document.report,
        "template": document.template,
        "language": document.language,
        "test": document.is_test,
        "period": {
            "text": document.period.text,
            "first": document.period.first.isoformat(),
            "last": document.period.last.isoformat(),
            "as_of": document.as_of.isoformat(),
        },
        "heading": list(document.heading),
        "figures": single,
        "rows": rows,
        "definitions": list(document.definitions),
    }
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()


def write_xlsx(document: Document) -> bytes:
    """Return the report as a spreadsheet; its second sheet lists the records behind each figure."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False})
    # the library would write the present moment, and no file could be made again
    made = datetime.combine(document.as_of, time())
    book.set_properties({"title": document.title, "created": made})
    _write_report(book, document)
    _write_records(book, document)
    book.close()
    return out.getvalue()


def _write_report(book: Any, document: Document) -> None:  # noqa: ANN401 - xlsxwriter has no types
    sheet = book.add_worksheet(_("Report"))
    bold, wrap = book.add_format({"bold": True}), book.add_format({"text_wrap": True})
    whole = book.add_format({"num_format": "#,##0"})
    part = book.add_format({"num_format": "#,##0.###"})
    sheet.set_column(0, 0, 6)
    sheet.set_column(1, 1, 70)
    sheet.set_column(2, 3, 16)
    at = 0
    for line in document.heading:
        sheet.write_string(at, 1, line, bold)
        at += 1
    at += 1
    for column, title in enumerate(_titles(explain=False)):
        sheet.write_string(at, column, title, bold)
    for number, row in _numbered(document):
        at += 1
        sheet.write_string(at, 0, number)
        sheet.write_string(at, 1, row.label, wrap if row.value is not None else bold)
        sheet.write_string(at, 2, row.unit)
        if row.value is not None:
            form = whole if row.value == row.value.to_integral_value() else part
            sheet.write_number(at, 3, float(row.value), form)
    at += 1
    for definition in document.definitions:
        at += 1
        sheet.write_string(at, 1, definition, wrap)


def _write_records(book: Any, document: Document) -> None:  # noqa: ANN401 - xlsxwriter has no types
    sheet = book.add_worksheet(_("Records"))
    bold = book.add_format({"bold": True})
    sheet.set_column(0, 0, 6)
    sheet.set_column(1, 1, 60)
    sheet.set_column(2, 2, 70)
    for column, title in enumerate([_("No."), _("Figure"), _("Record id")]):
        sheet.write_string(0, column, title, bold)
    at = 0
    for number, row in _numbered(document):
        for each in row.ids:
            at += 1
            if at == SHEET_ROWS - 1:
                sheet.write_string(at, 1, _("the sheet is full; --format json lists all"))
                return
            sheet.write_string(at, 0, number)
            sheet.write_string(at, 1, row.label)
            sheet.write_string(at, 2, each)  # text: codes keep the zeros in front


def _titles(explain: bool) -> list[str]:
    titles = [_("No."), _("Figure"), _("Unit"), _("Value")]
    return [*titles, _("Record ids")] if explain else titles


def _numbered(document: Document) -> list[tuple[str, Row]]:
    """Return the rows with their numbers; headings have none."""
    found: list[tuple[str, Row]] = []
    number = 0
    for row in document.rows:
        number += row.value is not None
        found.append((str(number) if row.value is not None else "", row))
    return found


def _shown(row: Row, language: str) -> str:
    return "" if row.value is None else show_number(row.value, language)


def _fact(row: Row, *, explain: bool) -> dict[str, Any]:
    if row.value is None:
        return {"section": row.label}
    fact: dict[str, Any] = {"figure": row.figure, "name": row.name or None, "label": row.label}
    fact |= {"unit": row.unit, "value": _number(row.value)}
    return {**fact, "ids": list(row.ids)} if explain else fact


def _number(value: Decimal | None) -> int | float | None:
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)
