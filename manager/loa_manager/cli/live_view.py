"""What `loa live` and `loa relay` show while they run: a meter line, or a line of JSON a second."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import click

from loa_manager.cli.output import wants_json
from loa_manager.live.level import Level
from loa_protocol.language import translator

_ = translator("loa_manager")

BAR: Final = 20  # characters: 3 dB each, from -60 dBFS
_FLOOR_DB: Final = -60.0
_DB: Final = 3.0


@dataclass(slots=True)
class Ending:
    """Whether somebody has asked for the end: Ctrl-C, or SIGTERM."""

    stop: threading.Event = field(default_factory=threading.Event)
    number: int = 0


@contextmanager
def ending() -> Iterator[Ending]:
    """Let Ctrl-C and SIGTERM end what runs in order, instead of in the middle."""
    asked = Ending()

    def end(number: int, _frame: object) -> None:
        asked.number = number
        asked.stop.set()

    before = {each: signal.signal(each, end) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class Teller:
    """Tells of what happens, from any thread: it knows how from where it was made."""

    def __init__(self) -> None:
        self._as_json = wants_json(click.get_current_context(silent=True))

    def __call__(self, event: str, text: str, **facts: Any) -> None:  # noqa: ANN401 - any JSON
        """Tell *text* to people, or *event* and *facts* as a line of JSON."""
        if self._as_json:
            click.echo(json.dumps({"event": event, **facts}, ensure_ascii=False))
            return
        if sys.stderr.isatty():
            click.echo("\r\x1b[K", nl=False, err=True)  # where the meter stands
        click.echo(text, err=True)


class MeterLine:
    """One line that is drawn over again on a terminal; elsewhere one now and then."""

    def __init__(self, every: int) -> None:
        """Show every *every*-th state where there is no terminal."""
        self._every, self._count = every, 0
        self._as_json = wants_json(click.get_current_context(silent=True))

    def show(self, text: str, **facts: Any) -> None:  # noqa: ANN401 - JSON of any shape
        """Show the state."""
        self._count += 1
        if self._as_json:
            click.echo(json.dumps({"event": "state", **facts}, ensure_ascii=False))
        elif sys.stderr.isatty():
            click.echo(f"\r\x1b[K{text}", nl=False, err=True)
        elif self._count % self._every == 1 or self._every == 1:
            click.echo(text, err=True)


def level_text(level: Level) -> str:
    """Return *level* as a bar, its peak in dBFS, and whether it was clipped."""
    filled = round((max(level.rms_dbfs, _FLOOR_DB) - _FLOOR_DB) / _DB)
    bar = "#" * min(BAR, filled) + "." * max(0, BAR - filled)
    clipped = _("CLIPPED") if level.clipped else ""
    return f"[{bar}] {level.peak_dbfs:5.1f} dBFS {clipped}".rstrip()


def level_facts(level: Level) -> dict[str, Any]:
    """Return *level* for JSON."""
    return {
        "rms_dbfs": round(level.rms_dbfs, 1),
        "peak_dbfs": round(level.peak_dbfs, 1),
        "clipped": level.clipped,
        "silent_s": round(level.silent_s, 1),
    }


def line_text(why: str) -> str:
    """Return what is wrong with the way to the server, for people; empty where nothing is."""
    return _("NOT SENT: {why}; trying on").format(why=why) if why else ""
