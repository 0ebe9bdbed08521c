"""``loa order``: silence a place, wake it, set it right; and what stands.

One group, not nine commands at the top: ``stop``, ``rotate`` or ``volume`` alone would not say of
what, and what an operator needs once a year would hide what an officer needs every day.
"""

from __future__ import annotations

import secrets as randomness
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from loa_manager import database
from loa_manager.ceremony import parse_endpoint
from loa_manager.cli.order_frame import (
    Composed,
    add_sign,
    add_status,
    asking,
    begin,
    give,
    giving,
    giving_with_reason,
    known_rows,
)
from loa_manager.cli.order_options import FILE, Length, Scope
from loa_manager.cli.order_view import confirm_order, deliver, show_known, show_outcomes
from loa_manager.cli.texts import LoaGroup
from loa_manager.keyring import Secrets
from loa_manager.orders.answers import clusters_of_village, load_boards
from loa_manager.orders.compose import CommandAsk, compose_command
from loa_manager.orders.giving import Giver, Known, find
from loa_manager.orders.paper import read_paper
from loa_manager.serials import next_serial
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_protocol.objects.command import Command, Verb
from loa_protocol.trust import Refusal, TrustError

_ = translator("loa_manager")

_RELEASABLE: Final = ("hold", "lockdown", "stop", "volume")


@click.group(cls=LoaGroup)
def order() -> None:
    """Stop, hold, release and lock down places; adjust their boards; list what stands."""


def _addressed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* its place, reason and the way it goes."""
    for decorate in (
        giving_with_reason,
        click.option("--endpoint", "endpoint", help="One board in SCOPE, by its id."),
        click.option("--village", help="Only the clusters of SCOPE that stand in this village."),
        click.argument("scope", type=Scope()),
    ):
        command = decorate(command)
    return command


@order.command(example='loa order hold vn/ls/st0137 --home ls --reason "Nghe tiếng lạ"')
@_addressed
def hold(**given: Any) -> None:  # noqa: ANN401 - click's own
    """Silence SCOPE until it is released; alerts still sound. One holder is enough."""
    _give(Verb.HOLD, given)


@order.command(example="loa order stop vn/ls/st0137 --home ls --for 1h --reason 'Đám tang'")
@_addressed
@click.option("--for", "duration", type=Length(), default=3600, help="How long; 1h by default.")
def stop(**given: Any) -> None:  # noqa: ANN401 - click's own
    """Stop what plays in SCOPE, and scheduled sound for a while; alerts still sound."""
    _give(Verb.STOP, given)


@order.command(example='loa order lockdown vn/ls --home ls --for 2h --reason "Bị xâm nhập"')
@_addressed
@click.option("--for", "duration", type=Length(), required=True, help="How long, up to 24h.")
def lockdown(**given: Any) -> None:  # noqa: ANN401 - click's own
    """Silence SCOPE altogether, alerts too. Takes two holders of the province."""
    _give(Verb.LOCKDOWN, given)


@order.command(example='loa order release vn/ls/st0137 --home ls --reason "Đã kiểm tra"')
@_addressed
@click.option("--of", "ids", multiple=True, help="Only this order; repeatable.")
def release(ids: tuple[str, ...], **given: Any) -> None:  # noqa: ANN401 - click's own
    """Let SCOPE play again: end the holds, lockdowns, stops and volumes that stand over it.

    Takes two holders, of the level that gave them or above.
    """
    _give(Verb.RELEASE, given, ids=ids)


@order.command(example='loa order volume vn/ls/st0137 --home ls --level 6 --reason "Kỳ thi"')
@_addressed
@click.option("--level", "value", required=True, type=click.IntRange(0, 15), help="Loudest level.")
@click.option("--for", "duration", type=Length(), default=0, help="How long; else until released.")
def volume(**given: Any) -> None:  # noqa: ANN401 - click's own
    """Cap the volume of scheduled sound in SCOPE."""
    _give(Verb.VOLUME, given)


@order.command(example='loa order reboot vn/ls/st0137/c04 --home ls --reason "Treo máy"')
@_addressed
def reboot(**given: Any) -> None:  # noqa: ANN401 - click's own
    """Start the boards of SCOPE anew."""
    _give(Verb.REBOOT, given)


@order.command(
    "self-test", example='loa order self-test vn/ls/st0137 --home ls --reason "Hằng quý"'
)
@_addressed
def self_test(**given: Any) -> None:  # noqa: ANN401 - click's own
    """Let the boards of SCOPE test themselves as soon as nothing sounds."""
    _give(Verb.SELF_TEST, given)


@order.command(example='loa order rotate vn/ls/st0137/c04 --home ls --reason "Thay chứng thư sớm"')
@_addressed
def rotate(**given: Any) -> None:  # noqa: ANN401 - click's own
    """Let the boards of SCOPE take new 30-day certificates. Takes two holders."""
    _give(Verb.ROTATE, given)


@order.command(
    "reset-floor",
    example="loa order reset-floor vn/ls/st0137/c04 --home ls --endpoint 0f… --nonce 9a… "
    '--reason "Đồng hồ sai"',
)
@_addressed
@click.option("--nonce", required=True, help="The nonce that the board shows, in hex.")
def reset_floor(nonce: str, **given: Any) -> None:  # noqa: ANN401 - click's own
    """Put one board's wrong clock right. Takes two holders of the province."""
    if given["endpoint"] is None:
        raise ConfigError(_("order"), [_("name the board: --endpoint")])
    try:
        value = bytes.fromhex(nonce)
    except ValueError:
        raise ConfigError(nonce, [_("expected hex digits")]) from None
    _give(Verb.RESET_FLOOR, given, nonce=value)


@order.command(example="loa order publish --home ls command-9f2c1a77.order")
@click.argument("files", type=FILE, nargs=-1, required=True)
@giving
def publish(files: tuple[Path, ...], **given: Any) -> None:  # noqa: ANN401 - click's own
    """Put complete order FILES into force, from the province's home or through the server."""
    giver, secrets = begin(given)
    papers = [read_paper(file) for file in files]
    judged = [giver.desk.judge(paper) for paper in papers]
    for each in judged:
        if not each.is_complete:
            detail = _("{count} have signed so far").format(count=len(each.signers))
            raise TrustError(Refusal.THRESHOLD, detail)
    confirm_order(giver, papers, yes=given["yes"])
    show_outcomes(giver, [deliver(giver, each, secrets, output=None) for each in judged])


@order.command("list", example="loa order list --home ls")
@click.option("--scope", type=Scope(), help="What stands over this place and in it.")
@click.option("--all", "everything", is_flag=True, help="Also what is over or released.")
@asking
def list_command(everything: bool, **given: Any) -> None:  # noqa: ANN401 - click's own
    """List what stands: what, who gave it, and how many boards have taken it."""
    rows = known_rows(**given)
    open_rows = [row for row in rows if row["state"] in ("in_force", "given")]
    show_known(rows if everything else open_rows)


add_sign(order, "loa order sign --home hung command-9f2c1a77.order")
add_status(
    order,
    "Show the order NAME, the first digits of its id, and what each board has answered.",
    "loa order status 9f2c1a77 --home ls",
)


def _give(
    verb: Verb, given: dict[str, Any], *, ids: Sequence[str] = (), nonce: bytes | None = None
) -> None:
    """Compose the command for each place it goes to, ask, seal and send."""
    giver, secrets = begin(given)
    endpoint = None if given["endpoint"] is None else parse_endpoint(given["endpoint"])
    ask = CommandAsk(
        scope=given["scope"],
        verb=verb,
        reason=given["reason"],
        duration_s=given.get("duration", 0),
        value=given.get("value", 0),
        endpoint=endpoint,
        nonce=nonce,
    )
    asks = [replace(ask, scope=scope) for scope in _places(giver, ask.scope, given["village"])]
    if verb is Verb.RELEASE:
        asks = [
            replace(each, references=_released(giver, secrets, each.scope, ids)) for each in asks
        ]
    give(giver, secrets, [Composed(_compose(giver, each)) for each in asks], given)


def _compose(giver: Giver, ask: CommandAsk) -> Command:
    folder = giver.home.own_keys if giver.home.own_keys.is_dir() else giver.home.authority_keys
    number = next_serial(folder, f"command {ask.scope}", giver.now)
    return compose_command(ask, randomness.token_bytes(16), number, giver.now_s)


def _places(giver: Giver, scope: str, village: str | None) -> list[str]:
    if village is None:
        return [scope]
    if not giver.is_province:
        fault = _(
            "which clusters stand in a village is known in the province's home alone; name them"
        )
        raise ConfigError(village, [fault])
    engine = database.open(giver.home.database_url)
    try:
        with database.reading(engine) as connection:
            found = clusters_of_village(load_boards(connection), scope, village)
    finally:
        engine.dispose()
    if not found:
        fault = _("no board in {scope} is assigned to this village")
        raise ConfigError(village, [fault.format(scope=scope)])
    return found


def _released(giver: Giver, secrets: Secrets, scope: str, ids: Sequence[str]) -> tuple[bytes, ...]:
    """Return the ids of what *ids* name, else of all that can be released over or in *scope*."""
    full = [bytes.fromhex(each) for each in ids if _is_id(each)]
    if ids and len(full) == len(ids):
        return tuple(full)  # whole ids need nobody who knows them
    known: list[Known] = giver.known(scope, secrets)
    if ids:
        return tuple(find(known, each).id for each in ids)
    return tuple(
        each.id
        for each in known
        if each.facts["what"] in _RELEASABLE and each.facts["state"] == "in_force"
    )


def _is_id(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) == 16
    except ValueError:
        return False
