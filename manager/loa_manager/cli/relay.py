"""``loa relay``: a radio's stream, heard under our seal in live slots of a playlist."""

from __future__ import annotations

import contextlib
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import click

from loa_manager.cli.live import speaking
from loa_manager.cli.live_view import (
    Ending,
    MeterLine,
    Teller,
    ending,
    level_facts,
    level_text,
    line_text,
)
from loa_manager.cli.order_options import Scope, open_giver
from loa_manager.cli.question import confirm
from loa_manager.cli.texts import LoaCommand
from loa_manager.keyring import Identity, Secrets
from loa_manager.live.line import CHUNK_S, CommonClock, Line
from loa_manager.live.permit import OneHolder, live_identity, slots_for
from loa_manager.live.plan import Plan
from loa_manager.live.relay import (
    DELAY_MS,
    SILENCE_S,
    RelayWays,
    Status,
    relay_all,
)
from loa_manager.live.slots import Slot, choose
from loa_manager.live.upstream import Happening, Upstream
from loa_manager.live.voice import GrantAsk, Voice
from loa_manager.orders.giving import Giver
from loa_manager.service_client import ServiceClient
from loa_protocol.errors import LoaError
from loa_protocol.exit_codes import INTERRUPTED
from loa_protocol.language import translator
from loa_sound.streams.fetching import STALL_S, Way

_ = translator("loa_manager")

_LINES = 60  # where there is no terminal, a line a minute
_CERTIFICATE_S = 3600.0


@click.command(
    cls=LoaCommand,
    example="loa relay --home truc --url https://radio.example.vn/live.ogg --scope vn/ls"
    " --slot 'dai-tinh-*'",
)
@click.option("--url", required=True, help="The stream: Icecast (Ogg/Opus, MP3) or HLS.")
@click.option("--scope", required=True, type=Scope(), help="Whose playlist, and where it sounds.")
@click.option("--slot", required=True, help="Its live slots, by id; * and ? stand for any letters.")
@click.option("--once", is_flag=True, help="End with the slot; else the next one is waited for.")
@click.option(
    "--silence",
    type=click.FloatRange(1, 600),
    default=SILENCE_S,
    show_default=True,
    help="Seconds of silence after which nothing is sent on, and boards fall back.",
)
@click.option(
    "--delay",
    type=click.FloatRange(0.5, 20),
    default=DELAY_MS / 1000,
    show_default=True,
    help="Seconds from here to the horn, the same at every board.",
)
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Believe in these certificates (PEM) alone, instead of the system's.",
)
@click.option("--plain-http", is_flag=True, help="Take what anybody on the way could change.")
@speaking
def relay(**given: Any) -> None:  # noqa: ANN401 - click's own
    """Send a stream on into live slots of the playlist in force, signed by the one key here.

    A stream that dies or falls silent is not sent on: the boards fall back to what else their item
    may sound from. It is asked for again, at growing intervals, until Ctrl-C.
    """
    way = Way.by(given["ca_file"], takes_plain=given["plain_http"], stall_s=STALL_S)
    way.check(given["url"])
    desk = _Desk(given, given["passphrase"].secrets())  # asked for now, not in a week
    question = _("Relay {url} into the live slots {slot} of {scope}?")
    names = {name: given[name] for name in ("url", "slot", "scope")}
    confirm(question.format(**names), where=_("relay"), yes=given["yes"])
    with ending() as asked:
        _run(given, way, desk, asked)
    if asked.number == signal.SIGINT:
        click.get_current_context().exit(INTERRUPTED)


def _run(given: dict[str, Any], way: Way, desk: _Desk, asked: Ending) -> None:
    clock, plan = CommonClock(), Plan(desk.slots, given["slot"])
    holder = OneHolder(desk.giver, desk.secrets, clock)
    line, meter, tell = Line(desk.connect, clock), MeterLine(_LINES), Teller()

    def give(slot: Slot, start: int, end: int) -> Voice:
        voice, word = holder.give(_ask(given, slot, start, end), slot)
        line.know(voice, word)
        tell("given", _("Given: live grant {id}.").format(id=voice.grant.id.hex()[:8]),
            grant=voice.grant.id.hex(), start=start, end=end)  # fmt: skip
        return voice

    ways = RelayWays(
        next_slot=plan.next,
        open_stream=lambda: Upstream(given["url"], way),
        give=give,
        line=line,
        clock=clock,
        on_status=partial(_show, meter),
        on_news=partial(_tell_news, tell),
    )
    if given["once"]:
        plan.look()
        choose(plan.slots, given["slot"])
    plan.begin()
    waiting = _Waiting(plan, clock, tell)
    try:
        relay_all(
            ways,
            asked.stop,
            delay_ms=round(given["delay"] * 1000),
            silence_s=given["silence"],
            is_once=given["once"],
            on_wait=waiting.tell,
        )
    finally:
        plan.close()
        line.close()


class _Desk:
    """Where it is run, and the key there with its certificate of now: months may pass."""

    def __init__(self, given: dict[str, Any], secrets: Secrets) -> None:
        self._given, self.secrets = given, secrets
        self._read_s, self._identity = time.monotonic(), live_identity(self.giver().home, secrets)

    def giver(self) -> Giver:
        """Return whoever gives the next grant: a desk judges at one time."""
        return open_giver(self._given["home"], self._given["server"])

    def connect(self) -> ServiceClient:
        """Return a way to the server."""
        giver = self.giver()
        return ServiceClient(giver.home, self._now_valid(giver), giver.server, timeout_s=CHUNK_S)

    def slots(self) -> list[Slot]:
        """Return the slots of the playlist in force."""
        giver = self.giver()
        identity = None if giver.is_province else self._now_valid(giver)
        return slots_for(giver, identity, self._given["scope"])

    def _now_valid(self, giver: Giver) -> Identity:
        if time.monotonic() - self._read_s > _CERTIFICATE_S:  # to open a key takes a while
            with contextlib.suppress(LoaError):  # being replaced; the old one may do
                self._identity = live_identity(giver.home, self.secrets)
                self._read_s = time.monotonic()
        return self._identity


class _Waiting:
    """Tells what is waited for, when it is another than before."""

    def __init__(self, plan: Plan, clock: CommonClock, tell: Teller) -> None:
        self._plan, self._clock, self._tell = plan, clock, tell
        self._slot: Slot | None = None
        self._why = ""

    def tell(self, slot: Slot | None) -> None:
        self._clock.restart()  # it may have been set since; the server tells its own with a grant
        if slot is not None and slot != self._slot:
            self._tell("slot", _("Next: {title}").format(title=slot.title), slot=slot.item,
                start=slot.start, end=slot.end)  # fmt: skip
        why = self._plan.trouble
        if slot is None and why and why != self._why:
            self._tell("no_slot", why, why=why)
        self._slot, self._why = slot, why


def _ask(given: dict[str, Any], slot: Slot, start: int, end: int) -> GrantAsk:
    return GrantAsk(
        scope=given["scope"],
        title=slot.title,
        start=start,
        end=end,
        language=given["language"],
        category=given["category"],
        volume=given["volume"],
        slot=slot.item,
        playlist=slot.playlist,
    )


def _tell_news(tell: Teller, happening: Happening) -> None:
    texts = {
        "stream_open": _("The stream is there."),
        "stream_lost": _("The stream is lost: {why}. Next try in {seconds} s."),
        "stream_flowing": _("Sending."),
        "stream_silent": _("The stream is silent: nothing is sent, boards fall back."),
        "stream_away": _("Nothing to play: nothing is sent, boards fall back."),
    }
    text = texts.get(happening.event, happening.event)
    words = {"why": happening.detail, "seconds": happening.next_try_s}
    tell(
        happening.event,
        text.format(**words),
        detail=happening.detail,
        next_try_s=happening.next_try_s,
    )


def _show(meter: MeterLine, status: Status) -> None:
    told = [
        level_text(status.tick.level),
        _("{seconds} s sent").format(seconds=status.sent_ms // 1000),
        _("no sound: {why}").format(why=status.stream) if status.stream else "",
        _("no grant: {why}").format(why=status.permit) if status.permit else "",
        line_text(status.line),
    ]
    meter.show(
        "  ".join(part for part in told if part),
        **level_facts(status.tick.level),
        flow=status.flow.value,
        slot=status.slot.item,
        sent_s=round(status.sent_ms / 1000, 1),
        lost=status.lost,
        stream=status.stream,
        permit=status.permit,
        line=status.line,
    )
