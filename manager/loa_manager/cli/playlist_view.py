"""How playlists are shown: what they are, what they will do next, what the policy says to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from loa_manager.cli.output import Column, show, show_facts, show_json, wants_json
from loa_manager.cli.sound_view import show_sounds, sound_facts
from loa_manager.media.waveform import Drawn
from loa_manager.publish.editing import Checked
from loa_manager.publish.order import Collision, titles_of
from loa_manager.publish.preview import Preview, Remark
from loa_manager.publish.rules import Play, Reason
from loa_protocol.language import translator
from loa_protocol.objects.playlist import Playlist

_ = translator("loa_manager")


def show_playlist(checked: Checked, *, title: str, sounds: Sequence[Drawn] = ()) -> None:
    """Show what a playlist is, its next day of plays in local time, and the policy's remarks.

    What its *sounds* look like is shown where they are given.

    With ``--json`` all of it is one object.
    """
    facts, preview = playlist_facts(checked.playlist, checked.signers), checked.preview
    if not checked.is_draft:
        facts |= {"epoch": None, "serial": None}
    if wants_json(click.get_current_context(silent=True)):
        plays = [_play(each, preview) for each in preview.plays]
        shown = [{key: each[key] for key in each if not key.endswith("_text")} for each in plays]
        remarks = [remark_facts(each) for each in preview.remarks]
        more = {"remarks": remarks, "warnings": list(checked.warnings)}
        more["state"] = "needs_order" if checked.needs_order else "ready"
        more["collisions"] = [_collision(each, preview) for each in checked.collisions]
        more |= {"sounds": [sound_facts(each) for each in sounds]} if sounds else {}
        show_json({**facts, "plays_from": preview.start, "plays": shown, **more})
        return
    labels = _labels()
    if facts["unsigned_streams"]:
        labels["unsigned_streams"] = _("UNSIGNED STREAMS")
    show_facts(_shown(facts, preview), labels, title=title)
    click.echo()
    show_plays(preview)
    show_sounds(sounds)
    show_remarks(preview.remarks, checked.warnings)
    show_collisions(checked.collisions, preview)


def show_plays(preview: Preview) -> None:
    """Show the plays of 24 hours, or say that there are none."""
    start = preview.start.strftime("%d/%m/%Y %H:%M")
    if preview.is_later:
        title = _("Nothing in the next 24 hours. The first plays, from {start}:")
    elif preview.plays:
        title = _("The next 24 hours, from {start}:")
    else:
        click.echo(_("Nothing will play any more."))
        return
    columns = [
        Column("start", _("Start")),
        Column("end", _("End")),
        Column("title", _("Title")),
        Column("kind", _("Kind")),
        Column("language", _("Language")),
        Column("category", _("Category")),
        Column("bearers", _("Bearers")),
        Column("volume", _("Volume"), right=True),
        Column("forbidden", _("Policy")),
    ]
    rows = [_play(each, preview) for each in preview.plays]
    show(rows, columns, title=title.format(start=start))


def show_remarks(remarks: Sequence[Remark], warnings: Sequence[str]) -> None:
    """Say on standard error what will not play, and what will play otherwise than asked."""
    for remark in remarks:
        reason = remark.finding.reason
        is_grave = reason.is_forbidden or reason is Reason.UNSIGNED
        label = _("FORBIDDEN") if reason.is_forbidden else _("Warning")
        label = _("UNSIGNED STREAM") if reason is Reason.UNSIGNED else label
        click.secho(f"{label}: {remark.text}", err=True, fg="red" if is_grave else "yellow")
    for warning in warnings:
        click.secho(f"{_('Warning')}: {warning}", err=True, fg="yellow")


def show_collisions(collisions: Sequence[Collision], preview: Preview) -> None:
    """Say on standard error where two priorities meet, and whether somebody has decided."""
    decided = _("Priorities meet, in this order: {titles} ({start})")
    open_one = _('NEEDS ORDER: {titles} ({start}). Decide, and write order = "decided"')
    for each in collisions:
        start = preview.local(each.session.start * 1000).strftime("%d/%m/%Y %H:%M")
        text = (decided if each.is_decided else open_one).format(
            titles=titles_of(each.items), start=start
        )
        click.secho(text, err=True, fg=None if each.is_decided else "red")


def playlist_facts(playlist: Playlist, signers: Sequence[str]) -> dict[str, Any]:
    """Return what a playlist is, as facts for people and programs."""
    return {
        "scope": playlist.scope,
        "epoch": playlist.epoch,
        "serial": playlist.serial,
        "not_before": datetime.fromtimestamp(playlist.not_before, UTC),
        "expires": datetime.fromtimestamp(playlist.expires, UTC),
        "sessions": len(playlist.sessions),
        "items": len(playlist.items),
        "media": len(playlist.media),
        "media_bytes": sum(media.size for media in playlist.media),
        "unsigned_streams": [stream.url for stream in playlist.streams or ()],
        "signers": list(signers),
    }


def _shown(facts: Mapping[str, Any], preview: Preview) -> dict[str, Any]:
    megabytes = f"{facts['media']} ({facts['media_bytes'] / 1e6:.1f} MB)"
    return {
        **facts,
        "position": facts["serial"] and f"{facts['epoch']}.{facts['serial']}",
        "not_before": preview.local(int(facts["not_before"].timestamp() * 1000)),
        "expires": preview.local(int(facts["expires"].timestamp() * 1000)),
        "media": megabytes,
        "signers": facts["signers"] or _("nobody yet"),
    }


def _labels() -> dict[str, str]:
    return {
        "scope": _("Scope"),
        "position": _("Position"),
        "not_before": _("Valid from"),
        "expires": _("Valid until"),
        "sessions": _("Sessions"),
        "items": _("Items"),
        "media": _("Media files"),
        "signers": _("Signed by"),
    }


def _play(play: Play, preview: Preview) -> dict[str, Any]:
    start, end = preview.local(play.start_ms), preview.local(play.end_ms)
    forbidden = [str(reason) for reason in play.reasons if reason.is_forbidden]
    return {
        "id": play.item.id,
        "start": start,
        "start_text": start.strftime("%d/%m %H:%M:%S"),
        "end": end,
        "end_text": end.strftime("%H:%M:%S"),
        "title": play.item.title,
        "kind": play.item.kind.name.lower(),
        "kind_text": _kind_text(play),
        "language": play.item.language,
        "category": play.item.category,
        "bearers": [bearer.kind.name.lower() for bearer in play.item.bearers],
        "bearers_text": _bearers_text(play),
        "unsigned_hosts": list(play.hosts),
        "volume": play.volume,
        "forbidden": forbidden,
        "forbidden_text": _("FORBIDDEN") if forbidden else "",
    }


def _bearers_text(play: Play) -> str:
    hosts = iter(play.hosts)
    unsigned = _("UNSIGNED {host}")
    return ", ".join(
        unsigned.format(host=next(hosts)) if bearer.is_unsigned else bearer.kind.name.lower()
        for bearer in play.item.bearers
    )


def _collision(collision: Collision, preview: Preview) -> dict[str, Any]:
    return {
        "session": collision.session.id,
        "start": preview.local(collision.session.start * 1000),
        "decided": collision.is_decided,
        "items": [
            {"id": item.id, "title": item.title, "level": item.level.name.lower()}
            for item in collision.items
        ],
    }


def _kind_text(play: Play) -> str:
    texts = {"NORMAL": _("normal"), "PRIORITY": _("priority"), "EMERGENCY": _("emergency")}
    return texts[play.item.kind.name]


def remark_facts(remark: Remark) -> dict[str, Any]:
    """Return one thing the policy says, as facts for programs."""
    return {
        "place": remark.place,
        "reason": str(remark.finding.reason),
        "forbidden": remark.finding.reason.is_forbidden,
        "first": remark.first,
        "days": remark.days,
        "text": remark.text,
    }
