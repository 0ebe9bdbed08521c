"""``loa key renew`` and its like: certificates for another term, by both officers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from loa_manager.account import note
from loa_manager.authority import SERVER_LIVES, Authority
from loa_manager.cli.options import PassphraseSource, home_option, json_option, passphrase_option
from loa_manager.cli.output import Column, say, show, show_facts
from loa_manager.cli.texts import LoaCommand
from loa_manager.home import Home
from loa_manager.renewal import WITHIN, Renewed, renew_due
from loa_manager.server_keys import renew_server, rotate_server
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")


@click.command(cls=LoaCommand, example="loa key renew --home ls --due")
@home_option
@click.option("--due", is_flag=True, help="Everything that ends soon.")
@click.option(
    "--within",
    type=click.IntRange(1, 400),
    default=WITHIN.days,
    show_default=True,
    help="How many days ahead counts as soon.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for people's new certificates (default: public/certificates in the home).",
)
@passphrase_option
@json_option
def renew(
    home: Path, due: bool, within: int, output: Path | None, passphrase: PassphraseSource
) -> None:
    """Renew what is due of the server and of people, and what hangs on an officer's former key.

    Who let a certificate run out, or is denied, has to send a request again.
    """
    if not due:
        raise ConfigError("loa key renew", [_("say --due, to renew everything that ends soon")])
    place, now, secrets = Home.open(home), datetime.now(UTC), passphrase.secrets()
    folder = output or place.public / "certificates"
    span = timedelta(days=within)
    done = renew_due(Authority.open(place, secrets), secrets, now, output=folder, within=span)
    if done:
        told = {f"{each.what} {each.name}": str(each.expires or "") for each in done}
        note(place, "keys_renewed", told, now, "officers")
    columns = [
        Column("what", _("Renewed")),
        Column("name", _("Name")),
        Column("expires", _("Valid until")),
        Column("file", _("File")),
    ]
    show([_row(each) for each in done], columns)
    if any(each.file is not None for each in done):
        say(_("Send these files to their holders, who install them: loa key install."))


def _row(each: Renewed) -> dict[str, object]:
    names = {
        "server": _("server"),
        "person": _("person"),
        "policy": _("policy"),
        "settings": _("settings"),
        "assignment": _("assignment"),
        "deny_list": _("deny list"),
    }
    return {
        "what": each.what,
        "what_text": names[each.what],
        "name": each.name,
        "expires": each.expires,
        "file": None if each.file is None else str(each.file),
    }


@click.command("renew-server", cls=LoaCommand, example="loa key renew-server --home ls")
@home_option
@click.option("--host", "hosts", multiple=True, help="New names of the server; repeatable.")
@passphrase_option
@json_option
def renew_server_command(home: Path, hosts: tuple[str, ...], passphrase: PassphraseSource) -> None:
    """Renew the server's certificates; due every 14 days, before they expire."""
    place, now, secret = Home.open(home), datetime.now(UTC), passphrase.secrets()
    renewed = renew_server(Authority.open(place, secret), secret, now, hosts)
    rows = [{"name": each.name, "expires": each.expires} for each in renewed]
    note(place, "server_renewed", {each.name: str(each.expires) for each in renewed}, now, "loa")
    show(rows, [Column("name", _("Name")), Column("expires", _("Valid until"))])


@click.command("rotate-server", cls=LoaCommand, example="loa key rotate-server --home ls head")
@click.argument("name", type=click.Choice(list(SERVER_LIVES)))
@home_option
@passphrase_option
@json_option
def rotate_server_command(name: str, home: Path, passphrase: PassphraseSource) -> None:
    """Give the server another key NAME, certified at once; the old one is put aside.

    Start the server again, and then deny the old key: loa key revoke --key.
    """
    place, now, secrets = Home.open(home), datetime.now(UTC), passphrase.secrets()
    old, renewed = rotate_server(Authority.open(place, secrets), name, secrets, now)
    facts = {"name": name, "expires": renewed.expires, "old": old}
    note(place, "server_key_rotated", {**facts, "old": old.hex() if old else None}, now, "officers")
    show_facts(
        facts, {"name": _("Name"), "expires": _("Valid until"), "old": _("Key id of the old one")}
    )
