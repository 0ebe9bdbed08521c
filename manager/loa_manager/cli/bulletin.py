"""``loa bulletin``: what a higher level offers to communes, which place it in their schedules."""

from __future__ import annotations

import secrets as randomness
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.order_frame import Composed, begin, give, giving
from loa_manager.cli.order_options import FILE, Length, Scope, open_giver
from loa_manager.cli.output import LOCAL, Column, say, show, show_facts
from loa_manager.cli.texts import LoaGroup
from loa_manager.content_tree import write_durably
from loa_manager.orders.offers import Offer, read_offers
from loa_manager.orders.sound import find_sound
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_protocol.objects.bulletin import Bulletin
from loa_protocol.objects.playlist import BulletinKind

_ = translator("loa_manager")


@click.group(cls=LoaGroup)
def bulletin() -> None:
    """Offer content to communes, and see what is offered; no board sounds it by itself."""


@bulletin.command(
    example='loa bulletin offer --home truc --scope vn/ls --title "Phòng cháy rừng"'
    " --media chay-rung.opus --category 'thông báo' --for 7d"
)
@click.option("--scope", required=True, type=Scope(), help="For the communes of this place.")
@click.option("--title", required=True, help="What it is called.")
@click.option("--media", required=True, help="The sound: a file, or the SHA-256 of a kept one.")
@click.option(
    "--kind", type=click.Choice(["normal", "priority"]), default="normal", help="How urgent it is."
)
@click.option("--category", required=True, help="What it is about.")
@click.option("--language", default="vi", help="A tag such as vi or tày.")
@click.option("--for", "life", type=Length(), default=7 * 86_400, help="How long; 7d by default.")
@giving
def offer(**given: Any) -> None:  # noqa: ANN401 - click's own
    """Offer a sound; needs the role bulletin, of the province or above."""
    giver, secrets = begin(given)
    policy = giver.desk.policy_for(given["scope"])
    category = unicodedata.normalize("NFC", given["category"]).casefold().strip()
    if category in policy.refused_categories:
        fault = _("the policy refuses the category {category}")
        raise ConfigError(_("bulletin"), [fault.format(category=category)])
    sound = find_sound(giver.home, given["media"], policy, is_inline=False)
    body = Bulletin(
        id=randomness.token_bytes(16),
        scope=given["scope"],
        kind=BulletinKind[given["kind"].upper()],
        title=unicodedata.normalize("NFC", given["title"]),
        language=unicodedata.normalize("NFC", given["language"]),
        category=category,
        not_before=giver.now_s,
        expires=giver.now_s + given["life"],
        media=sound.media,
    )
    give(giver, secrets, [Composed(body, sound)], given)


@bulletin.command("list", example="loa bulletin list --home nga --scope vn/ls/st0137")
@click.option("--scope", type=Scope(), help="What is offered to this place.")
@click.option("--from", "source", help="A content tree: folder or address. Else the server's.")
@home_option
@json_option
def list_command(scope: str | None, source: str | None, home: Path) -> None:
    """List what is offered; each offer was verified. Place one by the hash in the last column."""
    giver = open_giver(home, None)
    rows = [_row(each) for each in read_offers(giver, source, scope)]
    columns = [
        Column("id", _("Bulletin")),
        Column("title", _("Title")),
        Column("kind", _("Kind")),
        Column("language", _("Language")),
        Column("category", _("Category")),
        Column("length_ms", _("Length"), right=True),
        Column("from", _("From")),
        Column("expires", _("Until")),
        Column("offered_by", _("Offered by")),
        Column("digest", _("Hash")),
    ]
    show(rows, columns)


@bulletin.command("show", example="loa bulletin show 4e02 --home nga --save phong-chay.opus")
@click.argument("name")
@click.option("--scope", type=Scope(), help="What is offered to this place.")
@click.option("--from", "source", help="A content tree: folder or address. Else the server's.")
@click.option("--save", type=FILE, help="Write its sound here, for a schedule to name.")
@home_option
@json_option
def show_command(
    name: str, scope: str | None, source: str | None, save: Path | None, home: Path
) -> None:
    """Show the offer NAME, the first digits of its id or hash, and save its sound."""
    giver = open_giver(home, None)
    found = [
        each
        for each in read_offers(giver, source, scope)
        if name in (each.paper.id.hex()[: len(name)], each.paper.bundle.digest.hex()[: len(name)])
    ]
    if len(found) != 1:
        fault = _("{count} offers begin so; see loa bulletin list").format(count=len(found))
        raise ConfigError(name, [fault])
    row = _row(found[0])
    labels = {
        "id": _("Bulletin"),
        "title": _("Title"),
        "scope": _("Scope"),
        "kind": _("Kind"),
        "language": _("Language"),
        "category": _("Category"),
        "expires": _("Until"),
        "offered_by": _("Offered by"),
        "digest": _("Hash"),
        "media": _("Sound"),
    }
    show_facts(row, labels)
    if save is not None:
        write_durably(save, found[0].read_sound())
        text = _('In the schedule: file = "{file}", bulletin = "{digest}"')
        say(text.format(file=save.name, digest=row["digest"]))


def _row(offer: Offer) -> dict[str, Any]:
    facts = offer.facts()
    seconds = round(facts["length_ms"] / 1000)
    return {
        **facts,
        "id_text": facts["id"][:8],
        "kind": facts["bulletin_kind"],
        "kind_text": _("priority") if facts["bulletin_kind"] == "priority" else _("normal"),
        "from_text": _local(facts["from"]),
        "expires_text": _local(facts["expires"]),
        "length_ms_text": f"{seconds // 60}:{seconds % 60:02}",
        "offered_by": list(offer.holders),
    }


def _local(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(LOCAL).strftime("%d/%m/%Y %H:%M")
