"""What a running agent holds for good is what it imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

_LISTS = "import sys, loa_endpoint.__main__; print(*sys.modules)"


@pytest.fixture(scope="module")
def imported() -> set[str]:
    done = subprocess.run([sys.executable, "-c", _LISTS], capture_output=True, check=True)
    return set(done.stdout.decode().split())


@pytest.mark.requirement("PERF-1")
@pytest.mark.parametrize(
    "name",
    [
        "numpy",
        "av",
        "importlib.metadata",
        "statistics",
        "cryptography.hazmat.primitives.serialization.pkcs7",
        "loa_endpoint.app.board_speed",
        "loa_endpoint.app.wake_measurement",
        "loa_endpoint.app.status_text",
    ],
)
def test_an_agent_does_not_import_what_only_others_need(imported: set[str], name: str) -> None:
    assert "loa_endpoint.app.agent" in imported
    assert name not in imported
