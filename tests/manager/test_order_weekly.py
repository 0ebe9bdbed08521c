"""The standing programme: a week of a schedule that repeats, and how it comes into force."""

from __future__ import annotations

import dataclasses
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from loa_manager.cli.main import run
from loa_manager.home import Home
from loa_manager.orders import book
from loa_manager.orders.desk import OrderDesk
from loa_manager.orders.paper import open_paper, read_paper
from loa_manager.orders.week import DAYS
from loa_manager.orders.weekly import Term, compose_programme, prepare_week
from loa_manager.publish.media import Kept
from loa_manager.publish.schedule import load_schedule
from loa_protocol.envelope import Kind
from loa_protocol.errors import ConfigError
from loa_protocol.objects.playlist import BearerKind, Playlist
from loa_protocol.objects.standing import StandingProgramme
from loa_protocol.trust import Refusal, TrustError
from loa_protocol.weekly import expand
from support.order_desks import AT, Ordering
from support.orders import standing_programme
from support.province import STATION, policy, province
from support.schedules import MONDAY, facts, item, schedule, session, text, write_tone
from support.serve_process import PASSPHRASE, TestProvince

FM = '{ frequency = 102.7, volume = 9, pi = "A123", proofs = [] }'
TERM = Term(epoch=1, serial=5, not_before=MONDAY, expires=MONDAY + 300 * 86_400)


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


def week_of(*sessions: str) -> tuple[Playlist, list[str]]:
    kept = {"gia-lua.opus": Kept(facts(), Path("gia-lua.opus"), "gia-lua.opus", "opus", False)}
    found = prepare_week(schedule(*sessions), kept, policy(), MONDAY - 3 * 86_400)
    assert found.playlist is not None
    return found.playlist, [str(fault) for fault in found.faults]


def test_a_week_written_out_again_is_the_week_that_was_laid_out() -> None:
    week, faults = week_of(
        session(item(), item(title='"Nhạc"'), days='["mon", "wed", "sun"]'),
        session(id='"trua"', start='"11:00"', days='"mon-fri"'),
    )
    assert not faults
    programme = compose_programme(week, policy(), TERM)
    assert [(each.id, each.weekdays) for each in programme.sessions] == [
        ("sang", 0b1000101),
        ("trua", 0b0011111),
    ]
    assert len(programme.items) == 3
    again = expand(programme, policy(), MONDAY, days=7)
    assert [(each.start, each.duration_s) for each in again.sessions] == [
        (each.start, each.duration_s) for each in week.sessions
    ]
    for one, other in zip(again.items, week.items, strict=True):
        assert (one.session, one.offset_ms) == (other.session, other.offset_ms)
        assert one.bearers == other.bearers


def test_fm_windows_carry_the_weekdays_of_the_sessions_that_use_them() -> None:
    fm = item(file=None, fm='"xa"', length='"10m"')
    extra = '[fm.xa]\nfrequency = 102.7\nvolume = 9\npi = "A123"\n'
    made = load_schedule(text(session(fm, days='["mon", "tue"]'), extra=extra), "week.toml")
    found = prepare_week(made, {}, policy(), MONDAY - 3 * 86_400)
    assert found.playlist is not None
    programme = compose_programme(found.playlist, policy(), TERM)
    (window,) = programme.fm_windows
    assert (window.weekdays, window.start_min, window.end_min) == (0b11, 330, 340)
    assert programme.items[0].bearers[0].kind is BearerKind.FM
    again = expand(programme, policy(), MONDAY, days=7)
    assert [each.start for each in again.fm_windows] == [
        each.start for each in found.playlist.fm_windows
    ]


def test_dates_and_odd_seconds_are_refused_by_their_place() -> None:
    _week, faults = week_of(
        session(start='"05:30:15"'),
        session(id='"mot"', days=None, date="2027-01-18", start='"09:00"'),
    )
    assert any("no dates" in fault for fault in faults)
    assert any("whole minute" in fault for fault in faults)


def test_a_programme_is_in_the_tree_once_two_have_signed_and_only_rises(tmp_path: Path) -> None:
    ordering, here = Ordering(tmp_path), province()

    def publish(body: StandingProgramme, *people: object) -> None:
        data = here.sign(Kind.STANDING_PROGRAMME, body, *people)  # type: ignore[arg-type]  # people
        book.publish(open_paper(data), ordering.home, ordering.desk, at=AT)

    body = standing_programme(serial=5, media=(), items=())
    with pytest.raises(TrustError) as refused:
        publish(body, here.editor)
    assert refused.value.reason is Refusal.THRESHOLD
    publish(body, here.editor, here.approver)
    place = ordering.home.content.path / "state" / body.scope / "standing"
    assert open_paper(place.read_bytes()).body == body
    with pytest.raises(TrustError) as refused:
        publish(dataclasses.replace(body, serial=4), here.editor, here.approver)
    assert refused.value.reason is Refusal.ROLLBACK


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weekly")
    TestProvince.found(folder / "ls")
    (folder / "secret").write_text(PASSPHRASE.secret)
    word = ("--passphrase-file", f"{folder}/secret")
    for role in ("editor", "approver"):
        home, own = f"{folder}/{role}", f"{folder}/{role}/keys/own/{role}.request"
        who = ("--role", role, "--holder", role.title())
        assert run(("key", "make", "--home", home, *who, *word)) == 0
        assert run(("key", "export-public", "--home", f"{folder}/ls", "-o", home)) == 0
        rights = ("--scope", STATION, "-o", f"{home}.cert", *word)
        assert run(("key", "certify", "--home", f"{folder}/ls", own, *rights)) == 0
        assert run(("key", "install", "--home", home, f"{home}.cert")) == 0
    return folder


def test_an_editor_s_programme_goes_over_the_approver_s_desk_into_the_tree(
    founded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "homes"
    shutil.copytree(founded, folder)
    monkeypatch.chdir(folder)
    write_tone(folder / "gia-lua.wav")
    (folder / "tt.toml").write_bytes(text(session(item(file='"gia-lua.wav"'))))
    word = ("--passphrase-file", "secret")
    made = (
        "playlist",
        "standing",
        "--home",
        "editor",
        "tt.toml",
        "-o",
        "tt.order",
        "--for",
        "200d",
    )
    assert run(made) == 0
    shown = capsys.readouterr().out
    assert "05:30" in shown
    assert "▅▅▅" in shown  # what its sounds look like
    sign = ("order", "sign", "tt.order", "-o", "tt.order", "--yes", *word)
    assert run((*sign, "--home", "editor", "--json")) == 0, capsys.readouterr().err
    (row,) = json.loads(capsys.readouterr().out)
    (said,) = row["says"]["week"]
    assert (said["days"], said["start"], said["title"]) == (list(DAYS), "05:30", "Giá lúa")
    assert row["says"]["remarks"] == []
    assert run((*sign, "--home", "approver")) == 0
    shown = capsys.readouterr().err
    for word_ in ("STANDING PROGRAMME", "daily", "05:30", "Giá lúa", "vi", "thông báo", "Volume"):
        assert word_ in shown, shown
    assert run(("order", "publish", "--home", "ls", "tt.order", "--yes", *word)) == 0
    place = folder / "ls" / "content" / "state" / STATION / "standing"
    body = open_paper(place.read_bytes()).body
    assert isinstance(body, StandingProgramme)
    assert body.expires - body.not_before == 200 * 86_400
    assert Home(folder / "ls").content.media_path(body.media[0].sha256).is_file()
    shutil.rmtree(folder / "media")
    later = datetime.now(UTC) + timedelta(seconds=1)
    desk = OrderDesk.open(Home(folder / "ls"), later)
    assert desk.judge(read_paper(folder / "tt.order")).is_complete


def test_a_week_with_too_much_is_refused() -> None:
    week, _faults = week_of()
    many = tuple(dataclasses.replace(week.sessions[0], id=f"s{n}-20270118") for n in range(65))
    with pytest.raises(ConfigError, match="64 sessions"):
        compose_programme(dataclasses.replace(week, sessions=many, items=()), policy(), TERM)
