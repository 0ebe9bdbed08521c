"""The real player process, in virtual time or in real time, and what it says and writes."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from loa_endpoint.audio import messages as m
from support.sound_files import read_wav
from support.waiting import soon

SECOND = 1_000_000_000
Kind = TypeVar("Kind", bound=m.Message)


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which a child imports what the test does."""
    return (
        os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"} | more
    )


def command_line(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "loa_endpoint.audio.player", *arguments]


def at(seconds: float) -> int:
    """Return an instant of virtual time, counted from the first sample."""
    return round((1 + seconds) * SECOND)


@dataclass
class Played:
    """What a player in virtual time said and wrote."""

    events: list[m.Event]
    samples: NDArray[np.int16]
    code: int
    stderr: str

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]


def play(
    folder: pathlib.Path,
    commands: Sequence[m.Command | bytes],
    *,
    sink: str = "",
    options: Sequence[str] = (),
    **env: str,
) -> Played:
    """Let a player carry out *commands* as fast as it can, into a new WAV or into *sink*."""
    path = folder / "horn.wav"
    for stale in (path, folder / "horn.wav.epoch"):
        stale.unlink(missing_ok=True)
    lines = [line if isinstance(line, bytes) else m.encode(line) for line in commands]
    done = subprocess.run(
        command_line("--sink", sink or f"wav:{path}", "--as-fast-as-possible", *options),
        check=False,
        input=b"".join(lines),
        capture_output=True,
        env=environment(**env),
        timeout=60,
    )
    samples = read_wav(path) if path.exists() else np.zeros(0, dtype=np.int16)
    events = [m.parse_event(line) for line in done.stdout.splitlines()]
    return Played(events, samples, done.returncode, done.stderr.decode())


class LivePlayer:
    """A player in real time; a context manager that ends it."""

    def __init__(self, *arguments: str, **env: str) -> None:
        self.events: list[m.Event] = []
        self.process = subprocess.Popen(
            command_line(*arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(**env),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(m.parse_event(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.close()

    def send(self, *commands: m.Command) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"".join(map(m.encode, commands)))
        self.process.stdin.flush()

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in list(self.events) if isinstance(event, kind)]

    def wait(self, kind: type[Kind], found: Callable[[Kind], object] = lambda _: True) -> Kind:
        """Return the first event of *kind* for which *found* holds."""
        hits: list[Kind] = []

        def look() -> bool:
            hits.extend(event for event in self.of(kind) if found(event))
            return bool(hits)

        soon(look)
        return hits[0]

    def wait_until(self, instant_ns: int) -> None:
        """Wait until the player says that it is past *instant_ns*."""
        self.wait(m.Beat, lambda beat: beat.at_ns > instant_ns)

    def close(self) -> int:
        """Close its input and return how it ends."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(10)
        self._reader.join(10)
        self.process.stdout.close()
        return code


def in_ms(milliseconds: float) -> int:
    """Return the instant so far from now."""
    return time.monotonic_ns() + round(milliseconds * 1e6)


def gaps_ms(samples: NDArray[np.int16], level: int = 33) -> list[float]:
    """Return the lengths of the runs in which no sample reaches *level* (33: -60 dBFS), over 5 ms.

    What lies before the first and behind the last sound is no gap.
    """
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) >= level)
    runs = np.diff(loud) / 48
    return [float(run) for run in runs if run > 5]
