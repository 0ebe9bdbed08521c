"""``loa alert``, ``loa order`` and ``loa bulletin`` as officers meet them: homes and files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from loa_manager import database, devices, tables
from loa_manager.cli.main import run
from loa_manager.cli.order_view import show_told, what_text
from loa_manager.home import Home
from loa_manager.orders import book
from loa_manager.orders.paper import read_paper
from loa_manager.orders.standing import parse_standing
from loa_protocol.envelope import Bundle
from loa_protocol.objects.alert import Alert, AlertMessage
from loa_protocol.objects.authority import Certificate
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.playlist import Mark
from support.cap_files import cap
from support.order_homes import make_homes
from support.schedules import write_tone
from support.telling import Teller

Loa = Callable[..., tuple[int, Any]]
STATION = "vn/ls/st0137"
ALERT = ("--reason", "Nước vượt báo động 3", "--expires", "30m", "--yes")


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_homes(tmp_path_factory.mktemp("homes"))


@pytest.fixture
def homes(founded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "homes"
    shutil.copytree(founded, folder)
    write_tone(folder / "speech.wav", 2, level_db=-12)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def loa(homes: Path, capsys: pytest.CaptureFixture[str]) -> Loa:
    """Return ``loa GROUP COMMAND --json`` at a home: its exit code, and its answer or error."""

    def call(home: str, group: str, command: str, *arguments: str) -> tuple[int, Any]:
        opens = group != "bulletin" or command == "offer"
        secret = word(homes) if opens else ()
        capsys.readouterr()
        code = run([group, command, "--home", f"{homes}/{home}", *arguments, *secret, "--json"])
        out, err = capsys.readouterr()
        if code:
            assert err.strip(), (code, out)
            return code, json.loads(err.splitlines()[0]) if err.startswith("{") else err
        return code, json.loads(out)

    return call


def word(homes: Path) -> tuple[str, str]:
    return "--passphrase-file", f"{homes}/secret"


def listed(homes: Path) -> list[Any]:
    return [each.paper.body for each in book.listed(Home(homes / "ls"))]


# --- alerts


@pytest.mark.requirement("MSG-4")
def test_one_warden_s_pre_approved_alert_is_complete_and_goes_into_force_at_the_province(
    homes: Path, loa: Loa
) -> None:
    send = ("--scope", STATION, "--title", "Báo động", "--media", "siren.wav", "-o", "a.order")
    code, (row,) = loa("hung", "alert", "send", *send, *ALERT)
    assert (code, row["state"], row["signers"]) == (0, "complete", ["Hung"])
    assert not listed(homes)
    assert loa("ls", "order", "publish", "a.order", "--yes")[0] == 0
    (body,) = listed(homes)
    assert isinstance(body, Alert)
    assert (body.title, body.message, body.mark) == ("Báo động", AlertMessage.ALERT, Mark.NONE)
    assert body.speech_ms == (body.start + 4) * 1000
    assert body.media is not None
    assert Home(homes / "ls").content.media_path(body.media.sha256).is_file()
    code, (shown,) = loa("ls", "alert", "list")
    assert (shown["state"], shown["given_by"]) == ("in_force", ["Hung"])


@pytest.mark.requirement("MSG-4")
def test_free_speech_waits_for_a_second_holder_who_is_named_and_then_goes_on(
    homes: Path, loa: Loa
) -> None:
    send = ("--scope", STATION, "--title", "Sơ tán", "--inline", "speech.wav", "-o", "b.order")
    code, (row,) = loa("hung", "alert", "send", *send, *ALERT)
    assert (code, row["state"], row["file"]) == (0, "half_signed", "b.order")
    code, error = loa("ls", "order", "publish", "b.order", "--yes")
    assert (code, error["reason"]) == (4, "threshold")
    code, error = loa("hung", "alert", "sign", "b.order", "-o", "b.order", "--yes")
    assert (code, error["reason"]) == (4, "threshold")
    code, (row,) = loa("lan", "alert", "sign", "b.order", "-o", "b.order", "--yes")
    assert (row["state"], row["signers"]) == ("complete", ["Hung", "Lan"])
    body = read_paper(homes / "b.order").body
    assert isinstance(body, Alert)
    assert body.sound is not None
    assert body.speech_ms == 0  # a common instant would be over when the second signs
    assert loa("ls", "order", "publish", "b.order", "--yes")[0] == 0
    assert listed(homes) == [body]


@pytest.mark.requirement("MSG-4")
@pytest.mark.parametrize("missing", ["--reason", "--expires"])
def test_an_alert_is_never_a_default(homes: Path, loa: Loa, missing: str) -> None:
    given = {"--reason": "Lũ", "--expires": "30m", "--media": "siren.wav", "--title": "Lũ"}
    del given[missing]
    words = [word for pair in given.items() for word in pair]
    assert loa("hung", "alert", "send", "--scope", STATION, *words, "--yes")[0] == 2
    full = {**given, missing: "Lũ" if missing == "--reason" else "30m"}
    words = [word for pair in full.items() for word in pair]
    code, error = loa("hung", "alert", "send", "--scope", STATION, *words)
    assert code == 2
    assert "--yes" in error["detail"]  # nobody to ask
    assert not listed(homes)


@pytest.mark.requirement("MSG-4")
def test_whoever_lacks_the_role_or_the_place_is_refused(homes: Path, loa: Loa) -> None:
    send = ("--title", "x", "--media", "siren.wav", *ALERT)
    code, error = loa("hung", "alert", "send", "--scope", "vn/ls", *send)
    assert (code, error["reason"]) == (4, "scope")
    shutil.rmtree(homes / "hung" / "keys" / "own")
    code, error = loa("hung", "alert", "send", "--scope", STATION, *send)
    assert code == 2
    assert "loa key make --role alert" in error["detail"]


@pytest.mark.requirement("MSG-4")
def test_a_drill_takes_a_sound_that_was_named_for_it(homes: Path, loa: Loa) -> None:
    send = ("--scope", STATION, "--title", "Diễn tập", "--drill", *ALERT)
    code, error = loa("hung", "alert", "send", *send, "--media", "siren.wav")
    assert code == 2
    assert "diễn tập" in error["detail"]
    code, _row = loa("hung", "alert", "send", *send, "--drill-media", "siren.wav", "-o", "d.order")
    assert code == 0
    body = read_paper(homes / "d.order").body
    assert isinstance(body, Alert)
    assert body.mark is Mark.DRILL


def test_a_template_says_what_nobody_wants_to_type_in_a_flood(homes: Path, loa: Loa) -> None:
    folder = homes / "hung" / "templates"
    folder.mkdir()
    (folder / "lu-quet.toml").write_text(
        'title = "Lũ quét"\nmedia = "../../siren.wav"\nrepeats = 5\n'
    )
    send = ("--scope", STATION, "--template", "lu-quet", "-o", "t.order", *ALERT)
    assert loa("hung", "alert", "send", *send)[0] == 0
    body = read_paper(homes / "t.order").body
    assert isinstance(body, Alert)
    assert (body.title, body.repeats) == ("Lũ quét", 5)
    (folder / "lu-quet.toml").write_text("titel = 5\nrepeats = 0\n")
    code, error = loa("hung", "alert", "send", *send)
    assert code == 2
    assert "titel" in error["detail"]
    assert "repeats" in error["detail"]


def test_an_alert_is_cancelled_by_the_first_digits_of_its_id(homes: Path, loa: Loa) -> None:
    send = ("--scope", STATION, "--title", "Lũ", "--media", "siren.wav", "-o", "a.order")
    loa("hung", "alert", "send", *send, *ALERT)
    loa("ls", "order", "publish", "a.order", "--yes")
    alert = listed(homes)[0]
    shutil.copytree(homes / "hung" / "keys" / "own", homes / "ls" / "keys" / "own")
    name = alert.id.hex()[:6]
    code, (row,) = loa("ls", "alert", "cancel", name, "--reason", "Nước đã rút", "--yes")
    assert (code, row["state"]) == (0, "given")
    assert listed(homes)[1].references == (alert.id,)
    code, told = loa("ls", "alert", "status", name)
    assert (code, told["state"]) == (0, "cancelled")
    assert loa("ls", "alert", "cancel", "zz", "--reason", "x", "--yes")[0] == 2


def test_a_cancel_is_shown_without_a_length_since_nothing_sounds(
    homes: Path, loa: Loa, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(homes / "hung" / "keys" / "own", homes / "ls" / "keys" / "own")
    send = ("--scope", STATION, "--title", "Báo động", "--media", "siren.wav")
    assert loa("ls", "alert", "send", *send, *ALERT)[0] == 0
    name = listed(homes)[0].id.hex()[:8]
    rest = ("--home", f"{homes}/ls", "--reason", "x", "--yes", *word(homes))
    assert run(["order", "stop", STATION, "--for", "1h", *rest]) == 0
    assert "For how long: 1:00:00" in capsys.readouterr().err
    assert run(["alert", "cancel", name, *rest]) == 0
    assert "For how long" not in capsys.readouterr().err


def test_words_of_boards_and_levels_are_told_in_the_language_in_force(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["vi"])
    assert what_text("standing-programme") == "chương trình thường trực"
    answer = {"cluster": "vn/ls/st0137/c01", "state": "ended", "at": None}
    told = {"what": "alert", "state": "over", "mark": "none"}
    show_told({**told, "answers": [{**answer, "detail": "sounded 3 times"}]})
    assert "none" not in capsys.readouterr().out


@pytest.mark.requirement("MSG-4")
def test_a_cap_file_gives_content_and_its_update_finds_what_it_was_given_for(
    homes: Path, loa: Loa
) -> None:
    (homes / "a.xml").write_bytes(cap())
    (homes / "areas.toml").write_text(f'[areas]\n"DVHC=06313" = "{STATION}"\n')
    take = ("--media", "siren.wav", "--areas", "areas.toml", "--expires", "2h", "--yes")
    code, (row,) = loa("truc1", "alert", "from-cap", "a.xml", *take, "-o", "c.order")
    assert (code, row["scope"], row["state"]) == (0, STATION, "half_signed")
    assert loa("truc2", "alert", "sign", "c.order", "-o", "c.order", "--yes")[0] == 0
    assert loa("ls", "order", "publish", "c.order", "--yes")[0] == 0
    (alert,) = listed(homes)
    assert alert.title == "Lũ quét ở xã Hữu Liên"
    shutil.copytree(homes / "truc1" / "keys" / "own", homes / "ls" / "keys" / "own")
    (homes / "b.xml").write_bytes(cap(kind="Cancel", references=alert.cap, identifier="VN-2"))
    code, (row,) = loa("ls", "alert", "from-cap", "b.xml", "--yes", "-o", "e.order")
    assert (code, row["state"]) == (0, "half_signed")
    body = read_paper(homes / "e.order").body
    assert isinstance(body, Alert)
    assert (body.is_cancel, body.references) == (True, (alert.id,))
    (homes / "c.xml").write_bytes(cap(status="Test"))
    code, error = loa("truc1", "alert", "from-cap", "c.xml", *take)
    assert code == 2
    assert "status is Test" in error["detail"]


# --- commands


@pytest.mark.requirement("SEC-8", "VOL-3")
def test_the_province_holds_a_commune_and_two_officers_release_it(homes: Path, loa: Loa) -> None:
    assert not (homes / "ls" / "keys" / "own").exists()  # the officers' keys will do
    code, (row,) = loa("ls", "order", "hold", STATION, "--reason", "Nghe tiếng lạ", "--yes")
    assert (code, row["state"], len(row["signers"])) == (0, "given", 1)
    code, (shown,) = loa("ls", "order", "list")
    assert (shown["what"], shown["state"], shown["reason"]) == ("hold", "in_force", "Nghe tiếng lạ")
    code, error = loa("hung", "order", "release", STATION, "--reason", "x", "--yes")
    assert (code, error["error"]) == (5, "FetchError")  # what stands is known at the server alone
    code, (row,) = loa("ls", "order", "release", STATION, "--reason", "Đã xem", "--yes")
    assert (code, row["state"], len(row["signers"])) == (0, "given", 2)
    rows = loa("ls", "order", "list", "--all")[1]
    assert [(each["what"], each["state"]) for each in rows] == [
        ("hold", "released"),
        ("release", "given"),
    ]
    code, error = loa("ls", "order", "release", STATION, "--reason", "x", "--yes")
    assert code == 2
    assert "nothing stands" in error["detail"]


@pytest.mark.requirement("SEC-8")
def test_a_warden_holds_alone_and_a_release_waits_for_the_other(homes: Path, loa: Loa) -> None:
    code, (row,) = loa("hung", "order", "hold", STATION, "--reason", "x", "--yes", "-o", "h.order")
    assert (code, row["state"]) == (0, "complete")
    hold = read_paper(homes / "h.order")
    release = ("--of", hold.id.hex(), "--reason", "x", "--yes", "-o", "r.order")
    code, (row,) = loa("lan", "order", "release", STATION, *release)
    assert (code, row["state"]) == (0, "half_signed")
    code, (row,) = loa("hung", "order", "sign", "r.order", "-o", "r.order", "--yes")
    assert (code, row["state"]) == (0, "complete")
    assert loa("ls", "order", "publish", "h.order", "r.order", "--yes")[0] == 0
    assert [each.verb for each in listed(homes)] == [Verb.HOLD, Verb.RELEASE]


@pytest.mark.requirement("SEC-8")
def test_a_lockdown_is_the_province_s_and_ends_by_itself(homes: Path, loa: Loa) -> None:
    lock = ("lockdown", STATION, "--reason", "x", "--yes")
    code, error = loa("hung", "order", *lock, "--for", "2h")
    assert (code, error["reason"]) == (4, "level")
    assert loa("ls", "order", *lock, "--for", "25h")[0] == 2
    assert loa("ls", "order", *lock, "--for", "2h")[0] == 0
    (body,) = listed(homes)
    assert isinstance(body, Command)
    assert (body.duration_s, body.expires - body.issued) == (7200, 7200)


@pytest.mark.requirement("SEC-8")
def test_a_village_is_the_clusters_that_are_assigned_to_it(homes: Path, loa: Loa) -> None:
    engine = database.open(Home(homes / "ls").database_url)
    with database.writing(engine) as connection:
        for number, village in ((1, "Nà Lầu"), (2, "Nà Lầu"), (3, "Bản Rọi")):
            board = Teller().signer.public
            devices.register(
                connection, board, cluster=f"{STATION}/c0{number}", village=village, at_ms=0
            )
    engine.dispose()
    hold = ("hold", STATION, "--village", "nà lầu", "--reason", "x", "--yes")
    code, rows = loa("ls", "order", *hold)
    assert (code, [row["scope"] for row in rows]) == (0, [f"{STATION}/c01", f"{STATION}/c02"])
    code, error = loa("ls", "order", *hold[:3], "Không có", *hold[4:])
    assert code == 2
    assert "assigned to this village" in error["detail"]


def test_every_order_has_its_row_in_the_account(homes: Path, loa: Loa) -> None:
    loa("ls", "order", "reboot", f"{STATION}/c01", "--reason", "Treo", "--yes")
    engine = database.open(Home(homes / "ls").database_url)
    with database.reading(engine) as connection:
        rows = connection.execute(select(tables.audit.c.what, tables.audit.c.detail)).all()
    engine.dispose()
    details = [json.loads(row.detail) for row in rows if row.what == "order_given"]
    assert [(each["verb"], each["reason"]) for each in details] == [("reboot", "Treo")]


@pytest.mark.parametrize("length", ["90", "-5s", "soon", ""])
def test_a_length_needs_its_unit(homes: Path, loa: Loa, length: str) -> None:
    lock = ("lockdown", STATION, "--reason", "x", "--yes", "--for", length)
    assert loa("ls", "order", *lock)[0] == 2


# --- bulletins


@pytest.mark.requirement("MSG-1", "MSG-7")
def test_the_province_offers_and_a_commune_sees_verifies_and_fetches(homes: Path, loa: Loa) -> None:
    offer = ("--scope", "vn/ls", "--title", "Cháy rừng", "--media", "speech.wav", "--yes")
    code, error = loa("truc1", "bulletin", "offer", *offer, "--category", "Quảng Cáo")
    assert code == 2
    assert "quảng cáo" in error["detail"]
    code, error = loa("hung", "bulletin", "offer", *offer, "--category", "thông báo")
    assert code == 2
    out = ("--category", "thông báo", "-o", "f.order")
    code, (row,) = loa("truc1", "bulletin", "offer", *offer, *out)
    assert (code, row["state"]) == (0, "complete")
    assert loa("ls", "order", "publish", "f.order", "--yes")[0] == 0
    assert not listed(homes)  # boards have nothing to do with it
    source = ("--from", f"{homes}/ls/content", "--scope", STATION)
    code, (seen,) = loa("hung", "bulletin", "list", *source)
    assert (seen["title"], seen["offered_by"]) == ("Cháy rừng", ["Truc1"])
    code, shown = loa("hung", "bulletin", "show", seen["id"][:4], *source, "--save", "x.opus")
    assert code == 0
    assert (homes / "x.opus").is_file()
    assert loa("hung", "bulletin", "list", *source[:2], "--scope", "vn/cb")[1] == []
    place = homes / "ls" / "content" / "media" / shown["media"]
    place.write_bytes(b"another sound")
    code, error = loa("hung", "bulletin", "show", seen["id"][:4], *source, "--save", "y.opus")
    assert (code, error["reason"]) == (4, "media_hash")
    assert not (homes / "y.opus").exists()


# --- around it


def test_boards_are_told_of_everybody_who_may_give_orders(homes: Path) -> None:
    tree = Home(homes / "ls").content
    signers = parse_standing(tree.object(tree.head_facts().standing_orders)).signers
    holders = set()
    for each in signers:
        bundle = Bundle.from_bytes(tree.object(each.digest))
        certificate = Certificate.from_bytes(bundle.payload)
        assert each.scope in certificate.scopes
        holders.add(certificate.holder)
    assert holders == {"Hung", "Lan", "Truc1", "Truc2", "officer-1", "officer-2"}


def test_health_warns_while_a_place_is_silenced(
    homes: Path, loa: Loa, capsys: pytest.CaptureFixture[str]
) -> None:
    def orders() -> dict[str, Any]:
        capsys.readouterr()
        run(["health", "--home", f"{homes}/ls", "--json"])
        checks = json.loads(capsys.readouterr().out)["checks"]
        return next(check for check in checks if check["id"] == "orders")

    assert orders()["level"] == "ok"
    loa("ls", "order", "hold", STATION, "--reason", "x", "--yes")
    found = orders()
    assert found["level"] == "warning"
    assert found["evidence"]["silencing"][0].startswith(f"hold {STATION}")


def test_without_a_server_the_order_is_in_its_file_and_the_failure_is_loud(
    homes: Path, loa: Loa
) -> None:
    hold = ("hold", STATION, "--reason", "x", "--yes", "--server", "https://127.0.0.1:1")
    code, error = loa("hung", "order", *hold)
    assert (code, error["error"]) == (5, "FetchError")
    assert list(homes.glob("*.order")) == []  # nothing lies about in the folder one works in
    (file,) = (homes / "hung" / "orders").glob("*.order")
    assert loa("ls", "order", "publish", str(file), "--yes")[0] == 0
    assert [each.verb for each in listed(homes)] == [Verb.HOLD]
