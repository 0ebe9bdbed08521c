"""Tables from people's spreadsheets: all rows or every fault, each with its row."""

from __future__ import annotations

import csv
import io
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_csv_import import fuzz
from loa_manager.csv_import import (
    MAX_BYTES,
    MAX_FAULTS,
    CellError,
    Column,
    Faults,
    day,
    degrees,
    read_lines,
    show_degrees,
    show_yes_or_no,
    whole,
    words,
    write_lines,
    yes_or_no,
)
from loa_manager.registry.clusters import CLUSTER_COLUMNS
from loa_protocol.errors import ConfigError
from support.registry import cluster, table

COLUMNS = (
    Column("name", words(10), required=True),
    Column("count", whole(1, 16)),
    Column("since", day),
)


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


def faults_of(data: bytes) -> tuple[str, ...]:
    faults = Faults("t.csv")
    with pytest.raises(ConfigError) as caught:  # noqa: PT012 - two places may find them
        read_lines(data, COLUMNS, faults)
        faults.raise_any()
    assert caught.value.where == "t.csv"
    return caught.value.faults


def read(data: bytes) -> list[dict[str, object]]:
    faults = Faults("t.csv")
    lines = read_lines(data, COLUMNS, faults)
    faults.raise_any()
    return [dict(line.values) for line in lines]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("comma", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_spreadsheets_write_is_read(mark: bytes, comma: str, end: str) -> None:
    rows = [["name", "count", "since"], ["Bản A", "2", "01/07/2026"], ["B", "", ""]]
    data = mark + end.join(comma.join(row) for row in rows).encode()
    assert read(data) == [
        {"name": "Bản A", "count": 2, "since": date(2026, 7, 1)},
        {"name": "B", "count": None, "since": None},
    ]


def test_columns_may_stand_in_any_order_and_empty_rows_are_skipped() -> None:
    assert read(b"since,name,count\n\n,A,1\n,,\n") == [{"name": "A", "count": 1, "since": None}]


def test_text_is_kept_in_nfc() -> None:
    assert read("name,count,since\nBa\u0309n,,\n".encode())[0]["name"] == "Bản"


def test_every_fault_is_named_with_its_row_as_a_spreadsheet_counts() -> None:
    data = b"name,count,since\nA,99,\n,x,31/02/2026\nB,1,2026-07-01\nC,1\n"
    assert faults_of(data) == (
        "row 2: count: must lie from 1 to 16",
        "row 3: name: is missing",
        "row 3: count: must be a whole number",
        "row 3: since: must be a day such as 2026-07-01 or 01/07/2026",
        "row 5: 2 cells where the first row has 3",
    )


def test_wrong_columns_are_all_named() -> None:
    assert faults_of(b"name,number,name\nA,1,B\n") == (
        "row 1: unknown column 'number'",
        "row 1: column name stands twice",
        "row 1: column count is missing",
        "row 1: column since is missing",
    )


def test_bad_utf8_is_named_with_its_row() -> None:
    (fault,) = faults_of(b"name,count,since\nA,1,\nB\xff,1,\n")
    assert fault.startswith("row 3: not UTF-8")


@pytest.mark.parametrize(
    "data", [b"", b"\xef\xbb\xbf", b'name,count,since\n"A,1,\n', b"PK\x03\x04"]
)
def test_what_is_no_table_is_refused(data: bytes) -> None:
    assert faults_of(data)


def test_a_file_too_large_is_refused_before_it_is_parsed() -> None:
    (fault, *_rest) = faults_of(b"x" * (MAX_BYTES + 1))
    assert "larger than" in fault


def test_a_thousand_faults_are_counted_not_listed() -> None:
    faults = faults_of(b"name,count,since\n" + b"A,x,\n" * 1000)
    assert len(faults) == MAX_FAULTS + 1
    assert faults[-1] == f"and {1000 - MAX_FAULTS} more faults"


def test_control_characters_never_reach_the_records() -> None:
    (fault,) = faults_of(b'name,count,since\n"A\nB",1,\n')
    assert "control character" in fault


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)"])
def test_formulas_never_reach_the_records(text: str) -> None:
    (fault,) = faults_of(f"name,count,since\n{text},1,\n".encode())
    assert "must not begin" in fault


@pytest.mark.parametrize("text", ["2026-7-1", "1/7/2026", "01/07/2026"])
def test_days_are_read_in_both_habits(text: str) -> None:
    assert day(text) == date(2026, 7, 1)


@pytest.mark.parametrize("text", ["7/2026", "2026/07/01", "01-07-2026", "١/٧/٢٠٢٦", "30/2/2026"])
def test_other_days_are_refused(text: str) -> None:
    with pytest.raises(CellError):
        day(text)


@given(st.integers(-180_000_000, 180_000_000))
def test_degrees_come_back_as_they_were(micro: int) -> None:
    assert degrees(180)(show_degrees(micro / 1e6)) == micro / 1e6


@pytest.mark.parametrize("text", ["21,8537", "21.8537"])
def test_degrees_take_comma_and_point(text: str) -> None:
    assert degrees(90)(text) == 21.8537


@pytest.mark.parametrize("text", ["91", "nan", "1e1", "--1", "21°", "", "1.2.3"])
def test_other_degrees_are_refused(text: str) -> None:
    with pytest.raises(CellError):
        degrees(90)(text)


def test_yes_and_no_come_back_as_they_were() -> None:
    assert [yes_or_no(show_yes_or_no(value)) for value in (True, False)] == [True, False]
    assert yes_or_no("Có") is True
    with pytest.raises(CellError):
        yes_or_no("maybe")


@given(st.binary(max_size=400))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    fuzz(data)


@given(st.lists(st.lists(st.text(max_size=12), max_size=34), max_size=6))
def test_no_cells_do_more_than_be_refused(rows: list[list[str]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([column.name for column in CLUSTER_COLUMNS])
    writer.writerows(rows)
    fuzz(out.getvalue().encode("utf-8", "surrogatepass"))


NAMES = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="=@"), min_size=1, max_size=10
)


@given(st.lists(st.tuples(NAMES, st.integers(1, 16), st.dates(date(1990, 1, 1)))))
def test_what_is_written_is_read_again(rows: list[tuple[str, int, date]]) -> None:
    wanted = [dict(zip(("name", "count", "since"), row, strict=True)) for row in rows]
    found = read(write_lines(wanted, COLUMNS).encode())
    assert write_lines(found, COLUMNS) == write_lines(
        read(write_lines(found, COLUMNS).encode()), COLUMNS
    )
    assert [row["since"] for row in found] == [row["since"] for row in wanted]


def test_a_good_row_of_the_real_tables_has_no_fault() -> None:
    faults = Faults("t.csv")
    read_lines(table(CLUSTER_COLUMNS, cluster("st1/c01")).encode(), CLUSTER_COLUMNS, faults)
    faults.raise_any()
