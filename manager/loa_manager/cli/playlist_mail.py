"""``loa playlist submit|inbox|approve|reject``: drafts and signatures by mailbox."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from loa_manager import mail_client
from loa_manager.cli.options import PassphraseSource, home_option, json_option, passphrase_option
from loa_manager.cli.output import Column, say, show, show_facts, show_json, wants_json
from loa_manager.cli.playlist_view import show_playlist
from loa_manager.cli.progress import progress
from loa_manager.cli.question import confirm
from loa_manager.cli.sound_view import (
    check_picture_name,
    draw_sounds,
    picture_option,
    write_picture,
)
from loa_manager.cli.texts import LoaCommand
from loa_manager.home import Home
from loa_manager.in_date import check_in_date
from loa_manager.keyring import Identity, has_key, load_signer
from loa_manager.mail_client import Letter
from loa_manager.publish.desk import Desk
from loa_manager.publish.drafts import Draft, read_draft
from loa_manager.publish.editing import check_draft, media_store, seal_draft
from loa_manager.publish.order import check_order
from loa_manager.service_client import ServiceClient
from loa_protocol.envelope import open_seal
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_protocol.objects.authority import Role

_ = translator("loa_manager")

_DESKS: Final = ("editor", "approver")
_server = click.option(
    "--server",
    envvar="LOA_SERVER",
    help="Address of the server, if not that of the province's settings.",
)
allow_forbidden_option = click.option(
    "--allow-forbidden",
    is_flag=True,
    help="Go on although the policy forbids items; no device will play those.",
)


@dataclass(frozen=True, slots=True)
class _Place:
    """One person at a desk, connected to the mailbox."""

    home: Home
    desk: Desk
    identity: Identity
    role: Role
    client: ServiceClient

    def letters(self) -> list[Letter]:
        own = self.identity.certificate
        assert own is not None  # _at_desk() has checked
        return mail_client.read_inbox(self.client, own.scopes, self.desk.trusted, self.desk.now)

    def letter(self, name: str | None) -> Letter:
        """Return the draft that *name* begins the digest of, or the only one that waits."""
        letters = self.letters()
        found = [
            each
            for each in letters
            if (each.state == "waiting" if name is None else each.digest.startswith(name))
        ]
        if len(found) == 1:
            return found[0]
        if not found and name is None:
            raise ConfigError(_("inbox"), [_("no draft waits for approval")])
        listed = [f"{each.digest[:8]} {_state_text(each.state)}" for each in found or letters]
        fault = _("name one of these drafts: {drafts}") if listed else _("no draft is there")
        where = name or _("inbox")
        raise ConfigError(where, [fault.format(drafts=", ".join(listed))])


@click.command(cls=LoaCommand, example="loa playlist submit --home nga out/tuan-04.draft")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@home_option
@_server
@passphrase_option
@json_option
def submit(file: Path, home: Path, server: str | None, passphrase: PassphraseSource) -> None:
    """Send the draft FILE, and of its media what the server does not have.

    Interrupted, the same command again goes on where it was.
    """
    with _at_desk(home, "editor", server, passphrase) as place:
        with progress(_("Checking")) as on_file:
            found, _checked = check_draft(file, place.desk, forbid=False, on_file=on_file)
        with progress(_("Sending")) as on_file:
            facts = mail_client.submit(place.client, found, on_file)
    _show_entry(facts, title=_("Submitted: {path}").format(path=file))


@click.command(cls=LoaCommand, example="loa playlist inbox --home son")
@home_option
@click.option("--as", "role", type=click.Choice(_DESKS), help="In which role, if you have both.")
@_server
@passphrase_option
@json_option
def inbox(home: Path, role: str | None, server: str | None, passphrase: PassphraseSource) -> None:
    """List the drafts of your place: which wait for you, and what became of the others."""
    with _at_desk(home, role, server, passphrase) as place:
        letters = place.letters()
        mine = place.role.name.lower()
    rows = [_row(each, mine) for each in letters]
    rows.sort(key=lambda row: not row["for_me"])
    columns = [
        Column("draft", _("Draft")),
        Column("scope", _("Scope")),
        Column("state", _("State")),
        Column("for_me", _("Waits for you")),
        Column("not_before", _("Valid from")),
        Column("signers", _("Signed by")),
        Column("submitted", _("Submitted")),
        Column("reason", _("Reason")),
    ]
    if wants_json(click.get_current_context(silent=True)):
        columns += [Column(key, key) for key in ("digest", "waits_for", "serial", "rejected_by")]
    show(rows, columns)


@click.command(cls=LoaCommand, example="loa playlist approve --home son 3fa9c1d2")
@click.argument("draft", required=False)
@home_option
@_server
@allow_forbidden_option
@picture_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@passphrase_option
@json_option
def approve(
    draft: str | None,
    home: Path,
    server: str | None,
    allow_forbidden: bool,
    picture: Path | None,
    yes: bool,
    passphrase: PassphraseSource,
) -> None:
    """Fetch the DRAFT, show what would sound, sign it as approver and send the signature.

    DRAFT is the beginning of its name in the inbox; the only one that waits needs no name.
    """
    if picture is not None:
        check_picture_name(picture)
    with _at_desk(home, "approver", server, passphrase) as place:
        letter = place.letter(draft)
        with progress(_("Fetching")) as on_file:
            path = mail_client.fetch(place.client, place.home, letter.digest, on_file).path
        forbid = not allow_forbidden
        found, checked = check_draft(path, place.desk, forbid=forbid)
        check_order(found.playlist, letter.digest[:8])
        sounds = draw_sounds(found.playlist, found.media, media_store(place.home))
        if picture is not None:
            write_picture(picture, sounds)  # before the question: it is looked at to answer it
        if not wants_json(click.get_current_context(silent=True)):
            title = _("To be approved: {path}").format(path=path)
            show_playlist(checked, title=title, sounds=sounds)
        confirm(_("Sign this as {role}?").format(role="approver"), where=_("approve"), yes=yes)
        if not _has_sealed(found, place.identity):
            seal_draft(found, place.identity, Role.APPROVER, place.desk)
        facts = mail_client.approve(place.client, read_draft(path))
    _show_entry(facts, title=_("Approved: {draft}").format(draft=letter.digest[:8]))


@click.command(
    cls=LoaCommand, example='loa playlist reject --home son 3fa9c1d2 --reason "sai giờ chiều"'
)
@click.argument("draft", required=False)
@home_option
@click.option("--reason", required=True, help="Why; the editor reads it in the inbox.")
@_server
@passphrase_option
@json_option
def reject(
    draft: str | None,
    home: Path,
    reason: str,
    server: str | None,
    passphrase: PassphraseSource,
) -> None:
    """Send the DRAFT back with a reason, which you sign.

    DRAFT is the beginning of its name in the inbox; the only one that waits needs no name.
    """
    with _at_desk(home, "approver", server, passphrase) as place:
        letter, now = place.letter(draft), datetime.now(UTC)
        facts = mail_client.reject(place.client, letter, reason, place.identity, now)
    _show_entry(facts, title=_("Rejected: {draft}").format(draft=letter.digest[:8]))


@contextlib.contextmanager
def _at_desk(
    path: Path, role: str | None, server: str | None, passphrase: PassphraseSource
) -> Iterator[_Place]:
    home, now = Home.open(path), datetime.now(UTC)
    chosen = role or _only_role(home)
    identity = load_signer(home.own_keys / chosen, passphrase.read())
    if identity.certificate is None:
        fault = _("this key is not certified yet; install its certificate with: loa key install")
        raise ConfigError(str(home.own_keys / chosen), [fault])
    desk = Desk.open(home, now)
    check_in_date(identity, desk.now)
    client = ServiceClient(home, identity, server)
    try:
        yield _Place(home, desk, identity, Role[chosen.upper()], client)
    finally:
        client.close()


def _only_role(home: Home) -> str:
    found = [name for name in _DESKS if has_key(home.own_keys / name)]
    if len(found) != 1:
        fault = _("say with --as in which role; keys here: {keys}")
        raise ConfigError(str(home.own_keys), [fault.format(keys=", ".join(found) or "-")])
    return found[0]


def _has_sealed(draft: Draft, identity: Identity) -> bool:
    """Tell whether it is sealed already: an approval whose answer was lost is sent again."""
    kids = {open_seal(seal).kid for seal in draft.bundle.seals}
    return identity.signer.public.kid in kids


def _row(letter: Letter, mine: str) -> dict[str, Any]:
    facts = letter.facts
    reason = letter.reason
    if letter.state == "rejected" and reason is None:
        reason = _("rejected, without a valid signature")
    return {
        "draft": letter.digest[:8],
        "digest": letter.digest,
        "scope": facts["scope"],
        "serial": facts.get("serial"),
        "state": letter.state,
        "state_text": _state_text(letter.state),
        "waits_for": facts.get("waits_for"),
        "for_me": facts.get("waits_for") == mine,
        "not_before": _instant(facts.get("not_before"), 1),
        "signers": facts.get("signers"),
        "submitted": _instant(facts["submitted_ms"], 1000),
        "reason": reason or facts.get("refusal"),
        "rejected_by": letter.rejected_by,
    }


def _show_entry(facts: dict[str, Any], *, title: str) -> None:
    if wants_json(click.get_current_context(silent=True)):
        show_json(facts)
        return
    missing = sum(row["size"] - row["received"] for row in facts["missing"])
    shown = {
        **facts,
        "draft": facts["digest"][:8],
        "state_text": _state_text(facts["state"]),
        "missing": f"{missing / 1e6:.1f} MB" if missing else None,
    }
    labels = {
        "draft": _("Draft"),
        "scope": _("Scope"),
        "state": _("State"),
        "signers": _("Signed by"),
    }
    if missing:
        labels["missing"] = _("Missing")
    if facts.get("refusal"):
        labels["refusal"] = _("Reason")
    show_facts(shown, labels, title=title)
    if facts["state"] == "published":
        say(_("Published; devices learn of it with the next head."))


def _instant(value: object, parts: int) -> datetime | None:
    return datetime.fromtimestamp(value / parts, UTC) if isinstance(value, int) else None


def _state_text(state: str) -> str:
    return {
        "draft": _("draft, not complete"),
        "needs_order": _("NEEDS ORDER"),
        "waiting": _("waits for approval"),
        "rejected": _("REJECTED"),
        "approved": _("approved, but devices would refuse it"),
        "published": _("published"),
        "outdated": _("out of date"),
    }.get(state, state)
