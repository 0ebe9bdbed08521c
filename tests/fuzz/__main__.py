"""Fuzz every parser for a while: ``python -m tests.fuzz SECONDS``.

Without a coverage-guided engine this mutates what each target's corpus holds; the targets are plain
functions, so that an engine can drive the same ones.
"""

from __future__ import annotations

import importlib
import pathlib
import pkgutil
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

SEED = 20261122


def main(seconds: float) -> int:
    """Give each target *seconds*; return 1 when one raised what it must not."""
    import fuzz

    print(f"seed {SEED}")
    failed = 0
    for module in pkgutil.iter_modules(fuzz.__path__):
        if not module.name.startswith("fuzz_"):
            continue
        target = importlib.import_module(f"fuzz.{module.name}").fuzz
        rng, count, until = random.Random(SEED), 0, time.monotonic() + seconds
        while time.monotonic() < until:
            data = rng.randbytes(rng.randint(0, 200))
            try:
                target(data)
            except Exception as error:  # noqa: BLE001 - any exception is the finding
                print(f"{module.name}: {type(error).__name__}: {error}: {data.hex()}")
                failed = 1
                break
            count += 1
        print(f"{module.name}: {count} inputs")
    return failed


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 10))
