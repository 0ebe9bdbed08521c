"""The log's words for what is written into the records."""

from __future__ import annotations

import logging

from loa_protocol.record import Body, Happening, OrderTaken, PlayEnded, PlayStarted, Refused

log = logging.getLogger("loa.endpoint")


def log_record(body: Body) -> None:
    """Write the log line of a record that an operator can act on."""
    match body:
        case PlayStarted():
            log.info("play_started", extra={"item": body.item, "planned_ms": body.planned_ms})
        case PlayEnded():
            facts = {"outcome": body.outcome.name, "evidence": body.evidence.name}
            log.info("play_ended", extra=facts)
        case Refused():
            log.warning("refused", extra={"what": body.what, "reason": body.reason})
        case OrderTaken():
            facts = {"order": body.id.hex(), "state": body.state.name, "detail": body.detail}
            log.info("order", extra=facts)
        case Happening():
            log.info(body.name, extra={"detail": body.detail})
