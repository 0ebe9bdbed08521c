"""``loa key``: keys of people and of the server."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from loa_manager.account import note
from loa_manager.authority import Authority
from loa_manager.ceremony import certify_officers, parse_endpoint, sign_transfer
from loa_manager.cli.options import PassphraseSource, home_option, json_option, passphrase_option
from loa_manager.cli.output import Column, say, show, show_facts
from loa_manager.cli.texts import LoaGroup
from loa_manager.content_tree import write_durably
from loa_manager.founding import root_fingerprint
from loa_manager.home import Home, read_bytes
from loa_manager.keyring import parse_chain, parse_request, read_chain
from loa_manager.people import install_chain, list_keys, make_own_key
from loa_manager.publish.desk import export_rules
from loa_manager.server_keys import renew_server
from loa_protocol.bench import short_fingerprint
from loa_protocol.envelope import Bundle
from loa_protocol.language import translator
from loa_protocol.objects.authority import Role

_ = translator("loa_manager")

SPEAKING = [role.name.lower() for role in Role if role.is_speaking]
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=LoaGroup)
def key() -> None:
    """Make, certify and list keys."""


@key.command(example='loa key make --home nga --role editor --holder "Trần Thị Nga"')
@home_option
@click.option("--role", required=True, type=click.Choice(SPEAKING), help="What the key may sign.")
@click.option("--holder", required=True, help="The person or token that holds the key.")
@passphrase_option
@json_option
def make(home: Path, role: str, holder: str, passphrase: PassphraseSource) -> None:
    """Make a key in one's own home, and a request file to send to the province."""
    secret = passphrase.read(confirm=True)
    request, kid = make_own_key(Home(home), Role[role.upper()], holder, secret)
    show_facts({"request": str(request), "kid": kid}, {"request": _("Request"), "kid": _("Key id")})
    say(_("Send the request file to the province; the private key never leaves this machine."))


@key.command(example="loa key certify --home ls editor.request --scope vn/ls/st0137 -o editor.cert")
@click.argument("request", type=_FILE)
@home_option
@click.option("--scope", "scopes", multiple=True, required=True, help="Where; repeatable.")
@click.option("-o", "--output", required=True, type=_FILE, help="The certificate file to write.")
@passphrase_option
@json_option
def certify(
    request: Path, home: Path, scopes: tuple[str, ...], output: Path, passphrase: PassphraseSource
) -> None:
    """Certify the key in the file REQUEST, by both officers."""
    place, now = Home.open(home), datetime.now(UTC)
    asked = parse_request(read_bytes(request))
    chain = Authority.open(place, passphrase.read()).certify(asked, scopes, now)
    certificate = read_chain(parse_chain(chain))[-1]
    facts = {
        "holder": certificate.holder,
        "roles": [role.name.lower() for role in certificate.roles],
        "scopes": list(certificate.scopes),
        "expires": datetime.fromtimestamp(certificate.expires, UTC),
        "kid": certificate.key.kid,
    }
    note(place, "key_certified", facts, now, "officers")
    write_durably(output, chain)
    show_facts(facts, _labels(), title=_("Certified: {path}").format(path=output))


@key.command(example="loa key install --home nga editor.cert")
@click.argument("certificate", type=_FILE)
@home_option
@json_option
def install(certificate: Path, home: Path) -> None:
    """Put the file CERTIFICATE beside the key that it certifies."""
    own = install_chain(Home(home), read_bytes(certificate), datetime.now(UTC))
    facts = {
        "holder": own.holder,
        "roles": [role.name.lower() for role in own.roles],
        "scopes": list(own.scopes),
        "expires": datetime.fromtimestamp(own.expires, UTC),
        "kid": own.key.kid,
    }
    show_facts(facts, _labels(), title=_("Certificate installed"))


@key.command("list", example="loa key list --home ls")
@home_option
@json_option
def list_command(home: Path) -> None:
    """List the keys of a home and until when they are certified."""
    rows = [
        {
            "folder": facts.folder,
            "name": facts.name,
            "holder": facts.holder,
            "roles": [role.name.lower() for role in facts.roles],
            "scopes": list(facts.scopes),
            "expires": facts.expires,
            "kid": facts.kid,
        }
        for facts in list_keys(Home(home))
    ]
    columns = [
        Column("folder", _("Folder")),
        Column("name", _("Name")),
        *(Column(each, label) for each, label in _labels().items()),
    ]
    show(rows, columns)


@key.command("renew-server", example="loa key renew-server --home ls")
@home_option
@click.option("--host", "hosts", multiple=True, help="New names of the server; repeatable.")
@passphrase_option
@json_option
def renew_server_command(home: Path, hosts: tuple[str, ...], passphrase: PassphraseSource) -> None:
    """Renew the server's certificates; due every 14 days, before they expire."""
    place, now, secret = Home.open(home), datetime.now(UTC), passphrase.read()
    renewed = renew_server(Authority.open(place, secret), secret, now, hosts)
    rows = [{"name": each.name, "expires": each.expires} for each in renewed]
    note(place, "server_renewed", {each.name: str(each.expires) for each in renewed}, now, "loa")
    show(rows, [Column("name", _("Name")), Column("expires", _("Valid until"))])


@key.command("renew-officers", example="loa key renew-officers --home ls")
@home_option
@passphrase_option
@json_option
def renew_officers(home: Path, passphrase: PassphraseSource) -> None:
    """Renew both officers' certificates for a year, with two root keys."""
    place, now = Home.open(home), datetime.now(UTC)
    expires = certify_officers(place, place.root, passphrase.read(), now)
    note(place, "officers_renewed", {"expires": str(expires)}, now, "root")
    show_facts({"expires": expires}, {"expires": _("Valid until")})


@key.command(
    "sign-transfer", example="loa key sign-transfer --home ls --to other/public/root -o consent"
)
@home_option
@click.option("--to", "new_root", required=True, type=_FILE, help="The other province's root.")
@click.option("--board", help="Id of the one board that may go; without it, every board.")
@click.option("-o", "--output", required=True, type=_FILE, help="The consent file to write.")
@passphrase_option
@json_option
def sign_transfer_command(
    home: Path, new_root: Path, board: str | None, output: Path, passphrase: PassphraseSource
) -> None:
    """Consent, with three root keys, that boards go over to another province's root."""
    place, now, other = Home.open(home), datetime.now(UTC), read_bytes(new_root)
    endpoint = None if board is None else parse_endpoint(board)
    write_durably(output, sign_transfer(place, other, passphrase.read(), now, endpoint))
    fingerprint = short_fingerprint(Bundle.from_bytes(other).digest)
    facts = {"output": str(output), "root": fingerprint, "board": board}
    note(place, "transfer_signed", facts, now, "root")
    show_facts(
        facts, {"output": _("File"), "root": _("New root's fingerprint"), "board": _("Board")}
    )


@key.command("export-public", example="loa key export-public --home ls -o nga")
@home_option
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write; an editor's own home, for example.",
)
@json_option
def export_public(home: Path, output: Path) -> None:
    """Copy what everybody may know (root, device CA, policies) into another home."""
    place, other = Home.open(home), Home(output)
    write_durably(other.root_path, place.root_bundle)
    write_durably(other.device_ca_path, read_bytes(place.device_ca_path))
    export_rules(place, other)
    show_facts(
        {"output": str(output), "root": root_fingerprint(other)},
        {"output": _("Home"), "root": _("Root fingerprint")},
    )


def _labels() -> dict[str, str]:
    return {
        "holder": _("Holder"),
        "roles": _("Roles"),
        "scopes": _("Scopes"),
        "expires": _("Valid until"),
        "kid": _("Key id"),
    }
