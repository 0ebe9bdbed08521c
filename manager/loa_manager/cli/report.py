"""``loa report``: what the programme wants to know, with the records behind every figure."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from loa_manager.cli import books
from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.output import Column, say, show, wants_json
from loa_manager.cli.texts import LoaGroup
from loa_manager.content_tree import write_durably
from loa_manager.reports import sent
from loa_manager.reports.document import Document, build, show_number
from loa_manager.reports.figures import compute
from loa_manager.reports.gather import gather
from loa_manager.reports.period import parse_period
from loa_manager.reports.template import choose_template, load_templates
from loa_manager.reports.writers import write_csv, write_json, write_xlsx
from loa_protocol.errors import ConfigError
from loa_protocol.language import language, translator

_ = translator("loa_manager")
FORMATS = ("table", "csv", "xlsx", "json")


@click.group(cls=LoaGroup)
def report() -> None:
    """Make the programme's reports, and find those that were sent."""


_EXAMPLE = "loa report station-status --home ls --period 2026H2 --format xlsx --output bao-cao.xlsx"


@report.command("station-status", example=_EXAMPLE)
@click.option("--period", required=True, help="2026H2, 2026, 2021-2025 or 2026-01-15..2026-03-31.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", help="Format.")
@click.option("--explain", is_flag=True, help="List the ids of the records behind every figure.")
@click.option("--template", help="Id of another template than the one of these days.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@click.option("--send", is_flag=True, help="Keep the bytes as sent, to be made again unchanged.")
@home_option
@json_option
def station_status(
    period: str,
    form: str,
    explain: bool,
    template: str | None,
    output: Path | None,
    send: bool,
    home: Path,
) -> None:
    """Report stations, clusters, money, and what was installed, reachable and heard."""
    now = datetime.now(UTC)
    form = "json" if wants_json(click.get_current_context()) else form
    if form == "table" and (output or send):
        raise ConfigError("--format", [_("a file is csv, xlsx or json")])
    document = _make(home, period, template, now)
    if form == "table":
        _show(document, explain=explain)
        return
    data = _bytes(document, form, explain=explain)
    _write(data, output, form)
    if send:
        with books.writing(home) as opened:
            kept = sent.keep(opened.connection, document, data, form, who=books.who(), at=now)
        say(_("Kept as sent under {id}").format(id=kept.id))


@report.command(example="loa report again --home ls ID --output bao-cao.csv")
@click.argument("identifier", metavar="ID")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@home_option
def again(identifier: str, output: Path | None, home: Path) -> None:
    """Write the report that was sent under ID once more, byte for byte."""
    with books.reading(home) as opened:
        found = sent.find(opened.connection, identifier)
    _write(found.data, output, found.format)


@report.command("list", example="loa report list --home ls")
@home_option
@json_option
def list_command(home: Path) -> None:
    """List the reports that were sent."""
    with books.reading(home) as opened:
        found = sent.list_sent(opened.connection)
    rows = [
        {
            "id": each.id,
            "period": each.period,
            "format": each.format,
            "sent_at": each.sent_at,
            "who": each.who,
        }
        for each in found
    ]
    show(
        rows,
        [
            Column("id", _("Id")),
            Column("period", _("Period")),
            Column("format", _("Format")),
            Column("sent_at", _("Sent at")),
            Column("who", _("By")),
        ],
    )


def _make(home: Path, period_text: str, template_id: str | None, now: datetime) -> Document:
    period = parse_period(period_text)
    template = choose_template(load_templates(), "station-status", period, template_id)
    with books.reading(home) as opened:
        offset = timedelta(minutes=opened.province.utc_offset_min)
        today = (now + offset).date()
        facts = gather(opened.connection, opened.province, period, today=today)
        figures = compute(facts)  # inside: plays are read as they are counted
    return build(
        template,
        figures,
        facts.units,
        language=language(),
        period=period,
        as_of=facts.as_of,
        is_test=facts.is_test,
    )


def _bytes(document: Document, form: str, *, explain: bool) -> bytes:
    if form == "csv":
        return write_csv(document, explain=explain)
    if form == "json":
        return write_json(document, explain=explain)
    return write_xlsx(document)


def _write(data: bytes, output: Path | None, form: str) -> None:
    if output is not None:
        write_durably(output, data)
        say(_("Written: {path}").format(path=output))
        return
    if form == "xlsx" and sys.stdout.isatty():
        raise ConfigError("--output", [_("a spreadsheet needs a file to go to")])
    sys.stdout.buffer.write(data)


def _show(document: Document, *, explain: bool) -> None:
    rows = [
        {
            "label": row.label,
            "unit": row.unit,
            "value": "" if row.value is None else show_number(row.value, document.language),
            "ids": " ".join(row.ids),
        }
        for row in document.rows
    ]
    columns = [
        Column("label", _("Figure")),
        Column("unit", _("Unit")),
        Column("value", _("Value"), right=True),
    ]
    if explain:
        columns.append(Column("ids", _("Record ids")))
    show(rows, columns, title="\n".join(document.heading))
    for definition in document.definitions:
        click.echo(definition)
