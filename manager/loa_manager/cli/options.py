"""Options that many commands share: home, passphrase, JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from loa_manager.cli.output import JSON
from loa_manager.home import read_bytes
from loa_manager.keyring import Passphrase
from loa_protocol.errors import ConfigError, StoreError
from loa_protocol.language import translator

_ = translator("loa_manager")
_Command = TypeVar("_Command", bound=Callable[..., Any])
_HOME: Final = "loa.home"
_MAX_PASSPHRASE: Final = 4096


@dataclass(frozen=True, slots=True)
class PassphraseSource:
    """Where the passphrase comes from; never the command line, where every process can read it."""

    file: Path | None
    descriptor: int | None

    def read(self, *, confirm: bool = False) -> Passphrase:
        """Read it, or ask for it; with *confirm*, twice.

        Raises:
            ConfigError: it is too short, or there is nobody to ask.
            StoreError: the file or descriptor cannot be read.
        """
        if self.file is not None:
            return Passphrase(_line(read_bytes(self.file), str(self.file)))
        if self.descriptor is not None:
            return Passphrase(_line(_drain(self.descriptor), f"fd {self.descriptor}"))
        if not sys.stdin.isatty():
            fault = _("nobody to ask; give --passphrase-file or --passphrase-fd")
            raise ConfigError(_("passphrase"), [fault])
        text = click.prompt(_("Passphrase"), hide_input=True, confirmation_prompt=confirm, err=True)
        return Passphrase(str(text))


def home_option(command: _Command) -> _Command:
    """Give *command* the argument ``home: Path``, after or before its name, else LOA_HOME."""
    return click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        callback=_home,
        help="Data directory (default: LOA_HOME, else ~/.local/share/loa).",
    )(command)


def json_option(command: _Command) -> _Command:
    """Give *command* ``--json``, which passes no argument: :mod:`output` knows."""
    return click.option(
        "--json",
        is_flag=True,
        callback=_json,
        is_eager=True,
        expose_value=False,
        help="Print facts as JSON (keys and codes stay English).",
    )(command)


def passphrase_option(command: _Command) -> _Command:
    """Give *command* the argument ``passphrase: PassphraseSource``."""

    def source(ctx: click.Context, _param: click.Parameter, value: int | None) -> PassphraseSource:
        file = ctx.params.pop("passphrase_file", None)
        if file is not None and value is not None:
            raise click.UsageError(_("give one of --passphrase-file and --passphrase-fd"))
        return PassphraseSource(file, value)

    with_fd = click.option(
        "--passphrase-fd",
        "passphrase",
        type=click.IntRange(min=0),
        callback=source,
        help="Read the passphrase from this open file descriptor.",
    )(command)
    return click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path, dir_okay=False),
        is_eager=True,  # read before the descriptor's callback, which joins the two
        help="Read the passphrase from the first line of this file.",
    )(with_fd)


def _home(ctx: click.Context, _param: click.Parameter, value: Path | None) -> Path:
    if value is not None:
        ctx.meta[_HOME] = value
    chosen = ctx.meta.get(_HOME) or os.environ.get("LOA_HOME")
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(chosen or f"{data}/loa").expanduser()


def _json(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[JSON] = True


def _drain(descriptor: int) -> bytes:
    data = b""
    try:
        while len(data) < _MAX_PASSPHRASE and b"\n" not in data:
            chunk = os.read(descriptor, _MAX_PASSPHRASE)
            if not chunk:
                break
            data += chunk
    except OSError as error:
        raise StoreError(f"fd {descriptor}", error.strerror or str(error)) from None
    return data


def _line(data: bytes, where: str) -> str:
    try:
        return data.partition(b"\n")[0].rstrip(b"\r").decode()
    except UnicodeDecodeError:
        raise ConfigError(where, [_("not UTF-8 text")]) from None
