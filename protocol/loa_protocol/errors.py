"""The errors that a caller of Loa can act on, rooted in one family.

Values are fields and are never parsed back out of the text. Our own bugs are not in here: they are
``ValueError``, ``RuntimeError`` and ``assert``, and nothing but a task boundary catches them.
"""

from __future__ import annotations

from collections.abc import Sequence


class LoaError(Exception):
    """Something went wrong that a caller or a person can act on."""


class FormatError(LoaError):
    """Bytes are not what their format says."""


class FrameError(FormatError):
    """A frame on a line is damaged or of the wrong shape."""


class MessageError(FormatError):
    """A message was framed well, but its content is not what its kind says."""


class VersionError(FormatError):
    """The bytes speak a version that we do not."""


class PeerError(LoaError):
    """The other side's fault or absence."""


class SilentError(PeerError):
    """The other side did not answer in time."""

    def __init__(self, port: str, after_s: float) -> None:
        super().__init__(f"{port}: no answer after {after_s:g} s")
        self.port, self.after_s = port, after_s


class RefusedError(PeerError):
    """The other side answered, and said no."""

    def __init__(self, peer: str, code: str) -> None:
        super().__init__(f"{peer}: refused: {code}")
        self.peer, self.code = peer, code


class FetchError(PeerError):
    """A file could not be fetched; *status* is the HTTP status, 0 where none arrived."""

    def __init__(self, url: str, status: int, why: str = "") -> None:
        super().__init__(f"{url}: {why or f'status {status}'}")
        self.url, self.status, self.why = url, status, why


class ConfigError(LoaError):
    """The operator's file or arguments are wrong; every fault is listed, not only the first."""

    def __init__(self, where: str, faults: Sequence[str]) -> None:
        super().__init__("\n".join(f"{where}: {fault}" for fault in faults))
        self.where, self.faults = where, tuple(faults)


class StoreError(LoaError):
    """Something could not be kept: disk full, not writable, not there."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where, self.why = where, why
