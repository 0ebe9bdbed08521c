"""What is on air, read from a TOML file with WAV files beside it.

.. code-block:: toml

    [[transmitter]]
    frequency_khz = 91000
    pi = "7301"
    ps = "LANGSON"
    level_dbuv = 48.0
    radiotext = "Đài truyền thanh"    # optional, as are stereo, rds, utc_offset_min

    [[transmitter.programme]]
    start_ms = 1800000000000
    file = "morning.wav"              # 16-bit mono 48 kHz, beside this file
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loa_hwsim.air import Programme, Transmitter
from loa_hwsim.fault_file import read_pi
from loa_hwsim.faults import FREQUENCY
from loa_hwsim.table import Table, parse_toml
from loa_hwsim.wave_file import HEAD_LIMIT, read_head
from loa_protocol.errors import ConfigError, MessageError

_LATEST_MS = 1 << 53


def load_air(path: Path) -> list[Transmitter]:
    """Read the transmitters of *path*; their sound stays on disk until it is asked for.

    Raises:
        ConfigError: Not readable, wrong, or a sound file is; every fault is listed.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [f"cannot be read: {error}"]) from None
    root = parse_toml(text, str(path))
    transmitters = [_read_transmitter(each, path.parent) for each in root.tables("transmitter")]
    frequencies = [each.frequency_khz for each in transmitters]
    for twice in sorted({each for each in frequencies if frequencies.count(each) > 1}):
        root.fault(f"two transmitters on {twice} kHz")
    root.refuse_unknown()
    if root.faults:
        raise ConfigError(str(path), root.faults)
    return transmitters


def _read_transmitter(table: Table, folder: Path) -> Transmitter:
    pi = read_pi(table.raw("pi"))
    if pi is None:
        table.fault('pi must be four hexadecimal digits, such as "7301"')
    pieces = [_read_programme(each, folder) for each in table.tables("programme")]
    return Transmitter(
        frequency_khz=table.integer("frequency_khz", int(FREQUENCY.low), int(FREQUENCY.high)),
        pi=pi or 0,
        ps=table.text("ps", limit=8),
        level_dbuv=table.number("level_dbuv", -20, 120),
        radiotext=table.text("radiotext", "", limit=64),
        stereo=table.flag("stereo", default=False),
        rds=table.flag("rds", default=True),
        utc_offset=timedelta(minutes=30 * (table.integer("utc_offset_min", -930, 930, 420) // 30)),
        programmes=tuple(sorted(pieces, key=lambda piece: piece.start_ms)),
    )


def _read_programme(table: Table, folder: Path) -> Programme:
    start_ms = table.integer("start_ms", 0, _LATEST_MS)
    name = table.text("file", limit=1000)
    samples: NDArray[np.int16] = np.zeros(0, np.int16)
    if name:
        try:
            samples = map_wave(folder / name)
        except (OSError, ValueError, MessageError) as error:
            table.fault(f"{name}: {error}")
    return Programme(start_ms, samples)


def map_wave(path: Path) -> NDArray[np.int16]:
    """Return the samples of a WAV file without reading them yet.

    Raises:
        OSError: The file cannot be opened.
        MessageError: Not a WAV file of 16-bit mono samples at 48 kHz.
    """
    with path.open("rb") as file:
        head = read_head(file.read(HEAD_LIMIT))
    if head is None or not head.is_ours:
        raise MessageError("must hold 16-bit mono samples at 48 kHz")
    count = min(head.claimed, path.stat().st_size - head.start) // 2
    if count <= 0:
        return np.zeros(0, np.int16)
    return np.memmap(path, dtype="<i2", mode="r", offset=head.start, shape=(count,))
