"""What the fallback machine hears and says: bearers, items, readings, effects.

All times are monotonic milliseconds, all levels integers in hundredths of a decibel, so that the
same readings give the same decisions on every board.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from loa_protocol.objects.playlist import BearerKind


class Sound(enum.Enum):
    """What an item sounds like, for the patience of the silence monitor."""

    NORMAL = "normal"  # speech or mixed
    QUIET = "quiet"  # music with long quiet passages
    EMERGENCY = "emergency"  # short patience, and FM never


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """One way for an item's sound to reach the endpoint.

    Attributes:
        id: The same for as long as it is the same source, across items too: an FM bearer that
            failed under one item has failed for the next.
        cost: Lower is preferred.
        offset_ms: How much later than the reference this bearer sounds.
        frequency_khz: FM only; 0 else.
        pi: FM only: the PI that the signed window names as proof; None where it names none.
        is_voice: Somebody speaks now, under a grant: no file is heard to its end before.
        is_unsigned: A stream that nobody signed: it sounds only inside a window, as FM does.
    """

    id: str
    kind: BearerKind
    cost: int
    offset_ms: int = 0
    frequency_khz: int = 0
    pi: int | None = None
    is_voice: bool = False
    is_unsigned: bool = False

    @property
    def needs_window(self) -> bool:
        """Whether it may sound only while its window is open."""
        return self.is_unsigned or self.kind is BearerKind.FM


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What should sound now, and by which bearers it may.

    Attributes:
        local: A cached signed item that fills the time when no listed bearer can carry this one.
        expected_silence: Spans in ms from the item's start in which silence is no fault.
    """

    id: str
    bearers: tuple[Bearer, ...]
    local: Bearer | None = None
    sound: Sound = Sound.NORMAL
    expected_silence: tuple[tuple[int, int], ...] = ()

    def order(self) -> tuple[Bearer, ...]:
        """Return the bearers by cost, the local one last; equal costs stay as signed."""
        listed = tuple(sorted(self.bearers, key=lambda bearer: bearer.cost))
        return (*listed, self.local) if self.local is not None else listed


# --- what the machine is told


@dataclass(frozen=True, slots=True)
class ItemAnnounced:
    """An item starts within seconds: open its first bearer ahead."""

    item: Item


@dataclass(frozen=True, slots=True)
class ItemStarted:
    """An item should sound from now on; *position_ms* is how far into it we are."""

    item: Item
    position_ms: int = 0


@dataclass(frozen=True, slots=True)
class ItemEnded:
    """Nothing should sound until the next start."""


@dataclass(frozen=True, slots=True)
class PauseHeard:
    """The sounding bearer pauses: a good place to change bearers unheard."""


@dataclass(frozen=True, slots=True)
class WindowOpened:
    """The signed window of an FM bearer, or an unsigned stream's, is open until *closes_ms*."""

    bearer: str
    closes_ms: int


@dataclass(frozen=True, slots=True)
class WindowClosed:
    """The window was withdrawn before its time (a new playlist)."""

    bearer: str


@dataclass(frozen=True, slots=True)
class SoundReady:
    """The player has sound of an opened bearer at hand."""

    bearer: str


@dataclass(frozen=True, slots=True)
class SoundFailed:
    """The player could not open a bearer, or its sound ended before the item did."""

    bearer: str
    reason: str


@dataclass(frozen=True, slots=True)
class SoundFound:
    """What kept a bearer from being opened is over: its file has come."""

    bearer: str


@dataclass(frozen=True, slots=True)
class SoundRead:
    """The meter of an open bearer, several times a second, whether it sounds or not.

    Attributes:
        level_cdbfs: RMS between 300 and 3000 Hz.
        flatness_permille: Spectral flatness: noise near 1000, speech and music far below.
    """

    bearer: str
    level_cdbfs: int
    flatness_permille: int


@dataclass(frozen=True, slots=True)
class FlowRead:
    """The state of an open stream or file: is the decoder fed, and do bytes come in."""

    bearer: str
    starved: bool
    receiving: bool = True


@dataclass(frozen=True, slots=True)
class SignalRead:
    """The tuner's quality line; *cci_permille* is None where the tuner cannot tell."""

    level_cdbuv: int
    cci_permille: int | None


@dataclass(frozen=True, slots=True)
class PiRead:
    """The tuner's PI line; certainty 0 is certain, 3 unlikely."""

    pi: int
    certainty: int


@dataclass(frozen=True, slots=True)
class TunerTuned:
    """The tuner says which frequency it stands on."""

    khz: int


@dataclass(frozen=True, slots=True)
class TunerQuiet:
    """The line to the tuner has been quiet for the time after which it is reopened."""


@dataclass(frozen=True, slots=True)
class EmergencyStarted:
    """An alert sounds: the programme stands aside at once."""


@dataclass(frozen=True, slots=True)
class EmergencyEnded:
    """The alert is over, cancelled or expired."""


@dataclass(frozen=True, slots=True)
class ReturnAsked:
    """A person asks to go back to the best bearer and to end a hold."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A deadline has come."""


Command = ItemAnnounced | ItemStarted | ItemEnded | PauseHeard | ReturnAsked
Alert = EmergencyStarted | EmergencyEnded
Window = WindowOpened | WindowClosed
Sounding = SoundReady | SoundFailed | SoundFound | SoundRead | FlowRead
Reading = Sounding | SignalRead | PiRead | TunerTuned
Event = Command | Alert | Window | Reading | TunerQuiet | Tick


# --- what it says


class Cause(enum.Enum):
    """Why a bearer is put on, which says how the join is made."""

    START = "start"
    FAILURE = "failure"
    RETURN = "return"
    REVIVAL = "revival"  # after a mute, for want of anything else


@dataclass(frozen=True, slots=True)
class PreOpen:
    """Tune, connect or decode a bearer ahead, and meter it; it must not sound yet."""

    bearer: Bearer


@dataclass(frozen=True, slots=True)
class Close:
    """Let go of a bearer."""

    bearer: Bearer


@dataclass(frozen=True, slots=True)
class SwitchTo:
    """Let this bearer sound, and no other; equal-power fades."""

    bearer: Bearer
    cause: Cause
    fade_out_ms: int
    fade_in_ms: int


@dataclass(frozen=True, slots=True)
class Mute:
    """Let no bearer sound."""

    fade_out_ms: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """Raise or clear the programme failure alarm."""

    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One line for the log and the play record.

    Attributes:
        name: ``suspect``, ``fail``, ``switch``, ``fallback``, ``return``, ``hold``, ``mute``, ...
        bearer: Whom it is about.
        cause: The monitor or the reason.
        reading: What the monitor read last, in its own unit.
        lasted_ms: How long the state before lasted.
    """

    name: str
    bearer: str = ""
    cause: str = ""
    reading: int | None = None
    lasted_ms: int = 0


Effect = PreOpen | Close | SwitchTo | Mute | Alarm | Note
