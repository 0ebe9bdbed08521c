"""Every text of the manager reads in Vietnamese, with the same places to fill in."""

from __future__ import annotations

import inspect
import string
import unicodedata
from collections import Counter

import pytest

from loa_manager.cli.click_words import MODULES, TEXTS, teach_click
from support import catalogue

PACKAGE = "loa_manager"


def places(text: str) -> Counter[str]:
    """Return what a text wants filled in, with its conversion and form."""
    found = string.Formatter().parse(text)
    return Counter(f"{name}!{how or ''}:{form}" for _text, name, form, how in found if name)


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return {str(m.id): str(m.string) for m in catalogue.read(PACKAGE) if m.id}


def test_no_text_lacks_its_vietnamese(texts: dict[str, str]) -> None:
    missing = sorted(text for text in catalogue.wanted(PACKAGE) if not texts.get(text))
    assert missing == [], "run: python -m support.catalogue loa_manager, and translate"


def test_no_text_is_kept_that_nobody_asks_for(texts: dict[str, str]) -> None:
    assert sorted(texts.keys() - catalogue.wanted(PACKAGE)) == []


def test_the_compiled_catalogue_is_the_written_one() -> None:
    compiled = (catalogue.folder_of(PACKAGE) / "locale" / "vi.mo").read_bytes()
    assert compiled == catalogue.compiled(catalogue.read(PACKAGE))


def test_translations_fill_in_the_same_places(texts: dict[str, str]) -> None:
    wrong = [english for english, vi in texts.items() if places(english) != places(vi)]
    assert wrong == []


def test_translations_are_nfc(texts: dict[str, str]) -> None:
    assert [vi for vi in texts.values() if not unicodedata.is_normalized("NFC", vi)] == []


def test_click_speaks_our_language_where_a_person_reads_it() -> None:
    teach_click()
    source = "".join(inspect.getsource(module) for module in MODULES)
    quoted = {text: text.replace("\n", "\\n").replace("\t", "\\t") for text in TEXTS}
    assert [text for text, form in quoted.items() if f'"{form}"' not in source] == []
