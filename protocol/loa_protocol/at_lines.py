"""What a modem says on its line (3GPP TS 27.007, 27.005), in lines; and which of them end a reply.

Shared by whoever talks to one. It decides nothing about what is asked.
"""

from __future__ import annotations

import re
from typing import Final

MAX_LINE: Final = 512  # characters: a PDU has at most 352
PROMPT: Final = ">"
CTRL_Z: Final = b"\x1a"
ESCAPE: Final = b"\x1b"
_ENDS: Final = re.compile(rb"[\r\n]+")
_ERRORS: Final = re.compile(
    r"ERROR|\+CM[ES] ERROR: ?.{0,80}|NO CARRIER|COMMAND NOT SUPPORT", re.ASCII
)


class AtLines:
    """Turns bytes into lines, whatever ends them; a prompt is a line of its own."""

    def __init__(self) -> None:
        self._held = b""
        self._is_skipping = False  # to the end of a line that is too long

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that *data* completes; empty ones, and noise without end, are left out.

        What is no ASCII becomes a replacement character and so matches nothing.
        """
        *whole, self._held = _ENDS.split(self._held + data)
        lines = []
        for each in whole:
            if self._is_skipping:
                self._is_skipping = False
            elif each.strip() and len(each) <= MAX_LINE:
                lines.append(each.decode("ascii", "replace").strip())
        if len(self._held) > MAX_LINE:
            self._held, self._is_skipping = b"", True
        if self._held.strip() == PROMPT.encode():  # it has no line end
            self._held = b""
            lines.append(PROMPT)
        return lines

    def clear(self) -> None:
        """Forget what is half here."""
        self._held, self._is_skipping = b"", False


def is_error(line: str) -> bool:
    """Tell whether *line* ends a reply that says no."""
    return _ERRORS.fullmatch(line) is not None


def is_final(line: str) -> bool:
    """Tell whether *line* ends a reply."""
    return line == "OK" or is_error(line)
