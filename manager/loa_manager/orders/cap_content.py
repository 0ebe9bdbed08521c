"""What a CAP message asks of us: whether it may sound at all, where, and as what. Pure.

Status Test, Draft and System never become an order. An Exercise becomes a drill. An Update or
Cancel goes to the alerts that we gave for the messages it refers to.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from loa_manager.orders.cap import CapInfo, CapMessage, CapScope, CapStatus, CapType
from loa_manager.orders.compose import Ended
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_protocol.objects.alert import AlertMessage
from loa_protocol.objects.playlist import Mark
from loa_protocol.scope import is_scope

_ = translator("loa_manager")

MAX_NAME: Final = 256  # as Alert.cap
_MESSAGES: Final = {
    CapType.ALERT: AlertMessage.ALERT,
    CapType.UPDATE: AlertMessage.UPDATE,
    CapType.CANCEL: AlertMessage.CANCEL,
}
_MARKS: Final = {CapStatus.ACTUAL: Mark.NONE, CapStatus.EXERCISE: Mark.DRILL}


@dataclass(frozen=True, slots=True, kw_only=True)
class CapContent:
    """What is taken over from a message."""

    message: AlertMessage
    mark: Mark
    title: str
    reason: str
    language: str
    expires: int | None
    name: str
    references: tuple[bytes, ...]  # ids of our alerts
    areas: tuple[str, ...]  # scopes


def content_of(
    cap: CapMessage,
    *,
    known: Iterable[Ended],
    areas: Mapping[str, str],
    language: str | None = None,
) -> CapContent:
    """Return what *cap* asks of us.

    Args:
        cap: The message.
        known: The alerts that stand, with the CAP names they were given for.
        areas: Our scopes by area: ``valueName=value`` of a geocode, or the area's description.
        language: Whose text to take; by default Vietnamese, else the only one.

    Raises:
        ConfigError: it must not sound, or it cannot be told where, in which language, or which of
            our alerts it means.
    """
    faults = list(_faults(cap))
    if faults:
        raise ConfigError(_("CAP message"), faults)
    info = _info(cap, language)
    title = (info.headline or info.event) if info else cap.identifier
    author = (info.sender_name if info else "") or cap.sender
    return CapContent(
        message=_MESSAGES[cap.type],
        mark=_MARKS[cap.status],
        title=title[:200].strip(),
        reason=f"CAP {author}: {info.event if info else cap.type}"[:300].strip(),
        language=(info.language if info else "vi")[:35],
        expires=info.expires if info else None,
        name=cap.name,
        references=_references(cap, known),
        areas=_scopes(info, areas),
    )


def areas_of(
    cap: CapMessage, areas: Mapping[str, str], language: str | None = None
) -> tuple[str, ...]:
    """Return our scopes for the areas of *cap*; arguments and errors as :func:`content_of`."""
    return _scopes(_info(cap, language), areas)


def read_areas(data: bytes, where: str) -> dict[str, str]:
    """Read the table ``[areas]`` of a TOML file: our scopes by CAP area.

    Raises:
        ConfigError: with every fault.
    """
    try:
        table = tomllib.loads(data.decode()).get("areas")
    except (ValueError, RecursionError) as error:
        raise ConfigError(where, [_("not TOML: {why}").format(why=error)]) from None
    if not isinstance(table, dict):
        raise ConfigError(where, [_("expected a table [areas]")])
    wrong = [key for key, value in table.items() if not isinstance(value, str)]
    wrong += [key for key, value in table.items() if key not in wrong and not is_scope(value)]
    if wrong:
        fault = _("{area}: expected a scope such as vn/ls/st0137")
        raise ConfigError(where, [fault.format(area=area) for area in wrong])
    return {str(key): str(value) for key, value in table.items()}


def _faults(cap: CapMessage) -> Iterable[str]:
    if cap.status not in _MARKS:
        fault = _("its status is {status}: only Actual and Exercise may sound")
        yield fault.format(status=cap.status)
    if cap.type not in _MESSAGES:
        yield _("its msgType is {type}: it says nothing to the public").format(type=cap.type)
    if cap.scope is not CapScope.PUBLIC:
        yield _("its scope is {scope}: not for the public").format(scope=cap.scope)
    if len(cap.name) > MAX_NAME:
        yield _("identifier and sender are too long to refer to")
    if cap.type is CapType.ALERT and cap.references:
        yield _("an Alert that refers to others; expected Update or Cancel")
    if cap.type is not CapType.CANCEL and not cap.infos:
        yield _("it has no info: nothing to say")


def _info(cap: CapMessage, language: str | None) -> CapInfo | None:
    wanted = (language or "vi").lower().partition("-")[0]
    for info in cap.infos:
        if info.language.lower().partition("-")[0] == wanted:
            return info
    if not cap.infos or (language is None and len(cap.infos) == 1):
        return cap.infos[0] if cap.infos else None
    there = ", ".join(info.language for info in cap.infos)
    fault = _("it has no text in {language}; there is: {there}")
    raise ConfigError(_("CAP message"), [fault.format(language=wanted, there=there)])


def _references(cap: CapMessage, known: Iterable[Ended]) -> tuple[bytes, ...]:
    if cap.type is CapType.ALERT:
        return ()
    by_name: dict[str, list[bytes]] = {}
    for alert in known:
        if alert.cap is not None:
            by_name.setdefault(alert.cap, []).append(alert.id)
    found = [id_ for name in cap.references for id_ in by_name.get(name, [])]
    if not found:
        fault = _("no alert that stands was given for what it refers to: {names}")
        names = " ".join(cap.references) or "-"
        raise ConfigError(_("CAP message"), [fault.format(names=names)])
    return tuple(dict.fromkeys(found))[:16]


def _scopes(info: CapInfo | None, areas: Mapping[str, str]) -> tuple[str, ...]:
    """Return our scopes for the areas of *info*, as far as *areas* knows them."""
    if info is None:
        return ()
    names = [
        name
        for area in info.areas
        for name in (*(f"{key}={value}" for key, value in area.geocodes), area.description)
    ]
    return tuple(dict.fromkeys(areas[name] for name in names if name in areas))
