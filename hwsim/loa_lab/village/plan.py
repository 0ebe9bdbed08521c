"""The script of the village: what plays when, and the files that say so to each part.

Pure: instants in, texts out. All instants are unix milliseconds unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

PROVINCE = "vn/ls"
STATION = f"{PROVINCE}/st0137"
CLUSTERS = ("c01", "c02", "c03")
ZONE = timezone(timedelta(hours=7))
FREQUENCY_KHZ = 66_500  # in the band of commune stations, and within the simulated tuner's range
PI = "7301"
FORBIDDEN = "nhac-dem"  # the tune that no rule lets sound in this story
HELD = "c02"  # the cluster that a warden silences
BROKEN_LINE = "c03"  # whose loudspeaker line somebody cut: it plays, and nobody hears it

MINUTE_MS = 60_000
CARRIER_LOST_MS = 10_000  # into the FM bulletin
CARRIER_AWAY_MS = 8_000
HOLD_MS = 14_000  # into the FM bulletin: by then its cached copy has taken over
LINE_CUT_MS = 2_000  # before the first item


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One item of the session: its file, title, length, and whether FM carries it first."""

    file: str
    title: str
    length_ms: int
    by_fm: bool = False
    language: str = "vi"
    level: str = "commune"
    category: str = "thông báo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The evening: pieces one after another from *start_ms* on; the last one is forbidden."""

    start_ms: int
    pieces: tuple[Piece, ...]

    @property
    def starts(self) -> tuple[int, ...]:
        """When each piece begins."""
        ends = [0]
        for piece in self.pieces:
            ends.append(ends[-1] + piece.length_ms)
        return tuple(self.start_ms + end for end in ends[:-1])

    @property
    def allowed_end_ms(self) -> int:
        """When the last allowed piece ends."""
        return self.starts[-1]

    @property
    def fm_piece_ms(self) -> int:
        """When the bulletin begins in which the transmitter fails."""
        index = next(n for n, piece in enumerate(self.pieces) if piece.by_fm)
        return self.starts[index]


def quiet_policy_toml(siren: bytes) -> str:
    """Approve the siren beforehand, on a quiet day."""
    return f'preset = "rural"\n{_approved(siren)}'


def policy_toml(plan: Plan, siren: bytes) -> str:
    """Allow every minute of the day but the one in which only the forbidden piece sounds.

    The forbidden piece is longer than a minute, so it always reaches into the closed minute.

    Args:
        plan: The evening.
        siren: Its hash, which the policy approves beforehand.
    """
    closes = -(-plan.allowed_end_ms // MINUTE_MS) * MINUTE_MS
    first = _minute(closes)
    spans = [(0, first), (first + 1, 1440)] if first else [(1, 1440)]
    hours = "\n".join(
        f'[[hours]]\ndays = "mon-sun"\nfrom = "{_clock(a)}"\nto = "{_clock(b)}"\n'
        for a, b in spans
        if a < b
    )
    return (
        'preset = "rural"\nsessions_per_day = 24\nminutes_per_session = 60\nstart_wait_s = 3\n'
        f"{_approved(siren)}{hours}"
    )


def settings_toml(cluster: str, board: Path, heard: Path, *, heartbeat_s: int = 5) -> str:
    """Name the hardware of *cluster*, and shorten the patience: the demo has no half hours."""
    return f"""scope = "{STATION}/{cluster}"
heartbeat_s = {heartbeat_s}

[fallback]
ok_fm_ms = 6000
fm_cci_fail_ms = 4000
dwell_ms = 5000

[[fitting]]
device = "tuner"
port = "{board / "tuner"}"

[[fitting]]
device = "line_board"
port = "{board / "bus"}"
option = 20

[[fitting]]
device = "line_in"
port = "fifo:{board / "linein.fifo"}"

[[fitting]]
device = "sound_out"
port = "wav:{heard}"
"""


def schedule_toml(plan: Plan) -> str:
    """Write the evening as an officer would."""
    begin = datetime.fromtimestamp(plan.start_ms / 1000, ZONE)
    length_s = -(-sum(piece.length_ms for piece in plan.pieces) // 1000) + 5
    return f"""[schedule]
scope = "{STATION}"
from = {begin:%Y-%m-%d}
to = {begin + timedelta(days=6):%Y-%m-%d}
title = "Tuần mẫu"
volume = 15

[fm.xa]
frequency = {FREQUENCY_KHZ / 1000}
pi = "{PI}"
volume = 15

[[session]]
id = "toi"
date = {begin:%Y-%m-%d}
start = {begin:%H:%M:%S}
length = "{length_s}s"

{"".join(_item(piece) for piece in plan.pieces)}"""


def earlier_toml(day: datetime, piece: Piece) -> str:
    """Write the schedule that was on the air before: one item tomorrow at noon."""
    tomorrow = day.astimezone(ZONE) + timedelta(days=1)
    return f"""[schedule]
scope = "{STATION}"
from = {day.astimezone(ZONE):%Y-%m-%d}
to = {tomorrow:%Y-%m-%d}
title = "Tuần trước"

[[session]]
id = "trua"
date = {tomorrow:%Y-%m-%d}
start = "11:30"
length = "1m"

{_item(piece)}"""


def air_toml(plan: Plan, air: Path) -> str:
    """Let the commune's transmitter send the pieces that FM carries, on the instant."""
    programmes = "".join(
        f'\n[[transmitter.programme]]\nstart_ms = {start}\nfile = "{air / piece.file}.wav"\n'
        for start, piece in zip(plan.starts, plan.pieces, strict=True)
        if piece.by_fm
    )
    return f"""[[transmitter]]
frequency_khz = {FREQUENCY_KHZ}
pi = "{PI}"
ps = "NA MAU"
level_dbuv = 48.0
{programmes}"""


def faults_toml(plan: Plan, cluster: str) -> str:
    """Let the transmitter fail in its bulletin, and cut one loudspeaker line before the evening."""
    lost = plan.fm_piece_ms + CARRIER_LOST_MS
    text = f"""[[fault]]
at = {lost}
until = {lost + CARRIER_AWAY_MS}
kind = "carrier_off"
"""
    if cluster == BROKEN_LINE:
        text += f"""
[[fault]]
at = {plan.start_ms - LINE_CUT_MS}
kind = "line_open"
"""
    return text


def _approved(siren: bytes) -> str:
    return f'preapproved = ["{siren.hex()}"]\n'


def _item(piece: Piece) -> str:
    by = 'fm = "xa"\n' if piece.by_fm else ""
    return f"""[[session.item]]
id = "{piece.file}"
title = "{piece.title}"
file = "{piece.file}.opus"
language = "{piece.language}"
level = "{piece.level}"
category = "{piece.category}"
{by}
"""


def _minute(unix_ms: int) -> int:
    local = datetime.fromtimestamp(unix_ms / 1000, ZONE)
    return local.hour * 60 + local.minute


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
