"""Tables at the width of a terminal: nothing is cut off, nobody guesses where a row ends."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from loa_manager.cli.output import show, show_facts
from loa_manager.cli.table import Column, draw, fit, plain_lines

ORDERS = [
    Column("id", "Lệnh"),
    Column("what", "Việc"),
    Column("scope", "Phạm vi"),
    Column("title", "Tiêu đề"),
    Column("reason", "Lý do"),
    Column("given_by", "Người ra lệnh"),
    Column("until", "Đến"),
    Column("state", "Tình trạng"),
    Column("taken", "Đã nhận", right=True),
]
FLOOD = (
    *("7d66ab08", "báo động", "vn/ls/st0137", "Báo động lũ quét", "Nước vượt báo động 3"),
    *("Nông Văn Hùng", "23/11/2026 08:54:58", "đang hiệu lực", "2/3"),
)
HEX = "9f2c1a77" * 8
WORDS = st.text("aăâđêôơưy09/", min_size=1, max_size=9)
CELLS = st.lists(WORDS, max_size=4).map(" ".join)


def drawn(
    cells: Sequence[tuple[str, ...]], columns: list[Column], width: int, title: str = ""
) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    draw(cells, columns, title, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_table_that_fits_has_its_frame() -> None:
    lines = drawn([("Bản Khuổi", "3")], [Column("a", "Tên"), Column("b", "Số", right=True)], 80)
    assert any("│" in line for line in lines)


def test_nine_columns_at_eighty_become_a_block_for_each_row() -> None:
    lines = [line.rstrip() for line in drawn([FLOOD, FLOOD], ORDERS, 80, "Lệnh")]
    assert max(map(cell_len, lines)) <= 80
    assert [line.split()[0] for line in lines[1:10]] == [
        column.heading.split()[0] for column in ORDERS
    ]
    for value in FLOOD:
        assert sum(line.endswith(value) for line in lines) == 2, value


def test_what_is_a_little_too_wide_is_broken_between_words_with_a_line_between_rows() -> None:
    rows = [FLOOD[:5], FLOOD[:5]]
    lines = drawn(rows, ORDERS[:5], 60)
    assert max(map(cell_len, lines)) <= 60
    assert lines[0].split()[0] == "Lệnh"
    text = " ".join(lines).split()
    for value in FLOOD[:5]:
        for word in value.split():
            assert text.count(word) >= 2, word
    assert any(not line.strip() for line in lines)


def test_a_column_without_a_word_in_it_goes_first() -> None:
    columns = [Column("a", "Draft"), Column("b", "Reason for a long heading"), Column("c", "By")]
    lines = drawn([("3fa9c1d2", "-", "Nga")], columns, 24)
    assert "Reason" not in "".join(lines)
    assert "3fa9c1d2" in lines[-1]


def test_a_hash_is_shortened_only_where_the_table_would_not_fit() -> None:
    columns = [Column("a", "Phạm vi", short=12), Column("b", "Hash", short=12)]
    assert HEX in "".join(drawn([("vn/ls", HEX)], columns, 100))
    lines = drawn([("Đài truyền thanh vn/ls", f"Loa CA {HEX}")], columns, 60)
    assert f"Loa CA {HEX[:12]}…" in lines[-1]
    assert "Đài truyền thanh vn/ls" in lines[-1]  # people's names are not shortened


def test_a_hash_that_people_copy_is_never_shortened() -> None:
    columns = [Column("a", "Tên tệp"), Column("b", "SHA-256")]
    lines = drawn([("gia-lua.opus mới", HEX)], columns, 78)
    assert HEX in "".join(lines)


def test_no_rows_are_headings_and_nothing_else() -> None:
    assert "Việc" in "".join(drawn([], ORDERS[:2], 30))
    assert not "".join(drawn([], ORDERS, 30)).strip()
    assert plain_lines([], ORDERS)[0].startswith("Lệnh")


@given(st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), max_size=4), st.integers(34, 120))
def test_no_line_is_too_long_and_no_word_is_broken(rows: list[tuple[str, ...]], width: int) -> None:
    columns = [Column(str(at), heading) for at, heading in enumerate(("Một", "Hai", "Ba", "Bốn"))]
    lines = drawn(rows, columns, width)
    assert all(cell_len(line) <= width for line in lines)
    words = " ".join(lines).replace("│", " ").split()
    for row in rows:
        for word in " ".join(row).split():
            assert word in words


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=8),
    st.integers(0, 200),
)
def test_widths_fit_the_room_or_there_are_none(pairs: list[tuple[int, int]], room: int) -> None:
    natural = [max(pair) for pair in pairs]
    least = [min(pair) for pair in pairs]
    found = fit(natural, least, room)
    if sum(least) > room:
        assert found == []
    else:
        assert sum(found) <= room or not any(natural)
        assert all(low <= width for low, width in zip(least, found, strict=True))


def test_facts_hang_under_their_label_and_names_stay_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "24")
    holders = ["root-1 (e88130c51253fa24)", "root-2 (885233d4c2d99ef0)", "loa-serve.service"]
    show_facts({"a": holders, "b": ""}, {"a": "Người giữ", "b": "Khác"})
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "Người giữ  root-1 (e88130c51253fa24),",
        "           root-2 (885233d4c2d99ef0),",
        "           loa-serve.service",
        "Khác       ",
    ]


def test_talk_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"a": "x"}], [Column("a", "A")], title="T", is_talk=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["T", "A", "x"]
