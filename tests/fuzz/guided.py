"""One target under atheris: ``python -m tests.fuzz.guided NAME [options of libFuzzer] CORPUS...``.

A process of its own for each target: the engine takes it over, and ends it.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

PACKAGES = ["loa_protocol", "loa_endpoint", "loa_manager", "loa_hwsim", "loa_sound"]


def main() -> None:
    """Instrument our packages, then let the engine feed the target."""
    import atheris

    from fuzz.targets import target

    with atheris.instrument_imports(include=PACKAGES):
        fuzz = target(sys.argv[1])
    atheris.Setup([sys.argv[0], *sys.argv[2:]], fuzz)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
