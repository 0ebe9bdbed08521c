"""Fuzz every parser for a while: ``python -m tests.fuzz SECONDS [NAME...]``.

Guided by coverage where atheris is installed; else by the plain mutator, which needs nothing. What
reaches something new is kept below fuzz-out/, from where a person may take it into the corpus.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

OUT = Path("fuzz-out")


def main(seconds: float, wanted: list[str]) -> int:
    """Give each target *seconds*; return 1 when one raised what it must not."""
    from fuzz import engine, targets

    names, chosen = targets.names(), engine.best()
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        print(f"no target {', '.join(unknown)}; there are: {', '.join(names)}", file=sys.stderr)
        return 2
    print(f"seed {targets.SEED}, engine {chosen}", flush=True)
    workers = (os.cpu_count() or 1) if chosen == engine.GUIDED else 1  # each a process of its own
    failed = 0
    with ThreadPoolExecutor(max_workers=workers) as pool:
        chosen_names = wanted or names
        runs = [
            pool.submit(engine.run, name, seconds, engine=chosen, found=OUT / name)
            for name in chosen_names
        ]
        for name, run in zip(chosen_names, runs, strict=True):
            result = run.result()
            print(
                f"{name:<20} {result.executions:>10} inputs {result.coverage:>6} {result.unit}",
                flush=True,
            )
            if result.error:
                failed = 1
                print(f"{name}: {result.error}")
                print(f"input: {(result.crash or b'').hex()}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 10, sys.argv[2:]))
