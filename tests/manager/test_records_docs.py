"""docs/records.md names every column of the tables and every period there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loa_manager.csv_import import Column
from loa_manager.registry.clusters import CLUSTER_COLUMNS
from loa_manager.registry.stations import STATION_COLUMNS
from loa_manager.registry.units import UNIT_COLUMNS
from loa_manager.reports.period import parse_period

PAGE = (Path(__file__).parents[2] / "docs" / "records.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"**{title}**", 1)[1].split("\n**", 1)[0].split("\n## ", 1)[0]


@pytest.mark.parametrize(
    ("title", "columns"),
    [("Units", UNIT_COLUMNS), ("Stations", STATION_COLUMNS), ("Clusters", CLUSTER_COLUMNS)],
)
def test_every_column_stands_in_the_page(title: str, columns: tuple[Column, ...]) -> None:
    text = section(title) + section("Money")
    assert [column.name for column in columns if f"`{column.name}`" not in text] == []
    required = {column.name for column in columns if column.required}
    assert required == set(re.findall(r"`(\w+)` \\\*", section(title)))


def test_the_periods_of_the_page_are_periods() -> None:
    line = next(line for line in PAGE.splitlines() if "with P one of" in line)
    for text in re.findall(r"`([^`]+)`", line.split("one of")[1]):
        parse_period(text)
