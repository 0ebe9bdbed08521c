"""What the agent and the player say to each other: JSON lines, one message a line.

Commands go to the player's standard input, events come from its standard output. Instants are
nanoseconds of CLOCK_MONOTONIC, which both processes share; an ``at_ns`` of 0 means at once.
Positions and durations are milliseconds. This module is imported by the agent: no numpy, no av.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeVar

import msgspec

from loa_endpoint.audio.events import (
    Beat,
    EarHeard,
    Ended,
    Event,
    Fault,
    ItemFigures,
    ItemMeasured,
    ItemSoFar,
    LineInLevel,
    Prepared,
    Ready,
    Recording,
    SoundAlarm,
    Started,
    StreamState,
)
from loa_endpoint.audio.message import (
    Duration,
    Gain,
    Instant,
    Message,
    Name,
    Part,
    Position,
    Silence,
)
from loa_protocol.errors import MessageError

__all__ = [
    "MAX_LINE",
    "Beat",
    "BeginItem",
    "Clock",
    "Command",
    "EarHeard",
    "EndItem",
    "Ended",
    "Event",
    "Fault",
    "Feed",
    "ItemFigures",
    "ItemMeasured",
    "ItemSoFar",
    "LineInLevel",
    "LineSplitter",
    "Message",
    "OpenLive",
    "OpenStream",
    "OpenTone",
    "Play",
    "PlayLineIn",
    "Prepare",
    "Prepared",
    "Profile",
    "Quit",
    "Ready",
    "Recording",
    "Release",
    "SoundAlarm",
    "Started",
    "Stop",
    "StreamState",
    "Volume",
    "encode",
    "parse_command",
    "parse_event",
]

MAX_LINE: Final = 65_536
"""Bytes in a line, its end included. Longer ones are refused unread."""


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


class OpenStream(Message, frozen=True, tag="open_stream"):
    """Open *source* as somebody's stream; a process of its own fetches *url*.

    `Prepared` says that there is sound, `StreamState` how it is from then on. It is led towards
    *target_lufs* as the line-in is, fast while nobody hears it.
    """

    source: Name
    url: Annotated[str, msgspec.Meta(min_length=9, max_length=512, pattern="^https://")]
    target_lufs: Annotated[float, msgspec.Meta(ge=-70.0, le=0.0)] | None = None


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


class Align(Message, frozen=True, tag="align"):
    """By a better clock the place *position_ms* of *source*, sounding or planned, is for *at_ns*.

    It is followed slowly, by at most 0.05 %; nothing jumps.
    """

    source: Name
    position_ms: Position
    at_ns: Instant


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
        opening_ms: Silence up to this length before its first sound is no gap in it.
    """

    item: Name
    at_ns: Instant = 0
    expected_silence: Silence = ()
    is_declared: bool = False
    opening_ms: Duration = 0


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
    | OpenStream
    | Feed
    | Release
    | Play
    | Align
    | PlayLineIn
    | Stop
    | Volume
    | Profile
    | BeginItem
    | EndItem
    | Clock
    | Quit
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
