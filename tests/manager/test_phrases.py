"""The phrase bank: recordings of an announcer become a bulletin that says what its text says."""

from __future__ import annotations

import csv
import datetime
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager.cli.main import run
from loa_manager.phrases.bank import PhraseBank
from loa_manager.phrases.desk import missing_for, say
from loa_manager.phrases.matching import COMMA_MS, JOINT_MS, SENTENCE_MS, cover, key_of, tokens_of
from loa_manager.phrases.sheet import Phrase, parse_list, parse_recordings, write_list
from loa_manager.phrases.template import fill, load_template, text_of
from loa_protocol.errors import ConfigError
from loa_sound.assembly import assemble, loudness_of
from support.announcer import fill_bank, record
from support.listening import place_of, read_sound
from support.sound_files import RATE, chirp, tone, write_wav

TEMPLATE = """
title = "Mực nước sông"
language = "vi"
text = \"\"\"
Chú ý! {gio}, mực nước sông {song} là {muc},
trên báo động {cap}.
\"\"\"

[fields.gio]
kind = "time"

[fields.song]
kind = "place"
choices = ["Kỳ Cùng", "Bằng Giang"]

[fields.muc]
kind = "level"
max = 20

[fields.cap]
kind = "number"
min = 1
max = 3
"""
VALUES = {"gio": "17:30", "song": "Kỳ Cùng", "muc": "3,75", "cap": "2"}
SAID = (
    "Chú ý. Mười bảy giờ ba mươi phút, mực nước sông kỳ cùng là ba phẩy bảy mươi lăm mét,"
    " trên báo động hai."
)
TODAY = datetime.date(2026, 10, 21)


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("announcer")
    fill_bank(folder / "phrases", folder / "recordings")
    return folder


@pytest.fixture
def bank(recorded: Path, tmp_path: Path) -> PhraseBank:
    """Return a bank of its own, all of it signed off."""
    shutil.copytree(recorded / "phrases", tmp_path / "home" / "phrases")
    found = PhraseBank(tmp_path / "home" / "phrases")
    found.sign_off("vi", "Lương Văn Sơn", TODAY)
    return found


def phrase(name: str, text: str, language: str = "vi") -> Phrase:
    return Phrase(id=name, language=language, text=text, sha256="0" * 64, heard_by="Sơn")


# --- texts


@pytest.mark.parametrize(
    ("text", "words", "pauses"),
    [
        ("Chú ý! Bà con, nghe.", "chú ý bà con nghe", [0, SENTENCE_MS, 0, COMMA_MS, SENTENCE_MS]),
        ("một – hai", "một hai", [COMMA_MS, SENTENCE_MS]),
        ("một\nhai\n\nba", "một hai ba", [0, SENTENCE_MS, SENTENCE_MS]),
        ("“Đò” (cũ): nghỉ…", "đò cũ nghỉ", [0, COMMA_MS, SENTENCE_MS]),
        (" . ", "", []),
    ],
)
def test_punctuation_becomes_pauses(text: str, words: str, pauses: list[int]) -> None:
    tokens = tokens_of(text)
    assert " ".join(token.word for token in tokens) == words
    assert [token.pause_ms for token in tokens] == pauses


def test_the_fewest_recordings_say_a_text() -> None:
    known = [phrase("a", "mực"), phrase("b", "nước"), phrase("c", "sông"), phrase("d", "mực nước"),
             phrase("e", "nước sông")]  # fmt: skip
    said = cover(tokens_of("Mực nước sông"), known)
    assert len(said.pieces) == 2
    assert said.missing == ()
    assert [piece.pause_ms for piece in said.pieces] == [JOINT_MS, SENTENCE_MS]


def test_no_recording_is_used_across_a_comma() -> None:
    known = [phrase("a", "chú ý"), phrase("b", "chú"), phrase("c", "ý")]
    pieces = cover(tokens_of("chú, ý"), known).pieces
    assert [piece.phrase.id for piece in pieces] == ["b", "c"]


def test_everything_that_nobody_recorded_is_named_once_as_long_as_it_is() -> None:
    said = cover(tokens_of("nước lũ về, nước rút, nước lũ về"), [phrase("a", "nước")])
    assert said.missing == ("lũ về", "rút")


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12), st.integers(0, 15))
def test_a_cover_says_exactly_the_text(words: list[str], which: int) -> None:
    texts = [each for at, each in enumerate(("a b", "c", "b c d", "d a")) if which >> at & 1]
    known = [phrase(f"p{at}", text) for at, text in enumerate(["a", "b", "c", "d", *texts])]
    said = cover(tokens_of(" ".join(words)), known)
    assert said.missing == ()
    assert [word for piece in said.pieces for word in key_of(piece.phrase.text)] == words


# --- templates


def test_a_template_is_filled_in_as_people_say_it() -> None:
    tokens = fill(load_template(TEMPLATE.encode(), "t"), VALUES)
    assert text_of(tokens, {}) == SAID


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"gio": "25:00"}, "gio: expected a time"),
        ({"muc": "375"}, "muc: expected at most 20"),
        ({"muc": "3.75"}, "muc: expected a number"),  # in Vietnamese a point parts thousands
        ({"cap": "0"}, "cap: expected at least 1"),
        ({"song": "Hồng"}, "song: expected one of Kỳ Cùng"),
        ({"mua": "3"}, "there is no field mua"),
    ],
)
def test_a_wrong_value_is_refused(change: dict[str, str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        fill(load_template(TEMPLATE.encode(), "t"), VALUES | change)


def test_all_missing_fields_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        fill(load_template(TEMPLATE.encode(), "t"), {})
    assert len(refused.value.faults) == 4


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("{song}", "{sông}", "has no table"),
        ("{song}", "{song.length}", "a place has no such part"),
        ("{song}", "song", "is not in the text"),
        ("{muc}", "{muc", "a brace without its partner"),
        ('kind = "time"', 'kind = "hour"', "expected one of: number"),
        ("max = 20", "maximum = 20", "unknown key maximum"),
        ('title = "Mực nước sông"', "", "title is missing"),
        ('language = "vi"', 'language = "tày"', "this language is read from a table"),
        ("max = 20", "max = =", "not TOML"),
    ],
)
def test_a_fault_of_a_template_is_named(old: str, new: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        load_template(TEMPLATE.replace(old, new).encode(), "t")


def test_the_region_and_numbers_in_the_text_are_read() -> None:
    text = 'title="x"\nlanguage="vi"\nregion="south"\ntext="Có 105 hộ, 24 {n}."\n[fields.n]\n'
    text += 'kind="number"'
    tokens = fill(load_template(text.encode(), "t"), {"n": "1.004"})
    said = "Có một trăm lẻ năm hộ, hai mươi tư một ngàn không trăm lẻ bốn."
    assert text_of(tokens, {}) == said


def test_a_language_without_rules_says_numbers_from_its_table() -> None:
    text = """
title = "Thông báo"
language = "hmn"
text = "{gio.hour} teev {gio.minute}, {muc.whole} {muc.fraction}, {n}"
[fields.gio]
kind = "time"
[fields.muc]
kind = "level"
[fields.n]
kind = "number"
"""
    tokens = fill(load_template(text.encode(), "t"), {"gio": "17h05", "muc": "3,75", "n": "-8,05"})
    known = [phrase("teev", "teev", "hmn"), phrase("number-17", "kaum xya", "hmn")]
    assert [token.phrase or token.word for token in tokens] == [
        "number-17", "teev", "number-5", "number-3", "number-75",
        "minus", "number-8", "decimal", "number-0", "number-5",
    ]  # fmt: skip
    assert cover(tokens, known).missing[:2] == ("number-5", "number-3")
    assert text_of(tokens, {each.id: each.text for each in known}).startswith("Kaum xya teev")


def test_what_a_template_may_ever_need_is_known_before_it_is_needed() -> None:
    found = missing_for(load_template(TEMPLATE.encode(), "t"), [])
    words = {word for each in found for word in each.split()}
    assert {"mươi", "mốt", "tư", "lăm", "phẩy", "mét", "giờ", "phút", "bằng", "báo"} <= words
    assert "nghìn" not in words


# --- sound


@pytest.mark.needs("espeak-ng")
def test_a_bulletin_sounds_phrase_by_phrase_in_order_with_its_pauses(bank: PhraseBank) -> None:
    made = say(bank, load_template(TEMPLATE.encode(), "t"), VALUES)
    assert made.text == SAID
    names = {each.text: each for each in bank.read("vi")}
    places = []
    for text in ("Chú ý!", "mười", "Mực nước sông", "Kỳ Cùng", "phẩy", "trên báo động"):
        place_ms, alike = place_of(bank.sound(names[text]), made.sound)
        assert alike > 0.9, text
        places.append(place_ms)
    assert places == sorted(places)
    first_ms = len(bank.sound(names["Chú ý!"])) / 48
    assert abs(places[1] - first_ms - SENTENCE_MS) < 2
    assert float(np.abs(made.sound).max()) <= 10 ** (-1 / 20) + 1e-6


@pytest.mark.needs("espeak-ng")
def test_phrases_recorded_loud_and_soft_come_out_equally_loud(bank: PhraseBank) -> None:
    names = {each.text: each for each in bank.read("vi")}
    sounds = [bank.sound(names[text]) for text in ("mười", "phẩy", "lăm", "mét", "Kỳ Cùng", "là")]
    before = [loudness_of(each) for each in sounds]
    assert max(before) - min(before) > 10
    whole = assemble([(each.copy(), 500) for each in sounds])
    after, at = [], 0
    for each in sounds:
        after.append(loudness_of(whole[at : at + len(each)]))
        at += len(each) + RATE // 2
    assert max(after) - min(after) < 0.5


def test_a_seam_does_not_click() -> None:
    whole = assemble([(tone(0.2, 1000, 0.5)[:-13], 100), (tone(0.2, 300, 0.1)[7:], 0)])
    assert float(np.abs(np.diff(whole)).max()) < 0.1
    assert not whole[0]
    assert not whole[-1]


@pytest.mark.needs("espeak-ng")
def test_silence_around_a_recording_is_not_part_of_the_phrase(bank: PhraseBank) -> None:
    sound = bank.sound(bank.read("vi")[0])
    first = int(np.flatnonzero(np.abs(sound) >= 0.001)[0])
    assert first <= RATE // 100


# --- the bank


@pytest.mark.needs("espeak-ng")
def test_everything_missing_changed_or_unheard_is_named_at_once(
    bank: PhraseBank, tmp_path: Path
) -> None:
    names = {each.text: each for each in bank.read("vi")}
    bank.path(names["phẩy"]).unlink()
    with bank.path(names["mét"]).open("ab") as file:
        file.write(b"\0\0")
    again = record(tmp_path / "la.wav", "là")
    bank.add("vi", parse_recordings(b"id,text,file\nla,l\xc3\xa0,la.wav\n", tmp_path / "x.csv"))
    assert again.is_file()
    with pytest.raises(ConfigError) as refused:
        say(bank, load_template(TEMPLATE.encode(), "t"), VALUES | {"song": "Bằng Giang"})
    faults = "\n".join(refused.value.faults)
    for each in ("“bằng giang”", "tu-18: its recording is missing", "was changed", "off “là” (la)"):
        assert each in faults
    assert len(refused.value.faults) == 4


def test_two_phrases_that_say_the_same_are_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", chirp(0.5))
    table = "id,text,file\na,Chú ý,a.wav\nb,chú ý!,a.wav\n".encode()
    bank = PhraseBank(tmp_path / "phrases")
    with pytest.raises(ConfigError, match="b says the same as a"):
        bank.add("vi", parse_recordings(table, tmp_path / "x.csv"))
    assert bank.read("vi") == []


def test_silence_is_no_phrase_and_a_speech_neither(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.zeros(RATE, dtype=np.float32))
    write_wav(tmp_path / "b.wav", tone(61))
    bank = PhraseBank(tmp_path / "phrases")
    for name, fault in (("a", "nothing can be heard"), ("b", "longer than 60 s")):
        table = f"id,text,file\nx,y,{name}.wav\n".encode()
        with pytest.raises(ConfigError, match=fault):
            bank.add("vi", parse_recordings(table, tmp_path / "x.csv"))


def test_a_list_comes_back_as_it_was_written() -> None:
    first = phrase("a", "Chú ý")
    second = Phrase(id="b", language="vi", text='"dấu" phẩy, và', sha256="1" * 64,
                    heard_by="Sơn", heard_on=TODAY)  # fmt: skip
    assert parse_list(write_list([first, second]).encode(), "x") == [first, second]


@pytest.mark.parametrize("language", ["..", "vi/x", "", "a b", "x" * 40])
def test_a_language_never_leads_out_of_the_bank(tmp_path: Path, language: str) -> None:
    with pytest.raises(ConfigError):
        PhraseBank(tmp_path).read(language)


# --- the command


@pytest.mark.needs("espeak-ng")
def test_from_an_announcers_table_to_a_sound_with_its_text(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "nga"
    shutil.copytree(recorded / "recordings", tmp_path / "recordings")
    listed = PhraseBank(recorded / "phrases").read("vi")
    with (tmp_path / "recordings" / "ghi.csv").open("w", newline="") as file:
        rows = [(each.id, each.text, f"{each.id}.wav") for each in listed if each.id != "la"]
        csv.writer(file, delimiter=";").writerows([("id", "text", "file"), *rows])
    table = str(tmp_path / "recordings" / "ghi.csv")
    (home / "phrases" / "templates").mkdir(parents=True)
    (home / "phrases" / "templates" / "muc-nuoc.toml").write_text(TEMPLATE)

    def phrases(*arguments: str) -> tuple[int, str, str]:
        code = run(["phrases", *arguments, "--home", str(home)])
        return (code, *capsys.readouterr())

    assert phrases("add", "--language", "vi", "--list", table)[0] == 0
    code, _out, err = phrases("check")
    assert code == 2
    assert "muc-nuoc.toml: nobody has recorded “là”" in err
    assert "“bằng giang là”" in err
    given = [word for name, value in VALUES.items() for word in ("--set", f"{name}={value}")]
    wav = str(tmp_path / "muc-nuoc.wav")
    code, _out, err = phrases("say", "muc-nuoc", *given, "--out", wav)
    assert code == 2
    assert "nobody has recorded “là” in vi" in err
    assert "nobody has signed off “Chú ý!” (chu-y)" in err
    missing = str(tmp_path / "recordings" / "la.wav")
    assert phrases("add", missing, "--language", "vi", "--id", "la", "--text", "là")[0] == 0
    assert phrases("check", "--sign-off", "Lương Văn Sơn")[0] == 2, "Bằng Giang is still missing"
    code, out, _err = phrases("say", "muc-nuoc", *given, "--out", wav, "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["text"] == SAID
    assert facts["sha256"] in (tmp_path / "muc-nuoc.txt").read_text()
    assert SAID in (tmp_path / "muc-nuoc.txt").read_text()
    assert abs(len(read_sound(Path(wav))) / 48 - facts["duration_ms"]) < 2
    code, out, _err = phrases("list", "--json")
    assert {each["heard_by"] for each in json.loads(out)} == {"Lương Văn Sơn"}
    assert phrases("add", "--language", "vi")[0] == 2
