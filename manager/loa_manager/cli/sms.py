"""``loa sms``: an order by text message, where boards have no other way to hear of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from loa_manager.account import note
from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.output import say, show_json, wants_json
from loa_manager.cli.progress import progress
from loa_manager.cli.texts import LoaCommand
from loa_manager.home import Home
from loa_manager.sms_gateway import Texts, find_order, send, too_long
from loa_protocol.envelope import Bundle
from loa_protocol.language import translator

_ = translator("loa_manager")


@click.command(
    cls=LoaCommand, example="loa sms 9f2c1a77 --home ls --to +84912000004 --port /dev/ttyUSB2"
)
@click.argument("order")
@click.option("--to", "numbers", required=True, multiple=True, help="A board's SIM: +84...")
@click.option(
    "--port",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Serial line of the modem or telephone that sends.",
)
@click.option("--print", "is_printed", is_flag=True, help="Print the PDUs in hex, send nothing.")
@home_option
@json_option
def sms(
    order: str, numbers: tuple[str, ...], port: Path | None, is_printed: bool, home: Path
) -> None:
    """Send an alert, a cancel or a command by text message.

    ORDER is its file, or the first digits of its id where it stands. Sending it again does no harm:
    boards take it once, and a second time fills the gaps of the first.
    """
    if (port is None) == (not is_printed):
        raise click.UsageError(_("give one of --port and --print"))
    place = Home(home)
    data = find_order(order, place)
    texts = Texts.of(data)
    if warning := too_long(data):
        say(warning)
    pdus = [pdu for number in numbers for pdu in texts.to(number)]
    if port is not None:
        _send(port, pdus)
        detail = {"digest": Bundle.from_bytes(data).digest, "to": list(numbers), "port": str(port)}
        if place.root_path.exists():
            note(place, "texted", detail, datetime.now(UTC), "owner")
    _show(texts, numbers, pdus, is_printed=is_printed)


def _send(port: Path, pdus: list[bytes]) -> None:
    with progress(_("Sending")) as on_file:
        told = on_file(str(port), len(pdus))
        send(port, pdus, lambda _number: told(1))


def _show(texts: Texts, numbers: tuple[str, ...], pdus: list[bytes], *, is_printed: bool) -> None:
    if wants_json(click.get_current_context()):
        facts: dict[str, Any] = {
            "bytes": texts.size,
            "parts": len(texts.pieces),
            "excess_bytes": texts.excess,
            "to": list(numbers),
            "sent": not is_printed,
            "pdus": pdus,
        }
        show_json(facts)
    elif is_printed:
        for pdu in pdus:
            click.echo(pdu.hex().upper())
    else:
        text = _("{count} text messages sent to {receivers} receivers")
        click.echo(text.format(count=len(pdus), receivers=len(numbers)))
