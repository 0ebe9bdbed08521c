"""The officer's TOML text: what it may say, and that every fault is named with its place."""

from __future__ import annotations

import datetime
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_schedule import fuzz
from loa_manager.publish.schedule import MAX_BYTES, load_schedule, parse_schedule
from loa_protocol.errors import ConfigError
from loa_protocol.objects.authority import Level
from loa_protocol.objects.playlist import BulletinKind, ProofKind
from support.schedules import item, schedule, session, text


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


def faults(data: bytes) -> list[str]:
    return [str(fault) for fault in parse_schedule(data)[1]]


def only_fault(data: bytes) -> str:
    found = faults(data)
    assert len(found) == 1, found
    return found[0]


def test_a_plain_week_is_read_whole() -> None:
    week = schedule(session(item(), item(title='"Nhạc"', file='"nhac.mp3"', at='"05:40"')))
    assert (week.scope, week.first, week.last) == (
        "vn/ls/st0137",
        datetime.date(2027, 1, 18),
        datetime.date(2027, 1, 24),
    )
    (morning,) = week.sessions
    assert (morning.id, morning.start_s, morning.length_s) == ("sang", 5 * 3600 + 1800, 1800)
    assert morning.days == frozenset(range(7))
    first, second = morning.items
    assert (first.id, first.title, first.file, first.at_s) == ("1", "Giá lúa", "gia-lua.opus", None)
    assert (first.language, first.category, first.kind) == ("vi", "thông báo", BulletinKind.NORMAL)
    assert second.at_s == 5 * 3600 + 2400
    assert list(week.files) == ["gia-lua.opus", "nhac.mp3"]


@pytest.mark.requirement("MSG-1", "MSG-6")
def test_items_carry_kind_level_language_and_category_in_either_tongue() -> None:
    decomposed = unicodedata.normalize("NFD", '"Tày"')
    week = schedule(
        session(
            item(kind='"ưu tiên"', level='"tỉnh"', language=decomposed, category='"Tuyển dụng"'),
            item(kind='"priority"', level='"central"', language='"nùng"'),
            item(language='"hmong"'),
        )
    )
    first, second, third = week.sessions[0].items
    assert (first.kind, first.level) == (BulletinKind.PRIORITY, Level.PROVINCE)
    assert (second.kind, second.level) == (BulletinKind.PRIORITY, Level.CENTRAL)
    assert [each.language for each in (first, second, third)] == ["tày", "nùng", "hmong"]
    assert unicodedata.is_normalized("NFC", first.language)
    assert first.category == "tuyển dụng"


def test_letters_taken_apart_are_put_together() -> None:
    apart = unicodedata.normalize("NFD", session(item(title='"Phòng chống rét"', kind='"ưu tiên"')))
    (only,) = schedule(apart).sessions[0].items
    assert only.title == unicodedata.normalize("NFC", "Phòng chống rét")
    assert only.kind is BulletinKind.PRIORITY


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ('"daily"', {0, 1, 2, 3, 4, 5, 6}),
        ('"hằng ngày"', {0, 1, 2, 3, 4, 5, 6}),
        ('"mon-fri"', {0, 1, 2, 3, 4}),
        ('["T2", "sat-mon"]', {0, 5, 6}),
        ('["cn"]', {6}),
    ],
)
def test_days_are_written_as_people_name_them(days: str, expected: set[int]) -> None:
    assert schedule(session(days=days)).sessions[0].days == expected


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("45", 2700), ('"45m"', 2700), ('"1h30m"', 5400), ('"90s"', 90), ('"1h 5m"', 3900)],
)
def test_lengths_are_minutes_or_have_their_unit(written: str, seconds: int) -> None:
    assert schedule(session(length=written)).sessions[0].length_s == seconds


@pytest.mark.parametrize("written", ['"05:30"', '"5h30"', "05:30:00", '"5:30:00"'])
def test_times_are_written_in_several_ways(written: str) -> None:
    assert schedule(session(start=written)).sessions[0].start_s == 19_800


def test_a_date_may_be_written_the_vietnamese_way() -> None:
    week = schedule(session(days=None, date='"20/01/2027"'))
    assert week.sessions[0].date == datetime.date(2027, 1, 20)


@pytest.mark.requirement("SRC-2")
def test_an_fm_transmitter_says_how_it_proves_itself() -> None:
    table = '[fm.xa]\nfrequency = 96.5\npi = "9A01"\nproofs = ["fingerprint"]\nvolume = 8\n'
    week = schedule(session(item(fm='"xa"')), extra=table)
    carrier = week.sessions[0].items[0].fm
    assert carrier is not None
    assert (carrier.frequency_khz, carrier.pi, carrier.volume) == (96_500, 0x9A01, 8)
    assert carrier.proofs == (ProofKind.FINGERPRINT,)
    inline = schedule(session(item(fm="{ frequency = 96.5, pi = 0x9A01, volume = 8 }")))
    assert inline.sessions[0].items[0].fm is not None
    bare = text(session(item(fm="{ frequency = 96.5 }")))
    assert "nothing shows that the carrier is the station's own" in only_fault(bare)


def test_a_relay_by_fm_alone_needs_a_length() -> None:
    carrier = "{ frequency = 96.5, pi = 0x9A01 }"
    week = schedule(session(item(file=None, fm=carrier, length="10")))
    assert week.sessions[0].items[0].length_s == 600
    without = text(session(item(file=None, fm=carrier)))
    assert "only an item by fm or stream with a length goes without" in only_fault(without)


@pytest.mark.requirement("SEC-4")
@pytest.mark.parametrize(
    "file",
    ["http://evil.example/a.mp3", "https://x/y", "/etc/passwd", "../other/a.mp3", "a/../../b",
     "\\\\\\\\host\\\\a.mp3"],
)  # fmt: skip
def test_media_are_files_beside_the_schedule_and_never_addresses(file: str) -> None:
    fault = only_fault(text(session(item(file=f'"{file}"'))))
    assert "expected a file in the schedule's folder" in fault
    assert 'line 16, session 1, item 1 "Giá lúa", file' in fault


@pytest.mark.requirement("MSG-4")
@pytest.mark.parametrize("kind", ["emergency", "khẩn cấp"])
def test_an_emergency_has_no_place_in_a_schedule(kind: str) -> None:
    fault = only_fault(text(session(item(kind=f'"{kind}"'))))
    assert "an emergency goes out as an alert" in fault


@pytest.mark.requirement("MSG-7")
def test_every_item_has_a_category() -> None:
    assert "category is missing" in only_fault(text(category=None))
    assert faults(text(session(item(category='"thông báo"')), category=None)) == []


def test_all_faults_are_named_at_once_each_with_its_line() -> None:
    broken = text(
        session(item(titel='"x"', file=None), start='"25:00"', days='["mon", "xyz"]'),
        session(id='"sang"', length="0"),
        volumee="3",
        scope='"VN ls"',
    )
    found = faults(broken)
    assert found == [
        'line 2, schedule, scope: expected a scope such as "vn/ls/st0137", got \'VN ls\'',
        "line 7, schedule, volumee: unknown key volumee; did you mean volume?",
        'line 13, session 1 "sang", start: expected a time such as "05:30", got \'25:00\'',
        'line 12, session 1 "sang", days: expected "daily", "mon-fri" or days such as '
        "[\"mon\", \"t3\", \"cn\"], got ['mon', 'xyz']",
        'line 15, session 1, item 1 "Giá lúa": file is missing; only an item by fm or stream with '
        "a length goes without",
        'line 17, session 1, item 1 "Giá lúa", titel: unknown key titel; did you mean title?',
        'line 23, session 2 "sang", length: expected a length such as 45 (minutes) or "1h30m", at '
        "most 1440m, got 0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xfe[schedule]", "line 1: not UTF-8"),
        (b'[schedule]\nscope = "vn"\ntitle = "Tu\xe1\xba"\n', "line 3: not UTF-8"),
        (b"[schedule\n", "not TOML"),
        (b"x = " + b"[" * 9000, "not TOML"),
        (b"x = " + b"9" * 5000, "not TOML"),
        (b"#" * (MAX_BYTES + 1), "a schedule has at most"),
        (b"", "the header [schedule] is missing"),
        (b"schedule = 3", "expected a table"),
        (b"[schedule]\n[[schedule.x]]", "unknown key x"),
    ],
)
def test_what_is_no_schedule_is_refused_by_name(data: bytes, expected: str) -> None:
    assert any(expected in fault for fault in faults(data)), faults(data)
    with pytest.raises(ConfigError):
        load_schedule(data, "week.toml")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (text(to="2027-02-17"), "a schedule runs for 1 to 30 days"),
        (text(to="2027-01-17"), "a schedule runs for 1 to 30 days"),
        (text(from_='"31/02/2027"'), "expected a day such as"),
        (text(session(), session()), "another session has the same id"),
        (text(session(item(id='"a"'), item(id='"a"'))), "another item of the session"),
        (text(session(date="2027-01-18")), "give either days or one date"),
        (text(session(days=None)), "give either days or one date"),
        (text(session(volume="16")), "expected a whole number from 0 to 15, got 16"),
        (text(session(volume="true")), "expected a whole number from 0 to 15, got True"),
        (text(session(item(fm='"nha"'))), "there is no [fm.nha]"),
        (text(session(item(title='"a\\u0007b"'))), "control characters"),
        (text(session(item(title=f'"{"x" * 201}"'))), "expected 1 to 200 characters"),
        (text(session(item(expected_silence='["1:00-0:30"]'))), "ends after it begins"),
        (text(extra='[fm.xa]\nfrequency = 12.5\npi = "9A01"\n'), "expected a frequency in MHz"),
        (text(extra='[fm.xa]\nfrequency = 1e9999999999\npi = "9A01"\n'), "expected a frequency"),
        (text(extra='[fm.xa]\nfrequency = 96.5001\npi = "9A01"\n'), "expected a frequency"),
        (text(extra="[fm.xa]\nfrequency = nan\npi = 1\n"), "expected a frequency in MHz"),
        (text(extra='[fm.xa]\nfrequency = 96.5\npi = "9A"\n'), "four hexadecimal digits"),
    ],
)
def test_a_wrong_value_says_what_was_expected(data: bytes, expected: str) -> None:
    assert expected in only_fault(data)


def test_too_many_sessions_or_items_are_refused_before_they_are_laid_out() -> None:
    many = text(*(session(id=f'"s{n}"') for n in range(101)))
    assert "more than 100 sessions" in only_fault(many)
    assert "more than 200 items" in only_fault(text(session(*(item() for _ in range(201)))))


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm() -> None:
    data = b"\xef\xbb\xbf" + text().replace(b"\n", b"\r\n")
    assert faults(data) == []


def test_a_fault_in_an_inline_table_has_a_path_though_no_line() -> None:
    data = text().split(b"[[session]]")[0] + b"session = [{ id = 3 }]"
    found = faults(b"session = [{ id = 3 }]\n" + text().split(b"[[session]]")[0])
    assert any(fault.startswith("session 1: id is missing") or "session 1, id" in fault
               for fault in found), found  # fmt: skip
    assert faults(data), "at the end it belongs to the header, where it is unknown"


WORDS = st.sampled_from(
    ["[schedule]", "[[session]]", "[[session.item]]", "[fm.xa]", "scope", "from", "to", "id", "=",
     "days", "start", "length", "item", "title", "file", "fm", "pi", '"xa"', '"daily"', '"05:30"',
     "2027-01-18", "96.5", "0x9A01", "nan", "-1", "[", "]", "{", "}", '"""', "'''", "\n", ",", "."]
)  # fmt: skip
VALUES = st.sampled_from(
    ['""', "0", "-5", "1e9", "[]", "{}", "true", "2027-01-18", "1979-05-27T07:32:00Z", '"ưu tiên"',
     "[[1]]", "[{}]", '"\\u0000"', "inf", '"24:00"', '"99999s"', "{ frequency = 1 }", "99999999999"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=60))
def test_no_text_breaks_the_parser(words: list[str]) -> None:
    fuzz(" ".join(words).encode())


@given(st.dictionaries(st.sampled_from(["scope", "from_", "to", "language", "volume"]), VALUES),
       st.dictionaries(st.sampled_from(["id", "days", "start", "length", "item", "date"]), VALUES),
       st.dictionaries(st.sampled_from(["title", "file", "fm", "at", "kind", "level", "id",
                                        "expected_silence", "length"]), VALUES))  # fmt: skip
def test_no_value_breaks_the_parser(
    header: dict[str, str], one: dict[str, str], entry: dict[str, str]
) -> None:
    fuzz(text(session(item(**entry), item(), **one), session(id='"chieu"'), **header))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    fuzz(data)
