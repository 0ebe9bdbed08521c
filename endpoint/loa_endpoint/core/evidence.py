"""The evidence of a play: did what was written to the sound card come out of the horn?

The player tells what it wrote, the line board what it measured on the loudspeaker line (``output``)
and the ear what it heard of it (``content``, see `loa_endpoint.core.ear_evidence`). Only seconds in
which sound was written count. A sensor that is missing, or a second that it did not report, is
never taken for a good one. Times are monotonic milliseconds; whoever owns a play begins and ends
its judgement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from loa_endpoint.core.ear_evidence import FRESH_MS, EarWatch, Heard
from loa_protocol.line_map import LineReading, LineState
from loa_protocol.record import Evidence

PLAYING_SILENT: Final = "playing_silent"
BOARD_SILENT: Final = "line_board_silent"
FAULTS: Final = {
    LineState.OPEN: "speaker_open",
    LineState.SHORT: "speaker_short",
    LineState.EARTH: "speaker_earth",
    LineState.DRIFT: "speaker_drift",
    LineState.NO_PILOT: "line_no_pilot",
    LineState.PROTECT: "line_protect",
    LineState.NOT_CALIBRATED: "line_not_calibrated",
}
# On such a line nobody hears anything, whatever voltage the amplifier puts on it.
DEAD_LINE: Final = frozenset({LineState.OPEN, LineState.SHORT, LineState.PROTECT})


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRules:
    """What counts as sound, and how much of it must be seen.

    The two thresholds belong together: a sine at full scale is 100 V on the line, so the quietest
    piece that counts as sound is near 0.8 V, and 0.2 V leaves 12 dB for the amplifier's own knob.

    Attributes:
        sound_cdbfs: RMS of a written piece from which on it is sound.
        line_mv: Line voltage that shows sound.
        line_ma: Line current that shows it too.
        share_permille: Of the sound written that must be confirmed for ``output``.
        silent_permille: Of the sound that a sensor judged; confirmed less than this is ``silent``,
            if it judged at least half of what was written.
        content_permille: Of the sound written that the ear must have heard for ``content``, and
            *share_permille* of what it could judge: a lorry that passes hides a sentence.
        judged_ms: Sound that a reading must cover to be judged by it.
        cover_ms: How far back from a reading its measurement reaches, the player's reports being
            a little late.
        alarm_ms: Missing from the line for this long is ``playing_silent`` (HLT-2: 10 s at most,
            and a poll may come a second late).
        alarm_sound_ms: And that much sound must have been written meanwhile.
    """

    sound_cdbfs: int = -4500
    line_mv: int = 200
    line_ma: int = 2
    share_permille: int = 800
    silent_permille: int = 100
    content_permille: int = 600
    judged_ms: int = 300
    cover_ms: int = 1500
    alarm_ms: int = 8000
    alarm_sound_ms: int = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """The evidence of one play: the grade and the sound that it rests on.

    Attributes:
        confirmed_ms: Sound that was seen on the line, or heard where the grade is ``content``.
        missing_ms: Sound that should have been seen there and was not.
        unread_ms: Sound about which no reading tells.
    """

    evidence: Evidence
    confirmed_ms: int
    missing_ms: int
    unread_ms: int


@dataclass(frozen=True, slots=True)
class FaultChanged:
    """A fault began, or is over."""

    name: str
    active: bool


class OutputWatch:
    """Join what was written with what the line showed and the ear heard."""

    def __init__(self, rules: EvidenceRules | None = None) -> None:
        self._rules = rules or EvidenceRules()
        self._ear = EarWatch()
        self._line_faults: set[str] = set()
        self._judged_at_ms: int | None = None  # when the line last said yes or no
        self._pieces: list[tuple[int, int]] = []  # end, length: sound that no reading judged yet
        self._missing_since_ms: int | None = None
        self._missing_run_ms = 0
        self._confirmed_ms = self._missing_ms = self._unread_ms = 0
        self._faults: set[str] = set()

    @property
    def faults(self) -> tuple[str, ...]:
        """The faults that stand, in alphabetical order."""
        return tuple(sorted(self._faults))

    def begin(self) -> None:
        """Judge a new play; what was written before belongs to no play."""
        self._pieces.clear()
        self._ear.begin()
        self._confirmed_ms = self._missing_ms = self._unread_ms = 0

    def end(self, now_ms: int) -> Grade:
        """Return the grade of the play that ends.

        Sound so fresh that no reading could have told of it yet does not count.
        """
        self._give_up_before(now_ms - self._rules.cover_ms)
        self._pieces.clear()
        self._ear.end(now_ms)
        ear, evidence = self._ear, self._evidence()
        sums = (self._confirmed_ms, self._missing_ms, self._unread_ms)
        is_by_ear = evidence is Evidence.CONTENT or not self._confirmed_ms + self._missing_ms
        if is_by_ear and ear.confirmed_ms + ear.missing_ms:
            sums = (ear.confirmed_ms, ear.missing_ms, ear.unread_ms)
        return Grade(evidence=evidence, confirmed_ms=sums[0], missing_ms=sums[1], unread_ms=sums[2])

    def wrote(self, rms_cdbfs: int, length_ms: int, now_ms: int) -> None:
        """Take note of a piece that was just written; pieces much shorter than a second."""
        if rms_cdbfs >= self._rules.sound_cdbfs and length_ms > 0:
            self._pieces.append((now_ms, length_ms))
            self._ear.wrote(length_ms, now_ms)
        self._give_up_before(now_ms - 2 * self._rules.cover_ms)

    def read(self, reading: LineReading, now_ms: int) -> list[FaultChanged]:
        """Take what the board measured over the last second; return the faults that change."""
        self._give_up_before(now_ms - self._rules.cover_ms)
        sound_ms = sum(length for end, length in self._pieces if end <= now_ms)
        self._pieces = [piece for piece in self._pieces if piece[0] > now_ms]
        shown = self._shows_sound(reading)
        if shown is not None and sound_ms >= self._rules.judged_ms:
            self._judge(shown, sound_ms, now_ms)
        elif shown is None:
            self._unread_ms += sound_ms
        self._line_faults = {FAULTS[reading.state]} if reading.state in FAULTS else set()
        return self._set_faults(self._line_faults | self._silence_fault(now_ms))

    def lose(self) -> list[FaultChanged]:
        """Take note that the board does not answer: about the line nothing is known."""
        self._missing_since_ms, self._missing_run_ms, self._judged_at_ms = None, 0, None
        self._line_faults = {BOARD_SILENT}
        return self._set_faults(self._line_faults)

    def heard(self, heard: Heard) -> list[FaultChanged]:
        """Take a comparison of the ear; return the faults that change."""
        self._ear.heard(heard)
        return self._set_faults(self._line_faults | self._silence_fault(heard.at_ms))

    def lose_ear(self, now_ms: int) -> list[FaultChanged]:
        """Take note that the ear is gone: only the line can tell."""
        self._ear.lose()
        return self._set_faults(self._line_faults | self._silence_fault(now_ms))

    def _shows_sound(self, reading: LineReading) -> bool | None:
        """Tell whether the line carries sound; None for a board that cannot measure it."""
        if reading.state in DEAD_LINE:
            return False
        if reading.level_mv is None and reading.current_ma is None:
            return None
        if reading.current_ma is not None:  # a cut line carries the voltage still, and no current
            return reading.current_ma >= self._rules.line_ma
        return (reading.level_mv or 0) >= self._rules.line_mv

    def _judge(self, shown: bool, sound_ms: int, now_ms: int) -> None:
        self._judged_at_ms = now_ms
        if shown:
            self._confirmed_ms += sound_ms
            self._missing_since_ms, self._missing_run_ms = None, 0
            return
        self._missing_ms += sound_ms
        self._missing_run_ms += sound_ms
        if self._missing_since_ms is None:
            self._missing_since_ms = now_ms - sound_ms

    def _silence_fault(self, now_ms: int) -> set[str]:
        """Return the fault of sound that no sensor sees; one that does see it is enough."""
        if self._ear.has_just_matched(now_ms):
            return set()
        judged_ms, since_ms = self._judged_at_ms, self._missing_since_ms
        enough = self._missing_run_ms >= self._rules.alarm_sound_ms
        alarming = since_ms is not None and now_ms - since_ms >= self._rules.alarm_ms and enough
        is_line_read = judged_ms is not None and now_ms - judged_ms <= FRESH_MS
        if since_ms is None and not is_line_read:
            alarming = self._ear.misses_sound(now_ms)
        return {PLAYING_SILENT} if alarming else set()

    def _set_faults(self, wished: set[str]) -> list[FaultChanged]:
        changes = [FaultChanged(name, active=False) for name in sorted(self._faults - wished)]
        changes += [FaultChanged(name, active=True) for name in sorted(wished - self._faults)]
        self._faults = wished
        return changes

    def _give_up_before(self, limit_ms: int) -> None:
        self._unread_ms += sum(length for end, length in self._pieces if end <= limit_ms)
        self._pieces = [piece for piece in self._pieces if piece[0] > limit_ms]

    def _evidence(self) -> Evidence:
        ear, rules = self._ear, self._rules
        judged_ms = ear.confirmed_ms + ear.missing_ms
        heard_enough = ear.confirmed_ms * 1000 >= max(1, ear.written_ms * rules.content_permille)
        if heard_enough and ear.confirmed_ms * 1000 >= judged_ms * rules.share_permille:
            return Evidence.CONTENT
        if self._confirmed_ms + self._missing_ms == 0:
            is_silent = self._is_silent(ear.confirmed_ms, ear.missing_ms, ear.unread_ms)
            return Evidence.SILENT if is_silent else Evidence.UNVERIFIED
        written_ms = self._confirmed_ms + self._missing_ms + self._unread_ms
        if self._confirmed_ms * 1000 >= written_ms * self._rules.share_permille:
            return Evidence.OUTPUT
        is_silent = self._is_silent(self._confirmed_ms, self._missing_ms, self._unread_ms)
        return Evidence.SILENT if is_silent else Evidence.UNVERIFIED

    def _is_silent(self, confirmed_ms: int, missing_ms: int, unread_ms: int) -> bool:
        judged_ms = confirmed_ms + missing_ms
        seen_enough = judged_ms > 0 and judged_ms >= unread_ms
        return seen_enough and confirmed_ms * 1000 < judged_ms * self._rules.silent_permille
