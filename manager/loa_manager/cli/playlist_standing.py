"""``loa playlist standing``: what plays when no playlist is valid (chương trình thường trực)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from loa_manager.authority import EPOCH
from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.order_options import FILE, Length
from loa_manager.cli.output import say
from loa_manager.cli.playlist_view import show_playlist
from loa_manager.cli.progress import progress
from loa_manager.cli.sound_view import draw_sounds
from loa_manager.cli.texts import LoaCommand
from loa_manager.content_tree import store_by_hash
from loa_manager.home import Home, read_bytes
from loa_manager.keyring import load_chain, read_chain
from loa_manager.orders.paper import SUFFIX, write_paper
from loa_manager.orders.weekly import Term, compose_programme, prepare_week
from loa_manager.publish.desk import Desk
from loa_manager.publish.drafts import measure_media
from loa_manager.publish.editing import Checked, media_store
from loa_manager.publish.order import check_order
from loa_manager.publish.preview import make_preview
from loa_manager.publish.schedule import load_schedule
from loa_manager.serials import next_serial
from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")


@click.command(
    cls=LoaCommand,
    example="loa playlist standing --home nga thuong-truc.toml -o tt.order --for 300d",
)
@click.argument("file", type=FILE)
@home_option
@click.option("-o", "--output", required=True, type=FILE, help="The order file to write.")
@click.option(
    "--for", "life", type=Length(), default=300 * 86_400, help="How long; 300d by default."
)
@json_option
def standing(file: Path, home: Path, output: Path, life: int) -> None:
    """Make an unsigned standing programme of the schedule FILE, whose sessions have weekdays.

    The days in its header do not matter. It is signed by an editor and an approver with
    `loa order sign`, and published with `loa order publish`.
    """
    if output.suffix != SUFFIX:
        fault = _("the name of an order file ends in {suffix}").format(suffix=SUFFIX)
        raise ConfigError(str(output), [fault])
    place, now = Home.open(home), datetime.now(UTC)
    desk, now_s = Desk.open(place, now), int(now.timestamp())
    schedule = load_schedule(read_bytes(file), str(file))
    policy = desk.policy_for(schedule.scope)
    with progress(_("Measuring")) as on_file:
        kept, unusable = measure_media(schedule, file.parent, media_store(place), on_file)
    prepared = prepare_week(schedule, kept, policy, now_s)
    faults = [str(fault) for fault in (*unusable, *prepared.faults)]
    if prepared.playlist is None or faults:
        raise ConfigError(str(file), faults)
    week = prepared.playlist
    check_order(week, str(file))
    preview = make_preview(week, policy, now_s, prepared.places)
    if preview.forbidden:
        raise ConfigError(str(file), [remark.text for remark in preview.forbidden])
    chain = read_chain(load_chain(place.own_keys / "editor"))
    term = Term(
        epoch=chain[-1].epoch if chain else EPOCH,
        serial=next_serial(place.own_keys, f"standing {week.scope}", now),
        not_before=now_s,
        expires=now_s + life,
    )
    body = compose_programme(week, policy, term)
    for each in kept.values():
        store_by_hash(each.path, output.parent / "media")
    write_paper(output, sign_bundle(Kind.STANDING_PROGRAMME, body.to_bytes(), []))
    title = _("One week of the standing programme: {path}").format(path=output)
    sounds = draw_sounds(week, output.parent / "media", media_store(place))
    checked = Checked(playlist=week, preview=preview, is_draft=False)
    show_playlist(checked, title=title, sounds=sounds)
    say(_("Unsigned. Next: loa order sign {file}, by editor and approver").format(file=output))
