"""Processes whose wall clock lies, by libfaketime; monotonic time stays true for all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_PLACES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


def libfaketime() -> Path | None:
    """Return the library that is loaded before all others, None where it is not installed."""
    found = [path for place in _PLACES for path in Path("/").glob(place.lstrip("/"))]
    return found[0] if found else None


@contextlib.contextmanager
def lying_wall_clock(file: Path, says: str) -> Iterator[None]:
    """Let processes that are started inside believe what *says*, and what is written later.

    Args:
        file: Where the lie is kept; `lie` changes it while they run.
        says: In libfaketime's words: ``+40d``, ``-14y``, ``@1970-01-01 00:10:00`` (and running).
    """
    library = libfaketime()
    assert library is not None  # the test needs it
    lie(file, says)
    setting = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "TZ": "UTC",
    }
    before = {name: os.environ.get(name) for name in setting}
    os.environ.update(setting)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def lie(file: Path, says: str) -> None:
    """Step the wall clock of all that believe *file*."""
    new = file.with_suffix(".new")
    new.write_text(says + "\n")
    new.rename(file)
