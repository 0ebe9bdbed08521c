"""``loa settings``: addresses, fallback parameters and hardware of clusters."""

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
from loa_manager.settings_file import parse_settings, present_settings
from loa_protocol.envelope import Bundle
from loa_protocol.language import translator
from loa_protocol.objects.placement import Settings

_ = translator("loa_manager")


@click.group(cls=LoaGroup)
def settings() -> None:
    """Write and sign the settings of clusters."""


@settings.command(example="loa settings sign --home ls cum-01.toml")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@home_option
@passphrase_option
@json_option
def sign(file: Path, home: Path, passphrase: PassphraseSource) -> None:
    """Sign the settings in the TOML FILE by both officers and put them into the content tree."""
    place, now = Home.open(home), datetime.now(UTC)
    draft = parse_settings(read_text(file), present_settings(place), str(file))
    data = Authority.open(place, passphrase.secrets()).sign_settings(draft, now)
    bundle = Bundle.from_bytes(data)
    signed = Settings.from_bytes(bundle.payload)
    facts = {
        "scope": signed.scope,
        "epoch": signed.epoch,
        "serial": signed.serial,
        "digest": bundle.digest,
    }
    note(place, "settings_signed", facts, now, "officers")
    show_facts(
        facts,
        {"scope": _("Scope"), "serial": _("Serial"), "digest": _("Digest")},
        title=_("Settings signed"),
    )
