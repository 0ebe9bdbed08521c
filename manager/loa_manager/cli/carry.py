"""``loa carry`` and ``loa mirror``: boards without a network, and boards with only a local one."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from loa_manager.account import note
from loa_manager.carry import FOLDER, Load, gather, write_load
from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.output import say, show_facts, wants_json
from loa_manager.cli.progress import progress
from loa_manager.cli.texts import LoaCommand
from loa_manager.home import Home
from loa_manager.mirror import Mirror
from loa_manager.serve.log_lines import start_log
from loa_protocol.errors import ConfigError
from loa_protocol.exit_codes import INTERRUPTED
from loa_protocol.heads import STALE_AFTER_S
from loa_protocol.language import translator
from loa_protocol.scope import is_inside, is_scope

_ = translator("loa_manager")

_MEGABYTE: Final = 10**6


@click.command(
    cls=LoaCommand,
    example="loa carry --home ls --to /media/stick --scope vn/ls/st0137",
)
@click.option(
    "--to",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The stick, where it is mounted; a folder loa is made on it.",
)
@click.option("--scope", help="Whose boards it is for (default: the whole province).")
@home_option
@json_option
def carry(to: Path, scope: str | None, home: Path) -> None:
    """Write what boards without a network need onto a memory stick.

    It can be interrupted and begun again: what is on the stick already is not written again.
    """
    place, now = Home.open(home), datetime.now(UTC)
    province = place.root.scope
    scope = scope or province
    if not is_scope(scope) or not is_inside(scope, province):
        raise ConfigError("--scope", [_("a place in {province}").format(province=province)])
    if not to.is_dir():
        raise ConfigError("--to", [_("{path} is no folder; mount the stick").format(path=to)])
    load = gather(place.content, scope)
    with progress(_("Writing")) as on_file:
        carried = write_load(load, place.content, to, on_file(str(to), load.size))
    age_s = round(now.timestamp()) - load.head_time
    facts = {
        "scope": scope,
        "folder": str(carried.folder),
        "written": carried.written,
        "there": carried.there,
        "bytes": carried.bytes,
        "media_missing": [digest.hex() for digest in load.missing],
        "denied": sorted({digest.hex() for digest in load.denied.values()}),
        "denied_orders": [digest.hex() for digest in load.denied_orders],
        "head_age_s": age_s,
    }
    note(place, "carried", {key: facts[key] for key in ("scope", "written", "bytes")}, now, "owner")
    labels = {
        "scope": _("Scope"),
        "folder": _("Folder"),
        "written": _("Files written"),
        "there": _("Files that were there"),
        "bytes": _("Bytes"),
    }
    show_facts(facts, labels, title=_("On the stick"))
    _say_what_is_not_there(load, age_s)


def _say_what_is_not_there(load: Load, age_s: int) -> None:
    """Say what boards will miss on the stick, and why."""
    if load.missing:
        say(_("{count} media are not in the content tree").format(count=len(load.missing)))
    if load.denied:
        text = _("Left out, for the deny list names them or who signed them: {names}")
        names = sorted({digest.hex()[:8] for digest in load.denied.values()})
        say(text.format(names=", ".join(names)))
    if load.denied_orders:
        text = _(
            "{count} denied orders go along: boards refuse them, but would take nothing if one that"
            " the head lists were missing"
        )
        say(text.format(count=len(load.denied_orders)))
    if age_s > STALE_AFTER_S:
        text = _("The head is {hours} h old; start loa serve for a new one, then carry again.")
        say(text.format(hours=age_s // 3600))


@click.command(
    cls=LoaCommand, example="loa mirror /media/stick/loa --host 192.168.1.10 --port 8080"
)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--host", default="0.0.0.0", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="HTTP port."
)
@json_option
def mirror(folder: Path, host: str, port: int) -> None:
    """Serve FOLDER, which `loa carry` wrote, to the boards of the local network.

    Plain HTTP: everything in it is signed. The boards know the address from their settings. Ends on
    Ctrl-C or SIGTERM.
    """
    as_json = wants_json(click.get_current_context())
    root = folder if (folder / "head").is_file() else folder / FOLDER
    if not (root / "head").is_file():
        raise ConfigError(str(folder), [_("no head in it; write it with loa carry")])
    start_log(as_json=as_json)
    serving = Mirror(root, host, port)
    address = f"http://{host}:{serving.port}"
    if as_json:
        click.echo(json.dumps({"event": "ready", "address": address, "folder": str(root)}))
    else:
        click.echo(_("Serving {folder} at {address}").format(folder=root, address=address))
    if asyncio.run(_until_stopped(serving.run)) is signal.SIGINT:
        click.get_current_context().exit(INTERRUPTED)


async def _until_stopped(work: Callable[[asyncio.Event], Awaitable[None]]) -> signal.Signals | None:
    stop, asked = asyncio.Event(), list[signal.Signals]()

    def end(number: signal.Signals) -> None:
        asked.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    await work(stop)
    return asked[0] if asked else None
