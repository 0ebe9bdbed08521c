"""The mailbox as an officer meets it: three homes, one server, and no stick in between."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loa_manager.cli.main import run
from support.mail_lab import MailLab, make_homes
from support.schedules import item, session, text, write_tone

Loa = Callable[..., int]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("homes")
    make_homes(folder)
    return folder


@pytest.fixture
def lab(homes: Path, tmp_path: Path) -> Iterator[MailLab]:
    shutil.copytree(homes, tmp_path / "all")
    with MailLab(tmp_path / "all").running() as made:
        yield made


@pytest.fixture
def loa(lab: MailLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loa:
    """Return ``loa playlist``, run in the schedule's folder with a home's name first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOA_SERVER", lab.address)
    write_tone(tmp_path / "gia-lua.wav")

    def call(home: str, command: str, *arguments: str) -> int:
        keyless = command in ("check", "draft", "show")
        secret = () if keyless else ("--passphrase-file", f"{lab.folder}/secret")
        where = ("--home", f"{lab.folder}/{home}")
        return run(["playlist", command, *where, *arguments, *secret])

    return call


def write_week(path: Path, *sessions: str) -> None:
    today = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=7))).date()
    last = today + datetime.timedelta(days=2)
    path.write_bytes(text(*sessions, from_=today.isoformat(), to=last.isoformat()))


def make_draft(loa: Loa, *, seal: bool = True) -> None:
    assert loa("nga", "draft", "tuan.toml", "-o", "out/tuan.draft") == 0
    if seal:
        assert loa("nga", "sign", "out/tuan.draft", "--as", "editor") == 0


@pytest.mark.requirement("MSG-5", "TIM-3")
def test_a_week_goes_there_and_back_and_on_the_air_by_mailbox(
    loa: Loa, lab: MailLab, capsys: pytest.CaptureFixture[str]
) -> None:
    def rows(home: str) -> list[dict[str, object]]:
        capsys.readouterr()
        assert loa(home, "inbox", "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert isinstance(found, list)
        return found

    write_week(Path("tuan.toml"), session(item(file='"gia-lua.wav"', title='"Giá thóc"')))
    make_draft(loa)
    assert loa("nga", "submit", "out/tuan.draft") == 0
    assert "waits for approval" in capsys.readouterr().out
    assert loa("nga", "submit", "out/tuan.draft") == 0, "once more changes nothing"
    assert lab.home("ls").content.leaves() == [], "a draft has no path to the tree"
    (row,) = rows("son")
    assert (row["state"], row["for_me"], row["signers"]) == ("waiting", True, ["Nga"])

    assert loa("son", "reject", "--reason", "sai giá: 8.200 đ") == 0
    (row,) = rows("nga")
    assert (row["state"], row["for_me"]) == ("rejected", True)
    assert (row["reason"], row["rejected_by"]) == ("sai giá: 8.200 đ", "Sơn")
    assert loa("nga", "inbox") == 0
    shown = capsys.readouterr().out
    assert "REJECTED" in shown
    assert "sai giá: 8.200 đ" in shown

    write_week(Path("tuan.toml"), session(item(file='"gia-lua.wav"', title='"Giá lúa"')))
    make_draft(loa)
    assert loa("nga", "submit", "out/tuan.draft") == 0
    waiting = [row for row in rows("son") if row["state"] == "waiting"]
    capsys.readouterr()
    assert loa("son", "approve") == 2, "nobody can answer here"
    out, err = capsys.readouterr()
    assert "The next 24 hours" in out
    assert "Giá lúa" in out
    assert "give --yes" in err
    assert lab.home("ls").content.leaves() == []
    picture = lab.folder / "tuan.svg"
    assert loa("son", "approve", str(waiting[0]["draft"]), "--yes", "--picture", str(picture)) == 0
    out, err = capsys.readouterr()
    assert any("Giá lúa" in row and "▅▅▅" in row for row in out.splitlines()), "what sounds"
    assert "Giá lúa" in picture.read_text()
    assert "Published" in err
    (leaf,) = lab.home("ls").content.leaves()
    assert leaf.digest.hex() == waiting[0]["digest"]
    assert not any(row["for_me"] for row in rows("nga")), "the rejected one has its successor"
    states = {str(row["digest"]): row["state"] for row in rows("nga")}
    assert sorted(map(str, states.values())) == ["published", "rejected"]
    assert states[leaf.digest.hex()] == "published"
    told = [(who, what) for who, what, _detail in lab.account() if "draft" in what]
    assert told == [
        ("Nga", "draft_submitted"),
        ("Sơn", "draft_rejected"),
        ("Nga", "draft_submitted"),
        ("Sơn", "draft_approved"),
    ]
    assert loa("son", "approve", str(waiting[0]["draft"]), "--yes") == 0, "the answer was lost"


@pytest.mark.requirement("MSG-2")
def test_a_draft_in_which_priorities_meet_is_seen_by_all_and_approved_by_none(
    loa: Loa, lab: MailLab, capsys: pytest.CaptureFixture[str]
) -> None:
    source = item(file='"gia-lua.wav"', title='"Tỉnh"', kind='"priority"', level='"province"')
    own = item(file='"gia-lua.wav"', title='"Xã"', kind='"priority"')
    write_week(Path("tuan.toml"), session(own, source))
    assert loa("nga", "check", "tuan.toml", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["state"] == "needs_order"
    assert [each["level"] for each in facts["collisions"][0]["items"]] == ["commune", "province"]
    assert loa("nga", "check", "tuan.toml") == 0
    assert 'NEEDS ORDER: "Xã", "Tỉnh"' in capsys.readouterr().err
    make_draft(loa, seal=False)
    assert loa("nga", "sign", "out/tuan.draft", "--as", "editor", "--json") == 2
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["reason"] == "needs_order"
    assert loa("nga", "submit", "out/tuan.draft") == 0
    capsys.readouterr()
    assert loa("son", "inbox", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["state"], row["waits_for"]) == ("needs_order", "editor")
    assert loa("son", "approve", str(row["draft"]), "--yes", "--json") == 2
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["reason"] == "needs_order"

    write_week(Path("tuan.toml"), session(own, source, order='"decided"'))
    make_draft(loa)
    assert loa("nga", "submit", "out/tuan.draft") == 0
    assert loa("son", "approve", "--yes") == 0
    decided = [(who, detail) for who, what, detail in lab.account() if what == "order_decided"]
    assert len(decided) == 3
    assert decided[0][0] == "Nga + Sơn"
    assert '["Xã", "Tỉnh"]' in decided[0][1]


def test_what_is_wrong_is_said_so_that_a_person_can_act(
    loa: Loa, lab: MailLab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loa("son", "approve", "--yes") == 2
    assert "no draft waits for approval" in capsys.readouterr().err
    write_week(Path("tuan.toml"), session(item(file='"gia-lua.wav"')))
    make_draft(loa)
    assert loa("nga", "submit", "out/tuan.draft") == 0
    assert loa("son", "approve", "ffff", "--yes") == 2
    assert "waits for approval" in capsys.readouterr().err, "states are words, not codes"
    assert loa("son", "submit", "out/tuan.draft") == 6, "an approver has no editor's key"
    assert loa("alarm", "inbox") == 2, "neither editor nor approver"
    assert "--as" in capsys.readouterr().err
    monkeypatch.setenv("LOA_SERVER", "https://127.0.0.1:1")
    assert loa("nga", "inbox") == 5
    monkeypatch.setenv("LOA_SERVER", "http://127.0.0.1:1")
    assert loa("nga", "inbox") == 2
    monkeypatch.delenv("LOA_SERVER")
    assert loa("nga", "inbox") == 5, "the settings name a port on which nobody answers here"
    assert "localhost:8443" in capsys.readouterr().err
