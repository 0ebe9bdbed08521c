"""How the endpoint is: the local status, and the heartbeat that goes up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from loa_endpoint.core.schedule import upcoming
from loa_endpoint.host.clocks import monotonic_ms
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.record import Evidence, Heartbeat, State

if TYPE_CHECKING:
    from loa_endpoint.app.agent import Agent

_DAY_MS = 86_400_000


class StatusReport:
    """Reads the agent's parts; decides nothing."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._began_ms = monotonic_ms()

    @property
    def faults(self) -> tuple[str, ...]:
        """Every fault that stands, in alphabetical order."""
        stage = self._agent.stage
        return tuple(sorted({*stage.faults, *stage.output.faults}))

    @property
    def state(self) -> State:
        """The state of HLT-1 as the endpoint itself can see it; being lost it cannot."""
        if self.faults:
            return State.FAULT
        play = self._agent.stage.director.play
        return State.PLAYING if play is not None and play.bearer else State.CONNECTED

    def beat(self) -> None:
        """Keep a heartbeat."""
        play = self._agent.stage.director.play
        self._agent.stage.keep(
            Heartbeat(
                state=self.state,
                uptime_s=(monotonic_ms() - self._began_ms) // 1000,
                free_bytes=_free_bytes(self._agent),
                faults=self.faults[:32],
                item=None if play is None else play.planned.item.id,
                bearer=None if play is None else play.bearer,
                evidence=self._evidence(),
                playlist=self._agent.keeper.digest("playlist"),
            )
        )

    def status(self) -> dict[str, Any]:
        """Return everything a technician on the board may want to know."""
        agent = self._agent
        now = agent.time.read()
        play = agent.stage.director.play
        load = agent.outbox.load()
        coming = upcoming(agent.stage.director.planned, now.unix_ms, now.unix_ms + _DAY_MS)
        return {
            "scope": agent.keeper.scope,
            "state": self.state.name.lower(),
            "faults": list(self.faults),
            "time": {"unix_ms": now.unix_ms, "trust": now.trust.name},
            "item": None if play is None else play.planned.item.title,
            "bearer": None if play is None else _name(play.bearer),
            "volume": None if play is None else play.volume,
            "next": [
                {
                    "item": planned.item.title,
                    "at_ms": planned.start_ms,
                    "block": planned.block and str(planned.block),
                }
                for planned in coming[:5]
            ],
            "connected": agent.session.is_connected,
            "head_age_s": agent.plane.sync.head_age_s(),
            "media": {"cached": len(agent.plane.cache.held()), "missing": agent.plane.missing},
            "records": {"made": agent.stage.made, "unsent": load.unsent},
            "sound": {
                "player": agent.player.pid,
                "restarts": agent.player.restarts,
                "sink": agent.hardware.sink,
                "epoch_unix_ms": agent.stage.sink_epoch_unix_ms,
            },
        }

    def _evidence(self) -> Evidence | None:
        if self._agent.stage.director.play is None:
            return None
        return self._agent.stage.last_evidence


def _name(bearer: BearerKind | None) -> str | None:
    return None if bearer is None else bearer.name.lower()


def _free_bytes(agent: Agent) -> int:
    place = os.statvfs(agent.keeper.store.home)
    return place.f_bavail * place.f_frsize
