"""The option ``--root-key``: which holders of the root are here, and how their keys are opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from loa_manager.cli.options import PassphraseSource
from loa_manager.keyring import Passphrase, PassphraseError, Secrets, load_signer
from loa_protocol.errors import ConfigError
from loa_protocol.keys import Signer
from loa_protocol.language import translator

_ = translator("loa_manager")
_Command = TypeVar("_Command", bound=Callable[..., Any])
_TRIES = 3


@dataclass(frozen=True, slots=True)
class RootKeys:
    """Key files of root holders, and the files with their passphrases where they are not asked."""

    files: tuple[Path, ...]
    passphrases: tuple[Path, ...]

    def signers(self, secrets: Secrets) -> list[Signer] | None:
        """Open the keys, one holder after the other; None where none was named.

        Args:
            secrets: Opens keys for which no passphrase file was given.

        Raises:
            ConfigError: a passphrase does not open its key, or there are not enough of them.
            StoreError: a file cannot be read.
        """
        if not self.files:
            return None
        return [load_signer(file, each).signer for file, each in self._paired(secrets)]

    def _paired(self, secrets: Secrets) -> list[tuple[Path, Secrets]]:
        given = [PassphraseSource(file, None).read() for file in self.passphrases]
        if not given:
            return [(file, secrets) for file in self.files]
        if len(given) == 1:
            return [(file, given[0]) for file in self.files]
        if len(given) != len(self.files):
            text = _("{keys} root keys and {n} passphrase files: give one for all, or one for each")
            fault = text.format(keys=len(self.files), n=len(given))
            raise ConfigError("--root-passphrase-file", [fault])
        return list(zip(self.files, given, strict=True))


def root_key_options(command: _Command) -> _Command:
    """Give *command* the argument ``root_keys: RootKeys``."""

    def join(ctx: click.Context, _param: click.Parameter, value: tuple[Path, ...]) -> RootKeys:
        return RootKeys(value, ctx.params.pop("root_passphrase_file", ()))

    keys = click.option(
        "--root-key",
        "root_keys",
        type=click.Path(path_type=Path, dir_okay=False),
        multiple=True,
        callback=join,
        help="Key of a root holder, on their stick for example; repeatable, any holders will do"
        " (default: those in the home).",
    )(command)
    return click.option(
        "--root-passphrase-file",
        type=click.Path(path_type=Path, dir_okay=False),
        multiple=True,
        is_eager=True,  # read before the keys' callback, which joins the two
        help="File with the passphrase of a root key: one for all, or one for each in their order.",
    )(keys)


def ask_passphrase(asked: str) -> Passphrase:
    """Ask for a new passphrase, twice, until it is long enough."""
    while True:
        text = click.prompt(asked, hide_input=True, confirmation_prompt=True, err=True)
        secret = Passphrase(str(text))
        try:
            secret.check()
        except ConfigError as error:
            click.echo("; ".join(error.faults), err=True)
        else:
            return secret


def until_opened(asked: str, use: Callable[[Passphrase], Signer]) -> Signer:
    """Ask for the passphrase of a key that exists, three times at most, and use it.

    Raises:
        PassphraseError: it was wrong each time.
    """
    for attempt in range(1, _TRIES + 1):
        secret = Passphrase(str(click.prompt(asked, hide_input=True, err=True)))
        try:
            return use(secret)
        except PassphraseError as error:
            if attempt == _TRIES:
                raise
            click.echo("; ".join(error.faults), err=True)
    raise AssertionError  # the last try returns or raises
