"""Commands of ``loa``: their help is in the manager's catalogue."""

from __future__ import annotations

from typing import Any

import click

from loa_protocol.command_line import SpokenCommand, SpokenGroup

FAILURE_CODE = "loa.failure_code"


class LoaCommand(SpokenCommand):
    """A command of ``loa``.

    Args:
        failure_code: The exit code of every failure of this command, wrong usage included, where
            it has one of its own (``loa health``: 3 for unknown).
        settings: What :class:`SpokenCommand` takes.
    """

    catalogue = "loa_manager"

    def __init__(self, *, failure_code: int | None = None, **settings: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(**settings)
        self.failure_code = failure_code

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - click's own
    ) -> click.Context:
        """Note the failure code before anything can fail."""
        if parent is not None and self.failure_code is not None:
            parent.meta[FAILURE_CODE] = self.failure_code
        return super().make_context(info_name, args, parent, **extra)


class LoaGroup(SpokenGroup):
    """A group of ``loa``, whose commands are :class:`LoaCommand`."""

    catalogue = "loa_manager"
    command_class = LoaCommand
