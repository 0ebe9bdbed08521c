"""What ends is told of 30, 14, 7 and 1 days before, on every face, and never twice a step."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager import health, health_facts
from loa_manager.authority import Authority
from loa_manager.cli import key_notice, options
from loa_manager.cli.main import run
from loa_manager.health import Level, Limits
from loa_manager.home import Home
from loa_manager.key_terms import terms_of
from loa_manager.key_warnings import STEPS, Term, judge_term, judge_terms
from loa_manager.keyring import parse_request
from loa_manager.people import install_chain, make_own_key
from loa_protocol import language
from loa_protocol.objects.authority import Role
from support.bench_lab import FOUNDED, SECRET, province_home
from support.key_lab import KeyLab
from support.passphrases import cheap

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DAY = timedelta(days=1)
STATION = "vn/ls/st0137"


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_LANG", "en")
    monkeypatch.setattr(language, "_chosen", [])


def term(left: timedelta, life: timedelta = 365 * DAY, name: str = "editor") -> Term:
    ends = NOW + left
    return Term(folder="own", name=name, holder="Nga", starts=ends - life, ends=ends)


@pytest.mark.parametrize(
    ("left_days", "step"),
    [
        *[(31, None), (30, 30), (15, 30), (14, 14), (8, 14), (7, 7), (2, 7), (1, 1), (0.1, 1)],
        *[(0, 0), (-1, 0), (-400, 0)],
    ],
)
def test_the_steps_are_30_14_7_and_1_days(left_days: float, step: int | None) -> None:
    warning = judge_term(NOW, term(left_days * DAY))
    assert (warning.step if warning else None) == step


@pytest.mark.parametrize(
    ("life_days", "first"), [(365, 30), (90, 30), (60, 30), (59, 14), (30, 14), (14, 7), (13, 1)]
)
def test_a_short_life_is_told_of_in_its_second_half_only(life_days: int, first: int) -> None:
    told = [
        warning.days_left
        for days in range(life_days, 0, -1)
        if (warning := judge_term(NOW, term(days * DAY, life_days * DAY)))
    ]
    assert told[0] == first
    assert told == list(range(first, 0, -1))


@given(
    st.timedeltas(timedelta(days=-40), timedelta(days=400)),
    st.timedeltas(timedelta(hours=1), timedelta(days=4000)),
)
def test_a_warning_never_goes_back_as_time_passes(left: timedelta, life: timedelta) -> None:
    def step(at: datetime) -> int:
        warning = judge_term(at, term(left, life))
        return 99 if warning is None else warning.step

    assert step(NOW) in (99, 0, *STEPS)
    assert step(NOW + DAY) <= step(NOW)


def test_the_first_to_end_is_told_first() -> None:
    terms = [term(9 * DAY, name="b"), term(-DAY, name="a"), term(2 * DAY, name="c")]
    warnings = judge_terms(NOW, [*terms, term(300 * DAY)])
    assert [each.term.name for each in warnings] == ["a", "c", "b"]
    assert [each.has_ended for each in warnings] == [True, False, False]
    assert "2 days" in warnings[1].text
    assert "ended" in warnings[0].text


def nga_of(home: Home, folder: Path, at: datetime) -> Home:
    """Return an editor's home with a certificate from *at* on."""
    nga = Home(folder)
    request, _kid = make_own_key(nga, Role.EDITOR, "Trần Thị Nga", cheap(SECRET))
    authority = Authority.open(home, cheap(SECRET))
    install_chain(nga, authority.certify(parse_request(request.read_bytes()), (STATION,), at), at)
    return nga


def test_a_province_knows_of_its_own_keys_and_of_everybody_it_certified(tmp_path: Path) -> None:
    home = province_home(tmp_path)
    nga_of(home, tmp_path / "nga", FOUNDED)
    names = {(each.folder, each.name) for each in terms_of(home, FOUNDED)}
    assert names == {
        *(("authority", name) for name in ("officer-1", "officer-2")),
        *(("server", name) for name in ("head", "time", "ingest", "tls", "enrol-ca")),
        ("people", "editor"),
    }
    later = judge_terms(FOUNDED + 83 * DAY, terms_of(home, FOUNDED + 83 * DAY))
    (editor,) = [each for each in later if each.term.folder == "people"]
    assert (editor.step, editor.term.holder) == (7, "Trần Thị Nga")


def test_a_chain_ends_with_its_first_member(tmp_path: Path) -> None:
    home = province_home(tmp_path)
    nga = nga_of(home, tmp_path / "nga", FOUNDED + 300 * DAY)
    (own,) = terms_of(nga, FOUNDED)
    assert own.ends == FOUNDED + 365 * DAY  # the officers' certificates end, and hers with them


@pytest.mark.parametrize(
    ("days", "level"), [(0, Level.OK), (8, Level.WARNING), (15, Level.CRITICAL)]
)
def test_health_tells(tmp_path: Path, days: int, level: Level) -> None:
    home, now = province_home(tmp_path), FOUNDED + days * DAY
    (check,) = [
        each
        for each in health_facts.examine(home, now, limits=Limits())
        if each.id == "certificates"
    ]
    assert check.level is level
    assert ("head" in check.text) == (level is not Level.OK)


def set_clock(monkeypatch: pytest.MonkeyPatch, at: datetime) -> None:
    """Let every command believe that it is *at*."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return at

    for module in ("key_notice", "key", "health", "status", "policy"):
        monkeypatch.setattr(f"loa_manager.cli.{module}.datetime", Clock)


@pytest.fixture
def eight_days_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return a province whose online certificates have six days left, by every face."""
    set_clock(monkeypatch, FOUNDED + 8 * DAY)
    return province_home(tmp_path)


def test_list_status_and_signing_commands_tell(
    eight_days_old: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, secret, policy = str(eight_days_old.path), tmp_path / "secret", tmp_path / "p.toml"
    secret.write_text(SECRET)
    policy.write_text('preset = "rural"\n')
    assert run(["key", "list", "--home", home]) == 0
    assert "Days left" in capsys.readouterr().out
    assert run(["key", "list", "--home", home, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"]: row["days_left"] for row in rows if row["days_left"]} == {
        "head": 6,
        "time": 6,
        "ingest": 6,
    }
    assert run(["status", "--home", home]) == 0
    assert "head (server) ends in 6 days" in capsys.readouterr().err
    sign = ["policy", "sign", "--home", home, str(policy), "--passphrase-file", str(secret)]
    assert run(sign) == 0
    assert "time (server) ends in 6 days" in capsys.readouterr().err
    assert run([*sign, "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    steps = {each["name"]: each["step"] for each in told}
    assert steps == {"head": 7, "time": 7, "ingest": 7}
    assert run(["health", "--home", home, "--json"]) in (1, 2)
    checks = json.loads(capsys.readouterr().out)["checks"]
    (evidence,) = [each["evidence"] for each in checks if each["id"] == "certificates"]
    assert {each["name"] for each in evidence["warnings"]} == {"head", "time", "ingest"}


def test_a_crowd_is_listed_in_full_and_told_of_briefly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, FOUNDED + DAY)
    (tmp_path / "lab").mkdir()
    lab = KeyLab(tmp_path / "lab")
    for number in range(5):
        lab.person(f"p{number}", Role.EDITOR, f"Biên tập {number}")
    home = str(lab.home.path)
    assert run(["key", "list", "--home", home, "--json"]) == 0
    rows = [row for row in json.loads(capsys.readouterr().out) if row["folder"] == "people"]
    assert [row["holder"] for row in rows] == [f"Biên tập {number}" for number in range(5)]
    terms = terms_of(lab.home, FOUNDED + 80 * DAY)
    warned = judge_terms(FOUNDED + 80 * DAY, terms)
    assert len(warned) == 8  # five people, and the server's three
    text = health.judge_certificates(terms, FOUNDED + 80 * DAY).text
    assert text.count(";") == 3
    assert "and 5 more" in text
    told = key_notice.brief(warned)
    assert len(told) == key_notice.MOST_LINES + 1
    assert told[-1].startswith("3 more")


def test_the_server_and_the_founding_look_into_no_other_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import click

    monkeypatch.setattr(key_notice, "_warnings", lambda _home: pytest.fail("looked"))
    for command in ("serve", "init"):
        context = click.Context(click.Command("loa"))
        context.invoked_subcommand = command
        context.meta[options.OPENS_KEYS] = True
        key_notice.tell_expiry(context)
