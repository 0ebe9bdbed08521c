"""``loa init``: make a province."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from loa_manager.cli.options import PassphraseSource, home_option, json_option, passphrase_option
from loa_manager.cli.output import say, show_facts
from loa_manager.cli.texts import LoaCommand
from loa_manager.founding import Plan, found_province, root_fingerprint
from loa_manager.home import Home
from loa_manager.policy_file import PRESETS
from loa_protocol.language import translator

_ = translator("loa_manager")


@click.command(cls=LoaCommand, example="loa init --home ls --province vn/ls --test")
@home_option
@click.option("--province", "scope", required=True, help="Scope of the province, such as vn/ls.")
@click.option("--test", "is_test", is_flag=True, help="A test province: for trials and simulators.")
@click.option("--preset", type=click.Choice(list(PRESETS)), default="rural", help="First policy.")
@click.option("--host", "hosts", multiple=True, help="Name or address of the server; repeatable.")
@click.option("--port", default=8443, type=click.IntRange(1, 65_535), help="HTTPS port.")
@click.option("--mqtt-port", default=8883, type=click.IntRange(1, 65_535), help="MQTT port.")
@passphrase_option
@json_option
def init(
    home: Path,
    passphrase: PassphraseSource,
    hosts: tuple[str, ...],
    **facts: object,
) -> None:
    """Make a province: root, officers, server keys, database and content tree."""
    plan = Plan(**facts, **({"hosts": hosts} if hosts else {}))  # type: ignore[arg-type]  # click's own typing
    plan.check()
    place = Home(home)
    root = found_province(place, plan, passphrase.read(confirm=True), datetime.now(UTC))
    show_facts(
        {
            "home": str(home),
            "province": root.scope,
            "test": root.test,
            "root": root_fingerprint(place),
        },
        {
            "home": _("Home"),
            "province": _("Province"),
            "test": _("Test province"),
            "root": _("Root fingerprint"),
        },
    )
    say(_("Keep the five root keys apart from this machine: {path}").format(path=place.root_keys))
