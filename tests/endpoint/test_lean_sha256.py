"""The hash of the black box is the usual one, and costs a player no OpenSSL."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.audio.lean_sha256 import sha256


@given(st.binary(max_size=1000))
def test_it_is_the_usual_hash(data: bytes) -> None:
    assert sha256(data).digest() == hashlib.sha256(data).digest()


@pytest.mark.requirement("PERF-1")
def test_a_launcher_loads_no_openssl() -> None:
    said = "import loa_endpoint.audio.launcher, sys; print('_hashlib' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
