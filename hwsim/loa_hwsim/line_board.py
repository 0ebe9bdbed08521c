"""The line-supervision board: a Modbus slave that measures the loudspeaker line.

Two things at once: it tests the line's impedance with a tone of its own at intervals, and it
measures all the time what voltage and current the amplifier really sends out. Register map:
:mod:`loa_protocol.line_map`, ``docs/protocol/line-board.md``.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from loa_hwsim.amplifier import Amplifier, SpeakerLine
from loa_hwsim.device import Output
from loa_hwsim.noise import Samples
from loa_protocol.line_map import (
    MAP_VERSION,
    LineCommand,
    LineHolding,
    LineReading,
    LineState,
)
from loa_protocol.modbus import (
    ExceptionCode,
    Function,
    Request,
    RequestDecoder,
    crc16,
    exception_reply,
    reply,
)

RATE: Final = 48_000
TEST_MS: Final = 300.0  # how long an impedance test takes
TURNAROUND_MS: Final = 5.0
# Longer than the 3.5 characters of the standard: pseudo-terminals and a busy machine tear frames
SILENCE_MS: Final = 50.0
_WINDOW_MS: Final = 1000.0
_OPEN_OHM: Final = 4000.0
_SHORT_OHM: Final = 2.0
_EARTH_KOHM: Final = 30
_RATIO_20K: Final = 0.62  # cable capacity lowers |Z| at 20 kHz
_SPREAD: Final = 0.003  # of repeated measurements
_HOLDING_LIMITS: Final = {
    LineHolding.INTERVAL: range(5, 0xFFFF),
    LineHolding.TOLERANCE: range(10, 1000),
    LineHolding.COMMAND: range(1, 4),
}


class _Chunk(NamedTuple):
    """A piece of sound on the line: its span, and its squares summed over the samples."""

    end_ms: float
    length_ms: float
    volts2: float
    amperes2: float

    def share(self, since_ms: float) -> float:
        """Return how much of the piece lies after *since_ms*, from 0 to 1."""
        return min(max((self.end_ms - since_ms) / self.length_ms, 0.0), 1.0)


class LineBoard:
    """One board on the bus; *is_calibrated* false asks the technician to calibrate first."""

    def __init__(
        self,
        amplifier: Amplifier,
        line: SpeakerLine,
        *,
        address: int = 20,
        seed: int = 0,
        is_calibrated: bool = True,
    ) -> None:
        self._amplifier, self._line, self._address = amplifier, line, address
        self._random = random.Random(seed)
        self._decoder = RequestDecoder()
        self._holding = {LineHolding.INTERVAL: 90, LineHolding.TOLERANCE: 150}
        self._started_ms: float | None = None
        self._heard_byte_ms: float | None = None
        self._test_due_ms = 0.0
        self._impedance_ohm = math.inf
        self._reference_ohm: float | None = None
        self._is_calibrated = is_calibrated
        self._state = LineState.NOT_CALIBRATED
        self._is_latched = False
        self._chunks: deque[_Chunk] = deque()

    # -- the line --------------------------------------------------------------

    def hear(self, samples: Samples, now_ms: float) -> None:
        """Take what the sound card put out; the last of *samples* sounded at *now_ms*.

        At most the last second counts; a card that stood still was silent.
        """
        if not len(samples):
            return
        recent = samples[-RATE:]
        gain = 0.0 if self._is_latched else self._amplifier.volts_per_full_scale(recent, now_ms)
        impedance = self._line.impedance_ohm(now_ms)
        if gain and impedance < _SHORT_OHM and np.any(recent):
            self._trip()
            gain = 0.0
        volts2 = float(np.sum(np.square(recent, dtype=np.float64))) * gain**2
        length_ms = len(recent) / RATE * 1000
        self._chunks.append(_Chunk(now_ms, length_ms, volts2, volts2 / impedance**2))
        self._forget(now_ms)

    def reading(self, now_ms: float) -> LineReading:
        """Return what the input registers say."""
        volts, amperes = self._rms(now_ms)
        impedance = None if self._impedance_ohm > _OPEN_OHM else self._impedance_ohm
        return LineReading(
            version=MAP_VERSION,
            state=self._state,
            impedance_1k_ohm=impedance,
            impedance_20k_ohm=None if impedance is None else impedance * _RATIO_20K,
            reference_ohm=self._reference_ohm,
            deviation_percent=self._deviation() * 100,
            earth_kohm=self._line.earth_kohm(now_ms),
            temperature_c=31.5,
            pilot_mv=640,
            tamper_count=0,
            uptime_s=int((now_ms - (self._started_ms or now_ms)) / 1000),
            config_crc=self._config_crc(),
            level_mv=round(volts * 1000),
            current_ma=round(amperes * 1000),
        )

    # -- the bus ---------------------------------------------------------------

    def feed(self, data: bytes, now_ms: float) -> list[Output]:
        """Take bytes from the bus; return the replies to requests for this board."""
        outputs = self.advance(now_ms)
        self._heard_byte_ms = now_ms
        return outputs + self._answer_all(self._decoder.feed(data), now_ms)

    def advance(self, now_ms: float) -> list[Output]:
        """Run the impedance test that is due, and close a frame after a silence."""
        if self._started_ms is None:
            self._power_up(now_ms)
        if now_ms >= self._test_due_ms:
            self._test(now_ms)
        if self._heard_byte_ms is not None and now_ms >= self._heard_byte_ms + SILENCE_MS:
            self._heard_byte_ms = None
            return self._answer_all(self._decoder.end_frame(), now_ms)
        return []

    def next_deadline(self) -> float | None:
        """Return when the next test or the end of a frame is due."""
        if self._heard_byte_ms is None:
            return self._test_due_ms
        return min(self._test_due_ms, self._heard_byte_ms + SILENCE_MS)

    def _answer_all(self, requests: list[Request], now_ms: float) -> list[Output]:
        outputs = []
        for request in requests:
            if request.address in (0, self._address):
                answer = self._answer(request, now_ms)
                if request.address:  # a broadcast is obeyed in silence
                    outputs.append(Output(now_ms + TURNAROUND_MS, answer))
        return outputs

    def _answer(self, request: Request, now_ms: float) -> bytes:
        act = self._FUNCTIONS.get(request.function)
        if act is None:
            return exception_reply(request, ExceptionCode.ILLEGAL_FUNCTION)
        return act(self, request, now_ms)

    def _read_input(self, request: Request, now_ms: float) -> bytes:
        return _read(request, self.reading(now_ms).to_registers())

    def _read_holding(self, request: Request, _now_ms: float) -> bytes:
        return _read(request, [self._holding.get(each, 0) for each in LineHolding])

    def _write(self, request: Request, now_ms: float) -> bytes:
        if request.register not in list(LineHolding):
            return exception_reply(request, ExceptionCode.ILLEGAL_ADDRESS)
        register = LineHolding(request.register)
        if request.value not in _HOLDING_LIMITS[register]:
            return exception_reply(request, ExceptionCode.ILLEGAL_VALUE)
        if register is LineHolding.COMMAND:
            self._obey(LineCommand(request.value), now_ms)
        else:
            self._holding[register] = request.value
            self._test_due_ms = min(self._test_due_ms, now_ms + self._interval_ms)
        return reply(request)

    _FUNCTIONS: Final[dict[int, Callable[[LineBoard, Request, float], bytes]]] = {
        Function.READ_INPUT: _read_input,
        Function.READ_HOLDING: _read_holding,
        Function.WRITE_SINGLE: _write,
    }

    # -- measuring -------------------------------------------------------------

    @property
    def _interval_ms(self) -> float:
        return self._holding[LineHolding.INTERVAL] * 1000.0

    def _power_up(self, now_ms: float) -> None:
        self._started_ms = now_ms
        if self._is_calibrated:
            self._reference_ohm = self._line.rated_ohm * self._random.gauss(1.0, _SPREAD)
        self._test(now_ms)

    def _obey(self, command: LineCommand, now_ms: float) -> None:
        if command is LineCommand.RESET:
            self._is_latched = False
        if command is LineCommand.CALIBRATE:
            measured = self._measure(now_ms)
            self._reference_ohm = measured if _SHORT_OHM < measured < _OPEN_OHM else None
        self._test_due_ms = now_ms + TEST_MS

    def _test(self, now_ms: float) -> None:
        self._test_due_ms = now_ms + self._interval_ms
        self._impedance_ohm = self._measure(now_ms)
        if self._impedance_ohm < _SHORT_OHM:
            self._trip()
        self._state = self._judge(now_ms)

    def _trip(self) -> None:
        """Cut the line; it stays cut until a reset, even when the short has gone."""
        self._is_latched, self._state = True, LineState.SHORT

    def _judge(self, now_ms: float) -> LineState:
        earth = self._line.earth_kohm(now_ms)
        if self._is_latched:
            return LineState.SHORT
        if self._impedance_ohm > _OPEN_OHM:
            return LineState.OPEN
        if earth is not None and earth < _EARTH_KOHM:
            return LineState.EARTH
        if self._reference_ohm is None:
            return LineState.NOT_CALIBRATED
        is_off = abs(self._deviation()) * 1000 > self._holding[LineHolding.TOLERANCE]
        return LineState.DRIFT if is_off else LineState.OK

    def _measure(self, now_ms: float) -> float:
        return self._line.impedance_ohm(now_ms) * self._random.gauss(1.0, _SPREAD)

    def _deviation(self) -> float:
        if self._reference_ohm is None or math.isinf(self._impedance_ohm):
            return 0.0
        return self._impedance_ohm / self._reference_ohm - 1

    def _rms(self, now_ms: float) -> tuple[float, float]:
        self._forget(now_ms)
        since_ms = now_ms - _WINDOW_MS
        volts2 = sum(chunk.volts2 * chunk.share(since_ms) for chunk in self._chunks)
        amperes2 = sum(chunk.amperes2 * chunk.share(since_ms) for chunk in self._chunks)
        return math.sqrt(volts2 / RATE), math.sqrt(amperes2 / RATE)

    def _forget(self, now_ms: float) -> None:
        while self._chunks and self._chunks[0].end_ms <= now_ms - _WINDOW_MS:
            self._chunks.popleft()

    def _config_crc(self) -> int:
        words = [self._holding[LineHolding.INTERVAL], self._holding[LineHolding.TOLERANCE]]
        words.append(round((self._reference_ohm or 0) * 10))
        return crc16(b"".join(word.to_bytes(2, "big") for word in words))


def _read(request: Request, registers: list[int]) -> bytes:
    end = request.register + request.value
    if not request.value:
        return exception_reply(request, ExceptionCode.ILLEGAL_VALUE)
    if end > len(registers):
        return exception_reply(request, ExceptionCode.ILLEGAL_ADDRESS)
    return reply(request, registers[request.register : end])
