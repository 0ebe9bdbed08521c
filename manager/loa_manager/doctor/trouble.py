"""``loa doctor``: the plain questions of whoever stands before a province that is not well."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from loa_manager import database
from loa_manager.doctor import board as boards
from loa_manager.doctor import doors, security, telemetry
from loa_manager.doctor.board import Board
from loa_manager.doctor.security import Server
from loa_manager.doctor.telemetry import Waiting
from loa_manager.health import Check, Level, Limits
from loa_manager.health_facts import examine as examine_health
from loa_manager.home import Home
from loa_manager.registry.stations import id_of
from loa_protocol.language import translator

_ = translator("loa_manager")


def examine(home: Home, now: datetime) -> list[Check]:
    """Return every answer about the province in *home*.

    Raises:
        LoaError: something cannot be read; then nothing is known.
    """
    server = security.survey(home)
    engine = database.open(home.database_url)
    try:
        with database.reading(engine) as connection:
            held = telemetry.waiting(connection)
    finally:
        engine.dispose()
    return [
        judge_server(server),
        judge_broker(server),
        *examine_health(home, now, limits=Limits()),
        judge_clocks(held, home.root.scope),
        judge_root_keys(home, is_test=home.root.test),
    ]


def judge_server(server: Server) -> Check:
    """Judge whether the HTTPS side answers."""
    found = [each for each in server.doors if each.role == doors.WEB and each.modern.version]
    where = ", ".join(str(each.door) for each in server.doors if each.role == doors.WEB)
    status = next((each.status for each in server.steps if each.is_public), 0)
    evidence = {"doors": where, "status_of_the_head": status}
    if not found:
        text = _("nothing answers at {where}; start it: loa serve").format(where=where or "-")
        return Check(id="server", level=Level.CRITICAL, text=text, evidence=evidence)
    text = _("it answers at {where}").format(where=where)
    return Check(id="server", level=Level.OK, text=text, evidence=evidence)


def judge_broker(server: Server) -> Check:
    """Judge whether the broker's door for boards is open; it lets nobody in without a name."""
    found = [each for each in server.doors if each.role == doors.BROKER]
    where = ", ".join(str(each.door) for each in found)
    if not any(each.modern.version for each in found):
        text = _("no TLS at {where}; the server's log says broker_ended and why")
        return Check(id="broker", level=Level.CRITICAL, text=text.format(where=where or "-"))
    text = _("it answers at {where}").format(where=where)
    return Check(id="broker", level=Level.OK, text=text, evidence={"doors": where})


def judge_clocks(held: Sequence[Waiting], province: str) -> Check:
    """Judge the boards that hold because they do not know the time, and say why."""
    if not held:
        text = _("no board holds its schedule for want of the time")
        return Check(id="clocks", level=Level.OK, text=text)
    text = "; ".join(_why(each, province) for each in held)
    evidence = {
        each.cluster: {"endpoint": each.endpoint, "trust": each.trust, "causes": dict(each.causes)}
        for each in held
    }
    return Check(id="clocks", level=Level.WARNING, text=text, evidence=evidence)


def judge_root_keys(home: Home, *, is_test: bool) -> Check:
    """Judge whether the root's keys lie on the machine of the server."""
    here = sorted(path.name for path in home.root_keys.glob("*.key"))
    text = _("{n} keys of the root lie on this machine")
    level = Level.WARNING if here and not is_test else Level.OK
    if level is Level.WARNING:
        text = _("{n} keys of the root lie on this machine: take them to their holders")
    return Check(
        id="root_keys", level=level, text=text.format(n=len(here)), evidence={"keys": here}
    )


def examine_board(home: Path) -> list[Check]:
    """Return the answers about the board in *home*, on this machine.

    Raises:
        ConfigError: there is no such folder.
    """
    return judge_board(boards.look_at(home))


def judge_board(board: Board) -> list[Check]:
    """Judge what a board said of itself."""
    if board.status is None:
        text = _("no agent answers in {home}; start it: systemctl start loa-endpoint")
        return [Check(id="board", level=Level.CRITICAL, text=text.format(home=board.home))]
    status = board.status
    faults = [str(each) for each in status.get("faults", [])]
    unsent = status.get("records", {}).get("unsent", 0)
    is_online = bool(status.get("connected"))
    reasons = boards.why_it_holds(status)
    faulty = _("faults: {names}").format(names=", ".join(faults) or "-")
    link = _("connected") if is_online else _("not connected")
    return [
        Check(id="board", level=Level.WARNING if faults else Level.OK, text=faulty),
        Check(
            id="board_clock",
            level=Level.OK if reasons is None else Level.WARNING,
            text=_("it knows the time") if reasons is None else "; ".join(reasons),
            evidence=dict(status.get("time", {})),
        ),
        Check(
            id="board_records",
            level=Level.OK if is_online else Level.WARNING,
            text=_("{link}; {unsent} records wait for the server").format(link=link, unsent=unsent),
            evidence={"unsent": unsent, "head_age_s": status.get("head_age_s")},
        ),
    ]


def _why(each: Waiting, province: str) -> str:
    words = {
        "floor_ahead": _("its time floor is ahead of the server"),
        "battery_clock_lost": _("its battery clock is not to be trusted"),
        "clock_disagrees": _("the clocks it hears disagree"),
        telemetry.HELD: _("no answer from the server, no sound battery clock, no two clocks agree"),
    }
    told = [words[name] for name, _detail in each.causes if name != telemetry.HELD]
    text = _("{cluster} does not know the time ({trust}): {why}")
    why = ", ".join(told) or words[telemetry.HELD]
    return text.format(cluster=id_of(each.cluster, province), trust=each.trust, why=why)
