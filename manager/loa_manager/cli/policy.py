"""``loa policy``: the rules that every device enforces."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from loa_manager.account import note
from loa_manager.authority import Authority
from loa_manager.cli.options import PassphraseSource, home_option, json_option, passphrase_option
from loa_manager.cli.output import show_facts
from loa_manager.cli.texts import LoaGroup
from loa_manager.home import Home, read_text
from loa_manager.policy_file import parse_policy
from loa_protocol.envelope import Bundle
from loa_protocol.language import translator
from loa_protocol.objects.policy import Policy

_ = translator("loa_manager")


@click.group(cls=LoaGroup)
def policy() -> None:
    """Write and sign policies (quy chế)."""


@policy.command(example="loa policy sign --home ls quy-che.toml")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@home_option
@passphrase_option
@json_option
def sign(file: Path, home: Path, passphrase: PassphraseSource) -> None:
    """Sign the policy in the TOML FILE by both officers and put it into the content tree."""
    place = Home.open(home)
    now = datetime.now(UTC)
    draft = parse_policy(read_text(file), place.root.scope, now, str(file))
    data = Authority.open(place, passphrase.secrets()).sign_policy(draft, now)
    bundle = Bundle.from_bytes(data)
    signed = Policy.from_bytes(bundle.payload)
    facts = {
        "scope": signed.scope,
        "epoch": signed.epoch,
        "serial": signed.serial,
        "expires": datetime.fromtimestamp(signed.expires, UTC),
        "unsigned_streams": list(signed.unsigned_streams),
        "digest": bundle.digest,
    }
    note(place, "policy_signed", facts, now, "officers")
    labels = {
        "scope": _("Scope"),
        "serial": _("Serial"),
        "expires": _("Valid until"),
        "digest": _("Digest"),
    }
    if signed.unsigned_streams:
        labels["unsigned_streams"] = _("UNSIGNED STREAMS")
    show_facts(facts, labels, title=_("Policy signed"))
