"""The host's side of an XDR-GTK tuner: start it, tune it, notice when it falls silent.

A tuner sends quality lines from its first tuning on, and only then is it missed.

The protocol has no error reply: what the tuner does not like it ignores. So every command is sent
alone, waits for its echo, is sent again, and is in the end reported as rejected; life goes on. The
object does no input or output: bytes go in by :meth:`XdrHost.feed` and come out by
:meth:`XdrHost.outgoing`, times are monotonic milliseconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from loa_endpoint.core.bearer import Event as MachineEvent
from loa_endpoint.core.bearer import PiRead, SignalRead, TunerQuiet, TunerTuned
from loa_endpoint.core.xdr_lines import (
    Dialect,
    Echo,
    Line,
    LineSplitter,
    Pi,
    Quality,
    RdsGroup,
    Started,
    Tuned,
    parse_line,
)
from loa_protocol.parameters import DEFAULTS, FallbackParameters

DEEMPHASIS_50_US: Final = "D0"  # as broadcast outside the Americas
FULL_VOLUME: Final = "Y100"
MAX_COMMAND: Final = 15  # characters; both firmwares have an input buffer of 16
STEP_KHZ: Final = 10  # FM is rounded down to it


@dataclass(frozen=True, slots=True)
class Quiet:
    """No sign of life for *for_ms*: the port should be closed and opened anew."""

    for_ms: int


@dataclass(frozen=True, slots=True)
class Lost:
    """No quality line for so long that the tuner counts as failed."""

    for_ms: int


@dataclass(frozen=True, slots=True)
class Back:
    """The first quality line after a loss."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A command got no echo, try after try."""

    command: str


Event = Started | Quality | Pi | RdsGroup | Tuned | Quiet | Lost | Back | Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class XdrTiming:
    """The times of the protocol.

    Attributes:
        open_wait_ms: From opening the port to the first command: boards with an Arduino boot
            loader restart when the port is opened (as xdr-gtk and xdrd wait).
        echo_ms: How long an echo may take.
        tries: How often a command is sent before it counts as rejected.
        quiet_ms: Without a quality line for this long the port is opened anew.
        lost_ms: Without one for this long the tuner has failed.
    """

    open_wait_ms: int = 1750
    echo_ms: int = 500
    tries: int = 3
    quiet_ms: int = DEFAULTS.tuner_reopen_ms
    lost_ms: int = DEFAULTS.tuner_fail_ms

    @classmethod
    def of(cls, parameters: FallbackParameters) -> XdrTiming:
        """Take the two link times from the signed parameters."""
        return cls(quiet_ms=parameters.tuner_reopen_ms, lost_ms=parameters.tuner_fail_ms)


@dataclass(slots=True)
class _Command:
    text: str
    tries_left: int
    deadline_ms: int | None = field(default=None)  # None: not sent yet


class XdrHost:
    """One tuner on one line.

    Args:
        timing: Waits and tries.
        setup: Commands sent after every start, before the frequency.
    """

    def __init__(
        self,
        timing: XdrTiming | None = None,
        *,
        setup: tuple[str, ...] = (DEEMPHASIS_50_US, FULL_VOLUME),
    ) -> None:
        self.dialect: Dialect | None = None
        self._timing = timing or XdrTiming()
        self._setup = setup
        self._splitter = LineSplitter()
        self._commands: deque[_Command] = deque()
        self._out = bytearray()
        self._begin_ms: int | None = None  # when a newly opened port may be talked to
        self._started = False
        self._wanted_khz: int | None = None
        self._refused = False  # the wanted frequency, since the last start
        self._since_ms = 0  # the last quality line, or when we began to expect one
        self._quiet_at_ms: int | None = None
        self._lost_at_ms: int | None = None
        self._is_lost = False

    @property
    def is_started(self) -> bool:
        """Tell whether the tuner has answered since the port was opened."""
        return self._started

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing is asked: what the tuner says can wait for a moment."""
        return self._begin_ms is None and not self._commands

    def outgoing(self) -> bytes:
        """Return, once, the bytes that are to be written to the line."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def start(self, now_ms: int) -> None:
        """Take note that the port has just been opened."""
        self._splitter.clear()
        self._commands.clear()
        self._out.clear()
        self._started = self._refused = False
        self._begin_ms = now_ms + self._timing.open_wait_ms
        self._quiet_at_ms = None  # until it has been tuned again

    def closed(self) -> None:
        """Take note that the port is gone; :meth:`start` tells when it is there again."""
        self._commands.clear()
        self._out.clear()
        self._begin_ms, self._quiet_at_ms, self._started = None, None, False

    def tune(self, khz: int, now_ms: int) -> None:
        """Ask for a frequency, now and after every restart of the tuner.

        Raises:
            ValueError: *khz* is no frequency.
        """
        if not 0 < khz < 10**7:
            raise ValueError(f"{khz} kHz is no frequency")
        self._wanted_khz, self._refused = khz, False
        if self._lost_at_ms is None and not self._is_lost:
            self._since_ms, self._lost_at_ms = now_ms, now_ms + self._timing.lost_ms
        if self._may_ask():
            self._ask_frequency(now_ms)

    def rest(self) -> None:
        """Want no frequency, and miss nothing; the tuner stays where it stands."""
        self._wanted_khz = self._quiet_at_ms = self._lost_at_ms = None

    def feed(self, data: bytes, now_ms: int) -> list[Event]:
        """Take bytes from the line and return what they tell, oldest first."""
        events: list[Event] = []
        for raw in self._splitter.feed(data):
            line = parse_line(raw)
            if line is not None:
                events += self._take(line, now_ms)
        return events

    def tick(self, now_ms: int) -> list[Event]:
        """Let time pass: begin, repeat or give up commands, miss the tuner."""
        events: list[Event] = []
        if self._begin_ms is not None and now_ms >= self._begin_ms:
            self._begin_ms = None
            self._push("x", now_ms)
        events += self._repeat(now_ms)
        if self._quiet_at_ms is not None and now_ms >= self._quiet_at_ms:
            self._quiet_at_ms = None
            events.append(Quiet(now_ms - self._since_ms))
        if self._lost_at_ms is not None and now_ms >= self._lost_at_ms:
            self._lost_at_ms, self._is_lost = None, True
            events.append(Lost(now_ms - self._since_ms))
        return events

    def next_deadline(self) -> int | None:
        """Return when to call :meth:`tick` at the latest, None for never."""
        times = [self._begin_ms, self._quiet_at_ms, self._lost_at_ms]
        times += [command.deadline_ms for command in self._commands]
        return min((each for each in times if each is not None), default=None)

    # --- lines

    def _take(self, line: Line, now_ms: int) -> list[Event]:
        match line:
            case Started():
                return self._start_answered(now_ms)
            case Quality():
                return self._hear(line, now_ms)
            case Tuned(khz):
                self._settle("T", khz, now_ms)
                return [line]
            case Echo(letter, value):
                self._settle(letter, value, now_ms)
                return []
        return [line]

    def _hear(self, line: Quality, now_ms: int) -> list[Event]:
        # A tuner that was never restarted goes on sending, and may leave our start unanswered.
        events = [] if self._started or self._begin_ms is not None else self._start_answered(now_ms)
        self.dialect = line.dialect
        self._since_ms = now_ms
        if self._wanted_khz is not None:
            self._quiet_at_ms = now_ms + self._timing.quiet_ms
            self._lost_at_ms = now_ms + self._timing.lost_ms
        if self._is_lost:
            self._is_lost = False
            events.append(Back())
        return [*events, line]

    def _start_answered(self, now_ms: int) -> list[Event]:
        if self._begin_ms is not None:
            return []  # a left-over from before; our own start is still to come
        self._drop("x", now_ms)
        if self._started:
            return []
        self._started = True
        for text in self._setup:
            self._push(text, now_ms)
        if self._may_ask():
            self._ask_frequency(now_ms)
        return [Started()]

    # --- commands

    def _may_ask(self) -> bool:
        return self._started and self._wanted_khz is not None

    def _ask_frequency(self, now_ms: int) -> None:
        for command in [c for c in self._commands if c.text.startswith("T")]:
            self._commands.remove(command)
        self._push(f"T{self._wanted_khz}", now_ms)

    def _push(self, text: str, now_ms: int) -> None:
        if len(text) > MAX_COMMAND:
            raise ValueError(f"a command of {len(text)} characters: {text[:MAX_COMMAND]}")
        self._commands.append(_Command(text, self._timing.tries))
        self._send_first(now_ms)

    def _send_first(self, now_ms: int) -> None:
        """Send the first command, if it has not been: the tuner's buffer holds only one."""
        if not self._commands or self._commands[0].deadline_ms is not None:
            return
        command = self._commands[0]
        if command.tries_left < self._timing.tries:
            self._out += b"\n"  # ends whatever a lost byte may have left in the tuner's buffer
        command.tries_left -= 1
        command.deadline_ms = now_ms + self._timing.echo_ms
        self._out += command.text.encode() + b"\n"

    def _settle(self, letter: str, value: int, now_ms: int) -> None:
        """Strike the command that this line answers; another frequency than ours is undone."""
        head = self._commands[0] if self._commands else None
        waiting = head is not None and head.deadline_ms is not None and head.text[0] == letter
        if letter != "T":
            if waiting and head is not None:
                self._drop(head.text, now_ms)
            return
        is_ours = self._wanted_khz is not None and value == self._wanted_khz // STEP_KHZ * STEP_KHZ
        if waiting and is_ours and head is not None:
            self._drop(head.text, now_ms)
            self._quiet_at_ms = now_ms + self._timing.quiet_ms
        elif not (waiting or is_ours or self._refused) and self._may_ask():
            self._ask_frequency(now_ms)  # somebody turned the knob, or the tuner restarted

    def _drop(self, text: str, now_ms: int) -> None:
        if self._commands and self._commands[0].text == text:
            self._commands.popleft()
            self._send_first(now_ms)

    def _repeat(self, now_ms: int) -> list[Event]:
        head = self._commands[0] if self._commands else None
        if head is None or head.deadline_ms is None or now_ms < head.deadline_ms:
            return []
        if head.tries_left > 0:
            head.deadline_ms = None
            self._send_first(now_ms)
            return []
        self._commands.popleft()
        if head.text == "x":
            return [Quiet(self._timing.tries * self._timing.echo_ms)]
        if head.text == f"T{self._wanted_khz}":
            self._refused = True  # out of its range: asking again would not help
        self._send_first(now_ms)
        return [Rejected(head.text)]


def to_reading(event: Event) -> MachineEvent | None:
    """Return what the fallback machine should be told of a tuner's event, None for nothing."""
    match event:
        case Quality(level_cdbuv=level, cci_permille=cci):
            return SignalRead(level, cci)
        case Pi(value=value, certainty=certainty):
            return PiRead(value, certainty)
        case Tuned(khz=khz):
            return TunerTuned(khz)
        case Quiet() | Lost():
            return TunerQuiet()
    return None
