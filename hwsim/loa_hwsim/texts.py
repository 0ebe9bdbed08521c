"""Commands of ``loa-sim``: their help is in the laboratory's catalogue."""

from __future__ import annotations

from loa_protocol.command_line import SpokenCommand, SpokenGroup


class SimCommand(SpokenCommand):
    """A command of ``loa-sim``."""

    catalogue = "loa_lab"


class SimGroup(SpokenGroup):
    """A group of ``loa-sim``, whose commands are :class:`SimCommand`."""

    catalogue = "loa_lab"
    command_class = SimCommand
