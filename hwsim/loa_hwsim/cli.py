"""The commands ``loa-sim board``, ``cable`` and ``sms``: arguments in, one call, facts out.

The program itself is :mod:`loa_lab.__main__`. Standard output is for programs: one JSON object a
line, the first of them ``ready``.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Final, TextIO

import click

from loa_hwsim.air_file import load_air
from loa_hwsim.amplifier import LineRating
from loa_hwsim.board import Board, BoardSetting
from loa_hwsim.cable import Cable, CableLine, End
from loa_hwsim.fault_file import load_faults
from loa_hwsim.faults import FaultPlan
from loa_hwsim.modem import SmsNetwork
from loa_hwsim.sms_folder import put_message, read_hex
from loa_hwsim.texts import SimCommand
from loa_hwsim.transcript import Transcript
from loa_hwsim.transport import RunningClock
from loa_protocol.errors import StoreError
from loa_protocol.exit_codes import INTERRUPTED
from loa_protocol.sms import make_deliver

PATH: Final = click.Path(path_type=Path)


@click.command(
    "board",
    cls=SimCommand,
    example="loa-sim board --dir sim/c04 --air air.toml --hears out/c04.wav --faults faults.toml",
)
@click.option("--dir", "folder", type=PATH, required=True, help="Folder for the ports' names.")
@click.option("--air", type=PATH, help="TOML file: transmitters and their programmes.")
@click.option("--hears", type=PATH, required=True, help="WAV file that the sound card writes.")
@click.option("--faults", type=PATH, help="TOML file: what goes wrong, and when.")
@click.option("--start", type=int, help="Unix ms that '+' times in the faults count from.")
@click.option("--address", type=click.IntRange(1, 247), default=20, help="Of the line board.")
@click.option("--watts", type=click.FloatRange(1, 2000), default=100.0, help="All loudspeakers.")
@click.option("--volts", type=click.FloatRange(10, 200), default=100.0, help="Rated line voltage.")
@click.option(
    "--wake-ms", type=click.FloatRange(0, 10_000), default=300.0, help="Of the amplifier."
)
@click.option("--boot-ms", type=click.FloatRange(0, 60_000), default=0.0, help="Tuner's boot time.")
@click.option(
    "--sms-loss",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Share of text messages that are lost.",
)
@click.option(
    "--sms-repeats",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Share of text messages that come twice.",
)
@click.option(
    "--sms-delay",
    type=click.FloatRange(0, 3600),
    default=0.0,
    help="Delay of text messages, at most, s.",
)
@click.option("--seed", type=int, default=0, help="Seed of all noise and chance.")
@click.option("--transcript", is_flag=True, help="Write every byte to transcript.log.")
def board_command(
    *,
    folder: Path,
    air: Path | None,
    hears: Path,
    faults: Path | None,
    start: int | None,
    address: int,
    watts: float,
    volts: float,
    wake_ms: float,
    boot_ms: float,
    sms_loss: float,
    sms_repeats: float,
    sms_delay: float,
    seed: int,
    transcript: bool,
) -> None:
    """Run a pole's simulated hardware until it is told to stop.

    Puts serial ports (tuner, bus, amplifier, modem, bench, technician) and linein.fifo into the
    folder and prints one JSON line when ready and one for each fault.
    """
    clock = RunningClock()
    plan = load_faults(faults, start_ms=start or clock.start_ms) if faults else FaultPlan(())
    setting = BoardSetting(
        folder=folder,
        hears=hears,
        transmitters=tuple(load_air(air)) if air else (),
        faults=plan,
        address=address,
        rating=LineRating(volts=volts, watts=watts),
        wake_ms=wake_ms,
        boot_ms=boot_ms,
        seed=seed,
        transcript=transcript,
        network=SmsNetwork(
            loss=sms_loss, repeats=sms_repeats, delay_ms=sms_delay * 1000, seed=seed
        ),
    )
    _run(Board(setting, clock, print_fact).run())


@click.command(
    "cable",
    cls=SimCommand,
    example="loa-sim cable --dir sim/bench --cut-after 900 --mend-after 2",
)
@click.option("--dir", "folder", type=PATH, required=True, help="Folder for the ends' names.")
@click.option("--baud", type=click.IntRange(300, 4_000_000), default=115_200, help="Speed.")
@click.option("--cut-after", type=click.IntRange(1), help="Pull the cable after so many bytes.")
@click.option("--mend-after", type=click.FloatRange(0), help="Plug it in again after so many s.")
@click.option("--silent-cut", is_flag=True, help="A pulled cable is silent instead of hung up.")
@click.option("--garbage", type=click.FloatRange(0, 1), default=0.0, help="Chance of noise.")
@click.option("--echo", is_flag=True, help="Both ends hear themselves.")
@click.option("--seed", type=int, default=0, help="Seed of all noise and chance.")
@click.option("--transcript", is_flag=True, help="Write every byte to transcript.log.")
def cable_command(
    *,
    folder: Path,
    baud: int,
    cut_after: int | None,
    mend_after: float | None,
    silent_cut: bool,
    garbage: float,
    echo: bool,
    seed: int,
    transcript: bool,
) -> None:
    """Run a null-modem cable between two serial ports, bench and technician.

    Prints one JSON line when ready, and one when the cable is pulled or plugged in again.
    """
    cable = Cable(
        cut_after=cut_after,
        hangs_up=not silent_cut,
        garbage=garbage,
        echoing=frozenset(End) if echo else frozenset(),
        seed=seed,
    )
    log = _open_transcript(folder, is_wanted=transcript)
    _run(_run_cable(folder, cable, baud, mend_after, log))


@click.command(
    "sms",
    cls=SimCommand,
    example="loa-sim sms --dir sim/c04 lenh.pdu",
)
@click.argument("file", type=click.File("r"), default="-")
@click.option("--dir", "folder", type=PATH, required=True, help="The board's folder.")
@click.option("--from", "sender", default="+84900000001", help="The sender's number.")
def sms_command(file: TextIO, folder: Path, sender: str) -> None:
    """Send messages to a board's modem: FILE has one SMS-SUBMIT in hex on each line."""
    messages = [make_deliver(pdu, sender) for pdu in read_hex(file.read())]
    for message in messages:
        put_message(folder / "sms", message)
    print_fact({"event": "sent", "messages": len(messages)})


def print_fact(fact: Mapping[str, object]) -> None:
    """Print one fact as a line of JSON, at once."""
    click.echo(json.dumps(fact, ensure_ascii=False))


async def _run_cable(
    folder: Path, cable: Cable, baud: int, mend_after: float | None, transcript: Transcript | None
) -> None:
    clock, cut = RunningClock(), asyncio.Event()
    links = {End.BOARD: folder / "bench", End.TECHNICIAN: folder / "technician"}
    record = transcript.note if transcript else None
    line = CableLine(links, cable, clock, baud=baud, record=record, on_cut=cut.set)
    line.plug()
    try:
        ends = {"bench": str(links[End.BOARD]), "technician": str(links[End.TECHNICIAN])}
        print_fact({"event": "ready", "at": int(clock.now_ms()), **ends})
        while True:
            await cut.wait()
            cut.clear()
            print_fact({"event": "cable_cut", "at": int(clock.now_ms()), "bytes": cable.carried})
            if mend_after is not None:
                await asyncio.sleep(mend_after)
                line.mend()
                print_fact({"event": "cable_mended", "at": int(clock.now_ms())})
    finally:
        line.unplug()
        if transcript:
            transcript.close()


def _open_transcript(folder: Path, *, is_wanted: bool) -> Transcript | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Transcript(folder / "transcript.log") if is_wanted else None
    except OSError as error:
        raise StoreError(str(folder), error.strerror or str(error)) from error


def _run(work: Coroutine[None, None, None]) -> None:
    if asyncio.run(_until_stopped(work)) is signal.SIGINT:
        click.get_current_context().exit(INTERRUPTED)


async def _until_stopped(work: Coroutine[None, None, None]) -> signal.Signals | None:
    """Run *work* until SIGTERM or SIGINT, which it returns; *work* cleans up behind itself."""
    task = asyncio.ensure_future(work)
    asked: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        asked.append(number)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
    return asked[0] if asked else None
