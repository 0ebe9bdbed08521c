"""``loa key renew-officers`` and ``sign-transfer``: what needs holders of the root."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from loa_manager.account import note
from loa_manager.authority import OFFICERS
from loa_manager.ceremony import certify_officers, parse_endpoint, sign_transfer
from loa_manager.cli.options import PassphraseSource, home_option, json_option, passphrase_option
from loa_manager.cli.output import show_facts
from loa_manager.cli.root_options import RootKeys, root_key_options
from loa_manager.cli.texts import LoaCommand
from loa_manager.content_tree import write_durably
from loa_manager.home import Home, read_bytes
from loa_manager.keyring import has_key, public_of
from loa_protocol.bench import short_fingerprint
from loa_protocol.envelope import Bundle
from loa_protocol.language import translator

_ = translator("loa_manager")

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("renew-officers", cls=LoaCommand, example="loa key renew-officers --home ls")
@home_option
@click.option(
    "--anew",
    multiple=True,
    type=click.Choice(OFFICERS),
    help="An officer who gets another key, the old one being lost or stolen; repeatable.",
)
@click.option(
    "--epoch",
    type=click.IntRange(1, 2**31),
    help="A higher epoch, after stolen keys signed far ahead (default: the present one).",
)
@root_key_options
@passphrase_option
@json_option
def renew_officers(
    home: Path,
    anew: tuple[str, ...],
    epoch: int | None,
    root_keys: RootKeys,
    passphrase: PassphraseSource,
) -> None:
    """Renew both officers' certificates for a year, with the keys of any two root holders.

    After --anew: loa key renew --due, and only then revoke the old key if it was stolen.
    """
    place, now = Home.open(home), datetime.now(UTC)
    keys = [place.authority_keys / name for name in anew]
    old = [public_of(key).kid for key in keys if has_key(key)]
    secrets = passphrase.secrets()
    holders = root_keys.signers(secrets)
    root = place.root
    expires = certify_officers(place, root, secrets, now, holders=holders, anew=anew, epoch=epoch)
    facts = {"expires": expires, "old": [kid.hex() for kid in old]}
    told = {**facts, "expires": str(expires), "epoch": epoch}
    note(place, "officers_renewed", told, now, "root")
    labels = {"expires": _("Valid until"), **({"old": _("Key id of the old one")} if old else {})}
    show_facts(facts, labels)


@click.command(
    "sign-transfer",
    cls=LoaCommand,
    example="loa key sign-transfer --home ls --to other/public/root -o consent",
)
@home_option
@click.option("--to", "new_root", required=True, type=_FILE, help="The other province's root.")
@click.option("--board", help="Id of the one board that may go; without it, every board.")
@click.option("-o", "--output", required=True, type=_FILE, help="The consent file to write.")
@root_key_options
@passphrase_option
@json_option
def sign_transfer_command(
    home: Path,
    new_root: Path,
    board: str | None,
    output: Path,
    root_keys: RootKeys,
    passphrase: PassphraseSource,
) -> None:
    """Consent, with keys of the root's holders, that boards go over to another province's root."""
    place, now, other = Home.open(home), datetime.now(UTC), read_bytes(new_root)
    endpoint = None if board is None else parse_endpoint(board)
    secrets = passphrase.secrets()
    holders = root_keys.signers(secrets)
    consent = sign_transfer(place, other, secrets, now, endpoint, holders=holders)
    write_durably(output, consent)
    fingerprint = short_fingerprint(Bundle.from_bytes(other).digest)
    facts = {"output": str(output), "root": fingerprint, "board": board}
    note(place, "transfer_signed", facts, now, "root")
    show_facts(
        facts, {"output": _("File"), "root": _("New root's fingerprint"), "board": _("Board")}
    )
