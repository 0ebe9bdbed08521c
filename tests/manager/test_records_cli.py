"""The programme's commands as an officer types them: words, files, exit codes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import update

from loa_manager import database, records, tables
from loa_manager.cli import books, main
from loa_manager.founding import Plan, found_province
from loa_manager.home import Home
from loa_manager.ingest import Ingest
from loa_manager.keyring import Identity
from loa_manager.registry.clusters import CLUSTER_COLUMNS
from loa_protocol.record import Evidence
from support import registry
from support.passphrases import cheap
from support.province import province
from support.telling import Teller

MATERIAL = Path(__file__).parents[2] / "hwsim" / "loa_lab" / "material" / "registry"
LOCAL = timezone(timedelta(hours=7))
Loa = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A test province, made once: its keys take a while."""
    path = tmp_path_factory.mktemp("province") / "home"
    plan = Plan(scope="vn/ls", is_test=True)
    found_province(Home(path), plan, cheap("một cụm mật khẩu dài"), datetime.now(UTC))
    return path


@pytest.fixture
def home(founded: Path, tmp_path: Path) -> Path:
    shutil.copytree(founded, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def loa(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Loa:
    monkeypatch.setenv("LOA_HOME", str(home))
    monkeypatch.setattr("loa_protocol.language._chosen", [])

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = main.run([str(each) for each in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def village(loa: Loa) -> Loa:
    for kind in ("unit", "station", "cluster"):
        assert loa(kind, "import", MATERIAL / f"{kind}s.csv")[0] == 0
    return loa


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def tell(home: Path, *tellers: tuple[Teller, str], at_ms: int) -> None:
    """Bring what boards tell into the records, as `loa serve` does."""
    engine = database.open(Home(home).database_url)
    online = province().online
    ingest = Ingest(engine, Identity("ingest", online.signer, online.chain))
    for teller, cluster in tellers:
        with database.writing(engine) as connection:
            teller.register(connection, cluster)
        ingest.take_many(teller.everything(), at_ms)
    records.project(engine)
    ingest.close()
    engine.dispose()


def now_ms() -> int:
    return round(datetime.now(UTC).timestamp() * 1000)


def sounding(number: int, **facts: Any) -> Teller:
    board = Teller()
    board.boot(now_ms() - 120_000)
    board.play(number, now_ms() - 100_000, **facts)
    board.beat(now_ms())
    return board


# --- registry -------------------------------------------------------------------------------


@pytest.mark.requirement("INV-2")
def test_export_differs_in_nothing_from_what_was_imported(village: Loa) -> None:
    for kind in ("station", "cluster"):
        code, text, _err = village(kind, "export")
        assert code == 0
        assert text == (MATERIAL / f"{kind}s.csv").read_text(encoding="utf-8")


@pytest.mark.requirement("INV-2")
def test_a_faulty_table_names_its_rows_and_changes_nothing(village: Loa, tmp_path: Path) -> None:
    before = village("cluster", "export")[1]
    body = before.replace("st0137/c01,M20101", "st0137/c11,").replace("LOA-M-0001", "X1")
    code, _out, err = village("cluster", "import", write(tmp_path / "f.csv", body), "--json")
    assert code == 2
    assert json.loads(err)["error"] == "ConfigError"
    assert "dòng 2: commune_code: còn thiếu" in json.loads(err)["detail"]
    assert village("cluster", "export")[1] == before


@pytest.mark.requirement("INV-1")
def test_a_station_that_lacks_a_class_is_told_by_exit_code_and_name(
    village: Loa, tmp_path: Path
) -> None:
    assert village("station", "check", "st0137")[0] == 0
    body = village("station", "export")[1].replace("1 micro cổ ngỗng", "")
    assert village("station", "import", write(tmp_path / "s.csv", body))[0] == 0
    code, _out, err = village("station", "check", "st0137")
    assert code == 2
    assert "micro" in err
    assert "microphone" in err
    assert village("station", "check", "st9")[0] == 2


def test_one_cluster_is_added_by_options_and_never_twice(village: Loa) -> None:
    facts = "--commune-code M20101 --village X --speaker-count 2 --speaker-watts 60"
    more = "--installed-on 2026-07-01 --technology ip --management loa"
    options = ["--id", "st0137/c04", *facts.split(), *more.split()]
    code, out, _err = village("cluster", "add", *options, "--json")
    assert (code, json.loads(out)["added"]) == (0, 1)
    code, _out, err = village("cluster", "add", *options)
    assert code == 2
    assert "dòng" not in err  # there are no rows in options
    rows = json.loads(village("cluster", "list", "--json")[1])
    assert [(row["id"], row["managed"]) for row in rows[-2:]] == [
        ("st0137/c03", True),
        ("st0137/c04", True),
    ]
    assert len(rows) == 4


@pytest.mark.requirement("INV-4")
def test_the_plan_puts_the_border_commune_without_a_station_first(village: Loa) -> None:
    rows = json.loads(village("station", "plan", "--on", "2026-11-01", "--json")[1])
    assert [(row["code"], row["need"]) for row in rows] == [
        ("M20102", "border_without_station"),
        ("M20101", "border_extension"),
    ]


@pytest.mark.requirement("ADM-1")
def test_a_merger_moves_the_poles_of_a_commune_from_its_day_on(village: Loa) -> None:
    code, out, _err = village("unit", "merge", "M20101", "M20102", "--on", "01/07/2026", "--json")
    assert (code, json.loads(out)) == (0, {"moved": 4})
    communes = {
        period: [
            row["name"]
            for row in json.loads(
                village("report", "station-status", "--period", period, "--format", "json")[1]
            )["rows"]
            if row.get("figure") == "commune_clusters"
        ]
        for period in ("2026H1", "2026H2")
    }
    assert communes == {"2026H1": ["M20101"], "2026H2": ["M20102"]}


@pytest.mark.parametrize("day", ["2026-13-01", "tomorrow"])
def test_a_day_that_is_none_is_wrong_usage(village: Loa, day: str) -> None:
    assert village("unit", "list", "--on", day)[0] == 2


# --- status and health ----------------------------------------------------------------------


@pytest.mark.requirement("HLT-1", "INV-5")
def test_status_sums_to_the_fleet_and_never_calls_a_foreign_cluster_online(
    village: Loa, home: Path, tmp_path: Path
) -> None:
    seen = {"management": "other", "manual_status": "working", "manual_status_on": "2026-11-01"}
    rows = [
        registry.cluster("st0137/c05", "M20101", **seen),
        registry.cluster("st0137/c06", "M20101", technology="fm", management="other"),
    ]
    body = registry.table(CLUSTER_COLUMNS, *rows)
    assert village("cluster", "import", write(tmp_path / "c.csv", body))[0] == 0
    tell(home, (sounding(1), "vn/ls/st0137/c01"), at_ms=now_ms())
    value = json.loads(village("status", "--json")[1])
    assert {key: value[key] for key in ("fleet", "lost", "connected", "unmonitored")} == {
        "fleet": 3,
        "lost": 2,
        "connected": 1,
        "unmonitored": 2,
    }
    foreign = [row for row in value["clusters"] if row["cluster"] == "st0137/c05"]
    assert foreign[0]["state"] is None
    _code, text, said = village("status")
    line = next(each for each in text.splitlines() if each.startswith("st0137/c05"))
    assert "có người thấy hoạt động" in line
    assert "kết nối" not in line
    assert "3 cụm có giám sát: 2 mất liên lạc" in said


def test_status_shows_what_was_measured(village: Loa, home: Path) -> None:
    silent = sounding(1, evidence=Evidence.SILENT)
    tell(home, (silent, "vn/ls/st0137/c01"), (sounding(2), "vn/ls/st0137/c02"), at_ms=now_ms())
    rows = json.loads(village("status", "--json")[1])["clusters"]
    assert [(row["state"], row["evidence"]) for row in rows] == [
        ("fault", "silent"),
        ("connected", "output"),
        ("lost", None),
    ]
    assert [
        r["cluster"] for r in json.loads(village("status", "st0137/c02", "--json")[1])["clusters"]
    ] == ["st0137/c02"]


def test_the_status_of_what_is_not_registered_is_an_error_and_no_empty_table(village: Loa) -> None:
    for known in ("st0137", "st0137/c01", "vn/ls/st0137", "vn/ls"):
        assert village("status", known)[0] == 0
    for unknown in ("st0199", "st0137/c09", "st013", "vn/tn"):
        code, out, err = village("status", unknown)
        assert (code, out) == (2, "")
        assert f"{unknown}: không có trong sổ" in err


def test_health_speaks_through_its_exit_code(village: Loa, home: Path, tmp_path: Path) -> None:
    code, out, _err = village("health", "--json")
    assert (code, json.loads(out)["level"]) == (2, "critical")  # nothing was ever heard
    boards = [(sounding(n), f"vn/ls/st0137/c0{n}") for n in (1, 2, 3)]
    tell(home, *boards, at_ms=now_ms())
    code, out, _err = village("health", "--json")
    levels = {check["id"]: check["level"] for check in json.loads(out)["checks"]}
    assert (code, levels["fleet"], levels["head"]) == (1, "ok", "warning")
    assert village("health", "--bogus")[0] == 3
    assert village("health", "--home", tmp_path / "none")[0] == 3
    (home / "loa.db").write_bytes(b"not a database at all, but long enough" * 200)
    assert village("health")[0] == 3


def test_health_of_its_own_bug_is_unknown_not_a_warning(
    village: Loa, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("loa_manager.cli.health.examine", fail)
    code, out, err = village("health", "--json")
    assert (code, json.loads(out)["level"]) == (3, "unknown")
    assert "ZeroDivisionError" in err


# --- audit and records ----------------------------------------------------------------------


@pytest.mark.requirement("SEC-11")
def test_a_changed_row_of_the_account_is_named_and_health_is_critical(
    village: Loa, home: Path
) -> None:
    assert village("audit", "verify")[0] == 0
    with books.writing(home) as opened:
        row = update(tables.audit).where(tables.audit.c.position == 2)
        opened.connection.execute(row.values(who="người khác"))
    code, _out, err = village("audit", "verify")
    assert code == 6
    assert "dòng 2" in err
    checks = json.loads(village("health", "--json")[1])["checks"]
    assert {c["id"]: c["level"] for c in checks}["audit"] == "critical"


def test_rows_are_rebuilt_from_the_batches(village: Loa, home: Path) -> None:
    tell(home, (sounding(1), "vn/ls/st0137/c01"), at_ms=now_ms())
    before = village("status", "--json")[1]
    with books.writing(home) as opened:
        opened.connection.execute(tables.play.delete())
    code, out, _err = village("records", "rebuild", "--json")
    assert (code, json.loads(out)) == (0, {"batches": 1, "unplaced": {}, "unplaced_text": 0})
    assert json.loads(village("status", "--json")[1])["clusters"] == json.loads(before)["clusters"]


def test_an_older_database_names_the_command_that_helps(village: Loa, home: Path) -> None:
    with books.writing(home) as opened:
        opened.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    code, _out, err = village("status")
    assert code == 6
    assert "loa database upgrade" in err


# --- reports --------------------------------------------------------------------------------


@pytest.mark.requirement("INV-3", "REP-3")
def test_tra_vinhs_report_prints_exactly_what_the_province_published(loa: Loa, home: Path) -> None:
    with books.writing(home) as opened:
        registry.load_tra_vinh(opened.connection)
    code, out, _err = loa("report", "station-status", "--period", "2021-2025")
    lines = {" ".join(line.split()[:-1]): line.split()[-1] for line in out.splitlines() if line}
    assert code == 0
    assert lines["Đài thiết lập mới trong kỳ đài"] == "6"
    assert lines["Mở rộng đến thôn, bản cụm"] == lines["Thay thế cụm có dây, FM hỏng cụm"] == "49"
    assert lines["Ngân sách trung ương triệu đồng"] == "7943"
    assert lines["Ngân sách địa phương triệu đồng"] == "513"
    assert lines["Tổng cộng triệu đồng"] == "8456"
    assert lines["Cụm loa đã lắp đặt cụm"] == "98"


@pytest.mark.requirement("REP-4", "REP-6")
def test_the_villages_report_in_every_format(village: Loa, home: Path, tmp_path: Path) -> None:
    unverified = sounding(2, evidence=Evidence.UNVERIFIED, evidence_ms=0)
    tell(home, (sounding(1), "vn/ls/st0137/c01"), (unverified, "vn/ls/st0137/c02"), at_ms=now_ms())
    period = f"{datetime.now(LOCAL):%Y}"
    for form in ("csv", "xlsx", "json"):
        file = tmp_path / f"report.{form}"
        args = ("--period", period, "--format", form, "--explain", "--output", file)
        assert village("report", "station-status", *args)[0] == 0
    value = json.loads((tmp_path / "report.json").read_text())
    figures = value["figures"]
    assert (value["test"], value["heading"][0]) == (True, "THỬ NGHIỆM / TEST")
    assert [figures[key] for key in ("installed", "reachable", "verified_sounding")] == [3, 2, 1]
    assert figures["hours_verified"] == figures["hours_unverified"] == 0.017
    ids = {row["figure"]: row["ids"] for row in value["rows"] if "ids" in row}
    assert ids["verified_sounding"] == ["st0137/c01"]
    assert "THỬ NGHIỆM" in (tmp_path / "report.csv").read_text("utf-8-sig").splitlines()[0]
    book = openpyxl.load_workbook(tmp_path / "report.xlsx")
    assert book.worksheets[0]["B1"].value == "THỬ NGHIỆM / TEST"


def test_a_spreadsheet_is_never_written_to_a_terminal(
    village: Loa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = ("report", "station-status", "--period", "2026", "--format", "xlsx")
    assert village(*report, "--send", "--output", tmp_path / "x.xlsx")[0] == 0
    (sent,) = json.loads(village("report", "list", "--json")[1])
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout.isatty", lambda: True)
        for arguments in ((*report, "--send"), ("report", "again", sent["id"])):
            code, out, err = village(*arguments)
            assert (code, out) == (2, "")
            assert "--output" in err
    assert json.loads(village("report", "list", "--json")[1]) == [sent]  # nor kept as sent


@pytest.mark.requirement("REP-5")
@pytest.mark.parametrize("form", ["csv", "json", "xlsx"])
def test_a_sent_report_is_made_again_byte_for_byte_after_a_correction(
    village: Loa, tmp_path: Path, form: str
) -> None:
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    report = ("report", "station-status", "--period", "2026", "--format", form)
    assert village(*report, "--output", first, "--send")[0] == 0
    (row,) = json.loads(village("report", "list", "--json")[1])
    body = village("cluster", "export")[1].replace(",38000000,5000000,", ",99000000,5000000,")
    assert village("cluster", "import", write(tmp_path / "c.csv", body))[0] == 0
    assert village("report", "again", row["id"], "--output", again)[0] == 0
    assert village(*report, "--output", other)[0] == 0
    assert again.read_bytes() == first.read_bytes()
    assert other.read_bytes() != first.read_bytes()
    assert village("report", "again", "nothing")[0] == 2


@pytest.mark.requirement("REP-2")
@pytest.mark.parametrize(
    "options",
    [
        ("--period", "2019"),
        ("--period", "2026H3"),
        ("--period", "2036"),
        ("--period", "2026", "--output", "x.csv"),
        ("--period", "2026", "--template", "none"),
    ],
)
def test_what_cannot_be_reported_is_refused(village: Loa, options: tuple[str, ...]) -> None:
    code, out, err = village("report", "station-status", *options)
    assert (code, out) == (2, "")
    assert err


@pytest.mark.requirement("OPS-3")
def test_an_export_imported_elsewhere_gives_the_same_report(
    village: Loa, founded: Path, tmp_path: Path
) -> None:
    report = ("report", "station-status", "--period", "2021-2025", "--format", "json", "--explain")
    there = tmp_path / "there"
    shutil.copytree(founded, there)
    village("unit", "import", MATERIAL / "units.csv", "--home", there)
    for kind in ("station", "cluster"):
        file = write(tmp_path / kind, village(kind, "export")[1])
        assert village(kind, "import", file, "--home", there)[0] == 0
    assert village(*report)[1] == village(*report, "--home", there)[1]


def test_english_is_there_for_who_asks(village: Loa) -> None:
    code, out, _err = village("--lang", "en", "report", "station-status", "--period", "2026")
    assert code == 0
    assert "Clusters verified sounding (of 3 monitored)" in out
    assert "Period: year 2026" in out
