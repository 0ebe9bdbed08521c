"""How the endpoint is: the local status, and the heartbeat that goes up."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from loa_endpoint.app.carriers import Carriers
from loa_endpoint.app.keeper import Keeper
from loa_endpoint.app.options import Hardware
from loa_endpoint.app.plane import ContentPlane
from loa_endpoint.app.stage import Stage
from loa_endpoint.app.timekeeper import Timekeeper
from loa_endpoint.audio.supervisor import PlayerSupervisor
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.order_rules import ends_ms
from loa_endpoint.core.orders import Kept
from loa_endpoint.core.schedule import upcoming
from loa_endpoint.host.clocks import monotonic_ms
from loa_endpoint.store.outbox import Outbox
from loa_endpoint.uplink.session import Session
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.command import Command
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.record import Evidence, Heartbeat, State

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The parts whose state is told."""

    keeper: Keeper
    time: Timekeeper
    stage: Stage
    plane: ContentPlane
    session: Session
    outbox: Outbox
    player: PlayerSupervisor
    hardware: Hardware
    carriers: Carriers


class StatusReport:
    """Reads the agent's parts; decides nothing."""

    def __init__(self, parts: Observed) -> None:
        self._parts = parts
        self._began_ms = monotonic_ms()

    @property
    def faults(self) -> tuple[str, ...]:
        """Every fault that stands, in alphabetical order."""
        stage = self._parts.stage
        carriers = self._parts.carriers.faults
        own = (*stage.faults, *stage.hearing.alarms.faults)
        return tuple(sorted({*own, *stage.output.faults, *carriers}))

    @property
    def state(self) -> State:
        """The state of HLT-1 as the endpoint itself can see it; being lost it cannot."""
        if self.faults:
            return State.FAULT
        play = self._parts.stage.director.play
        return State.PLAYING if play is not None and play.bearer else State.CONNECTED

    def beat(self) -> None:
        """Keep a heartbeat."""
        play = self._parts.stage.director.play
        self._parts.stage.keep(
            Heartbeat(
                state=self.state,
                uptime_s=(monotonic_ms() - self._began_ms) // 1000,
                free_bytes=_free_bytes(self._parts.keeper),
                faults=self.faults[:32],
                item=None if play is None else play.planned.item.id,
                bearer=None if play is None else play.bearer,
                evidence=self._evidence(),
                playlist=self._parts.keeper.digest("playlist"),
            )
        )

    def status(self) -> dict[str, Any]:
        """Return everything a technician on the board may want to know."""
        parts = self._parts
        now = parts.time.read()
        play = parts.stage.director.play
        policy = parts.keeper.effective_policy()
        load = parts.outbox.load()
        coming = upcoming(parts.stage.director.planned, now.unix_ms, now.unix_ms + _DAY_MS)
        return {
            "scope": parts.keeper.scope,
            "state": self.state.name.lower(),
            "faults": list(self.faults),
            "time": {
                **parts.time.facts(),
                "utc_offset_min": 0 if policy is None else policy.utc_offset_min,
            },
            "orders": [_order(each) for each in parts.stage.director.duty.orders.in_force(now)],
            "stopped_by_button_s": parts.stage.director.duty.orders.button_left_ms(now) // 1000,
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
            "connected": parts.session.is_connected,
            "head_age_s": parts.plane.sync.head_age_s(),
            "media": {"cached": len(parts.plane.cache.held()), "missing": parts.plane.missing},
            "carriers": parts.carriers.facts(),
            "records": {"made": parts.stage.made, "unsent": load.unsent},
            "sound": {
                "player": parts.player.pid,
                "restarts": parts.player.restarts,
                "sink": parts.hardware.sink,
                "ear": parts.hardware.ear,
                **parts.stage.hearing.facts(),
                "epoch_unix_ms": _unix(parts.stage.sink_epoch_ms, now),
            },
        }

    def _evidence(self) -> Evidence | None:
        if self._parts.stage.director.play is None:
            return None
        return self._parts.stage.last_evidence


def _order(kept: Kept) -> dict[str, Any]:
    """Return what a technician may want to know of an order in force."""
    body, is_command = kept.body, isinstance(kept.body, Command)
    until_ms = ends_ms(kept) if is_command else body.expires * 1000
    return {
        "id": kept.event.hex(),
        "what": body.verb.name.lower() if isinstance(body, Command) else kept.kind.name.lower(),
        "level": kept.level.name.lower(),
        "state": kept.progress.state.name.lower(),
        "title": "" if isinstance(body, Command) else body.title,
        "reason": body.reason if isinstance(body, (Command, Alert)) else "",
        "value": body.value if isinstance(body, Command) else None,
        "until_ms": until_ms,
    }


def _name(bearer: BearerKind | None) -> str | None:
    return None if bearer is None else bearer.name.lower()


def _unix(mono_ms: int | None, now: Reading) -> int | None:
    """Turn an instant into unix ms by what is known of the time now, not of the time then."""
    return None if mono_ms is None else mono_ms - now.mono_ms + now.unix_ms


def _free_bytes(keeper: Keeper) -> int:
    place = os.statvfs(keeper.store.home)
    return place.f_bavail * place.f_frsize
