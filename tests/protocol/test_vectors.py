"""The conformance vectors: whole, written anew alike, passed by ours, failed by what is broken."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_vectors import fuzz
from loa_manager import vector_suite
from loa_manager.cli.main import run
from loa_manager.cli.vectors import vectors as command
from loa_protocol import vectors as door
from loa_protocol.errors import ConfigError, MessageError
from loa_protocol.trust import Refusal
from vectors.generator.every import every_case

FOLDER = Path(__file__).parents[1] / "vectors"
CASES = vector_suite.load(FOLDER)
NAMES = {case.name for case in CASES}
OBJECTS = sorted({case.name.split("/")[0] for case in CASES})

# What the conformance suite of The Update Framework tries, and where it is here.
OF_TUF = {
    "rollback": "playlist/rollback_fail",
    "rollback of the root": "root/rollback_fail",
    "rollback of the snapshot": "head/rollback_fail",
    "fast-forward": "playlist/fast_forward_ok",
    "fast-forward of the root": "root/jump_fail",
    "recovery from fast-forward": "playlist/recovered_from_fast_forward_ok",
    "freeze": "head/freeze_ok",
    "freeze beyond expiry": "head/freeze_for_two_weeks_fail",
    "mix and match": "inclusion/of_an_older_playlist_fail",
    "mix and match of heads": "inclusion/under_another_head_fail",
    "mix and match of seals": "seal/of_another_payload_fail",
    "threshold": "playlist/one_signer_fail",
    "threshold of the root": "root/first_by_two_fail",
    "duplicate keys": "playlist/one_key_twice_fail",
    "duplicate keys of the root": "root/first_one_key_under_two_names_fail",
    "one key, many signatures": "root/first_one_key_three_times_fail",
    "expired object": "playlist/expired_at_t3_fail",
    "expired at the commune": "certificate/expired_this_second_fail",
    "expired at the province": "certificate/expired_at_the_province_fail",
    "expired online key": "time_answer/by_an_expired_certificate_fail",
    "wrong role": "playlist/officers_fail",
    "scope escape": "certificate/scope_above_its_issuers_fail",
    "prefix that looks alike": "playlist/scope_that_looks_like_theirs_fail",
    "unusual names": "certificate/scope_unusual_dot_dot_fail",
    "root rotation by both": "root/next_by_old_and_new_ok",
    "root rotation by the new only": "root/next_by_the_new_only_fail",
    "root rotation by the old only": "root/next_by_the_old_only_fail",
    "wrong hash": "media/one_bit_fail",
}


def accepts_all(_request: str) -> str:
    return '{"result": "accepted", "known": false, "pending": false, "level": 1}'


def refuses_all(_request: str) -> str:
    return '{"result": "refused", "reason": "format"}'


def errs_in_the_reason(request: str) -> str:
    verdict = json.loads(door.answer(request))
    if verdict["result"] == "refused":
        verdict["reason"] = "chain" if verdict["reason"] == "signature" else "signature"
    return json.dumps(verdict)


def failed(judge: vector_suite.Judge) -> set[str]:
    return {each.case.name for each in vector_suite.check(CASES, judge) if each.differences}


@pytest.mark.requirement("SEC-3", "SEC-4")
@pytest.mark.parametrize("name", OBJECTS)
def test_every_vector_comes_out_as_it_says(name: str) -> None:
    mine = [case for case in CASES if case.name.startswith(f"{name}/")]
    outcomes = list(vector_suite.check(mine, door.answer))
    assert vector_suite.failures(outcomes) == []
    assert len(outcomes) == len(mine)


def test_the_generator_writes_what_is_in_the_repository() -> None:
    written = {
        f"{case.path}/{name}": content
        for case in every_case()
        for name, content in case.files().items()
    }
    kept = {
        path.relative_to(FOLDER).as_posix(): path.read_bytes()
        for each in FOLDER.rglob("expected.json")
        for path in each.parent.iterdir()
    }
    assert sorted(written) == sorted(kept)
    assert [name for name, content in written.items() if kept[name] != content] == []


def test_there_are_enough_and_each_is_told_apart_by_name_and_reason() -> None:
    assert len(CASES) >= 120
    for case in CASES:
        assert case.name.endswith("_ok" if case.expected["result"] == "accepted" else "_fail")
        assert case.why
        assert "\n" not in case.why
    paths = [case.path for case in every_case()]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("what", OF_TUF)
def test_what_the_update_framework_tries_is_tried_here(what: str) -> None:
    assert OF_TUF[what] in NAMES


def test_every_reason_there_is_has_a_vector() -> None:
    reasons = {case.expected.get("reason") for case in CASES}
    assert {str(reason) for reason in Refusal} - reasons == set()


def test_an_implementation_that_always_accepts_fails_every_refusal() -> None:
    assert {name for name in NAMES if name.endswith("_fail")} <= failed(accepts_all)


def test_an_implementation_that_always_refuses_fails_every_acceptance() -> None:
    assert {name for name in NAMES if name.endswith("_ok")} <= failed(refuses_all)


def test_an_implementation_that_errs_in_the_reason_fails() -> None:
    assert failed(errs_in_the_reason) == {name for name in NAMES if name.endswith("_fail")}


@pytest.mark.parametrize("answer", ["", "accepted", "[]", '"accepted"', "{}", '{"result": true}'])
def test_what_is_no_verdict_fails(answer: str) -> None:
    assert failed(lambda _request: answer) == NAMES


def script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "other.py"
    path.write_text(text, encoding="utf-8")
    return f"{sys.executable} {path}"


def loa_vectors(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(command, ["check", *arguments])
    return done.exit_code, done.stdout


def test_the_command_ends_with_one_line_that_programs_can_read() -> None:
    code, printed = loa_vectors()
    assert (code, printed.splitlines()[-1]) == (0, f"{len(CASES)} passed, 0 failed")


def test_another_program_is_asked_through_standard_input() -> None:
    ours = f"{sys.executable} -m loa_protocol.vectors"
    code, printed = loa_vectors(str(FOLDER / "receipt"), "--with", ours)
    assert (code, printed.splitlines()[-1]) == (0, "5 passed, 0 failed")


def test_a_broken_program_fails_the_command(tmp_path: Path) -> None:
    lax = script(tmp_path, 'import sys; sys.stdin.read(); print(\'{"result": "accepted"}\')')
    code, printed = loa_vectors(str(FOLDER / "receipt"), "--with", lax)
    assert (code, printed.splitlines()[-1]) == (1, "2 passed, 3 failed")
    assert "by_an_editor_fail" in printed


def test_a_program_that_breaks_down_fails_by_name(tmp_path: Path) -> None:
    crashes = script(tmp_path, "raise SystemExit('no such curve')")
    code, printed = loa_vectors(str(FOLDER / "receipt"), "--with", crashes, "--json")
    value: dict[str, Any] = json.loads(printed)
    assert (code, value["passed"], value["failed"]) == (1, 0, 5)
    assert "no such curve" in value["failures"][0]["differences"][0]


@pytest.mark.parametrize("words", ["no-such-program", "", "'"])
def test_a_program_that_is_not_there_is_told_once(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["vectors", "check", str(FOLDER / "receipt"), "--with", words]) in (2, 6)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_where_there_are_no_vectors_the_command_says_where_they_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tests/vectors"):
        vector_suite.find_folder(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"expected\.json"):
        vector_suite.load(tmp_path)
    (tmp_path / "a_ok").mkdir()
    (tmp_path / "a_ok" / "expected.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ConfigError, match="a_ok"):
        vector_suite.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"door": "window"},
        {"bundle": "zz"},
        {"now": {"unix_s": 1, "trust": 9}},
        {"trusted": {}},
        {"trusted": {"root": "00"}},
        {"trusted": []},
        {"door": "chunk"},
    ],
)
def test_a_request_that_is_none_is_named(change: dict[str, Any]) -> None:
    good = json.loads(next(case.request for case in CASES if case.name.startswith("receipt/")))
    with pytest.raises(MessageError):
        door.answer(json.dumps({**good, **change}))


@given(st.binary(max_size=200))
def test_no_bytes_make_the_door_raise_anything_but_a_message_error(data: bytes) -> None:
    fuzz(data)
