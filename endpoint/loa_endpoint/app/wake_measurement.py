"""The measurement of `loa-endpoint measure wake`: how long this pole's amplifier takes to wake.

It puts the amplifier into standby, plays a steady tone on the real sound card, wakes it, and looks
for the full level, again and again. It needs the lines and the card for itself: the agent must not
run. What it finds becomes a record of the board, as a self-test's finding does.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from loa_endpoint.app.keeper import Keeper
from loa_endpoint.app.measuring_sounds import write_tone
from loa_endpoint.app.options import NULL_SINK, Hardware, Options
from loa_endpoint.app.outbox import open_outbox
from loa_endpoint.app.timekeeper import Timekeeper
from loa_endpoint.audio import messages as m
from loa_endpoint.audio.supervisor import PlayerSupervisor
from loa_endpoint.core import amplifier_bus, line_monitor
from loa_endpoint.core.wake_time import (
    CURRENT,
    MICROPHONE,
    VOLTAGE,
    Level,
    Lever,
    Sensor,
    Wake,
    WakeTime,
    find_wake,
)
from loa_endpoint.host.status_socket import ask
from loa_endpoint.link.amplifier import AMPLIFIER_PROFILE
from loa_endpoint.link.conversation import Conversation, monotonic_ms
from loa_endpoint.link.line_monitor import BOARD_PROFILE
from loa_endpoint.store.identity import IdentityStore
from loa_protocol.errors import ConfigError, PeerError, SilentError
from loa_protocol.language import translator
from loa_protocol.line_map import LineReading
from loa_protocol.record import Happening, Record

_ = translator("loa_endpoint")

TONE_HZ: Final = 1000
EAR_MODULE: Final = "loa_endpoint.audio.tone_ear"  # it needs numpy, which is not ours to import
POLL_MS: Final = 250
_REPLY_MS: Final = 240  # a reading takes 45 ms on the line
_START_S: Final = 30.0  # a player on a slow board, and its card
_CONFIRM_S: Final = 3.0
_MOST_MS: Final = 15_000
_LOOK_S: Final = 0.05


def ready(home: Path, store: IdentityStore, sink: str | None) -> Hardware:
    """Return the hardware to measure with.

    Raises:
        ConfigError: the settings lack something; everything that is missing is named.
        PeerError: the agent of this board is running.
    """
    with suppress(SilentError):
        ask(home)
        raise PeerError(
            _(
                "The agent of this board is running and has its lines and its sound card. "
                "Stop it first: systemctl stop loa-endpoint"
            )
        )
    keeper = Keeper(store)
    if not keeper.is_provisioned:
        raise ConfigError(str(home), [_("not provisioned: it is not known what is fitted")])
    hardware = Hardware.of(Options(home=home, sink=sink), keeper.in_force)
    if lacking := missing(hardware):
        raise ConfigError(_("settings of {scope}").format(scope=keeper.scope), lacking)
    return hardware


def missing(hardware: Hardware) -> list[str]:
    """Return what *hardware* lacks for the measurement, in words."""
    faults = []
    if hardware.amplifier is None:
        faults.append(_('no amplifier is fitted (device = "amplifier")'))
    if hardware.line_board is None and hardware.ear is None:
        text = _("neither a line board nor a microphone is fitted: nothing can tell when it sounds")
        faults.append(text)
    if hardware.sink == NULL_SINK:
        faults.append(_("no sound_out is fitted, and no --sink is given"))
    return faults


def facts(hardware: Hardware, found: WakeTime, sensor: Sensor) -> dict[str, Any]:
    """Return what was found, for programs."""
    fitting = hardware.amplifier
    assert fitting is not None  # it was measured
    return {
        "measured_by": sensor.name,
        "wake_ms": [each.wake_ms for each in found.wakes],
        "median_ms": found.median_ms,
        "worst_ms": found.worst_ms,
        "doubt_ms": found.doubt_ms,
        "in_force": fitting.option,
        "fitting": {"device": "amplifier", "port": fitting.port, "option": found.option},
    }


def keep(store: IdentityStore, version: str, told: dict[str, Any]) -> None:
    """Keep a record of what was found; the agent delivers it.

    Raises:
        StoreError: it cannot be kept.
    """
    signer = store.signer()
    assert signer is not None  # a provisioned board has a key
    time = Timekeeper(store.state)
    words = "{measured_by}: median {median_ms} ms, worst {worst_ms} ms, doubt {doubt_ms} ms"
    count, option = len(told["wake_ms"]), told["fitting"]["option"]
    detail = f"{words.format(**told)}, measured {count} times; option {option}"
    outbox = open_outbox(store, signer, version, time)
    try:
        outbox.begin()
        at_ms, trust = time.stamp()
        happening = Happening(name="wake_measured", detail=detail)
        outbox.append(Record(at_ms=at_ms, trust=trust, body=happening))
    finally:
        outbox.close()


async def measure(
    hardware: Hardware, *, times: int, standby_s: float, tell: Callable[[int, Wake], None]
) -> tuple[WakeTime, Sensor]:
    """Measure so many times, and tell each; the amplifier is left awake.

    Raises:
        PeerError: a part does not answer, or the tone does not come, or does not go.
    """
    async with AsyncExitStack() as stack:
        bench = _Bench(hardware, standby_s)
        await bench.open(stack)
        wakes = []
        for number in range(1, times + 1):
            wakes.append(await bench.once(number))
            tell(number, wakes[-1])
        return WakeTime(tuple(wakes)), bench.sensor


class _Bench:
    """The parts of the measurement, each on its own line."""

    def __init__(self, hardware: Hardware, standby_s: float) -> None:
        assert hardware.amplifier is not None  # the caller has looked
        self._hardware, self._standby_s = hardware, standby_s
        self._port = hardware.amplifier.port
        self._player = PlayerSupervisor(hardware.sink)
        self._lever = Lever()
        self._bus = amplifier_bus.AmplifierBus(self._lever)
        self._amplifier: Conversation[amplifier_bus.Event] = Conversation(
            self._bus, self._port, profile=AMPLIFIER_PROFILE, on_event=lambda _event: None
        )
        by_line = hardware.line_board is not None
        sensors = (CURRENT, VOLTAGE) if by_line else (MICROPHONE,)
        self._heard: dict[Sensor, list[Level]] = {each: [] for each in sensors}
        self._tone = self._why = ""
        self.sensor = sensors[0]

    async def open(self, stack: AsyncExitStack) -> None:
        """Begin with every part; *stack* ends them."""
        folder = stack.enter_context(TemporaryDirectory(prefix="wake-"))
        seconds = math.ceil(self._standby_s + _MOST_MS / 1000) + 10  # longer than it is needed
        self._tone = str(write_tone(Path(folder) / "tone.wav", TONE_HZ, seconds))
        stack.push_async_callback(self._player.stop)
        await self._player.start()
        listening = asyncio.create_task(self._listen())
        stack.callback(listening.cancel)
        try:
            await self._player.wait_ready(_START_S)
        except SilentError:
            text = _("The sound card {sink} does not open. {why}")
            raise PeerError(text.format(sink=self._hardware.sink, why=self._why).strip()) from None
        stack.callback(self._let_go)
        self._amplifier.start()
        if (board := self._hardware.line_board) is not None:
            line = line_monitor.LineMonitor(board.option, poll_ms=POLL_MS, reply_ms=_REPLY_MS)
            reading: Conversation[line_monitor.Event] = Conversation(
                line, board.port, profile=BOARD_PROFILE, on_event=self._on_line
            )
            stack.callback(reading.close)
            reading.start()
            return
        ear = await asyncio.create_subprocess_exec(
            sys.executable, "-m", EAR_MODULE, str(self._hardware.ear), str(TONE_HZ),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        hearing = asyncio.create_task(self._hear(ear))
        stack.callback(hearing.cancel)
        stack.push_async_callback(_end, ear)

    async def once(self, number: int) -> Wake:
        """Let it sleep, let the tone sound, wake it, and find when the tone was whole."""
        await self._lead(is_asleep=True)
        source = f"tone-{number}"
        self._player.send(m.Prepare(source=source, path=self._tone))
        self._player.send(m.Play(source=source))
        for readings in self._heard.values():
            readings.clear()
        await asyncio.sleep(self._standby_s)
        woken_ms = monotonic_ms()
        await self._lead(is_asleep=False)
        while monotonic_ms() < woken_ms + _MOST_MS:
            await asyncio.sleep(_LOOK_S)
            for sensor, readings in self._heard.items():
                since = [Level(each.at_ms - woken_ms, each.level) for each in readings]
                wake = find_wake(since, sensor)
                if wake is not None:
                    self.sensor = sensor
                    self._player.send(m.Stop())
                    return self._judged(wake)
        raise PeerError(self._silence())

    async def _lead(self, *, is_asleep: bool) -> None:
        self._lever.is_asleep = self._lever.is_muted = is_asleep
        self._amplifier.pump()
        until_ms = monotonic_ms() + _CONFIRM_S * 1000
        while not self._bus.is_confirmed:
            if monotonic_ms() > until_ms:
                text = _("The amplifier on {port} does not answer. Its power, its bus, its port?")
                raise PeerError(text.format(port=self._port))
            await asyncio.sleep(_LOOK_S / 5)

    def _judged(self, wake: Wake) -> Wake:
        if wake.sounds_in_standby:
            text = _(
                "The tone sounds while the amplifier on {port} is in standby. "
                "Is it the amplifier of this line, and does it obey?"
            )
            raise PeerError(text.format(port=self._port))
        return wake

    def _silence(self) -> str:
        """Say why no tone was found."""
        if not any(self._heard.values()):
            board = self._hardware.line_board
            port = self._hardware.ear if board is None else board.port
            text = _("Nothing is read from {port}. Its power, its address, its port? {why}")
            return text.format(port=port, why=self._why).strip()
        most = {each.name: max(r.level for r in read) for each, read in self._heard.items() if read}
        text = _(
            "{seconds} s after the amplifier was woken no steady tone is heard (most: {most}). "
            "Sound card, volume of the amplifier, the loudspeaker line? {why}"
        )
        told = ", ".join(f"{name} {level}" for name, level in most.items())
        return text.format(seconds=_MOST_MS // 1000, most=told, why=self._why).strip()

    async def _listen(self) -> None:
        async for event in self._player.events():
            if isinstance(event, m.Fault):
                self._why = event.detail

    def _on_line(self, event: line_monitor.Event) -> None:
        if isinstance(event, line_monitor.LineRead):
            self._read(event.reading, event.at_ms)
        elif isinstance(event, line_monitor.BoardSilent):
            self._why = event.why

    def _read(self, reading: LineReading, at_ms: int) -> None:
        pairs = ((CURRENT, reading.current_ma), (VOLTAGE, reading.level_mv))
        for sensor, level in pairs:
            if level is not None:
                self._heard[sensor].append(Level(at_ms, level))

    async def _hear(self, ear: asyncio.subprocess.Process) -> None:
        assert ear.stdout is not None
        assert ear.stderr is not None
        async for line in ear.stdout:
            at_ms, level = map(int, line.split())
            self._heard[MICROPHONE].append(Level(at_ms, level))
        self._why = (await ear.stderr.read()).decode(errors="replace").strip()

    def _let_go(self) -> None:
        """Leave the amplifier awake, whatever happened."""
        self._lever.is_asleep = self._lever.is_muted = False
        self._amplifier.pump()
        self._amplifier.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
