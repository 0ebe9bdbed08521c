"""The door for live sound: a chunk is judged, and what is refused is told, not too often."""

from __future__ import annotations

from typing import Final, Protocol

from loa_endpoint.core.repeats import Repeats
from loa_endpoint.host.clocks import monotonic_ms
from loa_protocol.errors import FormatError
from loa_protocol.record import Body, Refused
from loa_protocol.trust import TrustError

_WHAT: Final = "live_chunk"


class Stage(Protocol):
    """What hears the chunks, and keeps records."""

    def on_live_chunk(self, data: bytes) -> None:
        """Hear a chunk. Raises FormatError or TrustError where it is refused."""

    def keep(self, body: Body) -> bool:
        """Keep a record."""


class LiveDoor:
    """Where chunks of live sound come in, by whatever carrier."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._repeats = Repeats()

    def hear(self, chunk: bytes) -> None:
        """Take one chunk; one that is refused is silence."""
        try:
            self._stage.on_live_chunk(chunk)
        except FormatError as error:
            self._refuse("format", str(error))
        except TrustError as error:
            self._refuse(error.reason, error.detail)

    def _refuse(self, reason: str, detail: str) -> None:
        count = self._repeats.happened((reason,), monotonic_ms())
        if count:
            again = f" ({count} times)" if count > 1 else ""
            self._stage.keep(
                Refused(what=_WHAT, reason=reason[:64], detail=f"{detail[:280]}{again}")
            )
