"""Every text reads in Vietnamese: of all packages, in all help, and what click itself says."""

from __future__ import annotations

import inspect
import re
import string
import subprocess
import sys
import unicodedata
import zipfile
from collections import Counter
from pathlib import Path

import click
import pytest

from loa_protocol import click_words, language
from loa_protocol.command_line import messages
from support import catalogue
from support.catalogue import CATALOGUES, PROGRAMS

ROOT = Path(__file__).parents[1]
VIETNAMESE = re.compile(
    r"[ăâđêôơưàáảãạằắẳẵặầấẩẫậèéẻẽẹềếểễệìíỉĩịòóỏõọồốổỗộờớởỡợùúủũụừứửữựỳýỷỹỵ]", re.I
)
HELPS = [
    pytest.param(program, path, id=" ".join((program, *path)))
    for program in PROGRAMS
    for path, _command in catalogue.paths(catalogue.root_command(program))
]


FIXED = ("draft", "assignment", "policy", "epoch", "evidence", "bearer", "head", "session")
"""Words that have one translation, whatever sentence they stand in."""


def glossary() -> dict[str, str]:
    """Return the Vietnamese of each English word."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|", text, re.M)[2:])


@pytest.fixture(params=CATALOGUES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def texts(name: str) -> dict[str, str]:
    return {str(message.id): str(message.string) for message in catalogue.read(name) if message.id}


def places(text: str) -> Counter[str]:
    """Return what a text wants filled in, with its conversion and form."""
    found = string.Formatter().parse(text)
    return Counter(f"{field}!{how or ''}:{form}" for _text, field, form, how in found if field)


def test_no_text_lacks_its_vietnamese(name: str, texts: dict[str, str]) -> None:
    missing = sorted(text for text in catalogue.wanted(name) if not texts.get(text))
    assert missing == [], "run make messages, and translate"


def test_no_text_is_kept_that_nobody_asks_for(name: str, texts: dict[str, str]) -> None:
    assert sorted(texts.keys() - catalogue.wanted(name)) == []


def test_nothing_is_left_over_or_in_doubt(name: str) -> None:
    book = catalogue.read(name)
    assert list(book.obsolete) == []
    assert [message.id for message in book if message.fuzzy and message.id] == []


def test_the_compiled_catalogue_is_the_written_one(name: str) -> None:
    compiled = (catalogue.folder_of(name) / "locale" / "vi.mo").read_bytes()
    assert compiled == catalogue.compiled(catalogue.read(name)), "run make messages"


def test_translations_fill_in_the_same_places(texts: dict[str, str]) -> None:
    wrong = [
        english for english, vietnamese in texts.items() if places(english) != places(vietnamese)
    ]
    assert wrong == []


def test_translations_are_nfc_and_keep_the_paragraphs(texts: dict[str, str]) -> None:
    assert [text for text in texts.values() if not unicodedata.is_normalized("NFC", text)] == []
    breaks = [text for text in texts if text.count("\n\n") != texts[text].count("\n\n")]
    assert breaks == []


@pytest.mark.parametrize(
    ("word", "vietnamese"), [pair for pair in glossary().items() if pair[0] in FIXED]
)
def test_the_glossary_has_the_word(word: str, vietnamese: str) -> None:
    for name in CATALOGUES:
        for message in catalogue.read(name):
            english = re.sub(r"{.*?}|\[\[.*?\]\]", "", str(message.id))  # names are no words
            if re.search(rf"\b{word}s?\b", english, re.I):
                assert vietnamese in str(message.string).lower(), english


def test_every_module_with_texts_names_a_catalogue() -> None:
    assert catalogue.homeless() == []


@pytest.mark.requirement("REP-6")
@pytest.mark.parametrize(("program", "path"), HELPS)
def test_the_help_of_every_command_is_vietnamese(
    program: str, path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language, "_chosen", ["vi"])
    click_words.teach_click()
    command, context = catalogue.root_command(program), click.Context(click.Command(program))
    for word in ("", *path):
        if word:
            assert isinstance(command, click.Group)
            below = command.get_command(context, word)
            assert below is not None
            command = below
        context = click.Context(command, info_name=word or program, parent=context)
    shown = "".join(command.get_help(context).split())
    for text in ("[OPTIONS]", "COMMAND[ARGS]", *messages(command)):
        assert "".join(text.split()) not in shown, text
    paragraphs = re.split(r"\n\s*\n", command.get_help(context))
    assert all(VIETNAMESE.search(paragraph) for paragraph in paragraphs), paragraphs


@pytest.mark.parametrize("program", PROGRAMS)
def test_wrong_usage_is_told_in_vietnamese(program: str) -> None:
    package = PROGRAMS[program][0].removesuffix(".cli.main").removesuffix(".__main__")
    told = subprocess.run(
        [sys.executable, "-m", package, "--lang", "vi", "nothing-of-the-kind"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.returncode == 2
    assert "Usage" not in told.stderr
    assert "Lỗi: " in told.stderr
    assert "nothing-of-the-kind" in told.stderr


def test_click_says_what_we_translate() -> None:
    modules = set(click_words.modules())
    source = "".join(inspect.getsource(module) for module in modules)
    quoted = {text: text.replace("\n", "\\n").replace("\t", "\\t") for text in click_words.TEXTS}
    assert [text for text, form in quoted.items() if f'"{form}"' not in source] == []


def test_a_mark_inside_an_f_string_is_found(tmp_path: Path) -> None:
    path = tmp_path / "page.py"
    path.write_text("""_ = translator("loa_lab")\nx = f"<p>{_('a ' 'text')}</p>{_(y)}"\n""")
    assert list(catalogue.texts_of(path)) == ["a text"]
    assert catalogue.owner(path) == "loa_lab"


@pytest.mark.parametrize("folder", ["protocol", "endpoint", "manager", "hwsim"])
def test_the_wheels_hold_the_compiled_catalogues(folder: str, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT / folder,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    held = zipfile.ZipFile(wheel).namelist()
    wanted = [f"{name}/locale/vi.mo" for name in CATALOGUES if (ROOT / folder / name).is_dir()]
    assert wanted
    assert set(wanted) <= set(held)
    assert [name for name in held if name.startswith(("tests", "build"))] == []
