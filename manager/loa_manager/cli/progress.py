"""A bar for work that takes its time, on standard error of a terminal and nowhere else."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from loa_manager.cli.output import wants_json


@contextlib.contextmanager
def progress(title: str) -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Show how far the work on a number of files is.

    Yields:
        A function to tell name and size of each file at its start; it returns the one to tell the
        bytes dealt with.
    """
    quiet = wants_json(click.get_current_context(silent=True)) or not sys.stderr.isatty()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as bar:

        def begin(name: str, size: int) -> Callable[[int], None]:
            task = bar.add_task(f"{title} {name}", total=size)
            return lambda count: bar.update(task, advance=count)

        yield begin
