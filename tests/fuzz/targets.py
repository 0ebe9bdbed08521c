"""Which targets there are, and the corpus that each begins with.

A target is a module ``fuzz_<thing>.py`` beside this one; whoever adds one need not list it. Its
corpus, if it has one, is the folder ``corpus/<thing>``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
SEED = 20261122


def names() -> list[str]:
    """Return the names of all targets: ``cbor`` for ``fuzz_cbor.py``."""
    modules = (module.name for module in pkgutil.iter_modules([str(HERE)]))
    return sorted(name.removeprefix("fuzz_") for name in modules if name.startswith("fuzz_"))


def target(name: str) -> Callable[[bytes], None]:
    """Return the function that takes the bytes."""
    fuzz: Callable[[bytes], None] = importlib.import_module(f"fuzz.fuzz_{name}").fuzz
    return fuzz


def seeds(name: str) -> list[bytes]:
    """Return what the target's corpus holds, in a fixed order."""
    folder = CORPUS / name
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []
