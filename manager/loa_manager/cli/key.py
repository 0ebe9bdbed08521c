"""``loa key``: keys of people: made, certified, installed, followed by others, listed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from loa_manager.account import note
from loa_manager.authority import Authority
from loa_manager.cli.key_denial import revoke
from loa_manager.cli.key_options import TokenChoice, token_options
from loa_manager.cli.key_renewal import renew, renew_server_command, rotate_server_command
from loa_manager.cli.key_root import renew_officers, sign_transfer_command
from loa_manager.cli.options import PassphraseSource, home_option, json_option, passphrase_option
from loa_manager.cli.output import Column, say, show, show_facts
from loa_manager.cli.texts import LoaGroup
from loa_manager.content_tree import write_durably
from loa_manager.founding import root_fingerprint
from loa_manager.home import Home, read_bytes
from loa_manager.key_terms import terms_of
from loa_manager.key_warnings import judge_terms
from loa_manager.keyring import parse_chain, parse_request, read_chain
from loa_manager.people import (
    KeyFacts,
    install_chain,
    list_keys,
    list_people,
    make_own_key,
    rotate_own_key,
)
from loa_manager.publish.desk import export_rules
from loa_protocol.language import translator
from loa_protocol.objects.authority import Certificate, Level, Role

_ = translator("loa_manager")

SPEAKING = [role.name.lower() for role in Role if role.is_speaking]
LEVELS = [level.name.lower() for level in Level]
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=LoaGroup)
def key() -> None:
    """Make, certify, renew, revoke and list keys."""


for _command in (
    renew,
    renew_server_command,
    rotate_server_command,
    renew_officers,
    revoke,
    sign_transfer_command,
):
    key.add_command(_command)


@key.command(example='loa key make --home nga --role editor --holder "Trần Thị Nga"')
@home_option
@click.option("--role", required=True, type=click.Choice(SPEAKING), help="What the key may sign.")
@click.option("--holder", required=True, help="The person or token that holds the key.")
@token_options
@passphrase_option
@json_option
def make(
    home: Path, role: str, holder: str, token: TokenChoice, passphrase: PassphraseSource
) -> None:
    """Make a key in one's own home or on a token, and a request file to send to the province."""
    secret = token.secret(passphrase)
    request, kid = make_own_key(
        Home(home), Role[role.upper()], holder, secret, token=token.place, kind=token.kind
    )
    _show_request(request, kid)


@key.command(example="loa key rotate --home nga editor")
@click.argument("name")
@home_option
@token_options
@passphrase_option
@json_option
def rotate(name: str, home: Path, token: TokenChoice, passphrase: PassphraseSource) -> None:
    """Make a new key that shall follow the own key NAME, such as editor.

    The present key stays in use until the new one's certificate is installed.
    """
    secret = token.secret(passphrase)
    request, kid = rotate_own_key(Home(home), name, secret, token=token.place, kind=token.kind)
    _show_request(request, kid)


def _show_request(request: Path, kid: bytes) -> None:
    show_facts({"request": str(request), "kid": kid}, {"request": _("Request"), "kid": _("Key id")})
    say(_("Send the request file to the province; the private key never leaves this machine."))


@key.command(example="loa key certify --home ls editor.request --scope vn/ls/st0137 -o editor.cert")
@click.argument("request", type=_FILE)
@home_option
@click.option("--scope", "scopes", multiple=True, required=True, help="Where; repeatable.")
@click.option(
    "--level",
    type=click.Choice(LEVELS[:2]),
    default=LEVELS[0],
    help="Who speaks: a province's word outranks a commune's.",
)
@click.option(
    "--epoch",
    type=click.IntRange(1, 2**31),
    help="A higher epoch, after a stolen key signed far ahead (default: the present one).",
)
@click.option("-o", "--output", required=True, type=_FILE, help="The certificate file to write.")
@passphrase_option
@json_option
def certify(
    request: Path,
    home: Path,
    scopes: tuple[str, ...],
    level: str,
    epoch: int | None,
    output: Path,
    passphrase: PassphraseSource,
) -> None:
    """Certify the key in the file REQUEST, by both officers."""
    place, now = Home.open(home), datetime.now(UTC)
    asked = parse_request(read_bytes(request))
    authority = Authority.open(place, passphrase.secrets())
    chain = authority.certify(asked, scopes, now, level=Level[level.upper()], epoch=epoch)
    certificate = read_chain(parse_chain(chain))[-1]
    facts = _facts(certificate) | {"level": level, "epoch": certificate.epoch}
    note(place, "key_certified", facts, now, "officers")
    write_durably(output, chain)
    labels = {**_labels(), "level": _("Level"), "epoch": _("Epoch")}
    show_facts(facts, labels, title=_("Certified: {path}").format(path=output))


@key.command(example="loa key install --home nga editor.cert")
@click.argument("certificate", type=_FILE)
@home_option
@json_option
def install(certificate: Path, home: Path) -> None:
    """Put the file CERTIFICATE beside the key that it certifies."""
    own = install_chain(Home(home), read_bytes(certificate), datetime.now(UTC))
    show_facts(_facts(own), _labels(), title=_("Certificate installed"))


@key.command("list", example="loa key list --home ls")
@home_option
@json_option
def list_command(home: Path) -> None:
    """List the keys of a home and until when they are certified, and whose end soon.

    In a province's home also those of the people it certified.
    """
    place, now = Home(home), datetime.now(UTC)
    keys = [*list_keys(place), *list_people(place, now)]
    warnings = judge_terms(now, terms_of(place, now))
    left = {(each.term.folder, each.term.name, each.term.ends): each.days_left for each in warnings}
    columns = [
        Column("folder", _("Folder")),
        Column("name", _("Name")),
        *(Column(each, label, short=8) for each, label in _labels().items()),
        Column("days_left", _("Days left"), right=True),
        Column("is_on_token", _("On a token")),
    ]
    show([_row(each, left) for each in keys], columns)


def _row(facts: KeyFacts, left: dict[tuple[str, str, datetime], int]) -> dict[str, object]:
    days = None if facts.expires is None else left.get((facts.folder, facts.name, facts.expires))
    return {
        "folder": facts.folder,
        "name": facts.name,
        "holder": facts.holder,
        "roles": [role.name.lower() for role in facts.roles],
        "scopes": list(facts.scopes),
        "expires": facts.expires,
        "kid": facts.kid,
        "days_left": days,
        "days_left_text": "" if days is None else days,
        "is_on_token": facts.is_on_token,
        "is_on_token_text": _("yes") if facts.is_on_token else "",
    }


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


def _facts(certificate: Certificate) -> dict[str, object]:
    return {
        "holder": certificate.holder,
        "roles": [role.name.lower() for role in certificate.roles],
        "scopes": list(certificate.scopes),
        "expires": datetime.fromtimestamp(certificate.expires, UTC),
        "kid": certificate.key.kid,
    }


def _labels() -> dict[str, str]:
    return {
        "holder": _("Holder"),
        "roles": _("Roles"),
        "scopes": _("Scopes"),
        "expires": _("Valid until"),
        "kid": _("Key id"),
    }
