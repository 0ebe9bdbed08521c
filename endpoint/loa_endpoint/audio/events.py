"""What the player tells: its life, its sources, what it has measured, what is wrong.

Imported by the agent: no numpy, no av.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from loa_endpoint.audio.message import Message, Name


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
    """Sign of life, about every 0.4 s; of the sink's life, not the process's.

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
    """What the line-in is like since the last one: every block while it sounds, else every 0.4 s.

    Attributes:
        rms_dbfs: In 300-3000 Hz; -120 when nothing arrives.
        flatness: Of the spectrum, 0 to 1: about 0.9 for hiss, under 0.4 for speech and music.
    """

    rms_dbfs: float
    flatness: float
    at_ns: int


class StreamState(Message, frozen=True, tag="stream_state"):
    """How a stream that has been opened is, about ten times a second, sounding or not.

    Attributes:
        rms_dbfs: In 300-3000 Hz, before it is levelled; -120 when nothing arrives.
        flatness: Of the spectrum, 0 to 1.
        starved: Nothing has been decoded for 200 ms.
        receiving: Bytes come from the server, or many seconds are in hand.
    """

    source: str
    rms_dbfs: float
    flatness: float
    starved: bool
    receiving: bool
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
        off_ms: How late (+) or early (-) what sounded was at the worst moment, by when it left the
            card; None where nothing had an instant.
    """

    item: str
    lufs: float | None
    true_peak_dbtp: float
    silent_ms: int
    longest_gap_ms: int
    xruns: int
    started_ns: int
    ended_ns: int
    off_ms: int | None = None


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
            ``config`` (it cannot be opened; the process ends), ``item`` or ``unaligned``
            (it sounds so far off its instant that two poles echo each other).
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
    | StreamState
    | ItemMeasured
    | ItemSoFar
    | SoundAlarm
    | EarHeard
    | Fault
)
