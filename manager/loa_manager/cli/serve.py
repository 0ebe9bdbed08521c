"""``loa serve``: the server of a province."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import asdict
from pathlib import Path

import click

from loa_manager.cli.options import PassphraseSource, home_option, json_option, passphrase_option
from loa_manager.cli.output import wants_json
from loa_manager.cli.texts import LoaCommand
from loa_manager.home import Home
from loa_manager.serve.key_folder import ServerKeys
from loa_manager.serve.log_lines import start_log
from loa_manager.serve.server import Ready, ServeOptions
from loa_manager.serve.server import serve as serve_province
from loa_protocol.exit_codes import INTERRUPTED
from loa_protocol.language import translator

_ = translator("loa_manager")
_PORT = click.IntRange(0, 65_535)


@click.command(cls=LoaCommand, example="loa serve --home ls --passphrase-file ls.passphrase")
@home_option
@click.option("--host", default="0.0.0.0", show_default=True, help="Address to listen on.")
@click.option("--port", type=_PORT, help="HTTPS port; 0 takes any (default: as in the settings).")
@click.option(
    "--mqtt-port", type=_PORT, help="MQTT port; 0 takes any (default: as in the settings)."
)
@passphrase_option
@json_option
def serve(
    home: Path, host: str, port: int | None, mqtt_port: int | None, passphrase: PassphraseSource
) -> None:
    """Serve content, enrolment and time over HTTPS, and run the broker and the ingest.

    Ends in order on Ctrl-C or SIGTERM. The log goes to standard error, one line for each thing to
    act on. Of all keys, only those in keys/server are opened.
    """
    place = Home.open(home)
    keys = ServerKeys.open(place, passphrase.read())
    as_json = wants_json(click.get_current_context())
    start_log(as_json=as_json)
    options = ServeOptions(host=host, port=port, mqtt_port=mqtt_port)
    announce = _announce_json if as_json else _announce
    if asyncio.run(serve_province(place, keys, options, announce)) is signal.SIGINT:
        click.get_current_context().exit(INTERRUPTED)


def _announce_json(ready: Ready) -> None:
    click.echo(json.dumps({"event": "ready", **asdict(ready)}))


def _announce(ready: Ready) -> None:
    text = _("Serving {host}: HTTPS on port {https_port}, MQTT on port {mqtt_port}.")
    click.echo(text.format(**asdict(ready)))
