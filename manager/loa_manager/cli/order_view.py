"""What `loa alert`, `loa order` and `loa bulletin` share: options, what is shown, what is asked."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from loa_manager import database
from loa_manager.cli.output import Column, say, show, show_facts, wants_json
from loa_manager.cli.progress import progress
from loa_manager.cli.question import confirm
from loa_manager.cli.week_view import show_week, week_remarks
from loa_manager.keyring import Secrets
from loa_manager.orders.answers import addressed, load_boards
from loa_manager.orders.desk import Judged, level_text, lowest_level, roles_of
from loa_manager.orders.facts import paper_facts
from loa_manager.orders.giving import Giver, Outcome
from loa_manager.orders.paper import Paper
from loa_manager.sms_gateway import too_long
from loa_protocol.errors import ConfigError, PeerError
from loa_protocol.language import translator
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Level
from loa_protocol.objects.bulletin import Bulletin
from loa_protocol.objects.command import Command
from loa_protocol.objects.standing import StandingProgramme

_ = translator("loa_manager")
_PLAYS: Final = re.compile(r"sounded (\d{1,4}) times")  # as the board's core says it


def confirm_order(giver: Giver, papers: Iterable[Paper], *, yes: bool) -> None:
    """Show what will happen where and for how long, and ask whether it shall.

    With ``--json`` nothing is shown before; the answer holds what each order says.

    Raises:
        ConfigError: there is nobody to ask, or they would not see what is asked.
        click.Abort: the person said no.
    """
    if wants_json(click.get_current_context(silent=True)):
        if sys.stdin.isatty() and not yes:
            fault = _(
                "with --json nothing is shown before it is given: leave it out, or give --yes"
            )
            raise ConfigError(_("order"), [fault])
    else:
        for paper in papers:
            _show_paper(giver, paper)
            _warn_of_length(paper)
    confirm(_("Give this order?"), where=_("order"), yes=yes)


def _warn_of_length(paper: Paper) -> None:
    """Say where an order without sound of its own is too long for text messages."""
    body = paper.body
    goes = isinstance(body, Command) or (isinstance(body, Alert) and body.sound is None)
    if goes and (warning := too_long(paper.data)):
        say(warning)


def deliver(
    giver: Giver,
    judged: Judged,
    secrets: Secrets,
    *,
    output: Path | None,
    media: Iterable[Path] = (),
) -> Outcome:
    """Send an order on its way; where the server is not reached, say where its file is."""
    try:
        with progress(_("Sending")) as on_file:
            return giver.deliver(judged, secrets, output=output, media=media, on_file=on_file)
    except PeerError:
        path = giver.path_for(judged, output)
        text = _("NOT SENT. Send it again: loa order publish --home {home} {file}")
        say(text.format(home=giver.home.path, file=path))
        raise


def show_outcomes(giver: Giver, outcomes: Iterable[Outcome]) -> None:
    """Tell where each order went, and what is to be done next; in JSON also what it says."""
    rows = []
    for each in outcomes:
        paper = each.judged.paper
        rows.append(
            {
                "id": paper.id.hex(),
                "id_text": paper.id.hex()[:8],
                "scope": paper.body.scope,
                "state": "given" if each.went_to != "file" else _pending(each.judged),
                "state_text": _went_text(each),
                "signers": [signer.holder for signer in each.judged.signers],
                "file": None if each.path is None else str(each.path),
                "next": list(each.next),
                "says": _said(giver, paper),
            }
        )
        _say_next(each)
    columns = [
        Column("id", _("Order")),
        Column("scope", _("Scope")),
        Column("state", _("State")),
        Column("signers", _("Signed by")),
        Column("file", _("File")),
    ]
    if wants_json(click.get_current_context(silent=True)):
        columns += [Column(name, "") for name in ("next", "says")]
    show(rows, columns)


def show_known(rows: Iterable[Mapping[str, Any]]) -> None:
    """List orders with who gave them and how many boards have taken them."""
    shown = [
        {
            **row,
            "id_text": row["id"][:8],
            "what_text": what_text(row["what"]),
            "state_text": state_text(row["state"]),
            "taken": row["boards"] - row["silent"],
            "taken_text": f"{row['boards'] - row['silent']}/{row['boards']}",
            "title": row.get("title"),
            "until": row.get("until") or row["expires"],
            "until_text": _until_text(row),
        }
        for row in rows
    ]
    columns = [
        Column("id", _("Order")),
        Column("what", _("What")),
        Column("scope", _("Scope")),
        Column("title", _("Title")),
        Column("reason", _("Reason")),
        Column("given_by", _("Given by")),
        Column("until", _("Until")),
        Column("state", _("State")),
        Column("taken", _("Taken by"), right=True),
    ]
    if wants_json(click.get_current_context(silent=True)):
        names = ("boards", "silent", "refused", "mark", "expires", "references", "answers")
        columns += [Column(name, "") for name in names]
    show(shown, columns)


def show_told(facts: Mapping[str, Any]) -> None:
    """Show one order and what each board has answered."""
    labels = {
        "id": _("Order"),
        "what": _("What"),
        "scope": _("Scope"),
        "title": _("Title"),
        "reason": _("Reason"),
        "given_by": _("Given by"),
        "from": _("From"),
        "until": _("Until"),
        "expires": _("Expires"),
        "state": _("State"),
        "mark": _("Mark"),
    }
    shown = {name: label for name, label in labels.items() if facts.get(name) is not None}
    texts = {
        **facts,
        "what_text": what_text(facts["what"]),
        "state_text": state_text(facts["state"]),
        "mark_text": _mark_text(facts.get("mark"), "-"),
        **{
            f"{name}_text": _instant(facts[name])
            for name in ("from", "until", "expires")
            if facts.get(name)
        },
    }
    if wants_json(click.get_current_context(silent=True)):
        show_facts(facts, shown)
        return
    show_facts(texts, shown)
    rows = [
        {
            **row,
            "state_text": state_text(row["state"]),
            "detail_text": _detail_text(row["detail"]),
            "at": _instant(row["at"]),
        }
        for row in facts["answers"]
    ]
    columns = [
        Column("cluster", _("Cluster")),
        Column("state", _("Answer")),
        Column("detail", _("Detail")),
        Column("at", _("At")),
    ]
    if rows:
        show(rows, columns, title=_("{n} boards").format(n=len(rows)))


def what_text(word: str) -> str:
    """Return the word for an order in the language in force."""
    return {
        "alert": _("alert"),
        "update": _("update"),
        "cancel": _("cancel"),
        "grant": _("live grant"),
        "bulletin": _("bulletin"),
        "stop": _("stop"),
        "hold": _("hold"),
        "release": _("release"),
        "lockdown": _("lockdown"),
        "volume": _("volume"),
        "reboot": _("reboot"),
        "self-test": _("self-test"),
        "rotate": _("new certificate"),
        "recall": _("recall"),
        "reset-floor": _("reset of the clock"),
        "standing-programme": _("standing programme"),
    }.get(word, word)


def state_text(word: str) -> str:
    """Return the word for a state in the language in force."""
    return {
        "in_force": _("in force"),
        "given": _("given"),
        "over": _("over"),
        "cancelled": _("cancelled"),
        "updated": _("replaced"),
        "released": _("released"),
        "taken": _("taken"),
        "begun": _("begun"),
        "ended": _("ended"),
        "refused": _("REFUSED"),
        "silent": _("no answer"),
    }.get(word, word)


def _mark_text(word: str | None, none: str) -> str:
    texts = {None: none, "none": none, "drill": _("drill"), "test": _("trial")}
    return texts.get(word, word or none)


def _detail_text(detail: str) -> str:
    """Return a board's answer in the language in force, where it is one that we know."""
    if plays := _PLAYS.fullmatch(detail):
        return _("sounded {n} times").format(n=plays[1])
    return detail


def _show_paper(giver: Giver, paper: Paper) -> None:
    facts = paper_facts(paper)
    is_cancel = facts["what"] == "cancel"  # its duration is the least that the form allows
    labels = {
        "what": _("What"),
        "scope": _("Scope"),
        "boards": _("Boards"),
        "title": _("Title"),
        "reason": _("Reason"),
        "language": _("Language"),
        "category": _("Category"),
        "begins": _("Valid from"),
        "sessions": _("Sessions"),
        "items": _("Items"),
        "sound": _("Sound"),
        "since": _("What was said from"),
        "duration": _("For how long"),
        "speech": _("Speech begins"),
        "volume": _("Volume"),
        "expires": _("Expires"),
        "mark": _("Mark"),
    }
    shown = {
        **facts,
        "what": what_text(facts["what"]).upper(),
        "boards": _board_count(giver, paper),
        "begins": _instant(facts["from"]) if _lasts(paper) else None,
        "sound": _sound_text(facts),
        "duration": None if is_cancel else _length_text(facts.get("duration_s")),
        "since": _instant(facts.get("since")),
        "speech": _instant(facts.get("speech")),
        "volume": facts.get("volume", facts.get("value")) or None,
        "expires": _instant(facts["expires"]),
        "mark": _mark_text(facts.get("mark"), "").upper() or None,
    }
    present = {name: label for name, label in labels.items() if shown.get(name) is not None}
    for name, label in present.items():
        say(f"{label}: {shown[name]}")
    if isinstance(paper.body, StandingProgramme):
        show_week(giver, paper.body)


def _said(giver: Giver, paper: Paper) -> dict[str, Any]:
    facts = paper_facts(paper)
    if isinstance(paper.body, StandingProgramme):
        facts["remarks"] = week_remarks(giver, paper.body)
    return facts


def _lasts(paper: Paper) -> bool:
    """Tell whether *paper* begins some day, and not at once."""
    return isinstance(paper.body, (Bulletin, StandingProgramme))


def _board_count(giver: Giver, paper: Paper) -> int | None:
    if not giver.is_province:
        return None
    engine = database.open(giver.home.database_url)
    try:
        with database.reading(engine) as connection:
            return len(addressed(paper.body, load_boards(connection)))
    finally:
        engine.dispose()


def _sound_text(facts: Mapping[str, Any]) -> str | None:
    if facts.get("length_ms") is None or "repeats" not in facts:
        return None
    text = _("{seconds} s, {repeats} times, {gap} s apart")
    seconds = f"{facts['length_ms'] / 1000:.1f}"
    return text.format(seconds=seconds, repeats=facts["repeats"], gap=facts["gap_s"])


def _length_text(seconds: int | None) -> str | None:
    return None if not seconds else str(timedelta(seconds=seconds))


def _instant(text: str | None) -> str | None:
    if not text:
        return None
    local = datetime.fromisoformat(text).astimezone(UTC) + timedelta(hours=7)
    return local.strftime("%d/%m/%Y %H:%M:%S")


def _until_text(row: Mapping[str, Any]) -> str | None:
    if row["what"] in ("hold", "volume") and not row.get("until"):
        return _("released")
    return _instant(row.get("until") or row["expires"])


def _pending(judged: Judged) -> str:
    return "complete" if judged.is_complete else "half_signed"


def _went_text(outcome: Outcome) -> str:
    if outcome.went_to == "file":
        return _("COMPLETE, not sent") if outcome.judged.is_complete else _("WAITS FOR A HOLDER")
    return _("given")


def _say_next(outcome: Outcome) -> None:
    judged, path = outcome.judged, outcome.path
    group = "alert" if judged.paper.kind.name == "ALERT" else "order"
    if outcome.went_to != "file":
        name = judged.paper.id.hex()[:8]
        if outcome.went_to == "server":  # asked from here, the server wants to know of which place
            name += f" --scope {judged.paper.body.scope}"
        say(_("Given. Who takes it: loa {group} status {id}").format(group=group, id=name))
    elif judged.is_complete:
        say(
            _("Complete. Take it to the server: loa order publish --home PROVINCE {file}").format(
                file=path
            )
        )
    else:
        roles = " / ".join(role.name.lower() for role in roles_of(judged.paper))
        text = _(
            "Not in force yet. Another holder ({role}, {level} or above) for {scope} must run:"
            " loa {group} sign {file}"
        )
        lowest = max(
            [lowest_level(judged.paper), *(s.level for s in judged.signers)], default=Level.COMMUNE
        )
        words = {"role": roles, "level": level_text(Level(lowest)), "group": group}
        say(text.format(scope=judged.paper.body.scope, file=path, **words))
        if outcome.next:
            say(_("These could: {holders}").format(holders=", ".join(outcome.next)))
