"""From what somebody asks for to the order that says it. Pure; the time and the ids are arguments.

Two times bound each order: until when the message counts, and how long its effect lasts. What has
to reach boards that are off now (a hold, its release) counts for a year; a lockdown, a stop and a
lower volume count as message for as long as they last, so that a board that comes back in the
middle obeys for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from loa_manager.orders.paper import Body
from loa_manager.orders.standing import RELEASED_STAY_S
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_protocol.objects.alert import MAX_GAP_S, Alert, AlertMessage
from loa_protocol.objects.bulletin import Bulletin
from loa_protocol.objects.command import MAX_LOCKDOWN_S, Command, Verb
from loa_protocol.objects.playlist import Mark, Media
from loa_protocol.objects.standing import StandingProgramme

_ = translator("loa_manager")

YEAR_S: Final = 366 * 86_400
BRIEF_S: Final = 600  # an order that is done once is not carried out long after
RECALL_S: Final = 7 * 86_400  # a board that is off answers when it is back
MAX_LIFE_S: Final = 86_400  # of an alert's message
MAX_REFERENCES: Final = 16
LASTING: Final = frozenset({Verb.STOP, Verb.HOLD, Verb.LOCKDOWN, Verb.VOLUME})


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertAsk:
    """What the officer wants; None where the sound decides."""

    scope: str
    title: str
    reason: str
    language: str
    media: Media
    sound: bytes | None
    expires_s: int  # from now
    duration_s: int | None
    repeats: int
    gap_s: int
    volume: int
    speech_in_s: int | None
    mark: Mark = Mark.NONE
    message: AlertMessage = AlertMessage.ALERT
    references: tuple[bytes, ...] = ()
    cap: str | None = None


class Ended(Protocol):
    """What has to be known of an alert to end it: ours, or as the server tells of it."""

    @property
    def id(self) -> bytes:
        """Its id."""

    @property
    def scope(self) -> str:
        """Where it sounds."""

    @property
    def title(self) -> str:
        """What it is called."""

    @property
    def language(self) -> str:
        """In which language."""

    @property
    def expires(self) -> int:
        """Until when its message counts, unix seconds."""

    @property
    def mark(self) -> Mark:
        """Whether it is a drill."""

    @property
    def cap(self) -> str | None:
        """The name of the CAP message that it was given for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAsk:
    """What the operator wants."""

    scope: str
    verb: Verb
    reason: str
    duration_s: int = 0
    value: int = 0
    references: tuple[bytes, ...] = ()
    endpoint: bytes | None = None
    nonce: bytes | None = None
    since: int | None = None


def compose_alert(ask: AlertAsk, event: bytes, now_s: int) -> Alert:
    """Return the alert that *ask* describes, as event *event*, beginning now.

    Raises:
        ConfigError: lengths or gaps that no alert may have.
    """
    once_s = ask.media.duration_ms / 1000
    whole_s = -(-int((once_s + ask.gap_s) * 1000) * ask.repeats // 1000)
    faults = []
    if not 0 < ask.expires_s <= MAX_LIFE_S:
        faults.append(_("an alert counts for up to {hours} hours").format(hours=MAX_LIFE_S // 3600))
    if ask.gap_s > MAX_GAP_S:
        faults.append(_("the gap is at most {seconds} s").format(seconds=MAX_GAP_S))
    if ask.speech_in_s is not None and ask.speech_in_s >= ask.expires_s:
        faults.append(_("the speech would begin after the alert has expired"))
    if faults:
        raise ConfigError(_("alert"), faults)
    speech_ms = 0 if ask.speech_in_s is None else (now_s + ask.speech_in_s) * 1000
    return Alert(
        id=event,
        scope=ask.scope,
        message=ask.message,
        title=ask.title,
        reason=ask.reason,
        language=ask.language,
        start=now_s,
        expires=now_s + ask.expires_s,
        duration_s=min(ask.duration_s or max(1, whole_s), 86_400),
        repeats=ask.repeats,
        gap_s=ask.gap_s,
        speech_ms=speech_ms,
        volume=ask.volume,
        mark=ask.mark,
        references=ask.references,
        media=ask.media,
        sound=ask.sound,
        cap=ask.cap,
    )


def compose_cancel(
    alerts: Iterable[Ended], event: bytes, now_s: int, *, reason: str, cap: str | None = None
) -> Alert:
    """Return the cancel of *alerts*, which counts for as long as any of them.

    Raises:
        ConfigError: there is none, they are of several places, or all are over.
    """
    ended = list(alerts)
    scopes = {alert.scope for alert in ended}
    if not ended or len(scopes) > 1 or len(ended) > MAX_REFERENCES:
        raise ConfigError(_("cancel"), [_("name the alerts of one place")])
    if max(alert.expires for alert in ended) <= now_s:
        raise ConfigError(_("cancel"), [_("it has expired by itself")])
    first = ended[0]
    return Alert(
        id=event,
        scope=first.scope,
        message=AlertMessage.CANCEL,
        title=first.title,
        reason=reason,
        language=first.language,
        start=now_s,
        expires=max(alert.expires for alert in ended),
        duration_s=1,
        repeats=1,
        gap_s=0,
        speech_ms=0,
        volume=0,
        mark=first.mark,
        references=tuple(alert.id for alert in ended),
        media=None,
        sound=None,
        cap=cap,
    )


def compose_command(ask: CommandAsk, event: bytes, number: int, now_s: int) -> Command:
    """Return the command that *ask* describes.

    Args:
        ask: What is wanted.
        event: Its random id.
        number: Above those of earlier commands for the place.
        now_s: When it is issued.

    Raises:
        ConfigError: a lockdown without an end, a release of nothing, a volume without a level.
    """
    faults = []
    if ask.verb is Verb.LOCKDOWN and not 0 < ask.duration_s <= MAX_LOCKDOWN_S:
        text = _("a lockdown ends by itself, after {hours} hours at most")
        faults.append(text.format(hours=MAX_LOCKDOWN_S // 3600))
    if ask.verb is Verb.RELEASE and not 0 < len(ask.references) <= MAX_REFERENCES:
        faults.append(_("nothing stands there that could be released"))
    if faults:
        raise ConfigError(ask.verb.name.lower(), faults)
    return Command(
        id=event,
        scope=ask.scope,
        number=number,
        verb=ask.verb,
        reason=ask.reason,
        issued=now_s,
        expires=now_s + _life_s(ask),
        duration_s=ask.duration_s,
        value=ask.value,
        references=ask.references,
        endpoint=ask.endpoint,
        nonce=ask.nonce,
        since=ask.since,
    )


def stands_until(body: Body) -> int:
    """Return until when *body* is listed, unix seconds.

    A release stays for :data:`RELEASED_STAY_S`, and what it released with it.
    """
    if isinstance(body, Command) and body.verb is Verb.RELEASE:
        return min(body.expires, body.issued + RELEASED_STAY_S)
    assert not isinstance(body, StandingProgramme)  # which is state, and not listed
    return body.expires


def ends_at(body: Command) -> int | None:
    """Return when the effect of *body* ends by itself; None for one that does not, or has none."""
    return body.issued + body.duration_s if body.duration_s else None


def is_stillness(body: object) -> bool:
    """Tell whether *body* silences or quietens a place for a while, and can be released."""
    return isinstance(body, Command) and body.verb in LASTING


def referred_media(body: Body) -> Media | None:
    """Return the sound of an alert or bulletin."""
    return body.media if isinstance(body, (Alert, Bulletin)) else None


def _life_s(ask: CommandAsk) -> int:
    if ask.verb is Verb.RELEASE or (ask.verb in LASTING and not ask.duration_s):
        return BRIEF_S if ask.verb is Verb.STOP else YEAR_S
    if ask.verb is Verb.RECALL:
        return RECALL_S
    return max(BRIEF_S, ask.duration_s)
