"""``loa live``: somebody speaks, and it is heard under a grant."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import click

from loa_manager.cli.live_view import (
    Ending,
    MeterLine,
    Teller,
    ending,
    level_facts,
    level_text,
    line_text,
)
from loa_manager.cli.options import home_option, json_option, passphrase_option
from loa_manager.cli.order_frame import begin
from loa_manager.cli.order_options import Scope, server_option
from loa_manager.cli.order_view import confirm_order, deliver
from loa_manager.cli.texts import LoaGroup
from loa_manager.keyring import Identity, Secrets
from loa_manager.live.boards import Boards
from loa_manager.live.icecast import IcecastSource
from loa_manager.live.line import CHUNK_S, CommonClock, Line
from loa_manager.live.opening import open_source
from loa_manager.live.permit import knowing, live_identity, slots_for, unsealed, wait_open
from loa_manager.live.slots import Slot, choose
from loa_manager.live.source import Source, parse_source
from loa_manager.live.speaking import Speech, Tick, run
from loa_manager.live.timeline import Timeline
from loa_manager.live.voice import GrantAsk, Voice
from loa_manager.orders.giving import Giver, Outcome
from loa_manager.service_client import ServiceClient
from loa_protocol.envelope import Kind
from loa_protocol.errors import ConfigError
from loa_protocol.exit_codes import INTERRUPTED
from loa_protocol.language import translator
from loa_protocol.objects.playlist import BulletinKind, Mark
from loa_sound.opus import OpusEncoder

_ = translator("loa_manager")

DELAY_S: Final = 2.0
"""From the microphone to the horn: one second gathers a chunk, one carries it to every board."""
EARLIER_S: Final = 30  # before now a grant begins: so far a laptop's clock may be ahead
_EVERY_S: Final = 0.25
_LINES: Final = 20  # where there is no terminal, a line each five seconds


@click.group(cls=LoaGroup)
def live() -> None:
    """Speak live: from a microphone, a file or an encoder to the loudspeakers of a place."""


def speaking(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* the options of whoever speaks: as what, and the way it goes."""
    options = (
        click.option("--category", default="trực tiếp", show_default=True, help="Its category."),
        click.option("--language", default="vi", show_default=True, help="A tag such as vi."),
        click.option(
            "--volume", type=click.IntRange(1, 15), default=10, show_default=True, help="1 to 15."
        ),
        click.option("--yes", is_flag=True, help="Do not ask."),
        server_option,
        passphrase_option,
        home_option,
        json_option,
    )
    for decorate in reversed(options):
        command = decorate(command)
    return command


@live.command(
    example='loa live start --home lan --scope vn/ls/st0137 --title "Họp thôn" --minutes 15'
    " --from mic:default"
)
@click.option("--scope", required=True, type=Scope(), help="Where it sounds.")
@click.option("--title", help="What it is called; a slot has a name already.")
@click.option(
    "--minutes", required=True, type=click.IntRange(1, 60), help="It ends by itself after that."
)
@click.option("--from", "source", required=True, help="mic:NAME, file:PATH, fifo:PATH, - (raw"
    " 16-bit mono 48 kHz on standard input), icecast://:PORT/MOUNT.")  # fmt: skip
@click.option("--slot", help="Fill this live slot of the playlist in force: takes one holder.")
@click.option("--playlist", help="The slot's playlist, the first digits of its digest.")
@click.option(
    "--kind",
    type=click.Choice([kind.name.lower() for kind in BulletinKind]),
    default="normal",
    show_default=True,
    help="An emergency takes role alert too, and is bound by no hours.",
)
@click.option("--drill", is_flag=True, help="It is a drill (diễn tập), and counts in no figure.")
@click.option(
    "--delay",
    type=click.FloatRange(0.5, 20),
    default=DELAY_S,
    show_default=True,
    help="Seconds from here to the horn, the same at every board; less is lost sooner.",
)
@speaking
def start(**given: Any) -> None:  # noqa: ANN401 - click's own
    """Speak live in SCOPE until Ctrl-C or for so many minutes.

    Takes two holders with role live, or one where a slot of the playlist in force is filled. The
    second holder signs the order file meanwhile (loa order sign); the voice begins then.
    """
    name = parse_source(given["source"])
    giver, secrets = begin(given)
    giver, slot = _find_slot(giver, secrets, given)
    voice = Voice(_ask(given, giver.now_s, slot))
    source = open_source(name)
    try:
        with ending() as asked:
            _speak(_Desk(giver, secrets, voice, source, given), asked)
    finally:
        source.close()
    if asked.number == signal.SIGINT:
        click.get_current_context().exit(INTERRUPTED)


@dataclass(frozen=True, slots=True)
class _Desk:
    """Who speaks, and what from."""

    giver: Giver
    secrets: Secrets
    voice: Voice
    source: Source
    given: dict[str, Any]

    @property
    def delay_ms(self) -> int:
        return round(float(self.given["delay"]) * 1000)

    def client(self, identity: Identity, timeout_s: float = CHUNK_S) -> ServiceClient:
        return ServiceClient(self.giver.home, identity, self.giver.server, timeout_s=timeout_s)


def _find_slot(giver: Giver, secrets: Secrets, given: dict[str, Any]) -> tuple[Giver, Slot | None]:
    if given["slot"] is None:
        if given["title"] is None:
            raise ConfigError(_("live"), [_("give --title")])
        return giver, None
    identity = None if giver.is_province else live_identity(giver.home, secrets)
    slot = choose(slots_for(giver, identity, given["scope"]), given["slot"], given["playlist"])
    return knowing(giver, slot), slot


def _ask(given: dict[str, Any], now_s: int, slot: Slot | None) -> GrantAsk:
    length_s = given["minutes"] * 60
    begin_s = now_s - min(EARLIER_S, 3600 - length_s)
    end_s = now_s + length_s
    if slot is not None:
        begin_s = max(slot.start, begin_s)
        end_s = min(slot.end, max(begin_s, now_s) + length_s)
    return GrantAsk(
        scope=given["scope"],
        title=given["title"] or (slot.title if slot is not None else ""),
        start=begin_s,
        end=end_s,
        kind=BulletinKind[given["kind"].upper()],
        language=given["language"],
        category=given["category"],
        volume=given["volume"],
        mark=Mark.DRILL if given["drill"] else Mark.NONE,
        slot=None if slot is None else slot.item,
        playlist=None if slot is None else slot.playlist,
    )


def _speak(desk: _Desk, asked: Ending) -> None:
    """Give the grant, wait until it stands, and send what comes until somebody ends it."""
    paper, tell = unsealed(desk.voice), Teller()
    confirm_order(desk.giver, [paper], yes=desk.given["yes"])
    identity = desk.giver.sealer(paper, desk.secrets)
    judged = desk.giver.seal(Kind.GRANT, desk.voice.grant, desk.secrets)
    _tell_given(tell, deliver(desk.giver, judged, desk.secrets, output=None))
    _tell_encoder(tell, desk.source)
    clock, client = CommonClock(), desk.client(identity)
    try:
        opened = wait_open(client, desk.voice, clock, asked.stop)
    finally:
        client.close()
    if opened is None:
        return
    grant = desk.voice.grant
    line = Line(partial(desk.client, identity), clock)
    line.know(desk.voice, opened.word)
    boards = Boards(partial(desk.client, identity), grant.id, grant.scope)
    tell("open", _("ON THE AIR. Ctrl-C ends it."), grant=grant.id.hex(), end=grant.end)
    try:
        _go_on(desk, line, boards, clock, asked.stop)
    finally:
        boards.close()
        line.close()
    state = line.state
    text = _("Ended: {seconds} s sent, {lost} chunks lost.")
    sent_s = state.sent_ms // 1000
    tell("ended", text.format(seconds=sent_s, lost=state.lost), sent_s=sent_s, lost=state.lost)


def _go_on(
    desk: _Desk, line: Line, boards: Boards, clock: CommonClock, stop: threading.Event
) -> None:
    timeline = Timeline(OpusEncoder().encode, delay_ms=desk.delay_ms)
    speech = Speech(desk.source, line, timeline, voices=[desk.voice])
    is_over = threading.Event()
    meter, begun_s = MeterLine(_LINES), time.monotonic()
    last_ms = desk.voice.grant.end * 1000 - desk.delay_ms

    def on_tick(tick: Tick) -> None:
        _show(meter, desk, tick, line, boards, round(time.monotonic() - begun_s, 1))
        if stop.is_set() or tick.now_ms >= last_ms:
            is_over.set()

    desk.source.take(time.monotonic())  # what was said before is nobody's business
    run(speech, clock, is_over, on_tick, every_s=_EVERY_S)


def _show(
    meter: MeterLine, desk: _Desk, tick: Tick, line: Line, boards: Boards, since_s: float
) -> None:
    state, taken = line.state, boards.now
    told = [
        level_text(tick.level),
        _("{seconds} s sent").format(seconds=state.sent_ms // 1000),
        _("boards {taken}/{boards}").format(taken=taken.taken, boards=taken.boards),
        _("SILENCED by {order}").format(order=taken.silenced_by) if taken.silenced_by else "",
        _("no sound: {why}").format(why=desk.source.trouble) if desk.source.trouble else "",
        line_text(state.why),
    ]
    meter.show(
        "  ".join(part for part in told if part),
        **level_facts(tick.level),
        since_s=since_s,
        sent_s=round(state.sent_ms / 1000, 1),
        lost=state.lost,
        boards=taken.boards,
        taken=taken.taken,
        refused=taken.refused,
        silenced_by=taken.silenced_by,
        source=desk.source.trouble,
        line=state.why,
        left_s=desk.voice.grant.end - tick.now_ms // 1000,
    )


def _tell_given(tell: Teller, outcome: Outcome) -> None:
    judged = outcome.judged
    facts = {
        "grant": judged.paper.id.hex(),
        "signers": [signer.holder for signer in judged.signers],
        "state": "given" if outcome.went_to != "file" else "waits",
        "file": None if outcome.path is None else str(outcome.path),
        "next": list(outcome.next),
    }
    if outcome.went_to != "file":
        text = _("Given: live grant {id}.").format(id=judged.paper.id.hex()[:8])
    else:
        text = _(
            "Another holder must sign: loa order sign {file}. The voice begins when they have."
        ).format(file=outcome.path)
    tell("given", text, **facts)


def _tell_encoder(tell: Teller, source: Source) -> None:
    if isinstance(source, IcecastSource):
        text = _("An encoder on this machine sends to {address}").format(address=source.address)
        tell("encoder", text, address=source.address)
