"""The stage: carry out what the director asks, and tell it what player, tuner and line say.

No decision is taken here; an effect is one call on one part, an event one call on the director.
"""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from loa_endpoint.app.hearing import Hearing, reading_of, stream_readings, to_heard, told
from loa_endpoint.app.player_words import to_message
from loa_endpoint.app.record_log import log_record
from loa_endpoint.audio import messages
from loa_endpoint.audio.supervisor import PlayerSupervisor
from loa_endpoint.core import amplifier_bus, evidence, line_monitor, sound_alarms, xdr
from loa_endpoint.core import effect as ask
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.director import Director
from loa_endpoint.core.following import Following
from loa_endpoint.core.orders import Kept, OrderBook
from loa_endpoint.link.amplifier import Waker
from loa_endpoint.link.tuner import Tuner
from loa_endpoint.store.outbox import Outbox
from loa_protocol.errors import StoreError
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.policy import Policy
from loa_protocol.record import (
    Body,
    Evidence,
    Happening,
    PlayStarted,
    Record,
)

log = logging.getLogger("loa.endpoint")


class Host(Protocol):
    """What orders ask of the agent and the machine it runs on."""

    def restart(self) -> None:
        """End this run in order; the service manager begins another."""

    def want_time(self) -> None:
        """Ask the server for the time now."""

    def renew_identity(self) -> None:
        """Ask the server for a new 30-day certificate now."""

    def reset_floor(self, unix_ms: int, nonce: bytes) -> bool:
        """Set the time floor; False where *nonce* is not ours.

        Raises:
            StoreError: it could not be kept, and the floor stays.
        """

    def keep_session(self, start: int) -> None:
        """Keep that the session of unix second *start* was on air.

        Raises:
            StoreError: it could not be kept.
        """


@dataclass(slots=True, kw_only=True)
class Parts:
    """What the stage plays on."""

    player: PlayerSupervisor
    outbox: Outbox
    media_path: Callable[[bytes], pathlib.Path | None]  # None: damaged, and told already
    tuner: Tuner | None
    read_clock: Callable[[], Reading]
    on_kept: Callable[[], None]  # something waits for the uplink
    cached: Callable[[], Iterable[bytes]]  # media that are here, whole
    book: OrderBook
    host: Host
    amplifier: Waker | None = None


@dataclass(slots=True)
class _Judged:
    """A play whose output is watched."""

    output: evidence.OutputWatch
    play: str | None = None


class Stage:
    """Between the director and the parts."""

    def __init__(self, director: Director, parts: Parts) -> None:
        self.director, self._parts = director, parts
        self.output = evidence.OutputWatch()
        self.hearing, self._following = Hearing(), Following()
        self._main = _Judged(self.output)
        self._over = _Judged(evidence.OutputWatch())  # an announcement has its own record
        self.faults: set[str] = set()
        self.last_beat: messages.Beat | None = None
        self.last_evidence: Evidence | None = None  # of the play before
        self.made = 0  # records kept in this run
        self.on_stir: Callable[[], None] = lambda: None  # something happens, more may follow
        self.sink_epoch_ms: int | None = None  # monotonic: when sample 0 of the sink sounded
        self._samples = 0

    # --- what is asked

    def perform(self, effects: Iterable[ask.Effect]) -> None:
        """Carry out *effects* in order.

        Where an item's beginning or the end of an order that is obeyed once cannot be kept, nothing
        after it is done, and the director is told, so that it does not believe otherwise.
        """
        for effect in self._led(effects):
            match effect:
                case ask.Keep(body=body):
                    if not self.keep(body) and isinstance(body, PlayStarted):
                        now = self._parts.read_clock()
                        self.perform(self.director.on_not_kept(now, body.play))
                        return
                case ask.KeepProgress(first=first):
                    if not self._keep_progress(effect) and first:
                        return
                case ask.Tell(body=body):
                    self.keep(body)
                case ask.Tune(frequency_khz=khz):
                    self._tune(khz)
                case ask.Judge(play=play, over=over):
                    self._judge(play, self._over if over else self._main)
                case ask.Prepare():
                    self._prepare(effect)
                case ask.AskTime() | ask.Restart() | ask.RenewIdentity():
                    self._ask_host(effect)
                case ask.DropOrder() | ask.KeepSession() | ask.ResetFloor():
                    self._store(effect)
                case _:
                    self._following.on_sent(effect, self._parts.read_clock())
                    self._parts.player.send(to_message(effect))

    def _led(self, effects: Iterable[ask.Effect]) -> Iterable[ask.Effect]:
        """Wake the amplifier for what sounds; what comes too soon for it waits until it is."""
        amplifier, asked = self._parts.amplifier, list(effects)
        if asked:
            self.on_stir()
        if amplifier is None or not asked:
            return asked
        return amplifier.lead(asked, self._parts.read_clock().mono_ms)

    def keep(self, body: Body) -> bool:
        """Write a record to the outbox; tell whether it is on the disk."""
        now = self._parts.read_clock()
        try:
            self._parts.outbox.append(Record(at_ms=now.unix_ms, trust=now.trust, body=body))
        except StoreError as error:
            if "outbox" not in self.faults:
                log.error("outbox_refused", extra={"where": error.where, "why": error.why})
            self.faults.add("outbox")
            return False
        self.faults.discard("outbox")
        self.made += 1
        log_record(body)
        self._parts.on_kept()
        return True

    def _keep_progress(self, effect: ask.KeepProgress) -> bool:
        try:
            self._parts.book.keep_progress(effect.order, effect.progress)
        except StoreError as error:
            self._tell_unkept(error)
            now, orders = self._parts.read_clock(), self.director.duty.orders
            orders.on_not_kept(effect.order, now, first=effect.first)
            return False
        self.faults.discard("orders")
        return True

    def _ask_host(self, effect: ask.AskTime | ask.Restart | ask.RenewIdentity) -> None:
        match effect:
            case ask.Restart():
                self._parts.host.restart()
            case ask.RenewIdentity():
                self._parts.host.renew_identity()
            case ask.AskTime():
                self._parts.host.want_time()

    def _store(self, effect: ask.DropOrder | ask.KeepSession | ask.ResetFloor) -> None:
        try:
            match effect:
                case ask.DropOrder(order=order):
                    self._parts.book.drop(order)
                case ask.KeepSession(start=start):
                    self._parts.host.keep_session(start)
                case ask.ResetFloor(unix_ms=unix_ms, nonce=nonce):
                    if not self._parts.host.reset_floor(unix_ms, nonce):
                        self.keep(Happening(name="floor_not_reset", detail="not over our nonce"))
        except StoreError as error:
            self._tell_unkept(error)

    def _tell_unkept(self, error: StoreError) -> None:
        if "orders" not in self.faults:
            log.error("orders_refused", extra={"where": error.where, "why": error.why})
        self.faults.add("orders")

    def _prepare(self, effect: ask.Prepare) -> None:
        path = self._parts.media_path(effect.sha256)
        if path is None:
            now = self._parts.read_clock()
            self.perform(self.director.on_source_ended(effect.source, "broken", now))
            return
        self._parts.player.send(
            messages.Prepare(
                source=effect.source,
                path=str(path),
                gain_db=effect.gain_cdb / 100,
                position_ms=effect.position_ms,
            )
        )

    def _tune(self, khz: int) -> None:
        if self._parts.tuner is None:
            return  # a cluster without a tuner: its FM bearers never become ready
        if khz:
            self._parts.tuner.tune(khz)
        else:
            self._parts.tuner.rest()

    def _judge(self, play: str | None, judged: _Judged) -> None:
        if judged.play is not None:
            grade = judged.output.end(self._parts.read_clock().mono_ms)
            done, judged.play = judged.play, None
            self.last_evidence = grade.evidence
            self.perform(self.director.on_evidence(done, grade.evidence, grade.confirmed_ms))
        if play is not None:
            judged.output.begin()
            judged.play = play

    # --- what is told

    def restore(self, kept: Iterable[Kept]) -> None:
        """Take up the orders of earlier runs; until then nothing sounds."""
        self.perform(self.director.duty.restore(kept, self._parts.read_clock()))

    def on_order(self, kept: Kept) -> None:
        """Obey an order; it is on the disk already."""
        self.on_stir()
        now = self._parts.read_clock()
        if isinstance(kept.body, Alert):  # its own sound may have come with it
            self.perform(self.director.on_cached(self._parts.cached(), now))
        self.perform(self.director.duty.on_order(kept, now))

    def on_live_chunk(self, data: bytes) -> None:
        """Hear a chunk of live sound.

        Raises:
            FormatError, TrustError: it is refused, and is silence.
        """
        self.perform(self.director.on_live_chunk(data, self._parts.read_clock()))

    def on_policy(self, policy: Policy | None) -> None:
        """Know the policy in force."""
        self.perform(self.director.duty.on_policy(policy, self._parts.read_clock()))

    def on_denied(self, denied: frozenset[bytes]) -> None:
        """Know what the deny list names."""
        self.perform(self.director.on_denied(denied, self._parts.read_clock()))

    def on_button(self) -> None:
        """Hear the button on the cabinet."""
        self.perform(self.director.duty.on_button(self._parts.read_clock()))

    def round(self) -> None:
        """Let the director look at the clock."""
        now = self._parts.read_clock()
        if self._parts.amplifier is not None:
            self._parts.amplifier.follow(self.director.planned, now)
        self.perform([*self._following.on_round(now), *self.director.on_round(now)])

    def end(self) -> None:
        """Write down what is under way; the agent is being stopped in order."""
        self.perform(self.director.on_shutdown(self._parts.read_clock()))
        self.perform(self.director.write_down_all())

    def on_player(self, event: messages.Event) -> None:
        """Hear the player."""
        now = self._parts.read_clock()
        match event:
            case messages.Ready(epoch_ns=epoch_ns):
                self._samples = 0
                self.sink_epoch_ms = epoch_ns // 1_000_000
                self._on_new_player()
                # the first player, or a later one: it knows nothing of what was said before
                self.perform(self.director.on_player_restarted(now))
            case messages.Prepared(source=source):
                self.perform(self.director.on_prepared(source, now))
            case messages.Beat():
                self._on_beat(event, now)
            case messages.Started(source=source, at_ns=at_ns):
                self.director.on_started(round(at_ns / 1e6), now, source)
            case messages.Ended(source=source, reason=reason):
                self._keep_broken(event)
                self.perform(self.director.on_source_ended(source, reason, now))
            case messages.LineInLevel() | messages.StreamState():
                self._on_level(event, now)
            case messages.ItemMeasured(item=item):
                self.perform(self.director.on_measured(item, self.hearing.on_measured(event)))
            case messages.ItemSoFar():
                self.hearing.on_so_far(event)
            case messages.SoundAlarm():
                self._on_alarm(event, now)
            case messages.EarHeard():
                self._tell_changes(self.output.heard(to_heard(event)))
                self._over.output.heard(to_heard(event))
            case messages.Fault(name=name, detail=detail):
                self.keep(Happening(name=f"player_{name}"[:64], detail=detail[:300]))

    def on_player_restarted(self, reason: str) -> None:
        """A new player is ready after one was lost."""
        self.keep(Happening(name="player_restarted", detail=reason))

    def on_tuner(self, event: xdr.Event) -> None:
        """Hear the tuner."""
        reading = xdr.to_reading(event)
        if reading is not None:
            self.perform(self.director.on_reading(reading, self._parts.read_clock()))

    def on_line(self, event: line_monitor.Event) -> None:
        """Hear the line board."""
        changes: list[evidence.FaultChanged] = []
        match event:
            case line_monitor.LineRead(at_ms=at_ms, reading=reading):
                changes = self.output.read(reading, at_ms)
                self._over.output.read(reading, at_ms)
            case line_monitor.BoardSilent():
                changes = self.output.lose()
                self._over.output.lose()
        self._tell_changes(changes)

    def _on_new_player(self) -> None:
        """Write down what the player before had measured of plays that are over."""
        director = self.director
        current = {play.name for play in (director.play, director.announcer.play) if play}
        for play, measured in self.hearing.on_new_player(current):
            self.perform(director.on_measured(play, measured))
        self._tell_changes(self.hearing.alarms.clear())

    def _on_level(self, event: messages.LineInLevel | messages.StreamState, now: Reading) -> None:
        if isinstance(event, messages.StreamState):
            for reading in stream_readings(event):
                self.perform(self.director.on_reading(reading, now))
        else:
            level, flatness = round(event.rms_dbfs * 100), round(event.flatness * 1000)
            self.perform(self.director.on_line_in(level, flatness, now))

    def _keep_broken(self, ended: messages.Ended) -> None:
        if broken := self.hearing.on_broken(ended):
            self.keep(broken)

    def _on_alarm(self, alarm: messages.SoundAlarm, now: Reading) -> None:
        changes = self.hearing.alarms.handle(alarm.name, active=alarm.active)
        self._tell_changes(changes, reading_of(alarm))
        if alarm.name == sound_alarms.EAR_SILENT and alarm.active:
            self._over.output.lose_ear(now.mono_ms)
            self._tell_changes(self.output.lose_ear(now.mono_ms))

    def _tell_changes(self, changes: Iterable[evidence.FaultChanged], *details: str) -> None:
        for change in changes:
            self.on_stir()  # what is done about it is done in the next round
            self.keep(told(change, *details, self.director.on_fault(change)))

    def on_amplifier(self, event: amplifier_bus.Event) -> None:
        """Hear the amplifier; sound goes on whatever it says."""
        match event:
            case amplifier_bus.AmplifierSilent(why=why):
                self.faults.add("amplifier_silent")
                self.keep(Happening(name="amplifier_silent", detail=why[:300]))
            case amplifier_bus.AmplifierBack():
                self.faults.discard("amplifier_silent")
                self.keep(Happening(name="amplifier_back", detail=""))

    def _on_beat(self, beat: messages.Beat, now: Reading) -> None:
        if beat.source and self._parts.amplifier is not None:
            self._parts.amplifier.want(now.mono_ms)
        length_ms = (beat.samples - self._samples) * 1000 // 48_000
        self._samples, self.last_beat = beat.samples, beat
        if length_ms > 0:
            for judged in (self._main, self._over):
                judged.output.wrote(round(beat.rms_dbfs * 100), length_ms, now.mono_ms)
