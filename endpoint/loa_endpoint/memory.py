"""What a process gives back to a small machine, and what it holds."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path
from typing import Final

_ARENA_MAX: Final = -8
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
"""M_ARENA_MAX, ... of mallopt(3), as glibc's malloc.h has them."""


def return_free_memory() -> None:
    """Give back what was freed, several MB after the imports, with glibc; elsewhere do nothing."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def share_one_heap() -> None:
    """Let every thread to come use the first one's heap, with glibc; elsewhere do nothing.

    A thread that writes a file now and then would keep 0.6 MB in a heap of its own.
    """
    _tune(_ARENA_MAX, 1)


def keep_room(size: int) -> None:
    """Let the heap keep *size* free bytes at its end, with glibc; elsewhere do nothing.

    Who takes and frees the same buffers several times a second is else given them by the kernel
    each time, which takes a page fault for every 4 KiB.
    """
    _tune(_MMAP_THRESHOLD, size)
    _tune(_TRIM_THRESHOLD, size)


def settle() -> None:
    """Spare the collector what is there for good, and give back what is not."""
    gc.collect()
    gc.freeze()
    return_free_memory()


def share_mb(pid: int | str = "self") -> float:
    """Return the PSS of a process in megabytes: its pages, each divided by all who share it.

    Raises:
        OSError: there is no such process, it is another user's, or this is no Linux (4.14, for
            smaps_rollup).
    """
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def processor_s(pid: int) -> float:
    """Return the seconds that all threads of a process have spent on a processor, to the ns.

    Raises:
        OSError: as `share_mb`.
    """
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _tune(parameter: int, value: int) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(parameter, value)
