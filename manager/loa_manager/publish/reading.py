"""The tables of a schedule, each into its entry; what is wrong goes to the list of faults."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from loa_manager.publish import values
from loa_manager.publish.entries import ItemEntry, Schedule, SessionEntry, Transmitter
from loa_manager.publish.fields import Fields
from loa_protocol.language import translator
from loa_protocol.objects.authority import Level
from loa_protocol.objects.playlist import BulletinKind, ProofKind
from loa_protocol.objects.policy import VOLUME_MAX

_ = translator("loa_manager")

MAX_DAYS: Final = 30  # trust.md section 2: a playlist lives up to 30 days
MAX_SESSIONS: Final = 100  # entries, not days: a station has two or three
MAX_ITEMS: Final = 200  # in one session
DAY_S: Final = 86_400
_PROOFS: Final = {"fingerprint": ProofKind.FINGERPRINT, "reference": ProofKind.IP_REFERENCE}
_DEFAULT_VOLUME: Final = 10
_STREAMS_NOT: Final = frozenset({"live", "over", "bulletin"})
_NO_PROOFS: Final[tuple[ProofKind, ...]] = ()
_NO_SPANS: Final[tuple[tuple[int, int], ...]] = ()
_Transmitters = Mapping[str, Transmitter | None]


@dataclass(frozen=True, slots=True)
class _Defaults:
    """What items and sessions inherit from the header."""

    language: str | None
    category: str | None
    level: Level
    volume: int


def read_schedule(top: Fields) -> Schedule | None:
    """Return the schedule; None where its header does not say where and when."""
    header_table = top.read("schedule", _read_table)
    if header_table is None:
        if "schedule" not in top.table:
            top.blame(_("the header [schedule] is missing"))
        header_table = {}
    header = top.under(header_table, "schedule")
    scope, first, last = _read_header(header) if header_table else (None, None, None)
    defaults = _read_defaults(header)
    header.finish()
    transmitters = _read_transmitters(top)
    sessions = _read_sessions(top, defaults, transmitters)
    if scope is None or first is None or last is None:
        return None
    return Schedule(scope=scope, first=first, last=last, sessions=sessions)


def _read_table(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise values.WrongValue(_("expected a table"))
    return value


def _read_header(
    header: Fields,
) -> tuple[str | None, datetime.date | None, datetime.date | None]:
    scope = header.need("scope", values.read_scope)
    first = header.need("from", values.read_date)
    last = header.need("to", values.read_date)
    header.read("title", values.read_text(200))  # for the officer's own eyes
    if first is not None and last is not None and not 0 <= (last - first).days < MAX_DAYS:
        header.blame(_("a schedule runs for 1 to {days} days").format(days=MAX_DAYS), "to")
        return scope, None, None
    return scope, first, last


def _read_defaults(header: Fields) -> _Defaults:
    return _Defaults(
        language=header.read("language", values.read_word(35)),
        category=header.read("category", values.read_word(40)),
        level=header.read("level", values.read_choice(values.LEVELS), Level.COMMUNE),
        volume=header.read("volume", values.read_integer(0, VOLUME_MAX), _DEFAULT_VOLUME),
    )


def _read_transmitters(top: Fields) -> dict[str, Transmitter | None]:
    """Return the [fm.*] tables by name; a faulty one is None, so that its items are not blamed."""
    tables = top.read("fm", _read_table) or {}
    found: dict[str, Transmitter | None] = {}
    for name, table in tables.items():
        if isinstance(table, dict):
            found[name] = _read_transmitter(top.under(table, "fm", name))
        else:
            top.blame(_("expected tables such as [fm.{name:.24}]").format(name=name), "fm")
    return found


def _read_transmitter(fields: Fields) -> Transmitter | None:
    frequency = fields.need("frequency", values.read_frequency_khz)
    volume = fields.read("volume", values.read_integer(0, VOLUME_MAX), VOLUME_MAX)
    pi = fields.read("pi", values.read_pi)
    proofs = fields.read("proofs", _read_proofs, _NO_PROOFS)
    fields.finish()
    if "pi" not in fields.table and not proofs:
        fields.blame(_("without pi or proofs nothing shows that the carrier is the station's own"))
        return None
    if frequency is None or (pi is None and not proofs):
        return None
    return Transmitter(frequency_khz=frequency, volume=volume, pi=pi, proofs=proofs)


def _read_proofs(value: object) -> tuple[ProofKind, ...]:
    read = values.read_choice(_PROOFS)
    if not isinstance(value, list):
        raise values.WrongValue(_('expected a list such as ["fingerprint"]'))
    return tuple(dict.fromkeys(read(each) for each in value))


def _read_sessions(
    top: Fields, defaults: _Defaults, transmitters: _Transmitters
) -> tuple[SessionEntry, ...]:
    tables = top.tables("session")
    if not tables and "session" not in top.table:
        top.blame(_("there is no [[session]]"))
    if len(tables) > MAX_SESSIONS:
        top.blame(_("more than {limit} sessions").format(limit=MAX_SESSIONS), "session")
    found: list[SessionEntry] = []
    names: set[str] = set()
    for number, table in enumerate(tables[:MAX_SESSIONS]):
        fields = top.under(table, "session", number)
        session = _read_session(fields, defaults, transmitters)
        fields.finish()
        if session is not None and session.id in names:
            fields.blame(_("another session has the same id"), "id")
        elif session is not None:
            names.add(session.id)
            found.append(session)
    return tuple(found)


def _read_session(
    fields: Fields, defaults: _Defaults, transmitters: _Transmitters
) -> SessionEntry | None:
    name = fields.need("id", values.read_name)
    fields.what = name or ""
    start = fields.need("start", values.read_time)
    length = fields.need("length", values.read_length(DAY_S))
    volume = fields.read("volume", values.read_integer(0, VOLUME_MAX), defaults.volume)
    days = fields.read("days", values.read_days)
    date = fields.read("date", values.read_date)
    if ("days" in fields.table) == ("date" in fields.table):
        fields.blame(_("give either days or one date"))
    is_decided = fields.read("order", values.read_choice(values.ORDERS), False)
    items = _read_items(fields, defaults, transmitters)
    if name is None or start is None or length is None or (days is None) == (date is None):
        return None
    return SessionEntry(
        place=fields.place(),
        id=name,
        days=days or frozenset(),
        date=date,
        start_s=start,
        length_s=length,
        volume=volume,
        items=items,
        is_decided=is_decided,
    )


def _read_items(
    session: Fields, defaults: _Defaults, transmitters: _Transmitters
) -> tuple[ItemEntry, ...]:
    tables = session.tables("item")
    if not tables and "item" not in session.table:
        session.blame(_("there is no [[session.item]]"))
    if len(tables) > MAX_ITEMS:
        session.blame(_("more than {limit} items").format(limit=MAX_ITEMS), "item")
    found: list[ItemEntry] = []
    names: set[str] = set()
    for number, table in enumerate(tables[:MAX_ITEMS]):
        fields = session.under(table, "item", number)
        item = _read_item(fields, defaults, transmitters, name=str(number + 1))
        fields.finish()
        if item is not None and item.id in names:
            fields.blame(_("another item of the session has the same id"), "id")
        elif item is not None:
            names.add(item.id)
            found.append(item)
    return tuple(found)


def _read_item(
    fields: Fields,
    defaults: _Defaults,
    transmitters: _Transmitters,
    *,
    name: str,
) -> ItemEntry | None:
    title = fields.need("title", values.read_text(200))
    fields.what = title or ""
    own_id = fields.read("id", values.read_name, name)
    file = fields.read("file", values.read_file)
    kind = fields.read("kind", values.read_choice(values.KINDS), BulletinKind.NORMAL)
    if kind is BulletinKind.EMERGENCY:
        fields.blame(_("an emergency goes out as an alert, never in a schedule"), "kind")
    language = _inherited(fields, "language", defaults.language, limit=35)
    category = _inherited(fields, "category", defaults.category, limit=40)
    length = fields.read("length", values.read_length(DAY_S))
    fm = _read_fm(fields, transmitters)
    entry_at = fields.read("at", values.read_time)
    silence = fields.read("expected_silence", values.read_spans, _NO_SPANS)
    level = fields.read("level", values.read_choice(values.LEVELS), defaults.level)
    bulletin = fields.read("bulletin", values.read_digest)
    over = fields.read("over", values.read_duck)
    volume = fields.read("volume", values.read_integer(0, VOLUME_MAX))
    is_live = bool(fields.read("live", values.read_true, False))
    stream = fields.read("stream", values.read_stream)
    if not _fits_together(fields, is_live=is_live):
        return None
    has_sound = is_live or any(each is not None for each in (file, fm, stream))
    if title is None or language is None or category is None or not has_sound:
        return None
    return ItemEntry(
        place=fields.place(),
        id=own_id,
        title=title,
        file=file,
        kind=kind,
        level=level,
        language=language,
        category=category,
        at_s=entry_at,
        length_s=length,
        fm=fm,
        expected_silence=silence,
        bulletin=bulletin,
        over_cdb=over,
        volume=volume,
        stream=stream,
        is_live=is_live,
    )


def _fits_together(fields: Fields, *, is_live: bool) -> bool:
    """Name what the keys of an item leave out or contradict; tell whether it can be read on."""
    given = fields.table
    if "over" in given and ("at" not in given or "fm" in given):
        fields.blame(_("an item over another one needs a time (at) and no fm"), "over")
    if is_live and ("length" not in given or "over" in given):
        fields.blame(_("a live slot needs a length, and sounds over nothing"), "live")
        return False
    if "stream" in given and ("length" not in given or _STREAMS_NOT & given.keys()):
        fields.blame(
            _("a stream needs a length; it is no live slot, no bulletin, and over nothing"),
            "stream",
        )
        return False
    stands_in = is_live or "stream" in given or ("fm" in given and "length" in given)
    if "file" not in given and not stands_in:
        fields.blame(_("file is missing; only an item by fm or stream with a length goes without"))
        return False
    return True


def _inherited(fields: Fields, key: str, default: str | None, *, limit: int) -> str | None:
    """Read a word that the header may give; one of the two has to."""
    if default is None:
        return fields.need(key, values.read_word(limit))
    return fields.read(key, values.read_word(limit), default)


def _read_fm(fields: Fields, transmitters: _Transmitters) -> Transmitter | None:
    """Read ``fm``: the name of an [fm.*] table, or such a table itself."""
    if isinstance(table := fields.table.get("fm"), dict):
        fields.read("fm", _read_table)
        return _read_transmitter(fields.under(table, "fm"))
    name = fields.read("fm", values.read_text(24))
    if name is None:
        return None
    if name not in transmitters:
        fields.blame(_("there is no [fm.{name}]").format(name=name), "fm")
    return transmitters.get(name)
