"""What stands in the village as the story goes on: homes, boards, the crew that works there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from loa_lab.village.crew import Crew
from loa_lab.village.plan import Plan
from loa_lab.village.ports import free_port

PASSPHRASE = "lang-so-mot-demo"  # noqa: S105 - of a test province that lives for two minutes


@dataclass(slots=True)
class Village:
    """Everything that stands, as the story goes on."""

    out: Path
    crew: Crew
    say: Callable[[str], None]
    https: int = field(default_factory=free_port)
    mqtt: int = field(default_factory=free_port)
    agents: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    endpoints: dict[str, bytes] = field(default_factory=dict)
    plan: Plan | None = None
    publishing_s: float = 0.0  # how long signing and publishing take on this machine

    @property
    def work(self) -> Path:
        """Where the homes are."""
        return self.out / "village"

    @property
    def province(self) -> Path:
        """The province's home, which is the server's too."""
        return self.work / "province"

    @property
    def passphrase(self) -> tuple[str | Path, ...]:
        """The option that unlocks every key of this village."""
        return ("--passphrase-file", self.work / "passphrase")

    def recording(self, cluster: str) -> Path:
        """Where a cluster's sound card writes."""
        return self.out / "loudspeakers" / f"{cluster}.wav"

    def start_agent(self, cluster: str) -> None:
        """Start a cluster's agent; its lines and its home are where they were."""
        self.agents[cluster] = self.crew.start(
            cluster, "loa-endpoint", "run", "--home", self.work / cluster,
            "--bench-port", self.work / "bench" / cluster / "bench",
        )  # fmt: skip

    def kill_agent(self, cluster: str) -> None:
        """Take a cluster's agent away without a word, as a power cut does."""
        self.agents[cluster].kill()
        self.crew.send_home([self.agents[cluster]])
