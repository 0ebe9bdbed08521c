"""The one form in which sound travels inside Loa: mono, float32, 48 kHz, full scale at 1.0."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE: Final = 48_000
"""Samples a second."""
BLOCK: Final = 960
"""Samples in a block: 20 ms."""
CHUNK: Final = 4_800
"""Samples that decoder and meters handle at once: 100 ms, a fifth of the calls of blocks."""
