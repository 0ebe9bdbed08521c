"""Memory and open files of a process and its children, as the kernel counts them."""

from __future__ import annotations

import contextlib
import statistics
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_EVERY_S: Final = 0.1
_STARTING: Final = 50  # looks, while a process loads its modules on a busy machine
_MIB: Final = 1024


@dataclass
class Vitals:
    """What was seen of each process, in the order of time."""

    memory_mib: dict[int, list[float]] = field(default_factory=dict)
    files: dict[int, list[int]] = field(default_factory=dict)

    def look(self, pid: int) -> None:
        """Look once at a process and its children; one that has ended is left out."""
        with contextlib.suppress(OSError, StopIteration):
            task = Path(f"/proc/{pid}/task/{pid}/children")
            for each in (pid, *map(int, task.read_text().split())):
                status = Path(f"/proc/{each}/status").read_text().splitlines()
                line = next(line for line in status if line.startswith("VmRSS:"))
                self.memory_mib.setdefault(each, []).append(int(line.split()[1]) / _MIB)
                self.files.setdefault(each, []).append(
                    len(list(Path(f"/proc/{each}/fd").iterdir()))
                )

    def at_rest_mib(self, pid: int) -> float:
        """Return what a process held when it had started."""
        return max(self.memory_mib[pid][:_STARTING])

    def growth_mib(self, pid: int) -> float:
        """Return by how much the middle of the last quarter lies above that of the second.

        Of a process that ended soon after it had started it is 0.
        """
        seen = self.memory_mib[pid][_STARTING:]
        quarter = len(seen) // 4
        if not quarter:
            return 0.0
        return statistics.median(seen[-quarter:]) - statistics.median(seen[quarter : 2 * quarter])


@contextlib.contextmanager
def watched(pid: Callable[[], int | None]) -> Iterator[Vitals]:
    """Look at whatever process *pid* names, ten times a second, until the block ends."""
    vitals, over = Vitals(), threading.Event()

    def look() -> None:
        while not over.wait(_EVERY_S):
            if (number := pid()) is not None:
                vitals.look(number)

    thread = threading.Thread(target=look, name="vitals")
    thread.start()
    try:
        yield vitals
    finally:
        over.set()
        thread.join()
