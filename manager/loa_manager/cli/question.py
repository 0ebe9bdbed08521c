"""Questions that end with yes or no, asked before something is done."""

from __future__ import annotations

import sys

import click

from loa_protocol.command_line import is_agreed
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")


def confirm(question: str, *, where: str, yes: bool) -> None:
    """Pass when the person at the terminal agrees, or has done so before by ``--yes``.

    Raises:
        ConfigError: there is nobody to ask; *where* names what was to be done.
        click.Abort: the person said no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError(where, [_("nobody to ask; give --yes")])
    if not is_agreed(question):
        raise click.Abort
