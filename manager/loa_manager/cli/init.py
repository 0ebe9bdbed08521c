"""``loa init``: make a province."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from loa_manager.cli.init_guide import (
    Sticks,
    ask_host,
    ask_scope,
    introduce,
    seats_by_options,
    seats_by_prompts,
)
from loa_manager.cli.options import PassphraseSource, home_option, json_option, passphrase_option
from loa_manager.cli.output import say, show_facts
from loa_manager.cli.root_options import ask_passphrase
from loa_manager.cli.texts import LoaCommand
from loa_manager.founding import Plan, begin_founding, found_province, root_fingerprint
from loa_manager.home import Home
from loa_manager.policy_file import PRESETS
from loa_manager.root_seats import Seat
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")


@click.command(cls=LoaCommand, example="loa init --home ls --province vn/ls --test")
@home_option
@click.option("--province", "scope", help="Scope of the province, such as vn/ls.")
@click.option("--test", "is_test", is_flag=True, help="A test province: for trials and simulators.")
@click.option("--preset", type=click.Choice(list(PRESETS)), default="rural", help="First policy.")
@click.option("--host", "hosts", multiple=True, help="Name or address of the server; repeatable.")
@click.option("--port", default=8443, type=click.IntRange(1, 65_535), help="HTTPS port.")
@click.option("--mqtt-port", default=8883, type=click.IntRange(1, 65_535), help="MQTT port.")
@click.option(
    "--root-key-dir",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder (stick) for the key of one root holder; once for each, five as a rule.",
)
@click.option("--root-holder", "holders", multiple=True, help="Their names, in the same order.")
@click.option(
    "--root-passphrase-file",
    "passphrases",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Their passphrases: one file for all, or one for each in the same order.",
)
@click.option(
    "--threshold", default=3, type=int, show_default=True, help="How many root holders must agree."
)
@click.option(
    "--root-keys-in-home",
    "in_home",
    is_flag=True,
    help="Leave the root keys in the home, as --test does; not for a real province.",
)
@passphrase_option
@json_option
def init(
    home: Path,
    passphrase: PassphraseSource,
    scope: str | None,
    hosts: tuple[str, ...],
    in_home: bool,
    **facts: object,
) -> None:
    """Make a province: root, officers, server keys, database and content tree.

    Without --test and without folders it leads five people through the making of the root keys,
    each on a memory stick of their own. Interrupted, the same command goes on.
    """
    sticks = Sticks(facts.pop("folders"), facts.pop("holders"), facts.pop("passphrases"))  # type: ignore[arg-type]  # click's own typing
    sticks.check()
    keeps_keys = in_home or (bool(facts["is_test"]) and not sticks.folders)
    guided = not keeps_keys and not sticks.folders
    if scope is None and not sys.stdin.isatty():
        raise click.UsageError(_("--province is missing, such as --province vn/ls"))
    if guided and not sys.stdin.isatty():
        raise ConfigError("loa init", [_nobody_to_ask()])
    if guided:
        introduce()
    scope = scope or ask_scope()
    if guided and not hosts:
        hosts = (ask_host(),)
    plan = Plan(scope=scope, **facts, **({"hosts": hosts} if hosts else {}))  # type: ignore[arg-type]  # click's own typing
    plan.check(len(sticks.folders) or None)
    place, seats = Home(home), []
    if not keeps_keys:
        begin_founding(place)
        seats = seats_by_prompts(place) if guided else seats_by_options(place, sticks)
        say("")
        say(_("Now the passphrase of the office: it opens the keys of officers and server."))
    is_asked = guided and passphrase == PassphraseSource(None, None)
    secret = ask_passphrase(_("Passphrase")) if is_asked else passphrase.read(confirm=True)
    root = found_province(place, plan, secret, datetime.now(UTC), seats)
    _show(place, root.scope, root.test, seats)


def _nobody_to_ask() -> str:
    return _(
        "the root keys of a real province do not stay on this machine: give --root-key-dir once for"
        " each holder, or run it at a terminal, or say --test (or --root-keys-in-home)"
    )


def _show(place: Home, scope: str, is_test: bool, seats: list[Seat]) -> None:
    facts = {
        "home": str(place.path),
        "province": scope,
        "test": is_test,
        "root": root_fingerprint(place),
        "root_keys": [
            {
                "holder": seat.holder,
                "file": str(seat.file),
                "kid": seat.signer.public.kid.hex(),
            }
            for seat in seats
        ],
    }
    labels = {
        "home": _("Home"),
        "province": _("Province"),
        "test": _("Test province"),
        "root": _("Root fingerprint"),
    }
    show_facts(facts, labels)
    if not seats:
        text = _("Keep the five root keys apart from this machine: {path}")
        say(text.format(path=place.root_keys))
        return
    for seat in seats:
        kid = seat.signer.public.kid.hex()[:16]
        say(f"  {seat.number}. {seat.holder}: {seat.file.name}, {kid}")
    say(_("Write the fingerprint and this list on paper. Each holder keeps their stick elsewhere."))
