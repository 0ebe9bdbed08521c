"""A card's input, read by a small process of its own.

    python -m loa_endpoint.audio.capture "USB Audio"

When the card goes, PortAudio does not return from its ``read`` any more, at worst spinning there
with all of a core; and a process that has PortAudio open is never told of cards that come. A
process can be killed, and started anew. It writes raw signed 16-bit samples to its standard output.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from typing import Final

from loa_endpoint.audio import wide_pipe
from loa_endpoint.audio.child import end_with_parent
from loa_endpoint.audio.device import open_device
from loa_protocol.errors import ConfigError

BLOCK: Final = 960
LOOK_FOR_S: Final = 10.0
"""A card that is away is looked for so long by one process, so that few need be started."""
LOOK_S: Final = 0.25
LOOK_SHARE: Final = 4
"""A look is not repeated until so many times its length has passed."""
START_S: Final = 20.0
"""Without a sample by then, the process hangs in opening its card."""
QUIET_S: Final = 1.0
"""A card that delivers nothing for this long is gone: silence is samples too."""


class CardCapture:
    """What a card captures: a `loa_endpoint.audio.line_in.Capture`."""

    def __init__(self, name: str) -> None:
        """Begin to open the device called *name*; `take` tells when it cannot be."""
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self._fd = self._process.stdout.fileno()
        os.set_blocking(self._fd, False)
        wide_pipe.widen(self._fd)
        self._until = time.monotonic() + START_S

    def take(self) -> bytes:
        """Return what was captured since the last call.

        Raises:
            OSError: The device cannot be opened, or is gone.
        """
        now = time.monotonic()
        try:
            data = os.read(self._fd, wide_pipe.BYTES)
        except BlockingIOError:
            if now > self._until:
                raise OSError(errno.ENODEV, f"{self._name}: nothing comes from it") from None
            return b""
        if not data:
            raise OSError(errno.ENODEV, f"{self._name}: not there, or PyAudio is not installed")
        self._until = now + QUIET_S
        return data

    def close(self) -> None:
        """Kill the process: it may hang in its card."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def copy(name: str) -> None:
    """Write what the device called *name* captures to standard output, until it ends.

    Raises:
        ConfigError: PyAudio is not installed.
        OSError: The device was not there for a while, or is gone; or nobody listens.
    """
    end = time.monotonic() + LOOK_FOR_S
    while True:
        began = time.monotonic()
        try:
            _, stream = open_device(name, input=True)
            break
        except OSError:
            if began > end:
                raise
        time.sleep(max(LOOK_S, LOOK_SHARE * (time.monotonic() - began)))
    while True:
        os.write(1, stream.read(BLOCK, exception_on_overflow=False))


def main() -> int:
    """Run the process."""
    end_with_parent()
    try:
        copy(sys.argv[1])
    except (ConfigError, OSError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
