"""What the director asks of the shell. Instants are monotonic ms; 0 means at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loa_endpoint.core.orders import Progress
from loa_protocol.record import Body

Part = Literal["all", "programme", "over"]
"""What is silenced or moved: everything, what plays, or what is said over it."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep a record; it is on disk before anything after it in the list is done."""

    body: Body


@dataclass(frozen=True, slots=True)
class Tell:
    """Keep a record if that is possible; nothing waits for it, an alert least of all."""

    body: Body


@dataclass(frozen=True, slots=True)
class KeepProgress:
    """Keep how far an order has come; where *first* holds, nothing after it is done without."""

    order: bytes
    progress: Progress
    first: bool = False


@dataclass(frozen=True, slots=True)
class DropOrder:
    """Forget an order whose time is over."""

    order: bytes


@dataclass(frozen=True, slots=True)
class AskTime:
    """Ask the server for the time now: an alert waits for it."""


@dataclass(frozen=True, slots=True)
class Restart:
    """End this run, so that the service manager begins another."""


@dataclass(frozen=True, slots=True)
class RenewIdentity:
    """Take a new 30-day certificate now, shown for by the identity of the bench."""


@dataclass(frozen=True, slots=True)
class ResetFloor:
    """Set the time floor to *unix_ms*, as a command over our own nonce orders."""

    unix_ms: int
    nonce: bytes


@dataclass(frozen=True, slots=True)
class KeepSession:
    """Keep that a session which begins at unix second *start* has been on air today."""

    start: int


@dataclass(frozen=True, slots=True)
class Prepare:
    """Open media ahead, near *position_ms*."""

    source: str
    sha256: bytes
    gain_cdb: int
    position_ms: int


@dataclass(frozen=True, slots=True)
class Release:
    """Let go of media that was opened ahead."""

    source: str


@dataclass(frozen=True, slots=True)
class OpenLive:
    """Open live sound, which is silent until it is fed."""

    source: str


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Open somebody's stream, which nobody signed, led towards the loudness of the files beside."""

    source: str
    url: str
    target_clufs: int


@dataclass(frozen=True, slots=True)
class OpenTone:
    """Open the attention tone, *length_ms* of it, which the player makes itself."""

    source: str
    length_ms: int


@dataclass(frozen=True, slots=True)
class FeedLive:
    """Give live sound packets whose first sample belongs at *position_ms* of it."""

    source: str
    position_ms: int
    packets: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SoundMedia:
    """Let the place *position_ms* of prepared media sound at *at_ms*.

    With *duck_cdb* it sounds over what plays, which is lowered by so much in *duck_ms*.
    """

    source: str
    position_ms: int
    at_ms: int
    fade_in_ms: int
    fade_out_ms: int
    duck_cdb: int | None = None
    duck_ms: int = 0


@dataclass(frozen=True, slots=True)
class Align:
    """By a better clock the place *position_ms* of what was told to sound belongs at *at_ms*."""

    source: str
    position_ms: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class SoundLineIn:
    """Let the tuner sound from *at_ms* on, led towards the loudness of the files beside it."""

    at_ms: int
    fade_in_ms: int
    fade_out_ms: int
    target_clufs: int = -2300


@dataclass(frozen=True, slots=True)
class Silence:
    """Fade out whatever sounds in *part*."""

    at_ms: int
    fade_ms: int
    part: Part = "all"


@dataclass(frozen=True, slots=True)
class SetGain:
    """Move the volume from *at_ms* on; None is silence."""

    gain_cdb: int | None
    at_ms: int
    ramp_ms: int
    part: Part = "all"


@dataclass(frozen=True, slots=True)
class Shape:
    """Shape the sound for a horn loudspeaker, or leave it flat."""

    horn: bool


@dataclass(frozen=True, slots=True)
class Measure:
    """Measure what is written, from *at_ms* on, under the name of a play.

    Of a *is_declared* signal (an alert, a test tone) no monitor complains. Silence of up to
    *opening_ms* before the first sound is no gap: what begins late has its source to open first.
    """

    play: str
    at_ms: int
    expected_silence: tuple[tuple[int, int], ...]
    is_declared: bool = False
    opening_ms: int = 0


@dataclass(frozen=True, slots=True)
class EndMeasure:
    """End that measurement at *at_ms*; the player answers with what it measured."""

    play: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Tune:
    """Bring the tuner to a frequency; 0 lets it rest."""

    frequency_khz: int


@dataclass(frozen=True, slots=True)
class Judge:
    """Begin (or, with *play* None, end) gathering output evidence; *over* for an announcement."""

    play: str | None
    over: bool = False


Effect = (
    Keep
    | Tell
    | KeepProgress
    | DropOrder
    | AskTime
    | Restart
    | RenewIdentity
    | ResetFloor
    | KeepSession
    | Prepare
    | Release
    | OpenLive
    | OpenStream
    | OpenTone
    | FeedLive
    | SoundMedia
    | Align
    | SoundLineIn
    | Silence
    | SetGain
    | Shape
    | Measure
    | EndMeasure
    | Tune
    | Judge
)
