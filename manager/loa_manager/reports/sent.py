"""Reports that were sent: kept as they left, whatever is corrected afterwards (REP-5)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from loa_manager import audit, tables
from loa_manager.reports.document import Document
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One report as it left."""

    id: str
    report: str
    template: str
    period: str
    language: str
    format: str
    sent_at: datetime
    who: str
    data: bytes


def keep(
    connection: Connection, document: Document, data: bytes, form: str, *, who: str, at: datetime
) -> Sent:
    """Keep *data*, the *document* in the format *form*, as it was sent now."""
    digest = hashlib.sha256(data).hexdigest()
    sent = Sent(
        id=f"{document.report}-{document.period.text}-{at:%Y%m%d%H%M%S}-{digest[:8]}",
        report=document.report,
        template=document.template,
        period=document.period.text,
        language=document.language,
        format=form,
        sent_at=at,
        who=who,
        data=data,
    )
    connection.execute(
        tables.report_sent.insert().values(
            id=sent.id,
            report=sent.report,
            template=sent.template,
            period=sent.period,
            language=sent.language,
            format=form,
            sent_ms=round(at.timestamp() * 1000),
            who=who,
            sha256=digest,
            data=data,
        )
    )
    audit.write(connection, who, "report_sent", {"id": sent.id, "sha256": digest}, at)
    return sent


def find(connection: Connection, identifier: str) -> Sent:
    """Return the report that was sent under *identifier*.

    Raises:
        ConfigError: there is none.
    """
    table = tables.report_sent
    row = connection.execute(select(table).where(table.c.id == identifier)).first()
    if row is None:
        raise ConfigError(identifier, [_("no report was sent under this id")])
    return _sent(row)


def list_sent(connection: Connection) -> list[Sent]:
    """Return all reports that were sent, oldest first."""
    table = tables.report_sent
    return [_sent(row) for row in connection.execute(select(table).order_by(table.c.sent_ms))]


def _sent(row: Row[Any]) -> Sent:
    return Sent(
        id=row.id,
        report=row.report,
        template=row.template,
        period=row.period,
        language=row.language,
        format=row.format,
        sent_at=datetime.fromtimestamp(row.sent_ms / 1000, UTC),
        who=row.who,
        data=row.data,
    )
