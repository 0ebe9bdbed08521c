"""How the board's program ends, and what it says while it has no certificate yet."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loa_endpoint.app.keeper import Keeper
from loa_endpoint.app.timekeeper import Timekeeper
from loa_endpoint.app.tls import DEVICE, tls_context
from loa_endpoint.store.identity import IdentityStore
from loa_endpoint.store.state import State
from loa_protocol.errors import StoreError
from support.province import province


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("command", ["run", "bench"])
def test_the_exit_code_tells_a_stop_from_an_interrupt(
    tmp_path: Path, command: str, number: signal.Signals, code: int
) -> None:
    port = [] if command == "run" else ["--port", str(tmp_path / "nothing")]
    program = subprocess.Popen(
        [sys.executable, "-m", "loa_endpoint", command, "--home", str(tmp_path), *port],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stdout.readline()  # it waits for a technician
    program.send_signal(number)
    _out, err = program.communicate(timeout=20)
    assert (program.returncode, err) == (code, b"")


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    store = IdentityStore(tmp_path, State.open(tmp_path / "state.db", create=True))
    store.keep_root(province().root_bundle)
    return Keeper(store)


@pytest.mark.parametrize(
    ("bench", "told"), [(True, "not issued yet"), (False, "provision the board again")]
)
def test_a_board_without_a_certificate_says_whether_one_is_to_come(
    tmp_path: Path, keeper: Keeper, monkeypatch: pytest.MonkeyPatch, *, bench: bool, told: str
) -> None:
    monkeypatch.setattr(Keeper, "in_force", NoAuthorities())
    (tmp_path / "identity").mkdir(exist_ok=True)
    if bench:
        (tmp_path / "identity" / "bench.pem").touch()
    with pytest.raises(StoreError, match=told) as caught:
        tls_context(keeper, Timekeeper(keeper.store.state), certificate=DEVICE)
    assert "ldevid.pem" in caught.value.where
    keeper.store.state.close()


class NoAuthorities:
    """Settings of a board that trusts nobody."""

    authorities = ()
