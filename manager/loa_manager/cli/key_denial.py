"""``loa key revoke``: what boards are to refuse from now on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from loa_manager.account import note
from loa_manager.authority import Authority
from loa_manager.cli.options import PassphraseSource, home_option, json_option, passphrase_option
from loa_manager.cli.output import say, show_facts
from loa_manager.cli.texts import LoaCommand
from loa_manager.denial import denials, parse_digests, parse_keys
from loa_manager.home import Home
from loa_manager.issued import list_issued
from loa_protocol.envelope import Bundle
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_protocol.objects.placement import DenyList

_ = translator("loa_manager")


@click.command(cls=LoaCommand, example='loa key revoke --home ls --holder "Trần Thị Nga"')
@home_option
@click.option("--key", "keys", multiple=True, help="A key id (32 hex digits); repeatable.")
@click.option("--holder", "holders", multiple=True, help="All keys of a holder; repeatable.")
@click.option(
    "--digest",
    "digests",
    multiple=True,
    help="The SHA-256 of an object or a media file (64 hex digits); repeatable.",
)
@click.option("--reason", default="", help="Why; kept in the account.")
@passphrase_option
@json_option
def revoke(
    home: Path,
    keys: tuple[str, ...],
    holders: tuple[str, ...],
    digests: tuple[str, ...],
    reason: str,
    passphrase: PassphraseSource,
) -> None:
    """Deny keys, all keys of a holder, or hashes, by both officers.

    What they signed is refused from then on, and stops where it is in force. A denied key never
    comes back: who found a lost one needs another.
    """
    place, now = Home.open(home), datetime.now(UTC)
    if not (keys or holders or digests):
        raise ConfigError(_("revoke"), [_("give --key, --holder or --digest")])
    entries = denials(
        list_issued(place),
        keys=parse_keys(keys),
        holders=holders,
        digests=parse_digests(digests),
        now_s=int(now.timestamp()),
    )
    authority = Authority.open(place, passphrase.secrets())
    values = [entry.value.hex() for entry in entries]
    asked = {"denied": values, "holders": list(holders), "reason": reason}
    # the row comes first: a crash may leave a row too many, never a denial without a row
    note(place, "key_revoked", asked, now, "officers")
    bundle = Bundle.from_bytes(authority.deny(entries, now))
    signed = DenyList.from_bytes(bundle.payload)
    facts = {
        "denied": values,
        "entries": len(signed.entries),
        "epoch": signed.epoch,
        "serial": signed.serial,
        "digest": bundle.digest,
    }
    labels = {"denied": _("Denied now"), "entries": _("Entries"), "serial": _("Serial")}
    show_facts(facts, labels, title=_("Deny list signed"))
    say(_("Boards learn of it with the next head; give the others: loa key export-public."))
