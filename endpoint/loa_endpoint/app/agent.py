"""The agent: all parts of a provisioned endpoint, joined and kept running."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
from collections.abc import Iterable
from pathlib import Path

from loa_endpoint.app import carriers
from loa_endpoint.app.carriers import Carriers
from loa_endpoint.app.devices import Devices, Heard
from loa_endpoint.app.keeper import Keeper
from loa_endpoint.app.live_door import LiveDoor
from loa_endpoint.app.measuring_sounds import write_test_sound
from loa_endpoint.app.options import Hardware, Options
from loa_endpoint.app.outbox import open_outbox
from loa_endpoint.app.plane import ContentPlane
from loa_endpoint.app.recall import FOLDER, BlackBoxDoor
from loa_endpoint.app.recall import Parts as BlackBoxParts
from loa_endpoint.app.report import Observed, StatusReport
from loa_endpoint.app.rounds import Rounds
from loa_endpoint.app.stage import Parts, Stage
from loa_endpoint.app.tasks import every, keep_running
from loa_endpoint.app.timekeeper import TICK_S, Timekeeper
from loa_endpoint.app.uplink import open_session
from loa_endpoint.audio.supervisor import PlayerSupervisor
from loa_endpoint.core import amplifier_bus, line_monitor, self_test, xdr
from loa_endpoint.core.bearer_desk import BearerDesk
from loa_endpoint.core.director import Director
from loa_endpoint.core.fallback import Fallback
from loa_endpoint.core.place import Place
from loa_endpoint.core.poll import Reach
from loa_endpoint.core.start_wait import StartWait
from loa_endpoint.core.xdr_lines import RdsGroup
from loa_endpoint.host.battery_clock import open_battery_clock
from loa_endpoint.host.clocks import monotonic_ms
from loa_endpoint.host.notify import ServiceManager, watchdog_interval_s
from loa_endpoint.host.status_socket import StatusSocket
from loa_endpoint.memory import return_free_memory
from loa_endpoint.store.identity import IdentityStore
from loa_endpoint.store.orders import OrderStore
from loa_protocol.objects.playlist import Mark
from loa_protocol.parameters import FallbackParameters, SoundProfile
from loa_protocol.record import ClockTrust, Refused

log = logging.getLogger("loa.endpoint")

SLOW_ROUND_S = 60.0
_DEAF_NS = 5_000_000_000  # without moving samples for so long the watchdog is not fed


class Agent:
    """One run of the agent: an epoch."""

    def __init__(self, options: Options, store: IdentityStore, version: str) -> None:
        """Open everything; nothing runs yet.

        Raises:
            StoreError: something that is kept cannot be read.
        """
        self.keeper = Keeper(store)
        assert self.keeper.is_provisioned  # the command has looked
        settings, signer = self.keeper.settings, store.signer()
        assert settings is not None
        assert signer is not None
        self._home, self._signer = options.home, signer
        self.time = Timekeeper(store.state, open_battery_clock(options.rtc))
        self.outbox = open_outbox(store, signer, version, self.time)
        self.hardware = Hardware.of(options, settings)
        self.player = PlayerSupervisor(
            self.hardware.sink,
            line_in=self.hardware.line_in,
            ear=self.hardware.ear,
            black_box=options.home / FOLDER,
            on_restart=self._on_player_restart,
        )
        parameters = FallbackParameters.from_map(settings.fallback)
        heard = Heard(tuner=self._on_tuner, line=self._on_line, amplifier=self._on_amplifier)
        self.devices = Devices(self.hardware, parameters, heard)
        self.stage = self._make_stage(parameters, self.outbox.begin()[0].epoch)
        self._live_door = LiveDoor(self.stage)
        self.session = open_session(self.keeper, signer, self.time, self.outbox, self)
        self.plane = ContentPlane(
            self.keeper,
            self.time,
            signer,
            stage=self.stage,
            is_nudged=lambda: self.session.is_connected,
        )
        self.carriers = self._make_carriers(options)
        self._black_box = self._make_black_box()
        self._start_wait = StartWait(wait_s=self._wait_s(), booted_ms=monotonic_ms())
        self._began_with, self._began_in = settings, self.keeper.scope
        self._listens_khz: int | None = None
        self._choice = self.keeper.choice(self.time.now())
        self._wants_again, self.is_interrupted, self.is_restart_ordered = False, False, False
        self._stop = asyncio.Event()
        self.report = StatusReport(self._observed())
        self._manager = ServiceManager.from_environment()
        self._rounds = Rounds(self._round, self._is_calm)
        self._join()

    def _join(self) -> None:
        self.plane.on_identity = self.session.renew
        self.plane.on_settings = self._on_settings
        self.plane.sync.on_caught_up = self._on_caught_up
        self.time.on_happening = self.stage.keep
        self.stage.on_stir = self.time.on_trust = self._stir

    async def run(self) -> bool:
        """Run until told to stop; tell whether to begin again, with other hardware settings."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._end_for_good, number)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.stage.on_button)
        socket = StatusSocket(self._home, self.report.status)
        await socket.open()
        await self._begin()
        tasks = self._work()
        self._manager.say("READY=1")
        log.info("ready", extra={"scope": self.keeper.scope})
        try:
            await self._stop.wait()
        finally:
            self._manager.say("STOPPING=1")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await socket.close()
            await self._end()
        return self._wants_again

    def _end_for_good(self, number: signal.Signals) -> None:
        self.is_interrupted = number is signal.SIGINT
        self._wants_again = False
        self._stop.set()

    def _on_settings(self) -> None:
        """Take up new settings or another place: addresses now, the rest when nothing sounds."""
        new, old = self.keeper.in_force, self._began_with
        if (new.broker, new.authorities) != (old.broker, old.authorities):
            self.session.renew()
        hardware = (old.fittings, old.fallback, old.heartbeat_s)
        is_moved = self.keeper.scope != self._began_in
        self._wants_again = is_moved or (new.fittings, new.fallback, new.heartbeat_s) != hardware

    def nudged(self, head: bytes, reach: Reach) -> None:
        """Somebody says that there is something new; *head* may be the new head itself."""
        self.plane.sync.look(head, reach=reach)

    async def ordered(self, bundle: bytes) -> None:
        """Somebody pushes an order over MQTT."""
        await self.plane.inbox.offer(bundle, "mqtt")

    def spoken(self, chunk: bytes) -> None:
        """Somebody sends live sound over MQTT."""
        self._live_door.hear(chunk)

    def tell_refused(self, refused: Refused) -> None:
        """Keep a refusal of the uplink."""
        self.stage.keep(refused)

    # What orders ask of the agent.

    def restart(self) -> None:
        """End this run in order; the service manager begins another."""
        self.is_restart_ordered, self._wants_again = True, False
        self._stop.set()

    def want_time(self) -> None:
        """Ask the server for the time now."""
        self.time.want_answer()

    def renew_identity(self) -> None:
        """Ask the server for a new 30-day certificate now."""
        self.plane.renew_identity()

    def reset_floor(self, unix_ms: int, nonce: bytes) -> bool:
        """Set the time floor; False where *nonce* is not ours.

        Raises:
            StoreError: it could not be kept, and the floor stays.
        """
        return self.time.reset_floor(unix_ms, nonce)

    def keep_session(self, start: int) -> None:
        """Keep that the session of unix second *start* was on air.

        Raises:
            StoreError: it could not be kept.
        """
        self.keeper.keep_session(start)

    # The parts know each other only through these: each is bound before the other is made.

    def _kept(self) -> None:
        self.session.wake()

    def _media_path(self, sha256: bytes) -> Path | None:
        if sha256 == self_test.SOUND:
            return write_test_sound(self._home / "self-test.wav")
        return self.plane.media_path(sha256)

    def _cached(self) -> Iterable[bytes]:
        return self.plane.cache.held()

    def _on_tuner(self, event: xdr.Event) -> None:
        if isinstance(event, RdsGroup):
            self.time.on_rds(event.group)
        self.stage.on_tuner(event)

    def _on_line(self, event: line_monitor.Event) -> None:
        self.stage.on_line(event)

    def _on_amplifier(self, event: amplifier_bus.Event) -> None:
        self.stage.on_amplifier(event)

    def _work(self) -> list[asyncio.Task[None]]:
        work = {
            "round": self._rounds.run,
            "player": self._hear_player,
            "identity": self.plane.keep_identity,
            "content": self.plane.sync.run,
            "media": self.plane.media.run,
            "inbox": self.plane.inbox.run,
            "recall": self._black_box.run,
            "uplink": self.session.run,
            "clocks": lambda: every(TICK_S, self._hear_clocks),
            "slow round": lambda: every(SLOW_ROUND_S, self._slow_round),
            "heartbeat": lambda: every(self._heartbeat_s(), self.report.beat),
            "watchdog": lambda: every(watchdog_interval_s() or SLOW_ROUND_S, self._feed_watchdog),
        }
        every_work = {**work, **self.carriers.work()}
        return [asyncio.create_task(keep_running(name, each)) for name, each in every_work.items()]

    async def _begin(self) -> None:
        await self.player.start()
        self.devices.start()
        self.stage.on_denied(self.keeper.denied())  # first: what it names is not taken up to sound
        self.stage.restore(self.plane.inbox.kept())  # before anything may sound
        self._take_up()
        self.carriers.start()

    async def _end(self) -> None:
        self.devices.close()
        self.stage.end()
        await self.player.stop()
        self.carriers.close()
        self._black_box.close()
        self.plane.close()
        self.time.save_floor()
        self.outbox.close()

    def _round(self) -> None:
        self.devices.look()
        self._black_box.tell_time()
        self._await_head()
        self.stage.round()

    def _stir(self) -> None:
        self._rounds.stir()
        self._black_box.stir()

    def _is_calm(self) -> bool:
        return self.stage.director.is_calm(self.time.read())

    def _await_head(self) -> None:
        """Let nothing scheduled begin before what was ordered meanwhile could be obeyed."""
        if self._start_wait.on_connection(self.session.is_connected, monotonic_ms()):
            self.plane.sync.reconnected()
            if self.time.read().trust < ClockTrust.T3:
                self.time.want_answer()
        self.stage.director.hold_until(self._start_wait.hold_until_ms)

    def _on_caught_up(self, head_age_s: int | None) -> None:
        self._start_wait.on_caught_up(monotonic_ms(), head_age_s=head_age_s)
        self._rounds.stir()

    def _take_up(self) -> None:
        """Play from what is valid now: a playlist, or else the standing programme."""
        self._choice = self.keeper.choice(self.time.now())
        self.plane.take_up()
        self._rounds.stir()

    def _hear_clocks(self) -> None:
        self.time.tick()
        is_idle = self.stage.director.play is None
        choice = self.keeper.choice(self.time.now())
        if choice.name != self._choice.name or (choice != self._choice and is_idle):
            self._take_up()
        self.stage.director.schedule_until(self.keeper.schedule_until_ms())
        playlist = self.keeper.playlist
        tuner = self.devices.tuner
        if tuner is None or playlist is None or self.stage.director.play is not None:
            return
        khz = self.time.station_to_hear(w.frequency_khz for w in playlist.fm_windows)
        if khz is not None and khz != self._listens_khz:
            tuner.tune(khz)  # for its clock; no way is opened for its sound
        self._listens_khz = khz

    def _slow_round(self) -> None:
        self.plane.come_into_force()
        self._start_wait.on_policy(self._wait_s())
        self.time.save_floor()
        return_free_memory()  # of what was fetched and judged meanwhile
        if self._wants_again and self.stage.director.play is None:
            log.info("restart_for_settings")
            self._stop.set()

    async def _hear_player(self) -> None:
        async for event in self.player.events():
            self._black_box.on_player(event)
            self.stage.on_player(event)
            self._rounds.awake()

    def _on_player_restart(self, reason: str) -> None:
        self.stage.on_player_restarted(reason)

    def _feed_watchdog(self) -> None:
        # A card that is away does not come back because the agent is started anew.
        last_ns = max(self.player.last_moving_ns, self.player.last_waiting_ns)
        if last_ns and monotonic_ms() * 1_000_000 - last_ns < _DEAF_NS:
            self._manager.say("WATCHDOG=1")

    def _wait_s(self) -> int:
        policy = self.keeper.effective_policy()
        return 0 if policy is None else policy.start_wait_s

    def _heartbeat_s(self) -> float:
        settings = self.keeper.settings
        return 300.0 if settings is None else float(settings.heartbeat_s)

    def _observed(self) -> Observed:
        return Observed(
            keeper=self.keeper,
            time=self.time,
            stage=self.stage,
            plane=self.plane,
            session=self.session,
            outbox=self.outbox,
            player=self.player,
            hardware=self.hardware,
            carriers=self.carriers,
        )

    def _make_carriers(self, options: Options) -> Carriers:
        parts = carriers.Parts(
            keeper=self.keeper,
            time=self.time,
            plane=self.plane,
            identity=self._signer.public.kid,
            keep=self.stage.keep,
        )
        return Carriers(parts, modem=self.hardware.modem, sticks=options.sticks)

    def _make_black_box(self) -> BlackBoxDoor:
        parts = BlackBoxParts(
            folder=self._home / FOLDER,
            identity=self._signer.public.kid,
            stage=self.stage,
            tell_player=self.player.send,
            read_clock=self.time.read,
            service=self.plane.open_service(),
            address=lambda: self.keeper.in_force.service[0],
            is_mobile=self.hardware.modem is not None,
        )
        return BlackBoxDoor(parts)

    def _make_stage(self, parameters: FallbackParameters, epoch: int) -> Stage:
        root = self.keeper.root
        assert root is not None
        place = Place(
            scope=self.keeper.scope, mark=Mark.TEST if root.test else Mark.NONE, epoch=epoch
        )
        seed = int.from_bytes(self._signer.public.kid[:8])
        desk = BearerDesk(Fallback(parameters, random.Random(seed)))
        is_horn = parameters.sound_profile == SoundProfile.HORN
        director = Director(place, desk, is_horn=is_horn)
        director.guard.obey(parameters)
        parts = Parts(
            player=self.player,
            outbox=self.outbox,
            media_path=self._media_path,
            tuner=self.devices.tuner,
            read_clock=self.time.read,
            on_kept=self._kept,
            cached=self._cached,
            book=OrderStore(self.keeper.store.state),
            host=self,
            amplifier=self.devices.amplifier,
        )
        return Stage(director, parts)
