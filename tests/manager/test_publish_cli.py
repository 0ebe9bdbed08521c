"""``loa playlist`` and ``loa media`` as an officer meets them: three homes, files in between."""

from __future__ import annotations

import datetime
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from loa_manager import database, tables
from loa_manager.cli.main import run
from loa_manager.home import Home
from support.schedules import item, session, text, write_tone

Loa = Callable[..., int]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a province ``ls`` and the homes of an editor and an approver."""
    folder = tmp_path_factory.mktemp("homes")
    secret = folder / "secret"
    secret.write_text("correct horse battery\n")
    word = ("--passphrase-file", str(secret))

    def loa(*arguments: str) -> None:
        assert run(arguments) == 0, arguments

    loa("init", "--home", f"{folder}/ls", "--province", "vn/ls", "--test", *word)
    for role in ("editor", "approver"):
        home, certificate = f"{folder}/{role}", f"{folder}/{role}.cert"
        loa("key", "make", "--home", home, "--role", role, "--holder", role.title(), *word)
        loa("key", "export-public", "--home", f"{folder}/ls", "-o", home)
        request = f"{home}/keys/own/{role}.request"
        scope = ("--scope", "vn/ls/st0137")
        loa("key", "certify", "--home", f"{folder}/ls", request, *scope, "-o", certificate, *word)
        loa("key", "install", "--home", home, certificate)
    return folder


@pytest.fixture
def week(tmp_path: Path) -> Path:
    """Return a schedule of the coming days, one of its items at a quarter past three."""
    write_tone(tmp_path / "gia-lua.wav")
    entry = item(file='"gia-lua.wav"')
    write_week(tmp_path / "tuan.toml", session(entry), session(entry, id='"dem"', start='"03:15"'))
    write_week(tmp_path / "ngay.toml", session(entry))
    return tmp_path


def write_week(path: Path, *sessions: str) -> None:
    today = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=7))).date()
    last = today + datetime.timedelta(days=6)
    path.write_bytes(text(*sessions, from_=today.isoformat(), to=last.isoformat()))


@pytest.fixture
def loa(homes: Path, week: Path, monkeypatch: pytest.MonkeyPatch) -> Loa:
    """Return ``loa playlist``, run in the schedule's folder with a home's name first."""
    monkeypatch.chdir(week)

    def call(home: str, command: str, *arguments: str) -> int:
        secret = ("--passphrase-file", f"{homes}/secret") if command == "sign" else ()
        return run(["playlist", command, "--home", f"{homes}/{home}", *arguments, *secret])

    return call


@pytest.mark.requirement("TIM-3", "MSG-5")
def test_a_week_goes_from_the_editors_file_to_the_tree(
    loa: Loa, homes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert loa("editor", "check", "ngay.toml") == 0
    shown = capsys.readouterr().out
    assert "The next 24 hours" in shown
    assert "05:30:00  05:30:02  Giá lúa" in shown
    assert loa("editor", "draft", "ngay.toml", "-o", "out/ngay.draft") == 0
    assert loa("editor", "sign", "out/ngay.draft", "--as", "editor") == 0
    shutil.move("out", "usb")
    assert loa("approver", "sign", "usb/ngay.draft", "--as", "approver") == 0
    out, err = capsys.readouterr()
    assert "Signed by    Editor" in out, "the approver sees who signed before"
    assert "Signed as approver by Approver." in err
    assert loa("ls", "publish", "usb/ngay.draft") == 2, "nobody can answer here"
    assert "give --yes" in capsys.readouterr().err
    assert Home(homes / "ls").content.leaves() == []
    assert loa("ls", "publish", "usb/ngay.draft", "--yes") == 0
    out, err = capsys.readouterr()
    assert "The next 24 hours" in out
    assert "Published" in err
    assert loa("ls", "show", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["scope"], row["signers"]) == ("vn/ls/st0137", ["Editor", "Approver"])
    assert loa("ls", "show") == 0
    assert "Editor, Approver" in capsys.readouterr().out


@pytest.mark.requirement("MSG-5")
def test_the_same_person_twice_is_refused_with_the_devices_reason(
    loa: Loa, homes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loa("editor", "draft", "ngay.toml", "-o", "ngay.draft")
    assert loa("editor", "sign", "ngay.draft", "--as", "editor") == 0
    capsys.readouterr()
    assert loa("editor", "sign", "ngay.draft", "--as", "editor", "--json") == 4
    assert json.loads(capsys.readouterr().err)["reason"] == "threshold"
    assert loa("editor", "sign", "ngay.draft", "--as", "approver") == 6, "no such key in this home"
    assert loa("ls", "publish", "ngay.draft", "--yes", "--json") == 4
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["reason"] == "threshold"


@pytest.mark.requirement("TIM-2", "TIM-3")
def test_a_forbidden_hour_is_flagged_and_signed_only_on_purpose(
    loa: Loa, capsys: pytest.CaptureFixture[str]
) -> None:
    assert loa("editor", "check", "tuan.toml") == 2
    assert "outside the allowed hours" in capsys.readouterr().err
    assert loa("editor", "check", "tuan.toml", "--allow-forbidden") == 0
    out, err = capsys.readouterr()
    assert out.count("FORBIDDEN") == 1
    assert 'FORBIDDEN: line 23, session 2, item 1 "Giá lúa": outside the allowed hours' in err
    assert loa("editor", "draft", "tuan.toml", "-o", "tuan.draft") == 0
    assert loa("editor", "sign", "tuan.draft", "--as", "editor") == 2
    assert loa("editor", "sign", "tuan.draft", "--as", "editor", "--allow-forbidden") == 0
    assert "FORBIDDEN" in capsys.readouterr().err


@pytest.mark.requirement("TIM-3")
def test_json_has_the_same_facts(loa: Loa, capsys: pytest.CaptureFixture[str]) -> None:
    assert loa("editor", "check", "tuan.toml", "--allow-forbidden", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["serial"] is None, "only a draft has one"
    assert facts["items"] == 14
    verdicts = {play["start"][11:16]: play["forbidden"] for play in facts["plays"]}
    assert verdicts == {"03:15": ["blocked_quiet_hours"], "05:30": []}
    assert {remark["reason"] for remark in facts["remarks"]} == {
        "blocked_quiet_hours",
        "session_reaches_quiet_hours",
    }


@pytest.mark.requirement("SEC-4")
def test_an_unsigned_stream_is_said_loudly_and_goes_nowhere_without_the_policy(
    loa: Loa, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"stream": '"https://radio.example/live"', "length": '"5m"'}
    write_week(Path("dai.toml"), session(item(file=None, **facts)))
    assert loa("editor", "check", "dai.toml") == 2
    assert "unsigned_streams does not name radio.example" in capsys.readouterr().err
    write_week(Path("sau.toml"), session(item(file='"gia-lua.wav"', **facts)))
    assert loa("editor", "check", "sau.toml") == 0
    out, err = capsys.readouterr()
    assert "UNSIGNED STREAMS" in out
    assert "UNSIGNED STREAM: " in err
    assert loa("editor", "check", "sau.toml", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["unsigned_streams"] == ["https://radio.example/live"]
    assert told["plays"][0]["bearers"] == ["stream", "media"]
    assert told["plays"][0]["unsigned_hosts"] == ["radio.example"]
    reasons = {each["reason"]: each["forbidden"] for each in told["remarks"]}
    assert reasons == {"unsigned_stream": False, "stream_host_not_named": False}


def test_every_fault_of_a_file_is_printed(loa: Loa, capsys: pytest.CaptureFixture[str]) -> None:
    write_week(Path("bad.toml"), session(item(file='"gone.mp3"', kind='"x"'), volume="99"))
    assert loa("editor", "check", "bad.toml") == 2
    err = capsys.readouterr().err
    assert all(each in err for each in ("gone.mp3", "kind", "volume"))
    assert loa("editor", "check", "not-there.toml") == 6
    Path("x.draft").write_bytes(b"no draft")
    assert loa("editor", "check", "x.draft") == 3


def test_a_draft_is_named_a_draft(loa: Loa, capsys: pytest.CaptureFixture[str]) -> None:
    assert loa("editor", "draft", "ngay.toml", "-o", "ngay.toml") == 2
    assert "ends in .draft" in capsys.readouterr().err
    assert Path("ngay.toml").read_bytes().startswith(b"[schedule]")


def test_next_weeks_schedule_shows_its_first_day(
    loa: Loa, capsys: pytest.CaptureFixture[str]
) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    first, last = (today + datetime.timedelta(days=days) for days in (10, 12))
    entry = session(item(file='"gia-lua.wav"'))
    Path("next.toml").write_bytes(text(entry, from_=first.isoformat(), to=last.isoformat()))
    assert loa("editor", "check", "next.toml") == 0
    assert f"Nothing in the next 24 hours. The first plays, from {first:%d/%m/%Y} 05:30" in (
        capsys.readouterr().out
    )


class Terminal(io.StringIO):
    """Somebody at the keyboard."""

    def isatty(self) -> bool:
        return True


@pytest.mark.requirement("TIM-3")
@pytest.mark.parametrize(("answer", "code", "published"), [("y\n", 0, 1), ("n\n", 130, 0)])
def test_somebody_at_a_terminal_is_asked_before_it_acts(
    loa: Loa,
    homes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
    published: int,
) -> None:
    province = tmp_path / "ls"
    shutil.copytree(homes / "ls", province)
    shutil.rmtree(province / "content" / "proof", ignore_errors=True)
    before = len(audit_of(province))
    loa("editor", "draft", "ngay.toml", "-o", "ngay.draft")
    loa("editor", "sign", "ngay.draft", "--as", "editor")
    loa("approver", "sign", "ngay.draft", "--as", "approver")
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert run(["playlist", "publish", "--home", str(province), "ngay.draft"]) == code
    assert len(audit_of(province)) - before == published


def test_an_approver_may_say_no(
    loa: Loa, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loa("editor", "draft", "ngay.toml", "-o", "ngay.draft")
    before = Path("ngay.draft").read_bytes()
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert loa("approver", "sign", "ngay.draft", "--as", "approver") == 130
    assert "Sign this as approver?" in capsys.readouterr().err
    assert Path("ngay.draft").read_bytes() == before


def audit_of(home: Path) -> list[object]:
    engine = database.open(Home(home).database_url)
    with database.reading(engine) as connection:
        rows = connection.execute(select(tables.audit)).all()
    engine.dispose()
    return list(rows)


def test_media_are_added_listed_and_measured(
    homes: Path, week: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, file = str(week / "home"), str(week / "gia-lua.wav")
    assert run(["media", "add", "--home", home, "--json", file]) == 0
    (added,) = json.loads(capsys.readouterr().out)
    assert run(["media", "list", "--home", home, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [added]
    assert (added["name"], added["codec"], added["transcoded"]) == ("gia-lua.wav", "opus", True)
    assert (week / "home" / "media" / added["sha256"]).is_file()
    assert run(["media", "measure", file]) == 0
    assert "0:02" in capsys.readouterr().out
    assert run(["media", "measure", str(week / "tuan.toml")]) == 3
    assert run(["media", "measure", file, str(week / "gone.wav")]) == 6
    assert "gone.wav: No such file" in capsys.readouterr().err
    assert run(["media", "add", "--home", home, str(week / "gone.wav")]) == 6
