"""A short run of the fuzzers; ``make fuzz`` is the long one."""

from __future__ import annotations

import time

import pytest

from fuzz import engine, mutator, targets
from fuzz.__main__ import main
from fuzz.seeds import MADE, corpus

SHORT_S = 3
CORE = ("cbor", "envelope", "certificate", "playlist", "alert")
ENGINE = engine.best()
BY = ENGINE if ENGINE == engine.GUIDED else f"{ENGINE}, for atheris is not installed"


@pytest.mark.parametrize("name", [pytest.param(name, id=f"{name} by {BY}") for name in CORE])
def test_a_short_run_finds_nothing(name: str) -> None:
    result = engine.run(name, SHORT_S, engine=ENGINE)
    print(f"seed {targets.SEED}: {result.executions} inputs, {result.coverage} {result.unit}")
    assert result.error == "", (result.crash or b"").hex()
    assert result.executions > 100
    assert result.coverage > 50


@pytest.mark.parametrize("name", targets.names())
def test_every_target_takes_its_corpus_and_its_first_changes(name: str) -> None:
    result = mutator.run(
        targets.target(name),
        targets.seeds(name)[:4],
        seed=targets.SEED,
        until=time.monotonic() + 0.1,
    )
    assert result.error == "", (result.crash or b"").hex()
    assert result.executions > 0


def test_the_mutator_finds_what_hides_behind_two_bytes() -> None:
    def broken(data: bytes) -> None:
        if data[:1] == b"\xd2" and data[4:5] == b"\xff":
            raise RuntimeError("found")

    until = time.monotonic() + 30
    result = mutator.run(broken, [b"\xd2\x84\x55\xa2\x01\x27"], seed=targets.SEED, until=until)
    assert result.error == "RuntimeError: found"
    assert result.crash is not None
    assert result.crash[:1] == b"\xd2"
    assert result.crash[4:5] == b"\xff"


def test_the_corpus_is_what_its_script_writes_and_what_people_added() -> None:
    kept = {
        path.relative_to(targets.CORPUS).as_posix(): path.read_bytes()
        for path in targets.CORPUS.glob(f"*/{MADE}*")
    }
    assert kept == corpus()
    assert set(CORE) <= {name.split("/")[0] for name in kept}
    assert all(path.stat().st_size <= 4096 for path in targets.CORPUS.glob("*/*"))


def test_an_unknown_target_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(1, ["nothing"]) == 2
    assert "no target nothing" in capsys.readouterr().err
