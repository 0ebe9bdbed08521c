"""A board whose home lies on this machine, looked at from outside: its files, doors and status.

The agent is asked over its own local socket, as ``loa-endpoint status`` does; nothing of its code
is used here.
"""

from __future__ import annotations

import contextlib
import json
import socket
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loa_manager.doctor.finding import Finding, Result, passed_if
from loa_manager.doctor.processes import Process, tree_below, who_listens
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")

SOCKET: Final = "agent.sock"
KEY: Final = "device.key"
_LIMIT_S: Final = 2.0
_LARGEST: Final = 1 << 20
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_UNKNOWN_TIME: Final = ("T0", "T1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What was found; no *processes* and no *status* where no agent runs there."""

    home: Path
    key_mode: int | None
    socket_mode: int | None
    processes: tuple[Process, ...]
    status: Mapping[str, Any] | None


def look_at(home: Path) -> Board:
    """Return what is found of the board in *home*.

    Raises:
        ConfigError: there is no such folder.
    """
    if not home.is_dir():
        raise ConfigError(str(home), [_("no such folder; a board's is /var/lib/loa-endpoint")])
    pid = who_listens(home / SOCKET)
    return Board(
        home=home,
        key_mode=_mode(home / KEY),
        socket_mode=_mode(home / SOCKET),
        processes=() if pid is None else tuple(tree_below(pid)),
        status=_ask(home / SOCKET),
    )


def judge(board: Board) -> Iterator[Finding]:
    """Yield the findings on a board's key, doors and user."""
    mode = "-" if board.key_mode is None else f"{board.key_mode:04o}"
    text = _("the board's key, mode {mode}; without a secure element it lies unlocked")
    yield Finding(
        id="board_key_file",
        provisions=("5.4-1",),
        result=Result.NOT_APPLICABLE
        if board.key_mode is None
        else passed_if(not board.key_mode & _OTHERS),
        text=text.format(mode=mode) if board.key_mode is not None else _("the board has no key"),
        where=str(board.home / KEY),
        evidence={"mode": mode},
    )
    yield _judge_doors(board)
    users = sorted({each.uid for each in board.processes})
    yield Finding(
        id="board_without_root",
        provisions=("5.6-7",),
        result=passed_if(0 not in users) if users else Result.NOT_APPLICABLE,
        text=_("the agent and its player run as user {users}; 0 is root").format(
            users=", ".join(map(str, users))
        )
        if users
        else _("no agent runs there"),
        where=_pids(board),
        evidence={"uids": users},
    )


def absent() -> Finding:
    """Return what stands where no board was named."""
    return Finding(
        id="board_sockets",
        provisions=("5.6-1", "5.6-5"),
        result=Result.NOT_APPLICABLE,
        text=_("no board was looked at; on its machine: loa doctor --security --board FOLDER"),
    )


def why_it_holds(status: Mapping[str, Any]) -> list[str] | None:
    """Return why a board does not know the time; None where it does. Pure.

    Args:
        status: What the agent told.
    """
    time = status.get("time", {})
    trust = time.get("trust")
    if trust not in _UNKNOWN_TIME:
        return None
    found = [_("clock trust {trust}: scheduled items wait").format(trust=trust)]
    if ahead_ms := time.get("floor_ahead_ms"):
        text = _("its floor is {minutes} min ahead of the server: two of the province reset it")
        found.append(text.format(minutes=-(-ahead_ms // 60_000)))
    if not status.get("connected"):
        found.append(_("the server has not answered: no connection"))
    battery = time.get("battery_clock")
    if battery != "sound":
        found.append(_("battery clock: {state}").format(state=battery))
    heard = ", ".join(sorted(time.get("unsigned", {})))
    text = _("unsigned clocks heard (two that agree are needed): {names}")
    found.append(text.format(names=heard or "-"))
    return found


def _judge_doors(board: Board) -> Finding:
    doors = sorted({door for each in board.processes for door in each.doors})
    outside = [str(door) for door in doors if not door.is_loopback]
    text = _("sockets of the agent and its player that listen beyond loopback: {doors}")
    return Finding(
        id="board_sockets",
        provisions=("5.6-1", "5.6-5"),
        result=passed_if(not outside) if board.processes else Result.NOT_APPLICABLE,
        text=text.format(doors=", ".join(outside) or "-")
        if board.processes
        else _("no agent runs there"),
        where=_pids(board),
        evidence={"doors": [str(door) for door in doors]},
    )


def _pids(board: Board) -> str:
    return ", ".join(f"pid {each.pid}" for each in board.processes)


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def _ask(path: Path) -> Mapping[str, Any] | None:
    data = b""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(_LIMIT_S)
        line.connect(str(path))
        while (part := line.recv(65_536)) and len(data) < _LARGEST:
            data += part
    try:
        answer = json.loads(data)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
