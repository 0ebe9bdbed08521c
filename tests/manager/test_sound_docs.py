"""docs/sound.md: its template is one, and it names every trouble, field kind and key there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loa_manager.phrases.matching import COMMA_MS, JOINT_MS, SENTENCE_MS
from loa_manager.phrases.template import KINDS, PARTS, fill, load_template, text_of
from loa_sound.quality import Trouble

PAGE = Path(__file__).parents[2] / "docs" / "sound.md"
SECTION = re.compile(r"## Recordings before they are signed\n(.*?)(?=\n## |\Z)", re.DOTALL)


@pytest.fixture
def page() -> str:
    found = SECTION.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def test_the_template_of_the_page_says_what_the_page_says(page: str) -> None:
    example = next(each for each in re.findall(r"```toml\n(.*?)```", page, re.S) if "title" in each)
    template = load_template(example.encode(), "docs/sound.md")
    values = {
        "gio": "17:30",
        "ngay": "21/10",
        "song": "Kỳ Cùng",
        "tram": "Lạng Sơn",
        "muc": "3,75",
        "cap": "2",
        "mua": "1.250",
    }
    said = text_of(fill(template, values), {}).casefold()
    assert {each.kind for each in template.fields.values()} == set(KINDS)
    for words in ("mười bảy giờ ba mươi phút", "ngày hai mươi mốt tháng mười",
                  "ba phẩy bảy mươi lăm mét", "một nghìn hai trăm năm mươi"):  # fmt: skip
        assert words in page
        assert words in said


def test_the_page_names_every_trouble_kind_part_and_pause(page: str) -> None:
    names = {*map(str, Trouble), *KINDS, *(part for parts in PARTS.values() for part in parts)}
    assert sorted(name for name in names if f"`{name}`" not in page) == []
    for pause in (COMMA_MS, SENTENCE_MS, JOINT_MS):
        assert f"{pause} ms" in page
