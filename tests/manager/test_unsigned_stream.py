"""A stream that nobody signs: written, judged by the policy, shown to whoever signs, or refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import select

from loa_manager import database, tables
from loa_manager.cli.playlist_view import show_playlist
from loa_manager.orders.weekly import prepare_week
from loa_manager.publish.editing import check_draft, check_schedule
from loa_manager.publish.publication import publish
from loa_manager.publish.rules import Reason, judge
from loa_manager.publish.values import WrongValue, read_host, read_stream
from loa_protocol.errors import ConfigError
from loa_protocol.objects.playlist import BearerKind, Playlist
from loa_protocol.objects.policy import Hours, Policy
from support.desks import NOW, make_desks
from support.province import policy
from support.schedules import MONDAY, item, schedule, session, text

URL = "https://radio.example/live.ogg"
STREAM = {"stream": f'"{URL}"', "length": '"10m"'}
BEHIND = item(file='"gia-lua.wav"', **STREAM)
ALONE = item(title='"Tiếp sóng"', file=None, **STREAM)


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


def allowing(start_min: int = 330, end_min: int = 360, host: str = "radio.example") -> Policy:
    """Return a policy that lets *host* stream unsigned, from 05:30 to 06:00 by default."""
    hours = (Hours(weekdays=127, start_min=start_min, end_min=end_min),)
    return policy(unsigned_streams=(host,), unsigned_stream_hours=hours)


def one_day(*items: str) -> bytes:
    return text(session(*items), to="2027-01-18")


def drafted(folder: Path, *items: str, rules: Policy | None = None) -> Playlist:
    return make_desks(folder, one_day(*items), rules).draft().playlist


def reasons(playlist: Playlist, rules: Policy) -> list[Reason]:
    return [each.reason for each in judge(playlist, rules)]


@pytest.mark.requirement("SRC-1")
def test_a_stream_stands_between_fm_and_the_file_behind_it(tmp_path: Path) -> None:
    fm = 'fm = {frequency = 96.5, pi = "9A01"}\n'
    playlist = drafted(tmp_path, BEHIND + fm, ALONE)
    assert playlist.streams is not None
    assert [each.url for each in playlist.streams] == [URL]  # named once
    first, second = playlist.items
    kinds = [BearerKind.FM, BearerKind.STREAM, BearerKind.MEDIA]
    assert [each.kind for each in first.bearers] == kinds
    assert [each.cost for each in first.bearers] == sorted(each.cost for each in first.bearers)
    assert [(each.kind, each.reference) for each in second.bearers] == [(BearerKind.STREAM, 1)]
    assert (first.duration_ms, second.offset_ms) == (600_000, 600_000)
    assert drafted(tmp_path / "plain", item(file='"gia-lua.wav"')).streams is None


@pytest.mark.parametrize(
    ("written", "signed"),
    [
        ("https://radio.example", "https://radio.example/"),
        ("HTTPS://Radio.Example:443/a?b=c d", "https://radio.example/a?b=c%20d"),
        ("https://đài.example:8443/tiếng", "https://xn--i-rfa0m.example:8443/ti%E1%BA%BFng"),
        ("https://192.0.2.7/a%20b", "https://192.0.2.7/a%20b"),
    ],
)
def test_an_address_is_signed_in_its_one_spelling(written: str, signed: str) -> None:
    assert read_stream(written) == signed
    assert read_stream(signed) == signed


@pytest.mark.parametrize(
    "written",
    [
        "http://radio.example/",
        "radio.example",
        "https://",
        "https://user:secret@radio.example/",
        "https://radio.example/#a",
        "https://radio.example:0/",
        "https://radio.example:99999/",
        "https://[::1]/",
        "https://127.1/",
        "https://ra dio.example/",
        "https://radio.example/50%",
        "https://" + "a" * 600,
        7,
    ],
)
def test_what_is_no_address_of_a_stream_is_a_fault_at_its_line(written: object) -> None:
    with pytest.raises(WrongValue):
        read_stream(written)
    with pytest.raises(ConfigError, match=r"line .*stream"):
        schedule(session(item(stream=json.dumps(written), length='"1m"')))


def test_other_than_https_is_pointed_to_the_relay() -> None:
    with pytest.raises(WrongValue, match="loa relay"):
        read_stream("http://radio.example/live")


@pytest.mark.parametrize(
    "text", ["radio..example", "*.example", "https://radio.example", "a:80", ""]
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(WrongValue):
        read_host(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"length": None},
        {"live": "true"},
        {"over": "15", "at": '"05:30"'},
        {"bulletin": f'"{"a" * 64}"'},
    ],
)
def test_a_stream_has_a_length_and_is_nothing_else(changes: dict[str, str | None]) -> None:
    with pytest.raises(ConfigError, match="a stream needs a length"):
        schedule(session(item(**{**STREAM, **changes})))


def test_a_playlist_holds_sixteen_addresses(tmp_path: Path) -> None:
    items = [item(file=None, length='"1m"', stream=f'"{URL}{n}"') for n in range(17)]
    with pytest.raises(ConfigError, match="17 streams; a playlist holds 16"):
        drafted(tmp_path, *items)


def test_a_standing_programme_has_none() -> None:
    week = prepare_week(schedule(session(ALONE)), {}, policy(), MONDAY)
    assert [each for each in week.faults if "no unsigned streams" in each.text]


@pytest.mark.requirement("SEC-4")
def test_what_the_policy_does_not_name_is_said_at_the_desk(tmp_path: Path) -> None:
    playlist = drafted(tmp_path, BEHIND, ALONE)
    unsigned = [Reason.UNSIGNED, Reason.UNSIGNED]
    assert reasons(playlist, allowing()) == unsigned
    none = [Reason.UNSIGNED, Reason.NO_HOST, Reason.UNSIGNED, Reason.STREAM_HOST]
    assert reasons(playlist, policy()) == none
    assert reasons(playlist, allowing(host="other.example")) == none
    late = [*unsigned, Reason.STREAM_HOURS]  # 05:40 to 05:50: not the whole of the second
    assert reasons(playlist, allowing(330, 349)) == late
    assert reasons(playlist, allowing(331, 360)) == [Reason.UNSIGNED, Reason.NO_HOURS, unsigned[0]]
    assert reasons(playlist, policy(unsigned_streams=("radio.example",))) == [
        Reason.UNSIGNED, Reason.NO_HOURS, Reason.UNSIGNED, Reason.STREAM_HOURS
    ]  # fmt: skip
    assert [each.is_forbidden for each in (Reason.STREAM_HOST, Reason.NO_HOST)] == [True, False]


@pytest.mark.requirement("SEC-4")
def test_check_refuses_what_nothing_else_carries_and_says_what_to_do(tmp_path: Path) -> None:
    desks = make_desks(tmp_path, one_day(ALONE))
    with pytest.raises(ConfigError) as refused:
        check_schedule(desks.week, desks.editor, desks.desk(desks.editor))
    (fault,) = refused.value.faults
    assert "unsigned_streams does not name radio.example" in fault
    assert "loa relay" in fault
    draft = desks.draft()
    with pytest.raises(ConfigError, match="unsigned_streams does not name"):
        check_draft(draft.path, desks.desk(desks.approver))


def test_check_warns_where_a_file_stands_behind_the_stream_and_where_none_does(
    tmp_path: Path,
) -> None:
    desks = make_desks(tmp_path, one_day(BEHIND))
    checked = check_schedule(desks.week, desks.editor, desks.desk(desks.editor))
    assert [each.finding.reason for each in checked.preview.remarks] == [
        Reason.UNSIGNED,
        Reason.NO_HOST,
    ]
    assert not checked.warnings
    desks.week.write_bytes(one_day(ALONE))
    bare = check_schedule(desks.week, desks.editor, desks.desk(desks.editor), forbid=False)
    assert "no file stands behind the stream" in bare.warnings[0]


@pytest.mark.requirement("MSG-5", "SEC-4")
def test_whoever_signs_reads_that_a_stream_is_unsigned_and_whose_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desks = make_desks(tmp_path, one_day(BEHIND, ALONE), allowing())
    _draft, checked = check_draft(desks.draft().path, desks.desk(desks.approver))
    show_playlist(checked, title="To be signed")
    out, told = capsys.readouterr()
    assert re.search(f"^UNSIGNED STREAMS +{URL}$", out, re.MULTILINE)
    assert "UNSIGNED radio.example, media" in out
    assert told.count("UNSIGNED STREAM: ") == 2
    assert "radio.example; whoever owns that server decides what is heard" in told
    assert "FORBIDDEN" not in told


def test_the_account_names_the_streams_of_what_was_published(tmp_path: Path) -> None:
    desks = make_desks(tmp_path, one_day(BEHIND), allowing())
    publish(desks.signed(), desks.server, desks.desk(desks.server), at=NOW)
    with database.open(desks.server.database_url).begin() as connection:
        details = connection.execute(select(tables.audit.c.detail)).scalars()
        (named,) = [json.loads(each) for each in details if "unsigned_streams" in each]
    assert named["unsigned_streams"] == [URL]
