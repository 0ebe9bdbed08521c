"""The XDR-GTK tuner: text commands in, echoes, quality lines and RDS out, and its audio output.

Modelled after a board with the open firmware FM-DX-Tuner on a TEF668x, antenna switch and rotator
not fitted, scanning not modelled. What the firmware rejects it answers with nothing at all.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from loa_hwsim.air import RDS_SYNC_DBUV, Air
from loa_hwsim.device import Output
from loa_hwsim.noise import Noise, Samples
from loa_hwsim.xdr import FM_DX_TUNER, Dialect, PiVote, as_unsigned, leading_number
from loa_protocol.rds import CLEAN, CORRECTED, DOUBTFUL, GROUP_MS, LOST, Group

_AVERAGE_MS: Final = (0.0, 33.0, 66.0, 100.0)  # the chip averages the level over 100 ms
_FLUTTER_DB: Final = 0.2
_BLOCK_BITS: Final = 26
_NO_MODE, _FM, _AM = -1, 0, 1
_LOG_LIMIT: Final = 1000


@dataclass(slots=True)
class _Setting:
    """Everything a reset forgets."""

    mode: int = _NO_MODE
    frequency_khz: int = 0
    bandwidth_khz: int = 0  # 0 = automatic
    attenuation_db: int = 0
    volume: int = 100
    is_mono: bool = False
    squelch_dbf: int | None = None
    squelch_stereo: bool = False
    countdown: int = 1  # 0 = the squelch has closed
    quality_ms: int = 66
    started: bool = False
    ready_ms: float = 0.0
    quality_due_ms: float = 0.0
    squelch_due_ms: float = 0.0
    next_group: int = 0
    vote: PiVote = field(default_factory=PiVote)
    line: bytearray = field(default_factory=bytearray)


class Tuner:
    """One tuner on the air; *boot_ms* is how long it is deaf after power-up.

    ``rejected`` holds the commands that got no answer, for tests and transcripts.
    """

    def __init__(
        self, air: Air, *, dialect: Dialect = FM_DX_TUNER, seed: int = 0, boot_ms: float = 0.0
    ) -> None:
        self._air, self._dialect, self._boot_ms = air, dialect, boot_ms
        self._random = random.Random(seed)
        self._noise = Noise(seed)
        self._deaf_until_ms = 0.0
        self.rejected: list[bytes] = []
        self._now = _Setting()
        self._commands: dict[bytes, Callable[[bytes, float], bytes | None]] = {
            b"": lambda _args, _now: b"",  # an empty line cancels a scan
            b"x": lambda _args, _now: dialect.hello,
            b"X": self._stop,
            b"M": self._set_mode,
            b"T": self._tune,
            b"W": self._set_bandwidth,
            b"D": self._set_deemphasis,
            b"A": self._set_agc,
            b"V": self._set_attenuation,
            b"Y": self._set_volume,
            b"Q": self._set_squelch,
            b"B": self._set_output,
            b"I": self._set_interval,
            b"G": lambda args, _now: b"G" + args + b"\n",
        }

    @property
    def frequency_khz(self) -> int:
        """What is tuned, 0 when nothing is."""
        return self._now.frequency_khz if self._now.started and self._now.mode == _FM else 0

    def power_cycle(self, now_ms: float) -> None:
        """Forget everything, as after a reset or an unplugged cable."""
        self._now = _Setting()
        self._deaf_until_ms = now_ms + self._boot_ms

    def feed(self, data: bytes, now_ms: float) -> list[Output]:
        """Take command bytes; return the echoes of the commands they complete."""
        outputs = self.advance(now_ms)
        if now_ms < self._deaf_until_ms:
            return outputs
        for byte in data:
            line = self._now.line
            if byte != 0x0A:
                # a full buffer keeps overwriting its last place: a long command is clipped
                if len(line) == self._dialect.input_size:
                    line.pop()
                line.append(byte)
                continue
            command = bytes(line[: self._dialect.input_size - 1]).split(b"\0")[0]
            line.clear()
            echo = self._obey(command, now_ms)
            if echo:
                outputs.append(Output(max(now_ms, self._now.ready_ms), echo))
        return outputs

    def advance(self, now_ms: float) -> list[Output]:
        """Write the quality and RDS lines that are due."""
        outputs: list[Output] = []
        while (due := self._due()) is not None and due[0] <= now_ms:
            when, act = due
            outputs += [Output(when, line) for line in act(when)]
        return outputs

    def next_deadline(self) -> float | None:
        """Return when the next unsolicited line is due."""
        due = self._due()
        return due[0] if due else None

    def sound(self, start_ms: float, count: int) -> Samples:
        """Return *count* samples of the audio output from *start_ms* on.

        De-emphasis is taken as matched, the volume's taper as linear (the chip's table was not
        read); full scale is full deviation at volume 100.
        """
        if not self.frequency_khz or start_ms < self._now.ready_ms:
            return np.zeros(count, dtype=np.float32)
        sound = self._air.sound(self._now.frequency_khz, start_ms, count, self._noise)
        gain = self._now.volume / 100 if self._now.countdown else 0.0
        return sound * np.float32(gain)

    # -- commands --------------------------------------------------------------

    def _obey(self, command: bytes, now_ms: float) -> bytes | None:
        if self._now.started:
            act = self._commands.get(command[:1])
            echo = act(command[1:], now_ms) if act else None
        else:
            echo = self._start(now_ms) if command == b"x" else None
        if echo is None and len(self.rejected) < _LOG_LIMIT:
            self.rejected.append(command)
        return echo

    def _start(self, now_ms: float) -> bytes:
        state = self._now
        state.started, state.ready_ms = True, now_ms + self._dialect.start_ms
        state.quality_ms = self._dialect.quality_ms
        state.countdown = self._dialect.squelch_misses
        state.quality_due_ms = state.ready_ms + state.quality_ms
        state.squelch_due_ms = state.ready_ms + self._dialect.squelch_ms
        return self._dialect.hello

    def _stop(self, _args: bytes, _now_ms: float) -> bytes:
        self._now.started = False
        return b""

    def _set_mode(self, args: bytes, now_ms: float) -> bytes | None:
        mode = leading_number(args)
        if mode not in (_FM, _AM):
            return None
        state = self._now
        low, high, step = self._band(mode)
        state.mode = mode
        state.frequency_khz = min(max(state.frequency_khz, low), high)
        self._clear(now_ms)
        # the firmware compares the old frequency with the new step, so it always tells both
        return b"M%d\nT%d,%d\n" % (mode, state.frequency_khz, step)

    def _tune(self, args: bytes, now_ms: float) -> bytes | None:
        asked, state = leading_number(args), self._now
        for mode in (_FM, _AM):
            low, high, step = self._band(mode)
            if low <= asked <= high:
                break
        else:
            return None
        frequency = asked // step * step
        if abs(frequency - state.frequency_khz) > step:
            self._clear(now_ms)
        changed = b"M%d\n" % mode if mode != state.mode else b""
        state.mode, state.frequency_khz, state.attenuation_db = mode, frequency, 0
        return changed + b"T%d,%d\nV0\n" % (frequency, step)

    def _set_bandwidth(self, args: bytes, _now_ms: float) -> bytes | None:
        asked = leading_number(args)
        if self._now.mode != _FM:
            return None
        khz = self._dialect.nearest_bandwidth_khz(as_unsigned(asked) // 1000 & 0xFFFF)
        self._now.bandwidth_khz = khz if asked else 0
        return b"W%d\n" % (self._now.bandwidth_khz * 1000)

    def _set_deemphasis(self, args: bytes, _now_ms: float) -> bytes | None:
        value = leading_number(args)
        return b"D%d\n" % value if value in (0, 1, 2) else None

    def _set_agc(self, args: bytes, _now_ms: float) -> bytes | None:
        if self._now.mode == _NO_MODE:
            return None
        return b"A%d\n" % as_unsigned(leading_number(args))

    def _set_attenuation(self, args: bytes, _now_ms: float) -> bytes | None:
        if self._now.mode == _NO_MODE:
            return None
        self._now.attenuation_db = min((as_unsigned(leading_number(args)) + 3) // 6 * 6, 36)
        return b"V%d\n" % self._now.attenuation_db

    def _set_volume(self, args: bytes, _now_ms: float) -> bytes | None:
        value = leading_number(args)
        if not 0 <= value <= 100:
            return None
        self._now.volume = value
        return b"Y%d\n" % value

    def _set_squelch(self, args: bytes, _now_ms: float) -> bytes:
        value = leading_number(args)
        self._now.squelch_stereo = value < 0
        self._now.squelch_dbf = value if value > 0 else None
        if value == 0:
            self._now.countdown = self._dialect.squelch_misses
        return b"Q%d\n" % as_unsigned(value)

    def _set_output(self, args: bytes, _now_ms: float) -> bytes | None:
        value = leading_number(args)
        if value not in (0, 1, 2):
            return None
        self._now.is_mono = value != 0
        return b"B%d\n" % value

    def _set_interval(self, args: bytes, now_ms: float) -> bytes | None:
        value = leading_number(args)
        if not 0 <= value <= 1000:
            return None
        self._now.quality_ms = value
        self._now.quality_due_ms = now_ms + max(value, 1)
        return b"I%d\n" % value

    # -- what is written unasked -----------------------------------------------

    def _due(self) -> tuple[float, Callable[[float], list[bytes]]] | None:
        state = self._now
        if not state.started or state.mode == _NO_MODE:
            return None
        due: list[tuple[float, Callable[[float], list[bytes]]]] = []
        due.append((max(state.quality_due_ms, state.ready_ms), self._tell_quality))
        if state.mode == _FM:
            due.append(((state.next_group + 1) * GROUP_MS, self._tell_group))
        if state.squelch_dbf is not None or state.squelch_stereo:
            due.append((state.squelch_due_ms, self._run_squelch))
        return min(due, key=lambda each: each[0])

    def _tell_quality(self, now_ms: float) -> list[bytes]:
        state = self._now
        state.quality_due_ms = now_ms + max(state.quality_ms, 1)
        found = self._air.reception(self.frequency_khz, now_ms)
        letter = "s" if found.stereo else "m"
        adjacent = 0 if state.mode == _FM and not state.bandwidth_khz else -1
        line = self._dialect.quality_line(
            letter.upper() if state.is_mono else letter,
            self._level_dbuv(now_ms),
            found.cochannel_percent,
            adjacent,
        )
        return [line]

    def _tell_group(self, now_ms: float) -> list[bytes]:
        state = self._now
        index, state.next_group = state.next_group, state.next_group + 1
        sent = self._air.group(self.frequency_khz, index)
        found = self._air.reception(self.frequency_khz, now_ms)
        level = found.level_dbuv - state.attenuation_db - found.cochannel_percent / 4
        if sent is None or level < RDS_SYNC_DBUV:
            return []
        group = self._damage(sent, level)
        line = self._dialect.group_line(group)
        vote = state.vote.take(group)
        return [vote, line] if vote else [line]

    def _run_squelch(self, now_ms: float) -> list[bytes]:
        state = self._now
        state.squelch_due_ms = now_ms + self._dialect.squelch_ms
        if state.squelch_stereo:
            is_open = self._air.reception(self.frequency_khz, now_ms).stereo
        else:
            level_dbf = math.trunc(self._level_dbuv(now_ms) + self._dialect.dbf_offset)
            is_open = state.squelch_dbf is not None and level_dbf >= state.squelch_dbf
        state.countdown = self._dialect.squelch_misses if is_open else max(state.countdown - 1, 0)
        return []

    def _level_dbuv(self, now_ms: float) -> float:
        """Return the averaged level, with a little flutter so that no two lines are quite equal."""
        readings = [
            self._air.reception(self.frequency_khz, now_ms - back).level_dbuv
            for back in _AVERAGE_MS
        ]
        flutter = self._random.uniform(-_FLUTTER_DB, _FLUTTER_DB)
        return sum(readings) / len(readings) + flutter - self._now.attenuation_db

    def _damage(self, group: Group, level_dbuv: float) -> Group:
        """Return *group* as the decoder gets it: one bit error is corrected, three lose a block.

        The bit error rate is 3 % at 20 dBuV and falls tenfold every 4 dB (a plain stand-in).
        """
        rate = min(10 ** (-(level_dbuv - 14) / 4), 0.5)
        damaged = [
            self._damage_block(block, rate) for block in (group.a, group.b, group.c, group.d)
        ]
        (a, ea), (b, eb), (c, ec), (d, ed) = damaged
        return Group(a, b, c, d, (ea, eb, ec, ed))

    def _damage_block(self, block: int, rate: float) -> tuple[int, int]:
        if rate < 1e-6:
            return block, CLEAN
        wrong = sum(self._random.random() < rate for _ in range(_BLOCK_BITS))
        level = (CLEAN, CORRECTED, DOUBTFUL, LOST)[min(wrong, 3)]
        return (0 if level == LOST else block), level

    def _clear(self, now_ms: float) -> None:
        """Forget votes and take the next whole group: another station is being tuned."""
        self._now.vote.clear()
        self._now.next_group = math.ceil(max(now_ms, self._now.ready_ms) / GROUP_MS) + 1

    def _band(self, mode: int) -> tuple[int, int, int]:
        if mode == _FM:
            return self._dialect.low_khz, self._dialect.high_khz, self._dialect.step_khz
        return 144, 27_000, 1
