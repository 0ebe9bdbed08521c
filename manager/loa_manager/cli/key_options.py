"""Options of commands that make a key: in a file, or on a token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from loa_manager.cli.options import PassphraseSource
from loa_manager.key_token import TokenPlace
from loa_manager.keyring import Kind, Passphrase
from loa_protocol.language import translator

_ = translator("loa_manager")
_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """Where a key shall live, and of which kind it shall be; None for the usual one."""

    place: TokenPlace | None
    kind: Kind | None

    def secret(self, source: PassphraseSource) -> Passphrase:
        """Read the token's PIN, or a new passphrase, which is asked for twice."""
        return source.read(confirm=self.place is None)


def token_options(command: _Command) -> _Command:
    """Give *command* the argument ``token: TokenChoice``."""

    def choose(ctx: click.Context, _param: click.Parameter, module: str | None) -> TokenChoice:
        label, serial = ctx.params.pop("token_label", None), ctx.params.pop("token_serial", None)
        kind: Kind | None = ctx.params.pop("kind", None)
        if module is None:
            if label is not None or serial is not None:
                raise click.UsageError(_("--token MODULE is missing"))
            return TokenChoice(None, kind)
        # absolute, but not resolved: the name stays when the package brings another version
        place = TokenPlace(module=str(Path(module).absolute()), label=label, serial=serial)
        return TokenChoice(place, kind)

    token = click.option(
        "--token",
        "token",
        type=click.Path(exists=True, dir_okay=False),
        callback=choose,
        help="Make the key on a token; the file is its PKCS#11 module.",
    )(command)
    serial = click.option("--token-serial", is_eager=True, help="The token with this serial.")(
        token
    )
    label = click.option("--token-label", is_eager=True, help="The token with this label.")(serial)
    return click.option(
        "--kind",
        type=click.Choice(["ed25519", "p256"]),
        is_eager=True,  # read before the module's callback, which joins them all
        help="Kind of key (default: ed25519 in a file, p256 on a token).",
    )(label)
