"""Log lines: an event name and fields, one line for each thing an operator can act on."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

_MQTT: Final = "mqtt"  # the name under which our MQTT client tells
_OWN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a line: when, how grave, which event, and its fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of *record*."""
        facts: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        facts |= {key: value for key, value in record.__dict__.items() if key not in _OWN}
        if record.exc_info:
            facts["trace"] = self.formatException(record.exc_info)
        return json.dumps(facts, ensure_ascii=False, default=str)


def begin_logging() -> None:
    """Write the agent's log to standard error, where the service manager collects it.

    What the MQTT client would say is left out: a line for each message that a flood makes it drop,
    a trace for each answer to nothing, so that whoever owns the broker could fill the disk.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger(_MQTT).setLevel(logging.CRITICAL)
