"""What leaves the house: templates by date, Vietnamese text, files that can be made again."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from loa_manager.registry.units import Unit, UnitTree
from loa_manager.reports.document import TEST_MARK, Document, build, show_number
from loa_manager.reports.figures import Cell, Figures
from loa_manager.reports.period import parse_period
from loa_manager.reports.template import choose_template, load_templates
from loa_manager.reports.writers import write_csv, write_json, write_xlsx
from loa_protocol.errors import ConfigError

KEYS = {row.figure for template in load_templates() for row in template.rows if row.figure}
UNITS = UnitTree(
    [
        Unit(
            code="00123",
            first_day=date(2004, 1, 1),
            last_day=None,
            name="Xã Nà Mẫu",
            kind="commune",
            parent=None,
            decree=None,
            is_border=True,
            zone="III",
        )
    ]
)


def figures(**changes: list[Cell]) -> Figures:
    found: Figures = {key: [Cell("", Decimal(0), ())] for key in KEYS}
    found["commune_clusters"] = [Cell("00123", Decimal(2), ("st1/c1", "st1/c2"))]
    found["language_hours_verified"] = [Cell("tyz", Decimal("1.25"), ("p1",))]
    found["money_total"] = [Cell("", Decimal("8456.5"), ("st1",))]
    return {**found, **changes}


def document(period: str = "2026H2", language: str = "vi", **facts: Any) -> Document:
    asked = parse_period(period)
    template = choose_template(load_templates(), "station-status", asked)
    base: dict[str, Any] = {"as_of": asked.last, "is_test": False}
    return build(template, figures(), UNITS, language=language, period=asked, **{**base, **facts})


def labels(found: Document) -> list[str]:
    return [row.label for row in found.rows]


# --- REP-2 ----------------------------------------------------------------------------------


@pytest.mark.requirement("REP-2")
def test_two_programmes_have_two_templates_side_by_side() -> None:
    old, new = document("2025H2"), document("2026H1")
    assert (old.template, new.template) == ("station-status-2021", "station-status-2026")
    assert old.title != new.title
    assert labels(old) != labels(new)


@pytest.mark.requirement("REP-2")
@pytest.mark.parametrize("period", ["2019", "2025-2026", "2036H1", "2025-12-31..2026-01-01"])
def test_days_that_no_template_covers_are_refused_and_never_guessed(period: str) -> None:
    with pytest.raises(ConfigError, match="station-status-2021"):
        choose_template(load_templates(), "station-status", parse_period(period))


@pytest.mark.requirement("REP-2")
def test_another_programmes_template_can_be_named() -> None:
    asked = parse_period("2025-2026")
    found = choose_template(load_templates(), "station-status", asked, "station-status-2021")
    assert found.id == "station-status-2021"
    with pytest.raises(ConfigError):
        choose_template(load_templates(), "station-status", asked, "station-status-1999")


def test_every_template_speaks_both_languages_in_nfc() -> None:
    for template in load_templates():
        wordings = [template.title, template.note, *template.definitions]
        wordings += [row.wording for row in template.rows] + list(template.units.values())
        wordings += [wording for names in template.names.values() for wording in names.values()]
        for wording in wordings:
            assert wording.keys() == {"vi", "en"}
            assert all(unicodedata.is_normalized("NFC", text) and text for text in wording.values())


@pytest.mark.requirement("INT-4")
def test_no_template_passes_for_a_form_of_an_authority() -> None:
    for template in load_templates():
        assert "không phải biểu mẫu" in template.note["vi"]
        assert "not a form issued" in template.note["en"]


# --- REP-6 ----------------------------------------------------------------------------------


def read_csv(data: bytes, mark: str) -> list[list[str]]:
    assert data.startswith(b"\xef\xbb\xbf")  # or Excel reads it as something else
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=mark))


@pytest.mark.requirement("REP-6")
def test_the_csv_reads_back_as_it_was_written() -> None:
    found = document()
    rows = read_csv(write_csv(found, explain=True), ";")
    assert [row[0] for row in rows[:4]] == list(found.heading)
    table = {row[1]: row for row in rows if len(row) == 5}
    assert table["Tổng cộng"][2:] == ["triệu đồng", "8456,5", "st1"]
    assert table["Xã Nà Mẫu (00123)"][3:] == ["2", "st1/c1 st1/c2"]
    assert all(unicodedata.is_normalized("NFC", cell) for row in rows for cell in row)


@pytest.mark.requirement("REP-6")
def test_english_has_points_and_commas() -> None:
    rows = read_csv(write_csv(document(language="en"), explain=False), ",")
    assert ["Total", "million VND", "8456.5"] in [row[1:] for row in rows]


@pytest.mark.requirement("REP-6")
def test_the_spreadsheet_opens_with_the_same_strings_and_real_numbers() -> None:
    found = document()
    book = openpyxl.load_workbook(io.BytesIO(write_xlsx(found)))
    assert book.sheetnames == ["Báo cáo", "Bản ghi"]
    cells = {row[1].value: row[3].value for row in book["Báo cáo"].iter_rows() if row[1].value}
    assert set(labels(found)) <= cells.keys()
    assert set(found.heading) <= cells.keys()
    assert (cells["Tổng cộng"], cells["Tiếng Tày, đã xác minh"]) == (8456.5, 1.25)


@pytest.mark.requirement("REP-4")
def test_the_second_sheet_lists_the_records_behind_every_figure() -> None:
    found = document()
    sheet = openpyxl.load_workbook(io.BytesIO(write_xlsx(found)))["Bản ghi"]
    listed = [(row[1].value, row[2].value) for row in sheet.iter_rows(min_row=2)]
    assert listed == [(row.label, each) for row in found.rows for each in row.ids]


def test_codes_keep_their_zeros_and_formulas_stay_text() -> None:
    found = document()
    rows = tuple(
        replace(row, ids=("00045", "=1+1")) if row.figure == "stations_new" else row
        for row in found.rows
    )
    sheet = openpyxl.load_workbook(io.BytesIO(write_xlsx(replace(found, rows=rows))))["Bản ghi"]
    kinds = [(row[2].value, row[2].data_type) for row in sheet.iter_rows(min_row=2)]
    assert ("00045", "s") in kinds
    assert ("=1+1", "s") in kinds


@pytest.mark.requirement("REP-6")
def test_days_are_written_as_offices_write_them() -> None:
    found = document("2026-07-01..2026-12-09", as_of=date(2026, 12, 1))
    assert "Kỳ báo cáo: từ 01/07/2026 đến 09/12/2026" in found.heading
    assert "Số liệu đến ngày 01/12/2026" in found.heading


@pytest.mark.parametrize(
    ("value", "vi"), [("8456", "8456"), ("0.25", "0,25"), ("1E+2", "100"), ("0", "0")]
)
def test_numbers_have_a_decimal_comma_in_vietnamese(value: str, vi: str) -> None:
    assert show_number(Decimal(value), "vi") == vi
    assert show_number(Decimal(value), "en") == vi.replace(",", ".")


# --- the rest -------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_test_province_says_so_in_the_first_line_of_every_format(language: str) -> None:
    found = document(language=language, is_test=True)
    assert found.heading[0] == TEST_MARK
    assert TEST_MARK in write_csv(found, explain=False).decode().splitlines()[0]
    assert json.loads(write_json(found, explain=False))["test"] is True
    book = openpyxl.load_workbook(io.BytesIO(write_xlsx(found)))
    assert book.worksheets[0]["B1"].value == TEST_MARK
    assert TEST_MARK not in document(language=language).heading


@pytest.mark.requirement("REP-5")
@pytest.mark.parametrize(
    "write",
    [
        lambda d: write_csv(d, explain=True),
        lambda d: write_json(d, explain=True),
        write_xlsx,
    ],
)
def test_the_same_facts_make_the_same_bytes(write: Any) -> None:
    assert write(document()) == write(document())


@pytest.mark.requirement("REP-5")
def test_the_spreadsheet_does_not_carry_the_moment_of_its_making() -> None:
    book = openpyxl.load_workbook(io.BytesIO(write_xlsx(document())))
    assert book.properties.created.date() == date(2026, 12, 31)


def test_json_gives_single_figures_by_key_and_ids_when_asked() -> None:
    found = document()
    plain = json.loads(write_json(found, explain=False))
    assert plain["figures"]["money_total"] == 8456.5
    assert plain["period"] == {
        "text": "2026H2",
        "first": "2026-07-01",
        "last": "2026-12-31",
        "as_of": "2026-12-31",
    }
    rows = json.loads(write_json(found, explain=True))["rows"]
    (commune,) = [row for row in rows if row.get("figure") == "commune_clusters"]
    assert (commune["name"], commune["value"], commune["ids"]) == ("00123", 2, ["st1/c1", "st1/c2"])
    assert not any("ids" in row for row in plain["rows"])


def test_a_name_nobody_knows_is_shown_as_it_is() -> None:
    strange = [Cell("xyz", Decimal(1), ("p",))]
    asked = parse_period("2026")
    template = choose_template(load_templates(), "station-status", asked)
    found = build(
        template,
        figures(language_hours_verified=strange, commune_clusters=[Cell("", Decimal(1), ("c",))]),
        UNITS,
        language="vi",
        period=asked,
        as_of=asked.last,
        is_test=False,
    )
    assert "xyz, đã xác minh" in labels(found)
    assert "chưa rõ địa bàn" in labels(found)


def test_the_denominator_stands_beside_verified_sounding() -> None:
    changed = figures(monitored=[Cell("", Decimal(7), tuple("abcdefg"))])
    asked = parse_period("2026")
    template = choose_template(load_templates(), "station-status", asked)
    found = build(
        template,
        changed,
        UNITS,
        language="vi",
        period=asked,
        as_of=asked.last,
        is_test=False,
    )
    assert "Cụm loa đã xác minh có tiếng (trên 7 cụm có giám sát)" in labels(found)


def test_templates_ship_inside_the_package() -> None:
    import loa_manager

    folder = Path(loa_manager.__file__).parent / "reports" / "templates"
    assert len(list(folder.glob("*.toml"))) == len(load_templates())
