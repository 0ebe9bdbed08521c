"""What `loa alert`, `loa order` and `loa bulletin` do alike: seal, send, and ask what stands.

Each group composes its own orders; from there on they go the same way, through here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from loa_manager.cli.options import PassphraseSource, home_option, json_option, passphrase_option
from loa_manager.cli.order_options import (
    FILE,
    Scope,
    open_giver,
    reason_option,
    sending_options,
    server_option,
)
from loa_manager.cli.order_view import confirm_order, deliver, show_outcomes, show_told
from loa_manager.keyring import Secrets
from loa_manager.orders.desk import Judged
from loa_manager.orders.giving import Giver, find
from loa_manager.orders.paper import open_paper, read_paper
from loa_manager.orders.sound import Sound
from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.bulletin import Bulletin
from loa_protocol.objects.command import Command

_Command = TypeVar("_Command", bound=Callable[..., Any])
_KINDS = {Alert: Kind.ALERT, Command: Kind.COMMAND, Bulletin: Kind.BULLETIN}


@dataclass(frozen=True, slots=True)
class Composed:
    """An order that nobody has sealed yet, with its sound."""

    body: Alert | Command | Bulletin
    sound: Sound | None = None

    @property
    def kind(self) -> Kind:
        """What it is sealed as."""
        return _KINDS[type(self.body)]

    @property
    def media(self) -> list[Path]:
        """The files that it names and does not carry."""
        return [] if self.sound is None or self.sound.data is not None else [self.sound.file]


def giving(command: _Command) -> _Command:
    """Give *command* its home, the way the order goes, the passphrase and JSON."""
    for decorate in (json_option, passphrase_option, sending_options, home_option):
        command = decorate(command)
    return command


def giving_with_reason(command: _Command) -> _Command:
    """Give *command* what :func:`giving` does, and the reason."""
    return reason_option(giving(command))


def asking(command: _Command) -> _Command:
    """Give *command* its home, the server that is asked, the passphrase and JSON."""
    for decorate in (json_option, passphrase_option, server_option, home_option):
        command = decorate(command)
    return command


def add_sign(group: click.Group, example: str) -> None:
    """Give *group* the command ``sign``."""

    @group.command(
        "sign",
        help="Show what the order FILES say, sign them, and send on their way those that are"
        " complete.",
        example=example,
    )
    @click.argument("files", type=FILE, nargs=-1, required=True)
    @giving
    def sign(files: tuple[Path, ...], **given: Any) -> None:  # noqa: ANN401 - click's own
        giver, secrets = begin(given)
        papers = [read_paper(file) for file in files]
        for paper in papers:
            giver.desk.judge(paper)  # refused before anybody is asked
        confirm_order(giver, papers, yes=given["yes"])
        output: Path | None = given["output"] if len(papers) == 1 else None
        judged = (giver.add_seal(paper, secrets) for paper in papers)
        show_outcomes(giver, [deliver(giver, each, secrets, output=output) for each in judged])


def add_status(group: click.Group, help_text: str, example: str) -> None:
    """Give *group* the command ``status``, which *help_text* explains in its own words."""

    @group.command("status", help=help_text, example=example)
    @click.argument("name")
    @click.option("--scope", type=Scope(), help="The place; needed where the server is asked.")
    @asking
    def status(name: str, scope: str | None, **given: Any) -> None:  # noqa: ANN401 - click's own
        giver, secrets = _asker(**given)
        show_told(find(giver.known(scope, secrets), name).facts)


def begin(given: dict[str, Any]) -> tuple[Giver, Secrets]:
    """Return whoever gives an order with the options *given*, and what opens their keys."""
    return open_giver(given["home"], given["server"]), given["passphrase"].secrets()


def known_rows(scope: str | None, **given: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - click's own
    """Return the facts of what stands over and in *scope*, with the options *given*."""
    giver, secrets = _asker(**given)
    return [each.facts for each in giver.known(scope, secrets)]


def give(
    giver: Giver,
    secrets: Secrets,
    orders: Sequence[Composed],
    given: dict[str, Any],
    *,
    may_wait: bool = False,
) -> None:
    """Ask, seal and send *orders*.

    Args:
        giver: Whoever sits here.
        secrets: Opens the keys.
        orders: What is to be given.
        given: The command's options.
        may_wait: An alert that has to wait, for another holder or until its sound is at the
            server, loses its common instant, which would be over by then.
    """
    papers = [open_paper(sign_bundle(each.kind, each.body.to_bytes(), [])) for each in orders]
    confirm_order(giver, papers, yes=given["yes"])
    output = given["output"] if len(orders) == 1 else None
    outcomes = []

    def waits(judged: Judged) -> bool:
        is_sent = judged.is_complete and output is None
        return not judged.is_complete or (is_sent and giver.must_bring_sound(judged.paper, secrets))

    for each in orders:
        judged = giver.seal(each.kind, each.body, secrets)
        if may_wait and isinstance(each.body, Alert) and waits(judged):
            judged = giver.seal(each.kind, replace(each.body, speech_ms=0), secrets)
        outcomes.append(deliver(giver, judged, secrets, output=output, media=each.media))
    show_outcomes(giver, outcomes)


def _asker(
    home: Path, server: str | None, passphrase: PassphraseSource
) -> tuple[Giver, Secrets | None]:
    """Return whoever asks; the province's home holds the answer, and no key need be opened."""
    giver = open_giver(home, server)
    return giver, None if giver.is_province else passphrase.secrets()
