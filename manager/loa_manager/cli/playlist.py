"""``loa playlist``: a week's schedule from an officer's file to the content tree."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from loa_manager.cli.options import PassphraseSource, home_option, json_option, passphrase_option
from loa_manager.cli.output import Column, say, show
from loa_manager.cli.playlist_mail import (
    allow_forbidden_option,
    approve,
    inbox,
    reject,
    submit,
)
from loa_manager.cli.playlist_standing import standing
from loa_manager.cli.playlist_view import playlist_facts, show_playlist
from loa_manager.cli.progress import progress
from loa_manager.cli.question import confirm
from loa_manager.cli.sound_view import (
    check_picture_name,
    draw_sounds,
    picture_option,
    write_picture,
)
from loa_manager.cli.texts import LoaGroup
from loa_manager.home import Home
from loa_manager.keyring import load_signer
from loa_manager.publish.desk import Desk
from loa_manager.publish.drafts import SUFFIX
from loa_manager.publish.editing import (
    check_draft,
    check_schedule,
    make_draft,
    media_store,
    seal_draft,
)
from loa_manager.publish.publication import judge_draft, published
from loa_manager.publish.publication import publish as publish_draft
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_protocol.objects.authority import Role

_ = translator("loa_manager")

_FILE = click.Path(path_type=Path, dir_okay=False)
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group(cls=LoaGroup)
def playlist() -> None:
    """Check, draft, sign and publish playlists (lịch phát)."""


@playlist.command(example="loa playlist check --home nga tuan-04.toml")
@click.argument("file", type=_FILE)
@home_option
@allow_forbidden_option
@picture_option
@json_option
def check(file: Path, home: Path, allow_forbidden: bool, picture: Path | None) -> None:
    """Show what the schedule or draft FILE will do in the next 24 hours, and every fault."""
    if picture is not None:
        check_picture_name(picture)
    place, desk = _open(home)
    store = media_store(place)
    forbid = not allow_forbidden
    with progress(_("Measuring")) as on_file:
        if file.suffix == SUFFIX:
            found, checked = check_draft(file, desk, forbid=forbid, on_file=on_file)
            folder = found.media
        else:
            checked = check_schedule(file, place, desk, forbid=forbid, on_file=on_file)
            folder = store.folder
    sounds = draw_sounds(checked.playlist, folder, store)
    show_playlist(checked, title=_("Checked: {path}").format(path=file), sounds=sounds)
    if picture is not None:
        write_picture(picture, sounds)


@playlist.command(example="loa playlist draft --home nga tuan-04.toml -o tuan-04.draft")
@click.argument("file", type=_FILE)
@home_option
@click.option("-o", "--output", required=True, type=_FILE, help="The draft to write.")
@click.option("--serial", type=click.IntRange(min=1), help="Serial, if not simply the next.")
@json_option
def draft(file: Path, home: Path, output: Path, serial: int | None) -> None:
    """Make an unsigned draft of the schedule FILE, with its media in a folder beside it."""
    place, desk = _open(home)
    if output.suffix != SUFFIX:
        fault = _("the name of a draft ends in {suffix}").format(suffix=SUFFIX)
        raise ConfigError(str(output), [fault])
    with progress(_("Measuring")) as on_file:
        checked = make_draft(file, output, place, desk, serial=serial, on_file=on_file)
    show_playlist(checked, title=_("Draft, unsigned: {path}").format(path=output))
    say(_("Send the draft and the folder media beside it to whoever signs."))


@playlist.command(example="loa playlist sign --home nga tuan-04.draft --as editor")
@click.argument("file", type=_FILE)
@home_option
@click.option(
    "--as",
    "role",
    required=True,
    type=click.Choice(["editor", "approver"]),
    help="In which role; editor and approver are two people.",
)
@allow_forbidden_option
@_yes
@passphrase_option
@json_option
def sign(
    file: Path,
    home: Path,
    role: str,
    allow_forbidden: bool,
    yes: bool,
    passphrase: PassphraseSource,
) -> None:
    """Show what the draft FILE says and sign it."""
    place, desk = _open(home)
    with progress(_("Checking")) as on_file:
        found, checked = check_draft(file, desk, forbid=not allow_forbidden, on_file=on_file)
    sounds = draw_sounds(checked.playlist, found.media, media_store(place))
    show_playlist(checked, title=_("To be signed: {path}").format(path=file), sounds=sounds)
    if sys.stdin.isatty():
        confirm(_("Sign this as {role}?").format(role=role), where=str(file), yes=yes)
    identity = load_signer(place.own_keys / role, passphrase.read())
    holder = seal_draft(found, identity, Role[role.upper()], desk)
    say(_("Signed as {role} by {holder}.").format(role=role, holder=holder))


@playlist.command(example="loa playlist publish --home ls tuan-04.draft")
@click.argument("file", type=_FILE)
@home_option
@_yes
@json_option
def publish(file: Path, home: Path, yes: bool) -> None:
    """Put the signed draft FILE on the air: into the content tree that devices read."""
    place, desk = _open(home)
    with progress(_("Checking")) as on_file:
        found, checked = check_draft(file, desk, forbid=False, on_file=on_file)
    judge_draft(found, desk)  # refused before anybody is asked
    show_playlist(checked, title=_("To be published: {path}").format(path=file))
    confirm(_("Publish this?"), where=_("publish"), yes=yes)
    with progress(_("Copying")) as on_file:
        publish_draft(found, place, desk, at=datetime.now(UTC), on_file=on_file)
    say(_("Published; devices learn of it with the next head."))


@playlist.command("show", example="loa playlist show --home ls")
@home_option
@json_option
def show_command(home: Path) -> None:
    """List the newest playlist of every scope in the content tree."""
    rows = [
        {**playlist_facts(each.playlist, each.signers), "digest": each.digest}
        for each in published(Home.open(home))
    ]
    columns = [
        Column("scope", _("Scope")),
        Column("epoch", _("Epoch"), right=True),
        Column("serial", _("Serial"), right=True),
        Column("not_before", _("Valid from")),
        Column("expires", _("Valid until")),
        Column("sessions", _("Sessions"), right=True),
        Column("items", _("Items"), right=True),
        Column("signers", _("Signed by")),
        Column("digest", _("Digest"), short=12),
    ]
    show(rows, columns)


for _command in (submit, inbox, approve, reject, standing):
    playlist.add_command(_command)


def _open(home: Path) -> tuple[Home, Desk]:
    place = Home.open(home)
    return place, Desk.open(place, datetime.now(UTC))
