"""Options that many commands share: home, passphrase, JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from loa_manager.cli.output import JSON
from loa_manager.home import read_bytes
from loa_manager.keyring import Passphrase, Secrets
from loa_protocol.errors import ConfigError, StoreError
from loa_protocol.language import translator

_ = translator("loa_manager")
_Command = TypeVar("_Command", bound=Callable[..., Any])
OPENS_KEYS: Final = "loa.opens_keys"
_HOME: Final = "loa.home"
_MAX_PASSPHRASE: Final = 4096


@dataclass(frozen=True, slots=True)
class PassphraseSource:
    """Where the passphrase comes from; never the command line, where every process can read it."""

    file: Path | None
    descriptor: int | None

    def read(self, *, confirm: bool = False, asked: str | None = None) -> Passphrase:
        """Read it, or ask for it (as *asked*); with *confirm*, twice.

        Raises:
            ConfigError: it is too short, or there is nobody to ask.
            StoreError: the file or descriptor cannot be read.
        """
        given = self._given()
        if given is not None:
            secret = Passphrase(given[0])
        else:
            secret = Passphrase(_prompt(asked or _("Passphrase"), confirm=confirm))
        if confirm:
            secret.check()
        return secret

    def secrets(self) -> Secrets:
        """Return what opens several people's keys: read now, or asked for key by key.

        A file or descriptor of several lines has ``name<TAB>passphrase`` for the keys that differ,
        and the passphrase of all others on a line of its own.

        Raises:
            ConfigError, StoreError: as :meth:`read`.
        """
        given = self._given()
        return AskedSecrets() if given is None else ReadSecrets.of(given)

    def _given(self) -> list[str] | None:
        if self.file is not None:
            return _lines(read_bytes(self.file), str(self.file))
        if self.descriptor is not None:
            return _lines(_drain(self.descriptor), f"fd {self.descriptor}")
        return None


@dataclass(frozen=True, slots=True, repr=False)
class ReadSecrets:
    """Passphrases by the name of the key; under the empty name that of all others."""

    by_name: Mapping[str, Passphrase]

    @classmethod
    def of(cls, lines: Iterable[str]) -> ReadSecrets:
        """Take ``name<TAB>passphrase`` and bare lines; the first of a name counts."""
        found: dict[str, Passphrase] = {}
        for line in lines:
            name, tab, secret = line.partition("\t")
            found.setdefault(name if tab else "", Passphrase(secret if tab else line))
        return cls(found)

    def for_key(self, name: str) -> Passphrase:
        """Return the passphrase of the key *name*; raise ConfigError where there is none."""
        secret = self.by_name.get(name) or self.by_name.get("")
        if secret is None:
            raise ConfigError(name, [_("no passphrase was given for this key")])
        return secret


@dataclass(slots=True, repr=False)
class AskedSecrets:
    """Passphrases that people type, each once; Enter alone means: the same as before."""

    _known: dict[str, Passphrase] = field(default_factory=dict)

    def for_key(self, name: str) -> Passphrase:
        """Ask for the passphrase, or PIN, of the key *name*."""
        if name not in self._known:
            before = next(reversed(self._known.values()), None)
            asked = _("Passphrase or PIN of {name}").format(name=name)
            if before is not None:
                asked = _("{asked} (Enter: as before)").format(asked=asked)
            text = _prompt(asked, default=None if before is None else "")
            self._known[name] = before if before is not None and not text else Passphrase(text)
        return self._known[name]


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
        ctx.meta[OPENS_KEYS] = True
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
    return home_of(ctx)


def home_of(ctx: click.Context) -> Path:
    """Return the data directory that the command line of *ctx* means."""
    chosen = ctx.meta.get(_HOME) or os.environ.get("LOA_HOME")
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(chosen or f"{data}/loa").expanduser()


def _json(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[JSON] = True


def _prompt(text: str, *, confirm: bool = False, default: str | None = None) -> str:
    if not sys.stdin.isatty():
        fault = _("nobody to ask; give --passphrase-file or --passphrase-fd")
        raise ConfigError(_("passphrase"), [fault])
    return str(
        click.prompt(
            text,
            hide_input=True,
            confirmation_prompt=confirm,
            err=True,
            default=default,
            show_default=False,
        )
    )


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


def _lines(data: bytes, where: str) -> list[str]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ConfigError(where, [_("not UTF-8 text")]) from None
    lines = [line.rstrip("\r") for line in text.split("\n")]
    while len(lines) > 1 and not lines[-1]:
        lines.pop()
    if not any(lines):
        raise ConfigError(where, [_("no passphrase in it")])
    return lines
