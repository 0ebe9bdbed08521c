"""One pole's hardware put together: air, tuner, line-in, line board, modem and bench cable.

The wiring of this room: it joins the models with their terminals, carries out the fault script and
tells what happens, one fact a call, to whoever runs it.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from loa_hwsim.air import Air, Transmitter
from loa_hwsim.amplifier import Amplifier, LineRating, SpeakerLine
from loa_hwsim.amplifier_port import AmplifierPort
from loa_hwsim.cable import Cable, CableLine, End
from loa_hwsim.device import Device
from loa_hwsim.ear import Ear
from loa_hwsim.faults import Change, Fault, FaultPlan, Kind, Place
from loa_hwsim.line_board import LineBoard
from loa_hwsim.line_in import LineIn
from loa_hwsim.modem import Modem, SmsNetwork
from loa_hwsim.noise import Samples
from loa_hwsim.sms_folder import put_message, take_messages
from loa_hwsim.transcript import Transcript
from loa_hwsim.transport import Clock, Record, SerialLine, Terminal
from loa_hwsim.tuner import Tuner
from loa_protocol import amplifier_map, line_map
from loa_protocol.errors import StoreError

LISTEN_S: Final = 0.1
SCRIPT_STEP_S: Final = 0.05
SMS_STEP_S: Final = 0.1
TUNER_BAUD: Final = 115_200
MODEM_BAUD: Final = 115_200
BENCH_BAUD: Final = 115_200
_FAULT_SEED: Final = 7919  # so that fault bytes do not repeat the devices' own noise

Report = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSetting:
    """What a pole's hardware is like.

    Attributes:
        folder: Gets ``tuner``, ``bus``, ``amplifier``, ``modem``, ``bench``, ``technician`` and
            ``linein.fifo``; messages come in by its folder ``sms`` and go out by ``sms/sent``.
        hears: The WAV file that the agent's sound card writes.
        transcript: Whether ``transcript.log`` is written: time, line and direction, bytes.
        seed: Of all noise and chance; the same seed gives the same.
    """

    folder: Path
    hears: Path
    transmitters: tuple[Transmitter, ...] = ()
    faults: FaultPlan
    address: int = 20
    rating: LineRating = LineRating()
    idle_ms: float | None = None
    wake_ms: float = 300.0
    boot_ms: float = 0.0
    seed: int = 0
    transcript: bool = False
    network: SmsNetwork = field(default_factory=SmsNetwork)


class Board:
    """The simulated hardware of one pole."""

    def __init__(self, setting: BoardSetting, clock: Clock, report: Report) -> None:
        self._setting, self._clock, self._report = setting, clock, report
        self._random = random.Random(setting.seed + _FAULT_SEED)
        self._faults = setting.faults
        folder, faults = setting.folder, setting.faults
        try:
            folder.mkdir(parents=True, exist_ok=True)
            transcript = Transcript(folder / "transcript.log") if setting.transcript else None
        except OSError as error:
            raise StoreError(str(folder), error.strerror or str(error)) from error
        self._transcript = transcript
        record = transcript.note if transcript else None
        air = Air(setting.transmitters, faults=faults)
        self.tuner = Tuner(air, seed=setting.seed, boot_ms=setting.boot_ms)
        amplifier = Amplifier(
            setting.rating, faults, wake_ms=setting.wake_ms, idle_ms=setting.idle_ms
        )
        line = SpeakerLine(setting.rating, faults)
        self.line_board = LineBoard(amplifier, line, address=setting.address, seed=setting.seed)
        lines = functools.partial(_line, folder, clock, record)
        self._tuner_line = lines("tuner", self.tuner, TUNER_BAUD)
        self._bus_line = lines("bus", self.line_board, line_map.BAUD, is_strict=True)
        port = AmplifierPort(amplifier)
        self._amplifier_line = lines("amplifier", port, amplifier_map.BAUD)
        self.modem = Modem(setting.network)
        self._modem_line = lines("modem", self.modem, MODEM_BAUD)
        self._cable = CableLine(
            {End.BOARD: folder / "bench", End.TECHNICIAN: folder / "technician"},
            Cable(seed=setting.seed),
            clock,
            baud=BENCH_BAUD,
            record=record,
        )
        self._line_in = LineIn(
            folder / "linein.fifo", self._line_in_sound, clock, on_change=self._tell
        )
        self._ear = Ear(setting.hears)
        self._was_deaf = False

    async def run(self) -> None:
        """Run until cancelled; everything that was put into the folder goes away at the end."""
        self._plug()
        try:
            self._report(self._ready())
            async with asyncio.TaskGroup() as group:
                group.create_task(self._line_in.run())
                group.create_task(self._listen())
                group.create_task(self._follow_script())
                group.create_task(self._carry_messages())
        finally:
            self._unplug()

    # -- what runs -------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            await asyncio.sleep(LISTEN_S)
            self.line_board.hear(self._ear.listen(), self._clock.now_ms())
            if self._ear.is_deaf and not self._was_deaf:
                self._tell("ear_deaf")
            self._was_deaf = self._ear.is_deaf

    async def _carry_messages(self) -> None:
        folder, told = self._setting.folder / "sms", 0
        while True:
            for pdu in take_messages(folder):
                self.modem.text(pdu, self._clock.now_ms())
                self._modem_line.poke()
            for pdu in self.modem.sent[told:]:
                put_message(folder / "sent", pdu)
            told = len(self.modem.sent)
            await asyncio.sleep(SMS_STEP_S)

    async def _follow_script(self) -> None:
        while (next_ms := self._faults.next_change_ms()) is not None:
            # in short steps: simulated time need not run with the event loop's
            wait_s = (next_ms - self._clock.now_ms()) / 1000
            await asyncio.sleep(min(max(wait_s, 0.0), SCRIPT_STEP_S))
            for change in self._faults.take_changes(self._clock.now_ms()):
                if act := _ACTS.get(change.fault.kind):
                    act(self, change.fault, change.begins)
                self._report(_told(change))

    def _line_in_sound(self, start_ms: float, count: int) -> Samples:
        if self._faults.standing(Place.LINE_IN, start_ms) or not self._tuner_line.is_plugged:
            return np.zeros(count, dtype=np.float32)
        return self.tuner.sound(start_ms, count)

    # -- faults that a device does not look up by itself -----------------------

    def _unplug_tuner(self, _fault: Fault, begins: bool) -> None:
        self.tuner.power_cycle(self._clock.now_ms())
        if begins:
            self._tuner_line.unplug()
        else:
            self._tuner_line.plug()

    def _mute_tuner(self, _fault: Fault, begins: bool) -> None:
        self._tuner_line.is_stalled = begins

    def _reset_tuner(self, _fault: Fault, _begins: bool) -> None:
        self.tuner.power_cycle(self._clock.now_ms())
        self._tuner_line.poke()

    def _unplug_modem(self, _fault: Fault, begins: bool) -> None:
        self.modem.power_cycle(self._clock.now_ms())
        if begins:
            self._modem_line.unplug()
        else:
            self._modem_line.plug()

    def _mute_modem(self, _fault: Fault, begins: bool) -> None:
        self._modem_line.is_stalled = begins

    def _remove_sim(self, _fault: Fault, begins: bool) -> None:
        self.modem.has_sim = not begins
        self._modem_line.poke()

    def _unplug_cable(self, _fault: Fault, begins: bool) -> None:
        if begins:
            self._cable.unplug()
        else:
            self._cable.plug()

    def _throw_garbage(self, fault: Fault, _begins: bool) -> None:
        noise = self._random.randbytes(int(fault.number("bytes")))
        line = self._cable if fault.place is Place.BENCH else self._serial(fault.place)
        line.inject(noise)

    def _slow_down(self, fault: Fault, begins: bool) -> None:
        factor = fault.number("factor") if begins else 1.0
        if fault.place is Place.BENCH:
            pacers = list(self._cable.pacers.values())
        else:
            pacers = [self._serial(fault.place).pacer]
        for pacer in pacers:
            pacer.slowness = factor

    def _echo(self, fault: Fault, begins: bool) -> None:
        if fault.place is Place.BENCH:
            self._cable.cable.echoing = frozenset(End) if begins else frozenset()
        else:
            self._serial(fault.place).is_echoing = begins

    def _serial(self, place: Place) -> SerialLine:
        lines = {Place.TUNER: self._tuner_line, Place.MODEM: self._modem_line}
        return lines.get(place, self._bus_line)

    # -- putting there and taking away -----------------------------------------

    def _plug(self) -> None:
        self._line_in.plug()
        self._tuner_line.plug()
        self._bus_line.plug()
        self._amplifier_line.plug()
        self._modem_line.plug()
        self._cable.plug()

    def _unplug(self) -> None:
        self._tuner_line.unplug()
        self._bus_line.unplug()
        self._amplifier_line.unplug()
        self._modem_line.unplug()
        self._cable.unplug()
        self._line_in.unplug()
        self._ear.close()
        if self._transcript:
            self._transcript.close()

    def _ready(self) -> dict[str, object]:
        folder = self._setting.folder.absolute()
        ports = {
            name: str(folder / name)
            for name in ("tuner", "bus", "amplifier", "modem", "bench", "technician")
        }
        return {
            "event": "ready",
            "at": int(self._clock.now_ms()),
            **ports,
            "linein": f"fifo:{folder / 'linein.fifo'}",
            "hears": str(self._setting.hears.absolute()),
            "address": self._setting.address,
            "seed": self._setting.seed,
        }

    def _tell(self, event: str) -> None:
        self._report({"event": event, "at": int(self._clock.now_ms())})


_ACTS: Final[Mapping[Kind, Callable[[Board, Fault, bool], None]]] = {
    Kind.TUNER_UNPLUG: Board._unplug_tuner,
    Kind.TUNER_MUTE: Board._mute_tuner,
    Kind.TUNER_RESET: Board._reset_tuner,
    Kind.CABLE_UNPLUG: Board._unplug_cable,
    Kind.MODEM_UNPLUG: Board._unplug_modem,
    Kind.MODEM_MUTE: Board._mute_modem,
    Kind.SIM_REMOVED: Board._remove_sim,
    Kind.GARBAGE: Board._throw_garbage,
    Kind.SLOW_LINE: Board._slow_down,
    Kind.ECHO: Board._echo,
}


def _line(
    folder: Path,
    clock: Clock,
    record: Record | None,
    name: str,
    device: Device,
    baud: int,
    *,
    is_strict: bool = False,
) -> SerialLine:
    """Return the line to *device* on a terminal of its own name."""
    terminal = Terminal(folder / name)
    return SerialLine(name, terminal, device, clock, baud=baud, record=record, is_strict=is_strict)


def _told(change: Change) -> dict[str, object]:
    fault = change.fault
    told: dict[str, object] = {
        "event": "fault",
        "at": change.when_ms,
        "kind": fault.kind.value,
        "device": fault.place.value,
        "begins": change.begins,
        **fault.numbers,
    }
    if fault.frequency_khz:
        told["frequency_khz"] = fault.frequency_khz
    return told
