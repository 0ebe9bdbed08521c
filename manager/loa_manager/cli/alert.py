"""``loa alert``: emergency bulletins (bản tin khẩn cấp); they take a role, a reason, an end."""

from __future__ import annotations

import secrets as randomness
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click

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
from loa_manager.cli.order_view import show_known
from loa_manager.cli.texts import LoaGroup
from loa_manager.home import read_bytes
from loa_manager.keyring import Secrets
from loa_manager.orders.cap import read_cap
from loa_manager.orders.cap_content import CapContent, areas_of, content_of, read_areas
from loa_manager.orders.compose import AlertAsk, compose_alert, compose_cancel
from loa_manager.orders.giving import Giver, find
from loa_manager.orders.sound import Template, find_sound, read_template
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_protocol.objects.alert import AlertMessage
from loa_protocol.objects.playlist import Mark

_ = translator("loa_manager")

SPEECH_S: Final = 4  # by then the order is everywhere and its attention tone is over
_VOLUME: Final = 12
_REPEATS: Final = 2
_GAP_S: Final = 5


@click.group(cls=LoaGroup)
def alert() -> None:
    """Give, end and follow emergency bulletins; they sound at once, whatever else plays."""


def _sounding(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* the options of a sound and of how it is played."""
    options = (
        click.option("--media", help="The sound: a file, or the SHA-256 of a kept one."),
        click.option("--inline", help="The same, but the sound travels inside the order."),
        click.option("--template", help="Take what is not given from templates/NAME.toml."),
        click.option("--drill-media", help="The sound of a drill, which says 'diễn tập' itself."),
        click.option("--duration", type=Length(), help="All its sound together, at most."),
        click.option("--repeats", type=click.IntRange(1, 100), help="How often; 2 by default."),
        click.option("--gap", type=Length(), help="Silence between repeats; 5s by default."),
        click.option("--volume", type=click.IntRange(1, 15), help="12 by default."),
        click.option("--speech-in", type=Length(), help="Speech begins so long from now; 4s."),
    )
    for decorate in reversed(options):  # help shows the last one that was applied first
        command = decorate(command)
    return command


@alert.command(
    example="loa alert send --home hung --scope vn/ls/st0137 --template lu-quet"
    ' --reason "Nước vượt báo động 3" --expires 30m'
)
@click.option("--scope", required=True, type=Scope(), help="Where it sounds.")
@click.option("--title", help="What it is called; the template may say it.")
@click.option("--expires", required=True, type=Length(), help="After that it begins nowhere.")
@click.option("--language", help="A tag such as vi or tày; vi by default.")
@click.option("--drill", is_flag=True, help="It is a drill (diễn tập), and counts in no figure.")
@click.option("--update", "updates", multiple=True, help="Takes the place of this alert.")
@_sounding
@giving_with_reason
def send(**given: Any) -> None:  # noqa: ANN401 - click's own
    """Sound an alert. Pre-approved sound takes one holder, any other two."""
    giver, secrets = begin(given)
    template = _template(giver, given)
    mark = Mark.DRILL if given["drill"] else Mark.NONE
    known = giver.known(given["scope"], secrets) if given["updates"] else []
    references = tuple(find(known, each).id for each in given["updates"])
    title = given["title"] or template.title
    if not title:
        raise ConfigError(_("alert"), [_("give --title")])
    call = _Call(
        scopes=(given["scope"],),
        title=title,
        reason=given["reason"],
        language=given["language"] or template.language or "vi",
        expires_s=given["expires"],
        mark=mark,
        message=AlertMessage.UPDATE if references else AlertMessage.ALERT,
        references=references,
        cap=None,
    )
    _sound(giver, secrets, call, template, given)


@alert.command(example='loa alert cancel 9f2c1a77 --home hung --reason "Nước đã rút"')
@click.argument("names", nargs=-1, required=True)
@click.option("--scope", type=Scope(), help="The place; needed where the server is asked.")
@giving_with_reason
def cancel(names: Sequence[str], **given: Any) -> None:  # noqa: ANN401 - click's own
    """End the alerts NAMES, the first digits of their ids; also where they arrive later."""
    giver, secrets = begin(given)
    known = giver.known(given["scope"], secrets)
    ended = [find(known, name) for name in names]
    event = randomness.token_bytes(16)
    body = compose_cancel(ended, event, giver.now_s, reason=given["reason"])
    give(giver, secrets, [Composed(body)], given)


@alert.command("from-cap", example="loa alert from-cap kttv.xml --home truc --template lu-quet")
@click.argument("file", type=FILE)
@click.option("--scope", "scopes", type=Scope(), multiple=True, help="Where; repeatable.")
@click.option("--areas", type=FILE, help="TOML table [areas]: our scopes by CAP area.")
@click.option("--language", help="Whose text to take, where there are several; vi by default.")
@click.option("--reason", help="Why; by default who sent the message, and the event.")
@click.option("--expires", type=Length(), help="Needed where the message names no end.")
@_sounding
@giving
def from_cap(file: Path, scopes: tuple[str, ...], **given: Any) -> None:  # noqa: ANN401 - click's own
    """Take the content of the CAP 1.2 message FILE; its authority is nobody's but your own.

    An Exercise becomes a drill; Test and Draft are refused. Update and Cancel go to the alerts that
    were given for the messages they refer to.
    """
    giver, secrets = begin(given)
    areas = {} if given["areas"] is None else read_areas(read_bytes(given["areas"]), str(file))
    message = read_cap(read_bytes(file))
    asked = scopes or areas_of(message, areas, given["language"]) or (None,)
    known = [giver.known(scope, secrets) for scope in asked] if message.references else []
    alerts = list(
        {each.id: each for rows in known for each in rows if each.facts["kind"] == "alert"}.values()
    )
    content = content_of(message, known=alerts, areas=areas, language=given["language"])
    if content.message is AlertMessage.CANCEL:
        ended = [each for each in alerts if each.id in content.references]
        give(giver, secrets, _cancels(giver, ended, content, given["reason"]), given)
        return
    places = scopes or content.areas
    if not places:
        fault = _("it cannot be told where: give --scope, or --areas with its areas")
        raise ConfigError(str(file), [fault])
    call = _Call(
        scopes=places,
        title=content.title,
        reason=given["reason"] or content.reason,
        language=content.language,
        expires_s=_expires_s(giver, content, given["expires"]),
        mark=content.mark,
        message=content.message,
        references=content.references,
        cap=content.name,
    )
    _sound(giver, secrets, call, _template(giver, given), given)


@alert.command("list", example="loa alert list --home ls")
@click.option("--scope", type=Scope(), help="Alerts of this place and of those around it.")
@asking
def list_command(**given: Any) -> None:  # noqa: ANN401 - click's own
    """List the alerts that count, with who gave them and how many boards have taken them."""
    show_known(row for row in known_rows(**given) if row["kind"] == "alert")


add_sign(alert, "loa alert sign --home lan alert-9f2c1a77.order")
add_status(
    alert,
    "Show which clusters took the alert NAME, which began, ended, refused, or did not answer.",
    "loa alert status 9f2c1a77 --home ls",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """An alert without its sound."""

    scopes: tuple[str, ...]
    title: str
    reason: str
    language: str
    expires_s: int
    mark: Mark
    message: AlertMessage
    references: tuple[bytes, ...]
    cap: str | None


def _sound(
    giver: Giver, secrets: Secrets, call: _Call, template: Template, given: dict[str, Any]
) -> None:
    """Compose *call* with its sound for every place, ask, seal and send."""
    faults = [] if call.expires_s > 0 else [_("it has expired")]
    if faults:
        raise ConfigError(_("alert"), faults)
    policy = giver.desk.policy_for(call.scopes[0])
    source, is_inline = _source(call.mark, template, given)
    sound = find_sound(giver.home, source, policy, is_inline=is_inline)
    speech_in = given["speech_in"]
    ask = AlertAsk(
        scope=call.scopes[0],
        title=call.title,
        reason=call.reason,
        language=call.language,
        media=sound.media,
        sound=sound.data,
        expires_s=call.expires_s,
        duration_s=given["duration"] or template.duration_s,
        repeats=_first(given["repeats"], template.repeats, _REPEATS),
        gap_s=_first(given["gap"], template.gap_s, _GAP_S),
        volume=_first(given["volume"], template.volume, _VOLUME),
        speech_in_s=SPEECH_S if speech_in is None else (speech_in or None),
        mark=call.mark,
        message=call.message,
        references=call.references,
        cap=call.cap,
    )
    orders = [
        Composed(
            compose_alert(replace(ask, scope=scope), randomness.token_bytes(16), giver.now_s), sound
        )
        for scope in call.scopes
    ]
    give(giver, secrets, orders, given, may_wait=speech_in is None)


def _source(mark: Mark, template: Template, given: dict[str, Any]) -> tuple[str, bool | None]:
    """Return the sound that is named, and whether it travels inside the order.

    None leaves that to its size. Nothing on the wire can tell what a sound says. So a drill takes
    a sound that was named for it: whoever names it answers for the words 'diễn tập' in it.
    """
    drill = given["drill_media"] or template.drill_media
    if mark is Mark.DRILL:
        if drill is None:
            text = _("a drill must say 'diễn tập': name a sound that does with --drill-media")
            raise ConfigError(_("alert"), [text])
        if given["media"] is not None or given["inline"] is not None:
            raise ConfigError(_("alert"), [_("a drill takes --drill-media alone")])
        return drill, None
    if given["drill_media"] is not None:
        raise ConfigError(_("alert"), [_("--drill-media is for drills: give --drill too")])
    if given["media"] is not None and given["inline"] is not None:
        raise click.UsageError(_("give one of --media and --inline"))
    source = given["inline"] or given["media"] or template.media
    if source is None:
        raise ConfigError(_("alert"), [_("give its sound: --media, --inline or --template")])
    return str(source), given["inline"] is not None


def _cancels(
    giver: Giver, ended: Iterable[Any], content: CapContent, reason: str | None
) -> list[Composed]:
    by_scope: dict[str, list[Any]] = {}
    for each in ended:
        by_scope.setdefault(each.scope, []).append(each)
    return [
        Composed(
            compose_cancel(
                group,
                randomness.token_bytes(16),
                giver.now_s,
                reason=reason or content.reason,
                cap=content.name,
            )
        )
        for group in by_scope.values()
    ]


def _expires_s(giver: Giver, content: CapContent, given: int | None) -> int:
    if given is not None:
        return int(given)
    if content.expires is None:
        raise ConfigError(_("CAP message"), [_("it names no end: give --expires")])
    left = content.expires - giver.now_s
    if left <= 0:
        raise ConfigError(_("CAP message"), [_("it has expired")])
    return left


def _template(giver: Giver, given: dict[str, Any]) -> Template:
    return Template() if given["template"] is None else read_template(giver.home, given["template"])


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)
