"""Orders as facts for people and for JSON: keys and words are English and stable. Pure."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any, Final

from loa_manager.orders.paper import Body, Paper
from loa_manager.orders.survey import Told
from loa_manager.orders.week import week_facts
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.bulletin import Bulletin
from loa_protocol.objects.command import Command
from loa_protocol.objects.live import Grant
from loa_protocol.scope import is_inside

_LAST_S: Final = 253_402_300_799  # the last second that a date can say: year 9999


def paper_facts(paper: Paper) -> dict[str, Any]:
    """Return what *paper* says."""
    body = paper.body
    facts: dict[str, Any] = {
        "id": paper.id.hex(),
        "kind": paper.kind.name.lower(),
        "scope": body.scope,
        "what": what(body),
        "digest": paper.bundle.digest.hex(),
        "expires": _iso(body.expires),
    }
    match body:
        case Alert():
            facts |= _alert_facts(body)
        case Command():
            facts |= _command_facts(body)
        case Bulletin():
            facts |= {
                "title": body.title,
                "language": body.language,
                "category": body.category,
                "bulletin_kind": body.kind.name.lower(),
                "from": _iso(body.not_before),
                "media": body.media.sha256.hex(),
                "length_ms": body.media.duration_ms,
            }
        case Grant():
            facts |= {"title": body.title, "from": _iso(body.start), "mark": body.mark.name.lower()}
        case _:
            facts |= {"from": _iso(body.not_before), **week_facts(body)}
    return facts


def told_facts(told: Told, now_s: int, *, within: str | None = None) -> dict[str, Any]:
    """Return how an order stands and who has taken it.

    Args:
        told: The order.
        now_s: The time.
        within: Name only the boards of this scope: others are not the asker's business.
    """
    boards = tuple(
        (board, answer)
        for board, answer in told.boards
        if within is None or is_inside(board.cluster, within)
    )
    return {
        **paper_facts(told.entry.paper),
        "state": told.state(now_s),
        "given_by": list(told.entry.holders),
        "boards": len(boards),
        **dataclasses.replace(told, boards=boards).counts,
        "answers": [
            {
                "cluster": board.cluster,
                "board": board.id,
                "state": "silent" if answer is None else answer.state.name.lower(),
                "detail": "" if answer is None else answer.detail,
                "at": None if answer is None else _iso(answer.at_ms // 1000),
            }
            for board, answer in boards
        ],
    }


def what(body: Body) -> str:
    """Return the one word for what *body* does: a verb, ``alert``, ``cancel``, ``bulletin``."""
    match body:
        case Command():
            return body.verb.name.lower().replace("_", "-")
        case Alert():
            return body.message.name.lower()
        case Bulletin():
            return "bulletin"
        case Grant():
            return "grant"
        case _:
            return "standing-programme"


def _alert_facts(body: Alert) -> dict[str, Any]:
    media = body.media
    return {
        "title": body.title,
        "reason": body.reason,
        "language": body.language,
        "from": _iso(body.start),
        "speech": _iso(body.speech_ms // 1000) if body.speech_ms else None,
        "duration_s": body.duration_s,
        "repeats": body.repeats,
        "gap_s": body.gap_s,
        "volume": body.volume,
        "mark": body.mark.name.lower(),
        "references": [each.hex() for each in body.references],
        "media": None if media is None else media.sha256.hex(),
        "length_ms": None if media is None else media.duration_ms,
        "inline_bytes": None if body.sound is None else len(body.sound),
        "cap": body.cap,
    }


def _command_facts(body: Command) -> dict[str, Any]:
    return {
        "reason": body.reason,
        "from": _iso(body.issued),
        "duration_s": body.duration_s,
        "until": _iso(body.issued + body.duration_s) if body.duration_s else None,
        "value": body.value,
        "references": [each.hex() for each in body.references],
        "endpoint": None if body.endpoint is None else body.endpoint.hex(),
        "since": None if body.since is None else _iso(body.since),
    }


def _iso(unix_s: int) -> str:
    return datetime.fromtimestamp(min(unix_s, _LAST_S), UTC).isoformat()
