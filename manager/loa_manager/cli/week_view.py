"""How the week of a standing programme is shown to whoever signs it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from loa_manager.cli.output import Column, show
from loa_manager.cli.playlist_view import remark_facts, show_collisions, show_remarks
from loa_manager.cli.status import bearer_text
from loa_manager.orders.giving import Giver
from loa_manager.orders.week import DAYS, week_facts
from loa_manager.publish.order import find_collisions
from loa_manager.publish.preview import Preview, make_preview
from loa_protocol.hours import DAY_S
from loa_protocol.language import translator
from loa_protocol.objects.playlist import BearerKind, Playlist
from loa_protocol.objects.standing import StandingProgramme
from loa_protocol.weekly import expand

_ = translator("loa_manager")

_WEEK: Final = 7  # days


def show_week(giver: Giver, programme: StandingProgramme) -> None:
    """Show on standard error what sounds when, when FM may, and what the policy says to it."""
    facts = week_facts(programme)
    columns = [
        Column("days", _("Days")),
        Column("start", _("Start")),
        Column("length", _("Length"), right=True),
        Column("title", _("Title")),
        Column("kind", _("Kind")),
        Column("language", _("Language")),
        Column("category", _("Category")),
        Column("bearers", _("Bearers")),
        Column("volume", _("Volume"), right=True),
    ]
    rows = [_item(each) for each in facts["week"]]
    show(rows, columns, title=_("Every week sounds:"), is_talk=True)
    if facts["fm_windows"]:
        columns = [
            Column("days", _("Days")),
            Column("start", _("Start")),
            Column("end", _("End")),
            Column("frequency", _("Frequency")),
            Column("volume", _("Volume"), right=True),
            Column("proofs", _("Proofs")),
        ]
        rows = [_window(each) for each in facts["fm_windows"]]
        show(rows, columns, title=_("FM may sound:"), is_talk=True)
    week, preview = _look(giver, programme)
    show_remarks(preview.remarks, ())
    show_collisions(find_collisions(week), preview)


def week_remarks(giver: Giver, programme: StandingProgramme) -> list[dict[str, Any]]:
    """Return what the policy in force says to *programme*, as facts."""
    _week, preview = _look(giver, programme)
    return [remark_facts(each) for each in preview.remarks]


def _look(giver: Giver, programme: StandingProgramme) -> tuple[Playlist, Preview]:
    """Return a week of *programme*, and what it will do under the policy in force.

    The week begins tomorrow, so that no day of it is partly over; it is judged as if it ran for
    good: that it ends is said as its expiry.
    """
    policy, now_s = giver.desk.policy_for(programme.scope), giver.now_s
    week = expand(programme, policy, now_s + DAY_S, days=_WEEK)
    last = max(programme.expires, now_s) + 2 * _WEEK * DAY_S
    lasting = replace(week, not_before=0, expires=last)
    return lasting, make_preview(lasting, policy, now_s)


def days_text(days: list[str]) -> str:
    """Return *days* in the language in force; three and more in a row as from and to."""
    names = {
        "mon": _("Mon"),
        "tue": _("Tue"),
        "wed": _("Wed"),
        "thu": _("Thu"),
        "fri": _("Fri"),
        "sat": _("Sat"),
        "sun": _("Sun"),
    }
    if len(days) == len(DAYS):
        return _("daily")
    runs: list[list[str]] = []
    for day in days:
        follows = runs and DAYS.index(runs[-1][-1]) + 1 == DAYS.index(day)
        if follows:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(
        f"{names[run[0]]}-{names[run[-1]]}" if len(run) > 2 else ", ".join(names[d] for d in run)
        for run in runs
    )


def _item(facts: dict[str, Any]) -> dict[str, Any]:
    kinds = {"priority": _("priority"), "emergency": _("emergency")}
    minutes, seconds = divmod(facts["length_s"], 60)
    return {
        "days": days_text(facts["days"]),
        "start": facts["start"],
        "length": f"{minutes}:{seconds:02}",
        "title": facts.get("title", _("(nothing)")),
        "kind": kinds.get(facts.get("kind", ""), ""),
        "language": facts.get("language"),
        "category": facts.get("category"),
        "bearers": [bearer_text(BearerKind[each.upper()]) for each in facts.get("bearers", ())],
        "volume": facts["volume"],
    }


def _window(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "days": days_text(facts["days"]),
        "start": facts["start"],
        "end": facts["end"],
        "frequency": f"{facts['frequency_khz'] / 1000:g} MHz",
        "volume": facts["volume"],
        "proofs": facts["proofs"],
    }
