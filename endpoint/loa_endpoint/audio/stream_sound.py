"""Somebody's stream as a sound: read from the process that fetches it, levelled as FM is.

Nobody signed it, and nobody measured its loudness. Whether it may sound is the agent's to judge;
here it is pumped once a block, without waiting, and says how it is.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Final, Protocol

from loa_endpoint.audio import messages as m
from loa_endpoint.audio import wide_pipe
from loa_endpoint.audio.line_in import QUIET_AFTER, Capture, LineIn
from loa_endpoint.audio.notice import Notice
from loa_endpoint.audio.stream_words import StreamWords
from loa_sound.blocks import CHUNK, Samples

MAX_STREAMS: Final = 3
"""Open at once, each a process: what sounds, what is next, and what fades out."""
_KEPT: Final = frozenset(
    {"PATH", "PYTHONPATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH"}
)
"""Of the environment; the rest is nothing that a decoder of strangers' bytes should see."""


class Fetched(Capture, Protocol):
    """A capture that knows whether bytes come in at its far end."""

    @property
    def receives(self) -> bool:
        """Tell whether they do."""


class StreamCapture:
    """What the fetching process writes."""

    def __init__(self, url: str) -> None:
        """Begin to fetch *url*; `take` tells when that cannot be."""
        self._words = StreamWords()
        self._said, said = os.pipe()
        os.set_blocking(self._said, False)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "loa_endpoint.audio.stream_process", url, str(said)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                pass_fds=(said,),
                env={name: value for name, value in os.environ.items() if name in _KEPT}
                | {"OPENBLAS_NUM_THREADS": "1"},
            )
        except OSError:
            os.close(self._said)
            raise
        finally:
            os.close(said)
        assert self._process.stdout is not None
        self._samples = self._process.stdout.fileno()
        os.set_blocking(self._samples, False)

    @property
    def receives(self) -> bool:
        """Tell whether bytes come in."""
        return self._words.receives

    def take(self) -> bytes:
        """Return the samples that have come since the last call.

        Raises:
            OSError: The stream is over; says why.
        """
        self._words.feed(_read(self._said) or b"")
        data = _read(self._samples)
        if data == b"":
            self._words.feed(_read(self._said) or b"")
            raise OSError(errno.ENODATA, self._words.why or "its process has died")
        return data or b""

    def close(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        os.close(self._said)


def _read(descriptor: int) -> bytes | None:
    """Return what is there; None for nothing yet."""
    try:
        return os.read(descriptor, wide_pipe.BYTES)
    except BlockingIOError:
        return None


class StreamSound(LineIn):
    """A `loa_endpoint.audio.voice.Sound` out of a stream: like a line-in, but it may end."""

    def __init__(
        self,
        name: str,
        url: str,
        notices: SimpleQueue[Notice],
        *,
        target_lufs: float | None = None,
        fetch: Callable[[str], Fetched] = StreamCapture,
    ) -> None:
        """Begin to fetch *url*.

        Raises:
            OSError: No process can be started.
        """
        self._stream = fetch(url)
        super().__init__(self._stream, CHUNK)
        self.name, self.target_lufs = name, target_lufs
        self.finish: int | None = None
        self.failure = ""
        self._notices = notices
        self._next: int | None = None  # the position that is read next; None: none was
        self._dry = 0  # samples of the timeline since anything came
        self._is_open = False

    @property
    def is_starved(self) -> bool:
        """Tell whether nothing has come for a while."""
        return self._dry >= QUIET_AFTER

    def is_ready(self, _position: int, /) -> bool:
        """Tell whether sound is at hand."""
        return self._is_open and self.finish is None and not self.is_starved

    def pump(self, samples: int) -> None:
        """Take in what has come; *samples* of the timeline have passed since the last call."""
        if self.finish is not None:
            return
        self._dry += samples
        try:
            super().pump(samples)
        except OSError as error:
            self._end(error.strerror or str(error))
            return
        if not self._is_open and len(self._held) >= self._target:
            self._is_open = True
            self._notices.put(Notice(self, failed=False, duration_ms=None))

    def state(self, at_ns: int) -> m.StreamState | None:
        """Return how it was since the last call; None before there was sound."""
        level = self.take_level()
        if level is None or not self._is_open:
            return None
        return m.StreamState(
            source=self.name,
            rms_dbfs=round(level.rms_dbfs, 1),
            flatness=round(level.flatness, 3),
            starved=self.is_starved,
            receiving=self._stream.receives,
            at_ns=at_ns,
        )

    def read(self, position: int, out: Samples, /) -> int:
        """Fill *out* with the next samples, or silence until enough are there; none at the end."""
        count = super().read(position, out)
        if self.finish is not None:
            count = max(0, min(count, self.finish - position))
        self._next = position + len(out)
        return count

    def _arrived(self, samples: Samples) -> None:
        self._dry = 0
        super()._arrived(samples)

    def _end(self, why: str) -> None:
        """Let what is in hand sound to its end."""
        self.failure = why
        held = len(self._held) if self._flowing else 0
        self.finish = 0 if self._next is None else self._next + held
        self._notices.put(Notice(self, failed=True, duration_ms=None))


def open_stream(
    command: m.OpenStream, sounds: Iterable[object], notices: SimpleQueue[Notice]
) -> StreamSound | m.Ended:
    """Open what is asked for beside *sounds*; return what has to be told where that fails."""
    name, target = command.source, command.target_lufs
    try:
        if sum(isinstance(each, StreamSound) for each in sounds) >= MAX_STREAMS:
            raise OSError(errno.EMFILE, "too many streams are open")
        return StreamSound(name, command.url, notices, target_lufs=target)
    except OSError as error:
        return m.Ended(source=name, reason="broken", at_ns=0, detail=str(error)[:500])


def pump_streams(
    sounds: Iterable[object], samples: int, at_ns: int, emit: Callable[[m.Event], None]
) -> None:
    """Take in what the streams among *sounds* have brought, and tell how they are."""
    for sound in sounds:
        if isinstance(sound, StreamSound):
            sound.pump(samples)
            state = sound.state(at_ns)
            if state is not None:
                emit(state)
