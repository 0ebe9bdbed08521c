"""All cases, object by object."""

from __future__ import annotations

from collections.abc import Iterator

from vectors.generator import (
    alerts,
    announcements,
    certificates,
    commands,
    encoding,
    grants,
    online,
    placement,
    playlists,
    roots,
    seals,
    streams,
)
from vectors.generator.case import Case


def every_case() -> Iterator[Case]:
    """Yield every case, each under a path of its own."""
    for module in (
        encoding,
        seals,
        certificates,
        playlists,
        placement,
        alerts,
        grants,
        commands,
        online,
        roots,
        streams,
        announcements,
    ):
        yield from module.cases()
