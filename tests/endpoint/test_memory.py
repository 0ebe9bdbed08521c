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
        "loa_endpoint.bench.server",
        "loa_protocol.bench",
        "loa_endpoint.app.board_speed",
        "loa_endpoint.app.wake_measurement",
        "loa_endpoint.app.status_text",
    ],
)
def test_an_agent_does_not_import_what_only_others_need(imported: set[str], name: str) -> None:
    assert "loa_endpoint.app.agent" in imported
    assert name not in imported


_ROUNDS, _KIB = 50, 150
_FAULTS = f"""
import resource, sys
from loa_endpoint.memory import keep_room
if "roomy" in sys.argv:
    keep_room(1 << 20)
def taken():
    buffers = [bytearray({_KIB} * 1024) for _ in range(4)]
    return len(buffers)
taken()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({_ROUNDS}):
    taken()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*arguments: str) -> int:
    """Return how many pages rounds take from the kernel that take and free the same buffers."""
    done = subprocess.run(
        [sys.executable, "-c", _FAULTS, *arguments], capture_output=True, check=True
    )
    return int(done.stdout)


@pytest.mark.requirement("PERF-2")
def test_what_a_round_takes_anew_is_not_asked_of_the_kernel_anew() -> None:
    assert faults("roomy") < _ROUNDS < faults() / 10
