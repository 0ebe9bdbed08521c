"""Run the benchmarks: ``python -m benchmarks [--pictures] [NAME]``.

Each prints its rows and writes them to ``bench-out/<name>.json``. A row has a figure, its unit and
value, and where it has one a baseline measured in the same run and the ratio to it. With
``--pictures`` those that can draw their rows do so, into ``docs/pictures``:
``make bench NAME="sound --pictures"``.
"""

from __future__ import annotations

import importlib
import json
import pathlib
import pkgutil
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import benchmarks

OUT = pathlib.Path("bench-out")
PICTURES = pathlib.Path("docs/pictures")
_DRAW = "--pictures"


def main(arguments: Sequence[str]) -> int:
    """Run one benchmark or all; return the exit code."""
    known = sorted(
        module.name.removeprefix("bench_")
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if module.name.startswith("bench_")
    )
    wanted = [name for name in arguments if name != _DRAW] or known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    OUT.mkdir(exist_ok=True)
    for name in wanted:
        print(f"== {name}", flush=True)
        module = importlib.import_module(f"benchmarks.bench_{name}")
        rows = module.run()
        (OUT / f"{name}.json").write_text(
            json.dumps({**_machine(), "rows": rows}, ensure_ascii=False, indent=1),
            encoding="utf-8",
        )
        for row in rows:
            print(_line(row))
        if _DRAW in arguments and hasattr(module, "draw"):
            draw(module.draw(rows))
    return 0


def draw(pictures: dict[str, str]) -> None:
    """Write each picture into the documentation, under its name."""
    PICTURES.mkdir(exist_ok=True)
    for name, svg in pictures.items():
        (PICTURES / f"{name}.svg").write_text(svg, encoding="utf-8")


def _machine() -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.machine(),
        "processor": _processor(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def _processor() -> str:
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor()
    lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()


def _line(row: dict[str, Any]) -> str:
    text = f"  {row['figure']:<60} {row['value']:>14,.4g} {row['unit']}"
    if row.get("ratio") is not None:
        text += f"   {row['ratio']:.3g} x {row['baseline']}"
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
