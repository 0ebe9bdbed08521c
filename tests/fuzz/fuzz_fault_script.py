"""Fuzz target: the text of a fault script, and of an air file without sound files."""

from __future__ import annotations

import contextlib

from loa_hwsim.fault_file import parse_faults
from loa_protocol.errors import ConfigError

HEADS = ("", "[[fault]]\n", '[[fault]]\nkind = "carrier_level"\nat = 5\n')


def fuzz(data: bytes) -> None:
    """Read *data* as a script, alone and after the beginning of a good one; only ConfigError."""
    text = data.decode("utf-8", "replace")
    for head in HEADS:
        with contextlib.suppress(ConfigError):
            plan = parse_faults(head + text, where="fuzz", start_ms=0)
            plan.take_changes(1e18)
            assert plan.next_change_ms() is None
