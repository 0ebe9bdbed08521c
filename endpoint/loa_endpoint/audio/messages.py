"""What the agent and the player say to each other: JSON lines, one message a line.

Commands go to the player's standard input, events come from its standard output. Instants are
nanoseconds of CLOCK_MONOTONIC, which both processes share; an ``at_ns`` of 0 means at once.
Positions and durations are milliseconds. This module is imported by the agent: no numpy, no av.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeVar

import msgspec

from loa_protocol.errors import MessageError

MAX_LINE: Final = 65_536
"""Bytes in a line, its end included. Longer ones are refused unread."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
"""A source or an item, named by the agent; never used as a path."""
Instant = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Duration = Annotated[int, msgspec.Meta(ge=0, le=60_000)]
"""Of a fade or ramp, in ms."""
Position = Annotated[int, msgspec.Meta(ge=0, le=86_400_000)]
"""In a source, in ms."""
Gain = Annotated[float, msgspec.Meta(ge=-100.0, le=40.0)]
"""In dB; -100 is silence."""
Part = Literal["all", "programme", "over"]
"""``over`` is what is said over the programme: announcements."""
Silence = Annotated[tuple[tuple[Position, Position], ...], msgspec.Meta(max_length=256)]
"""Pairs of start and end in ms from the start of an item."""


class Message(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """Anything that is said in either direction."""


class Prepare(Message, frozen=True, tag="prepare"):
    """Open *path* as *source* and decode ahead from *position_ms*, so that a switch has no gap.

    A source that exists under that name and has not sounded is replaced. After it has sounded, or
    is `Release`-d, it is closed and its name is free.
    """

    source: Name
    path: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    gain_db: Gain = 0.0
    position_ms: Position = 0


class OpenLive(Message, frozen=True, tag="open_live"):
    """Open *source* as live sound: silent where nothing is fed, without an end of its own."""

    source: Name
    gain_db: Gain = 0.0


class OpenTone(Message, frozen=True, tag="open_tone"):
    """Open *source* as a sound that the player makes itself; it is ready at once.

    Attributes:
        kind: ``attention``, before an alert, or ``chime``, which has its own length.
    """

    source: Name
    kind: Literal["attention", "chime"] = "attention"
    length_ms: Duration = 10_000
    gain_db: Gain = 0.0


class Feed(Message, frozen=True, tag="feed"):
    """Opus packets of 20 ms for a live source; the first sample belongs at *position_ms*."""

    source: Name
    position_ms: Position
    packets: Annotated[list[bytes], msgspec.Meta(min_length=1, max_length=100)]


class Release(Message, frozen=True, tag="release"):
    """Close a source that was prepared and is not wanted any more; one that sounds goes on."""

    source: Name


class Play(Message, frozen=True, tag="play"):
    """Let the sample *position_ms* of *source* sound at *at_ns*; what sounds now fades out then.

    An instant that has passed keeps the alignment: the source starts at once, further on. A source
    that is not decoded in time starts when it is, at the right place; until then what sounds now
    goes on. With an *at_ns* of 0 it starts at *position_ms*, as soon as it can.

    With *duck_db* it takes nothing's place but another announcement's: what plays is lowered by so
    much, in *duck_ms* before the instant, and comes back when this source is not heard any more,
    for whatever reason.
    """

    source: Name
    position_ms: Position = 0
    at_ns: Instant = 0
    fade_in_ms: Duration = 20
    fade_out_ms: Duration = 20
    duck_db: Annotated[float, msgspec.Meta(ge=-100.0, le=0.0)] | None = None
    duck_ms: Duration = 100


class PlayLineIn(Message, frozen=True, tag="play_line_in"):
    """Let the line-in sound from *at_ns*; what sounds now fades out then.

    *position_ms* only counts: it is what `Beat` reports for the instant *at_ns*. The line-in is led
    slowly towards *target_lufs*; None leaves it as loud as it comes. *gain_db* adds to that.
    """

    source: Name = "line_in"
    position_ms: Position = 0
    at_ns: Instant = 0
    fade_in_ms: Duration = 20
    fade_out_ms: Duration = 20
    gain_db: Gain = 0.0
    target_lufs: Annotated[float, msgspec.Meta(ge=-70.0, le=0.0)] | None = None


class Stop(Message, frozen=True, tag="stop"):
    """Fade out whatever sounds, and forget every `Play` that has not begun by then.

    With an *at_ns* of 0 also those that were planned for later are forgotten.
    """

    fade_ms: Duration = 20
    at_ns: Instant = 0
    part: Part = "all"


class Volume(Message, frozen=True, tag="volume"):
    """Move the gain of *part* to *gain_db*, in even dB steps over *ramp_ms*."""

    gain_db: Gain
    ramp_ms: Duration = 200
    at_ns: Instant = 0
    part: Part = "all"


class Profile(Message, frozen=True, tag="profile"):
    """Shape the sound for a horn loudspeaker, or leave it as it is; flat to begin with."""

    horn: bool


class BeginItem(Message, frozen=True, tag="begin_item"):
    """Measure what is written to the sink from *at_ns* on, for *item*.

    Attributes:
        expected_silence: Stretches in which silence is part of the programme.
        is_declared: It is a signal (an alert, a test tone), of which no monitor complains.
    """

    item: Name
    at_ns: Instant = 0
    expected_silence: Silence = ()
    is_declared: bool = False


class EndItem(Message, frozen=True, tag="end_item"):
    """End the measurement of *item* at *at_ns*; `ItemMeasured` answers."""

    item: Name
    at_ns: Instant = 0


class Clock(Message, frozen=True, tag="clock"):
    """At *at_ns* it is *unix_ms*: by what the black box names its files. Before, it keeps none."""

    unix_ms: Annotated[int, msgspec.Meta(ge=0, le=2**50)]
    at_ns: Instant


class Quit(Message, frozen=True, tag="quit"):
    """Fade out in 20 ms and end the process."""

    at_ns: Instant = 0


Command = (
    Prepare
    | OpenLive
    | OpenTone
    | Feed
    | Release
    | Play
    | PlayLineIn
    | Stop
    | Volume
    | Profile
    | BeginItem
    | EndItem
    | Clock
    | Quit
)


class Ready(Message, frozen=True, tag="ready"):
    """The sink is open and samples flow; commands may come.

    Attributes:
        pid: Of the process to kill when the samples stop.
        epoch_ns: When the sink's sample 0 sounded, or would have.
        at_ns: When the first sample of this process sounds.
    """

    pid: int
    epoch_ns: int
    at_ns: int


class Prepared(Message, frozen=True, tag="prepared"):
    """A source has been opened, and sound is waiting.

    Attributes:
        duration_ms: What the container says; None where it says nothing.
    """

    source: str
    duration_ms: int | None


class Beat(Message, frozen=True, tag="beat"):
    """Sign of life, about five times a second; of the sink's life, not the process's.

    Attributes:
        samples: Written to the sink since this process opened it. Growing is the only sign of
            health: PortAudio's own state stays "active" when a card is pulled.
        at_ns: When this was said.
        source: What sounds, not counting what fades out; empty for silence.
        position_ms: Of *source*, at *at_ns*.
        rms_dbfs: Of what was written since the last beat.
        xruns: Times that the sink ran dry or a source came late, since the process began.
        drift_ppm: How much faster than nominal the card plays, in millionths; 0 until measured.
    """

    samples: int
    at_ns: int
    source: str
    position_ms: int
    rms_dbfs: float
    xruns: int
    drift_ppm: float = 0.0


class Started(Message, frozen=True, tag="started"):
    """A source began to sound.

    Attributes:
        at_ns: When its first sample sounds.
        offset_ms: Which place in the source that sample is.
    """

    source: str
    at_ns: int
    offset_ms: int


class Ended(Message, frozen=True, tag="ended"):
    """A source will not sound any more, or could not.

    Attributes:
        reason: ``end``: played to its end. ``faded``: another one or a stop took its place.
            ``broken``: it could not be read on; it was faded out before the fault was heard.
        at_ns: When its last sample sounded; 0 when it never did.
        detail: For ``broken``: a reason of `loa_sound.errors`, ``starved`` or ``late``, then words.
    """

    source: str
    reason: Literal["end", "faded", "broken"]
    at_ns: int
    detail: str = ""


class LineInLevel(Message, frozen=True, tag="line_in_level"):
    """What the line-in is like, about ten times a second, sounding or not.

    Attributes:
        rms_dbfs: In 300-3000 Hz; -120 when nothing arrives.
        flatness: Of the spectrum, 0 to 1: about 0.9 for hiss, under 0.4 for speech and music.
    """

    rms_dbfs: float
    flatness: float
    at_ns: int


class ItemFigures(Message, frozen=True):
    """What was written to the sink during an item, behind volume and limiter.

    Attributes:
        lufs: EBU R128, of what this process wrote; None when nothing was loud enough.
        silent_ms: In stretches of 20 ms or more below -60 dBFS, expected silence apart.
        longest_gap_ms: The longest such stretch.
        xruns: During the item.
        started_ns: When the measurement began.
        ended_ns: When it ended.
    """

    item: str
    lufs: float | None
    true_peak_dbtp: float
    silent_ms: int
    longest_gap_ms: int
    xruns: int
    started_ns: int
    ended_ns: int


class Recording(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A file of the black box: from unix *start_ms* on, by the agent's clock."""

    start_ms: int
    duration_ms: int
    sha256: bytes


class ItemMeasured(ItemFigures, frozen=True, tag="item_measured"):
    """What was measured of an item that is over.

    Attributes:
        recorded: The files of the black box that cover it.
    """

    recorded: tuple[Recording, ...] = ()


class ItemSoFar(ItemFigures, frozen=True, tag="item_so_far"):
    """What was measured of an item that goes on, once a second: a player may be killed.

    Attributes:
        momentary_lufs: EBU R128 over the last 400 ms; None when nothing is loud enough.
        short_term_lufs: Over the last 3 s.
    """

    momentary_lufs: float | None = None
    short_term_lufs: float | None = None


class SoundAlarm(Message, frozen=True, tag="sound_alarm"):
    """Something is wrong with the sound, or is well again. Only changes are told.

    Attributes:
        name: ``written_silent``, ``written_hiss``, ``written_clipping``, ``written_stuck`` (of what
            went to the sink), ``squeal`` or ``ear_silent`` (of what the microphone hears).
        reading: dBFS for silence, flatness for hiss, Hz for squeal, else a share of the time.
    """

    name: Name
    active: bool
    reading: float
    at_ns: int


class EarHeard(Message, frozen=True, tag="ear_heard"):
    """Whether the microphone heard what was written, once a second: numbers, never sound.

    Attributes:
        likeness: Correlation over the last 4 s; None where what was written has no shape.
        matches: It is what was written.
        lag_ms: How much later than it was written.
        rms_dbfs: Of what was heard, in 300-4200 Hz.
    """

    likeness: float | None
    matches: bool
    lag_ms: int
    rms_dbfs: float
    at_ns: int


class Fault(Message, frozen=True, tag="fault"):
    """Something is wrong that is not the end of a source.

    Attributes:
        name: ``command`` (a line was refused), ``unknown_source``, ``already_sounding``,
            ``too_many``, ``no_line_in``, ``line_in``, ``ear``, ``sink`` (it does not take samples),
            ``config`` (it cannot be opened; the process ends) or ``item``.
    """

    name: str
    detail: str = ""


Event = (
    Ready
    | Prepared
    | Beat
    | Started
    | Ended
    | LineInLevel
    | ItemMeasured
    | ItemSoFar
    | SoundAlarm
    | EarHeard
    | Fault
)

_ENCODER: Final = msgspec.json.Encoder()
_COMMANDS: Final[msgspec.json.Decoder[Command]] = msgspec.json.Decoder(Command)
_EVENTS: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(Event)


def encode(message: Message) -> bytes:
    """Return *message* as one line, its end included."""
    return _ENCODER.encode(message) + b"\n"


def parse_command(line: bytes) -> Command:
    """Read one line from the agent.

    Raises:
        MessageError: It is not a command, or a value is out of its bounds.
    """
    return _parse(_COMMANDS, line)


def parse_event(line: bytes) -> Event:
    """Read one line from the player.

    Raises:
        MessageError: It is not an event.
    """
    return _parse(_EVENTS, line)


_Kind = TypeVar("_Kind")


def _parse(decoder: msgspec.json.Decoder[_Kind], line: bytes) -> _Kind:
    if len(line) > MAX_LINE:
        raise MessageError(f"a line of {len(line)} bytes")
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(str(error)) from error


class LineSplitter:
    """Cut what a pipe delivers into lines; what is longer than `MAX_LINE` is dropped to its end."""

    def __init__(self) -> None:
        self._rest = b""
        self._dropping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that *data* completes, without their ends; an empty one for a drop."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines and self._dropping:
            lines[0], self._dropping = b"", False
        if len(self._rest) > MAX_LINE:
            self._rest, self._dropping = b"", True
        return lines
