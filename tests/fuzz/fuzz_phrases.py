"""Fuzz target: a phrase bank's template and tables, the template filled in and covered."""

from __future__ import annotations

import contextlib
from pathlib import Path

from loa_manager.phrases.matching import cover
from loa_manager.phrases.sheet import parse_list, parse_recordings, write_list
from loa_manager.phrases.template import fill, load_template, text_of
from loa_protocol.errors import ConfigError

_VALUES = {"number": "12,5", "level": "3,75", "time": "17:30", "date": "21/10/2026", "place": "x"}


def fuzz(data: bytes) -> None:
    """Read *data* as a list, as an announcer's table, and as a template; say the template."""
    try:
        phrases = parse_list(data, "list")
        assert parse_list(write_list(phrases).encode(), "list") == phrases
    except ConfigError:
        phrases = []
    with contextlib.suppress(ConfigError):
        parse_recordings(data, Path("table.csv"))
    try:
        template = load_template(data, "template")
        values = {name: _VALUES[field.kind] for name, field in template.fields.items()}
        tokens = fill(template, values)
    except ConfigError:
        return
    found = cover(tokens, phrases)
    assert bool(found.pieces or found.missing) == bool(tokens)
    text_of(tokens, {})
