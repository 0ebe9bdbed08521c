"""How the server's log looks: one line an event, for a person or as JSON."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, TextIO

_USUAL: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LineFormatter(logging.Formatter):
    """Writes ``time level event field=value ...``; with *as_json*, one object."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of *record*, and its traceback below it if it has one."""
        at = datetime.fromtimestamp(record.created, UTC)
        fields = {name: value for name, value in vars(record).items() if name not in _USUAL}
        if self._as_json:
            trace = {"trace": self.formatException(record.exc_info)} if record.exc_info else {}
            head = {"at": at.isoformat(timespec="milliseconds"), "level": record.levelname.lower()}
            line = {**head, "event": record.getMessage(), **fields, **trace}
            return json.dumps(line, ensure_ascii=False, default=str)
        told = "".join(f" {name}={_shown(value)}" for name, value in fields.items())
        local = at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        line_text = f"{local} {record.levelname.lower():<7} {record.getMessage()}{told}"
        if record.exc_info:
            line_text += "\n" + self.formatException(record.exc_info)
        return line_text


def start_log(*, as_json: bool, stream: TextIO | None = None) -> None:
    """Send the log of this process to *stream* (standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter(as_json=as_json))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # libraries speak of their own affairs, not of what an operator can act on
    for name in ("uvicorn", "nats", "mqtt", "asyncio"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _shown(value: object) -> str:
    text = str(value)
    plain = text.isprintable() and not set(text) & {" ", '"', "="}
    return text if text and plain else json.dumps(text, ensure_ascii=False)
