"""What the process that fetches a stream says about it: a line for each change."""

from __future__ import annotations

from typing import Final

BYTES: Final = "bytes"
NO_BYTES: Final = "no-bytes"
END: Final = "end"
_MOST: Final = 4096
_LONGEST: Final = 300


class StreamWords:
    """Reads the lines, in whatever portions; what is none of them is passed over.

    Attributes:
        receives: Bytes come in.
        why: The stream has ended; empty while it goes on.
    """

    def __init__(self) -> None:
        self.receives = False
        self.why = ""
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-_MOST:]
        for line in lines:
            word, _space, detail = line.decode("ascii", "replace").partition(" ")
            if word in (BYTES, NO_BYTES):
                self.receives = word == BYTES
            elif word == END:
                self.why = detail[:_LONGEST] or "over"
