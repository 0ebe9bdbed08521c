"""Memory sticks: a tree of the tests in a folder, and a board's loop that reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from loa_endpoint.content.stick import ADDRESS, StickSource
from loa_endpoint.content.sync import ContentSync, Surroundings
from loa_protocol.errors import FetchError
from loa_protocol.trust import Now
from support.content_lab import ContentLab
from support.inbox_lab import InboxLab
from support.province import NOW


def write_stick(lab: ContentLab, stick: Path) -> Path:
    """Write the files of *lab* onto *stick* and return the folder."""
    folder = stick / "loa"
    for name, data in lab.files.items():
        path = folder / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@dataclass
class StickBoard:
    """A board with an inbox of its own that reads sticks."""

    folder: Path
    now: Now = NOW
    failures: list[FetchError] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lab = InboxLab(self.folder)
        self.lab.ear.fetch_failed = self.failures.append  # type: ignore[attr-defined]  # it has none

    def loop(self, folder: Path) -> ContentSync:
        """Return a loop over the stick in *folder*, as each stick gets one."""
        around = Surroundings(
            identity=bytes(16),
            addresses=lambda: (ADDRESS,),
            is_nudged=lambda: False,
            now=lambda: self.now,
            carrier="usb",
        )
        ear = self.lab.ear
        return ContentSync(around, StickSource(folder), self.lab.vault, ear, inbox=self.lab.inbox)  # type: ignore[arg-type]  # see above

    async def read(self, folder: Path) -> bool:
        """Read a stick once; tell whether nothing failed."""
        return await self.loop(folder).round()
