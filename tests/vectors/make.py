"""Write the vectors anew: ``python -m tests.vectors.make``.

The same bytes come out on every machine; a test compares them with what is in the repository.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))


def main() -> None:
    """Take away the folders of cases and write them again."""
    from vectors.generator.every import every_case

    for folder in HERE.iterdir():
        if folder.is_dir() and any(folder.glob("*/expected.json")):
            shutil.rmtree(folder)
    cases = list(every_case())
    for case in cases:
        case.write(HERE)
    print(f"{len(cases)} cases in {HERE}")


if __name__ == "__main__":
    main()
