"""Opens the source that somebody named."""

from __future__ import annotations

import sys
from pathlib import Path

from loa_manager.live.capture import FifoSource, MicrophoneSource
from loa_manager.live.icecast import IcecastSource
from loa_manager.live.played import FileSource, PcmSource
from loa_manager.live.source import Source, SourceKind, SourceName


def open_source(name: SourceName) -> Source:
    """Return the source *name*; raises ConfigError where it cannot be opened."""
    match name.kind:
        case SourceKind.MIC:
            return MicrophoneSource(name.place)
        case SourceKind.FILE:
            return FileSource(Path(name.place))
        case SourceKind.FIFO:
            return FifoSource(Path(name.place))
        case SourceKind.PCM:
            return PcmSource(sys.stdin.fileno())
        case SourceKind.ICECAST:
            return IcecastSource(name.port, name.place)
