"""Templates: the wording and rows of a report as data with days of validity (REP-2).

A report for days that no template covers is refused; nothing is guessed. Whoever wants a period
under another programme's template names it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

from loa_manager.reports.period import Period, show_day
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")
Wording = Mapping[str, str]  # language -> text


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRow:
    """One row: a heading (no *figure*), one figure, or with *each* one row a name of it.

    *of* is the figure that ``{of}`` in the wording stands for: the denominator.
    """

    wording: Wording
    figure: str = ""
    unit: str = ""
    each: str = ""
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The form of one report for the days from *first_day* to *last_day*."""

    id: str
    report: str
    first_day: date
    last_day: date
    title: Wording
    note: Wording
    units: Mapping[str, Wording]
    rows: tuple[TemplateRow, ...]
    definitions: tuple[Wording, ...]
    names: Mapping[str, Mapping[str, Wording]]  # kind of name -> name -> wording

    def covers(self, period: Period) -> bool:
        """Tell whether every day of *period* is one of its days."""
        return self.first_day <= period.first and period.last <= self.last_day


@cache
def load_templates() -> tuple[Template, ...]:
    """Return the templates that ship with Loa, oldest first."""
    folder = resources.files("loa_manager") / "reports" / "templates"
    files = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    found = [parse_template(file.read_text(encoding="utf-8")) for file in files]
    return tuple(sorted(found, key=lambda each: (each.report, each.first_day)))


def parse_template(text: str) -> Template:
    """Return the template that TOML *text* describes; our own data, so a fault is a bug."""
    value = tomllib.loads(text)
    return Template(
        id=value["id"],
        report=value["report"],
        first_day=value["first_day"],
        last_day=value["last_day"],
        title=value["title"],
        note=value["note"],
        units=value["unit"],
        rows=tuple(_row(row) for row in value["row"]),
        definitions=tuple(value["definition"]),
        names={
            kind: value[kind]
            for kind in ("language", "level", "technology", "purpose")
            if kind in value
        },
    )


def choose_template(
    templates: Sequence[Template], report: str, period: Period, wanted: str | None = None
) -> Template:
    """Return the template of *report* that covers *period*, or the one whose id is *wanted*.

    Raises:
        ConfigError: there is none.
    """
    fitting = [each for each in templates if each.report == report]
    if wanted is not None:
        named = [each for each in fitting if each.id == wanted]
        if not named:
            ids = ", ".join(each.id for each in fitting)
            raise ConfigError(f"--template {wanted}", [_("there are: {ids}").format(ids=ids)])
        return named[0]
    covering = [each for each in fitting if each.covers(period)]
    if not covering:
        known = "; ".join(
            f"{each.id} ({show_day(each.first_day)}-{show_day(each.last_day)})" for each in fitting
        )
        text = _("no template covers these days; name one with --template: {known}")
        raise ConfigError(f"--period {period.text}", [text.format(known=known)])
    return covering[-1]


def _row(value: dict[str, Any]) -> TemplateRow:
    if "section" in value:
        return TemplateRow(wording=value["section"])
    return TemplateRow(
        wording={"vi": value["vi"], "en": value["en"]},
        figure=value["figure"],
        unit=value["unit"],
        each=value.get("each", ""),
        of=value.get("of", ""),
    )
