"""The player: a process of its own that plays what the agent tells it, and nothing else.

    python -m loa_endpoint.audio.player --sink wav:/tmp/horn.wav --line-in fifo:/tmp/fm

One loop, 5 times a second while files sound (10 with what arrives as it is heard, 20 with a sound
card, 50 while a source is late): take commands, render, write, report. Waking up costs more than
what is done then. What is to happen between two rounds falls on its exact sample all the same.
Files are decoded ahead by threads; nothing in the loop waits for a disk, a lock or the agent. It
ends when its standard input closes.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Final, NoReturn

import numpy as np

from loa_endpoint.audio.black_box import BlackBox
from loa_endpoint.audio.capture import CardCapture
from loa_endpoint.audio.desk import Desk
from loa_endpoint.audio.ear import Ear
from loa_endpoint.audio.line_in import Capture, FifoCapture, LineIn, PatientCapture
from loa_endpoint.audio.messages import (
    Beat,
    Clock,
    Command,
    Event,
    Fault,
    ItemMeasured,
    LineInLevel,
    Quit,
    Ready,
)
from loa_endpoint.audio.mixer import Mixer
from loa_endpoint.audio.pipes import CommandPipe, EventPipe
from loa_endpoint.audio.sink import MOST, Sink
from loa_endpoint.audio.sink_url import KINDS, look_for_sink, open_sink
from loa_endpoint.audio.written_monitor import SoundWatch
from loa_endpoint.memory import keep_room, settle
from loa_protocol.errors import ConfigError, StoreError
from loa_sound.blocks import BLOCK, RATE, Samples

BEAT: Final = RATE * 2 // 5
"""Samples between two signs of life, and between two looks at a line-in that does not sound."""
LAG_LIMIT_NS: Final = 500_000_000
"""A file sink that is this late skips what it missed, as a card would have run dry."""
ORPHAN_S: Final = 2.0
"""How long a loop that is stuck in its device outlives the agent."""
HEAP_ROOM: Final = 1 << 20
"""Bytes: what a round takes and frees. Half of it left a fifth of the processor time to faults."""
EXIT_CONFIG: Final = 2
EXIT_SINK: Final = 4
WAITING: Final = Beat(samples=0, at_ns=0, source="", position_ms=0, rms_dbfs=-120.0, xruns=0)
"""Said while the sink's card is away: this process lives, and sounds nowhere."""
VIRTUAL_EPOCH_NS: Final = 1_000_000_000
_SECOND: Final = 1_000_000_000


class Player:
    """The loop between the pipes, the desk and the sink."""

    def __init__(
        self,
        sink: Sink,
        line_in: LineIn | None,
        commands: CommandPipe,
        events: EventPipe,
        ear: Ear | None = None,
        black_box: BlackBox | None = None,
    ) -> None:
        self._sink, self._line_in, self._black_box = sink, line_in, black_box
        self._commands, self._events = commands, events
        self._buffer: Samples = np.zeros(MOST, dtype=np.float32)
        self._block = self._buffer[: sink.block]
        self._desk = Desk(Mixer(), sink, self._emit, line_in)
        self._sound_watch = SoundWatch(self._emit, ear)
        self._desk.on_mixed = self._sound_watch.mixed
        self._written = 0
        self._unheard = 0
        self._unreported = BEAT  # the first at once: until it plays, a stall is given 3 s
        self._sink_failed = False
        self._quitting = False

    def run(self) -> int:
        """Play in real time until told to quit or left alone; return the exit code."""
        mixer = self._desk.mixer
        mixer.now = max(0, self._due(time.monotonic_ns()))
        self._report_ready()
        try:
            while not self._desk.over:
                self._wait_for_block()
                with self._events.together():
                    self._choose_block()
                    if self._line_in is not None:
                        self._pump(self._line_in)
                    self._play_block()
                    if self._unreported >= BEAT:
                        self._unreported = 0
                        self._desk.beat(self._written, time.monotonic_ns())
        except BrokenPipeError:
            return 0  # the agent is gone
        except OSError as error:
            self._emit(Fault(name="sink", detail=str(error)[:500]))
            return EXIT_SINK
        finally:
            self._sink.close()
            self._close_black_box()
        return 0

    def run_virtual(self) -> int:
        """Play as fast as possible: time is what has been rendered, the commands come first."""
        self._report_ready()
        for command in self._commands.take_all():
            self._handle(command)
        self._report_refused()
        while not self._desk.over and not self._desk.is_idle:
            self._desk.wait_for_sounds(len(self._block))
            self._play_block()
        self._desk.beat(self._written, self._instant(self._desk.now))
        self._sink.close()
        self._close_black_box()
        return 0

    def _emit(self, event: Event) -> None:
        if self._black_box is not None and isinstance(event, ItemMeasured):
            self._black_box.end_item(event)  # which tells it with the files that cover it
        else:
            self._events.send(event)

    def _handle(self, command: Command) -> None:
        if not isinstance(command, Clock):
            self._desk.handle(command)
        elif self._black_box is not None:
            self._black_box.set_clock(command)

    def _close_black_box(self) -> None:
        if self._black_box is not None:
            with contextlib.suppress(BrokenPipeError):
                for event in self._black_box.close():
                    self._events.send(event)

    def _due(self, now_ns: int) -> int:
        return -((self._sink.epoch_ns - now_ns) * RATE // _SECOND)

    def _instant(self, sample: int) -> int:
        return self._sink.epoch_ns + sample * _SECOND // RATE

    def _report_ready(self) -> None:
        at_ns = self._instant(self._desk.now)
        self._emit(Ready(pid=os.getpid(), epoch_ns=self._sink.epoch_ns, at_ns=at_ns))

    def _report_refused(self) -> None:
        for refused in self._commands.refused:
            self._emit(Fault(name="command", detail=refused))
        self._commands.refused.clear()

    def _wait_for_block(self) -> None:
        """Take commands until the next block is due: at once where the sink keeps the time."""
        due_ns = self._instant(self._desk.now)
        while True:
            left_ms = 0.0 if self._sink.paces else (due_ns - time.monotonic_ns()) / 1e6
            for command in self._commands.take(max(0.0, left_ms)):
                self._handle(command)
            if self._commands.refused:
                self._report_refused()
            if self._commands.closed and not self._quitting:
                self._quitting = True
                self._desk.handle(Quit())
            if left_ms <= 0:
                break
        if -left_ms * 1e6 > LAG_LIMIT_NS:
            self._skip_missed()

    def _choose_block(self) -> None:
        """Take short steps while something waits to start, and when the agent is about to speak.

        Steps are long while nothing has to be waited for: then what the agent asks for now is heard
        200 ms later at most, and an alert has 500 (MSG-3).
        """
        desk = self._desk
        if desk.mixer.is_waiting or self._written < RATE:
            length = BLOCK
        elif self._sink.paces or not desk.is_calm:
            length = self._sink.block
        else:
            length = MOST
        self._block = self._buffer[:length]

    def _skip_missed(self) -> None:
        missed = self._due(time.monotonic_ns()) - self._desk.now
        self._desk.skip(missed - missed % BLOCK)
        self._desk.sink_xruns += 1

    def _pump(self, line_in: LineIn) -> None:
        self._unheard += len(self._block)
        tells_anyway = self._unreported + len(self._block) >= BEAT  # one write, one wake
        if not tells_anyway and not self._desk.hears_line_in:
            return
        passed, self._unheard = self._unheard, 0
        try:
            line_in.pump(passed)
        except OSError as error:  # said once; it is looked for again
            self._emit(Fault(name="line_in", detail=str(error)[:500]))
        if (level := line_in.take_level()) is not None:
            self._emit(
                LineInLevel(
                    rms_dbfs=round(level.rms_dbfs, 1),
                    flatness=round(level.flatness, 3),
                    at_ns=time.monotonic_ns(),
                )
            )

    def _play_block(self) -> None:
        sample = self._desk.now
        self._desk.render(self._block)
        xruns = self._sink.xruns
        try:
            self._sink.write(sample, self._block)
            self._written += len(self._block)
            self._sink_failed = False
        except StoreError as error:
            if not self._sink_failed:
                self._sink_failed = True
                self._emit(Fault(name="sink", detail=str(error)[:500]))
        self._sound_watch.wrote(self._block, self._desk.expected, self._instant(sample))
        self._desk.sink_xruns += self._sink.xruns - xruns
        self._desk.sink_drift_ppm = self._sink.drift_ppm
        self._unreported += len(self._block)
        if self._black_box is not None:
            if not self._sink_failed:  # last: it wakes a thread, which the monitors would hold up
                self._black_box.feed(sample, self._block)
            for event in self._black_box.take_events():
                self._events.send(event)


def find_capture(url: str) -> Callable[[], Capture]:
    """Return what opens a line-in by its URL: ``fifo:PATH`` or ``pyaudio:DEVICE``.

    Raises:
        ConfigError: There is no such kind.
    """
    kind, _, rest = url.partition(":")
    if kind == "fifo" and rest:
        return lambda: FifoCapture(Path(rest))
    if kind == "pyaudio" and rest:
        return lambda: CardCapture(rest)
    raise ConfigError("line-in", [f"{url!r} is neither fifo:PATH nor pyaudio:DEVICE"])


USAGE: Final = f"""usage: python -m loa_endpoint.audio.player --sink URL [--line-in URL] [...]
  --sink URL             {KINDS}
  --line-in URL          fifo:PATH (raw s16le, mono, 48 kHz) or pyaudio:DEVICE
  --ear URL              a microphone at the pole, likewise; what it hears never leaves here
  --black-box FOLDER     keep what was written, two weeks of it
  --epoch-ns N           CLOCK_MONOTONIC instant of sample 0 of a new file
  --as-fast-as-possible  virtual time: all commands are read first; sample 0 is at 1 s
"""


@dataclass(slots=True)
class _Options:
    sink: str = ""
    line_in: str = ""
    ear: str = ""
    black_box: str = ""
    epoch_ns: int | None = None
    virtual: bool = False


def _parse(arguments: Sequence[str]) -> _Options:
    """Read the command line by hand: argparse brings 4 MB of modules into every player.

    Raises:
        ConfigError: An argument is unknown, or has no value, or a wrong one.
    """
    options, rest = _Options(), list(arguments)
    while rest:
        name = rest.pop(0)
        if name == "--as-fast-as-possible":
            options.virtual = True
        elif name not in ("--sink", "--line-in", "--ear", "--black-box", "--epoch-ns") or not rest:
            raise ConfigError("arguments", [f"{name}: unknown, or without its value", USAGE])
        elif name == "--epoch-ns":
            if not rest[0].isdecimal():
                raise ConfigError("arguments", [f"{name}: {rest[0]!r} is not a number"])
            options.epoch_ns = int(rest.pop(0))
        else:
            setattr(options, name[2:].replace("-", "_"), rest.pop(0))
    if not options.sink:
        raise ConfigError("arguments", ["--sink is missing", USAGE])
    return options


def main(arguments: Sequence[str]) -> int:
    """Run a player on standard input and output; return the exit code."""
    commands, events = CommandPipe(sys.stdin.fileno()), EventPipe(sys.stdout.fileno())
    try:
        options = _parse(arguments)
        epoch_ns = options.epoch_ns
        if options.virtual and epoch_ns is None:
            epoch_ns = VIRTUAL_EPOCH_NS
        open_line_in = find_capture(options.line_in) if options.line_in else None
        open_ear = find_capture(options.ear) if options.ear else None
        sink = _open_sink(options, epoch_ns, commands, events)
    except BrokenPipeError:
        return 0  # the agent has gone while a card was waited for
    except (ConfigError, OSError) as error:
        events.send(Fault(name="config", detail=str(error)[:500]))
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIG
    line_in = LineIn(PatientCapture(open_line_in), sink.block) if open_line_in else None
    ear = Ear(PatientCapture(open_ear)) if open_ear else None
    box = None
    if options.black_box:
        box = BlackBox(Path(options.black_box), sink, is_virtual=options.virtual)
    player = Player(sink, line_in, commands, events, ear, box)
    if options.virtual:
        return player.run_virtual()
    _prepare_process()
    return player.run()


def _open_sink(
    options: _Options, epoch_ns: int | None, commands: CommandPipe, events: EventPipe
) -> Sink:
    """Open the sink, waiting for its card where that is away; say so, and that this goes on.

    Raises:
        ConfigError: It can never be opened like this.
        BrokenPipeError: The agent has gone meanwhile.
        OSError: There is no card, and time is virtual.
    """

    def tell(fault: str, name: str = "sink") -> None:
        events.send(Fault(name=name, detail=fault[:500]))

    def rest(seconds: float) -> None:
        events.send(WAITING)
        commands.take(seconds * 1000)  # there is nothing yet that could carry them out
        if commands.closed:
            raise BrokenPipeError

    def open_it() -> Sink:
        return open_sink(
            options.sink,
            epoch_ns=epoch_ns,
            now_ns=time.monotonic_ns(),
            is_virtual=options.virtual,
            tell=lambda fault: tell(fault, "second_sink"),
        )

    return open_it() if options.virtual else look_for_sink(open_it, tell, rest)


def _prepare_process() -> None:
    """Leave Ctrl-C to the agent, watch for orphanhood, and spare the collector what is for good."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_agent, name="orphan", daemon=True).start()
    keep_room(HEAP_ROOM)
    settle()
    sys.setswitchinterval(0.001)  # s; a decoding thread gives way within a tenth of a block


def _end_with_agent() -> None:
    """Wait for standard input to close, then end the process even if its loop hangs in a device."""
    watch = select.poll()
    watch.register(sys.stdin.fileno(), 0)  # only what is reported always: that it hung up
    watch.poll()
    time.sleep(ORPHAN_S)
    os._exit(EXIT_SINK)


def end_process(code: int) -> NoReturn:
    """End now: threads may sit in a codec or a device, and need not be waited for."""
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    end_process(main(sys.argv[1:]))
