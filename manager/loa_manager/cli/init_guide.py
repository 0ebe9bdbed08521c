"""The ceremony of ``loa init``: five people, five sticks, one after the other.

By prompts, or by options for those who prepared everything; both make the same keys, and both go on
where they were interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from loa_manager.cli.options import PassphraseSource
from loa_manager.cli.output import say
from loa_manager.cli.root_options import ask_passphrase, until_opened
from loa_manager.home import Home
from loa_manager.keyring import Passphrase
from loa_manager.root_holders import ROOT_HOLDERS, distinct_names
from loa_manager.root_seats import Noted, Seat, check_folder, noted_seats, take_seat
from loa_protocol.errors import ConfigError, LoaError
from loa_protocol.keys import Signer
from loa_protocol.language import translator
from loa_protocol.scope import is_scope

_ = translator("loa_manager")

_MAX_NAME: Final = 64
_WIDTH: Final = 76


@dataclass(frozen=True, slots=True)
class Sticks:
    """What the options say of the root's holders."""

    folders: tuple[Path, ...]
    holders: tuple[str, ...]
    passphrases: tuple[Path, ...]

    def check(self) -> None:
        """Raise ConfigError naming every fault."""
        count, faults = len(self.folders), []
        if self.holders and len(self.holders) != count:
            text = _("{n} folders and {m} names: give --root-holder once for each --root-key-dir")
            faults.append(text.format(n=count, m=len(self.holders)))
        if len(self.passphrases) not in (0, 1, count):
            text = _("{n} folders and {m} passphrase files: one for all, or one for each")
            faults.append(text.format(n=count, m=len(self.passphrases)))
        faults += distinct_names(self.holders)
        if faults:
            raise ConfigError("loa init", faults)


def seats_by_options(home: Home, sticks: Sticks) -> list[Seat]:
    """Make the root's keys in the folders that were named; passphrases from files, or asked for.

    Raises:
        ConfigError: a folder is not fit, there is nobody to ask, or a passphrase is wrong.
        StoreError: a stick cannot be written.
    """
    noted = noted_seats(home)
    for number, folder in enumerate(sticks.folders, 1):  # all of them, before the first is written
        if number not in noted:
            check_folder(home, folder)
    given = [PassphraseSource(file, None).read() for file in sticks.passphrases]
    found = []
    for number, folder in enumerate(sticks.folders, 1):
        names = sticks.holders or tuple(f"root-{n}" for n in range(1, len(sticks.folders) + 1))
        holder = names[number - 1]
        if given:
            secret = given[0] if len(given) == 1 else given[number - 1]
        else:
            asked = _("Passphrase of {holder}").format(holder=holder)
            secret = PassphraseSource(None, None).read(confirm=number not in noted, asked=asked)
        found.append(take_seat(home, number, holder, folder, secret))
    return found


def introduce() -> None:
    """Say what is going to happen and what has to be at hand."""
    text = _(
        "Founding a province. This takes about a quarter of an hour. You need five people, the"
        " holders of the root, and five memory sticks. Each gets a key on a stick of their own"
        " and takes it home. Three of the five together decide who runs the province; two may"
        " be lost without harm. None of these keys stays on this machine; it should be offline"
        " now. Ctrl-C stops; the same command goes on."
    )
    say(click.wrap_text(text, _WIDTH))
    say("")


def ask_scope() -> str:
    """Ask for the province's scope until it is one."""
    say(_("The province's short name in Loa, for ever: letters and digits, such as vn/ls."))
    while True:
        scope = str(click.prompt(_("Province"), err=True)).strip()
        if is_scope(scope):
            return scope
        say(_("{scope!r} is no scope, such as vn/ls").format(scope=scope))


def ask_host() -> str:
    """Ask how boards reach the server."""
    say(_("The name or address by which the boards will reach the server, such as loa.example.vn."))
    return str(click.prompt(_("Server"), err=True)).strip()


def seats_by_prompts(home: Home) -> list[Seat]:
    """Lead five people through the making of their keys.

    Raises:
        Abort: somebody pressed Ctrl-C; the same command goes on.
    """
    noted = noted_seats(home)
    if noted:
        text = _("{n} of 5 keys were made before the interruption; it goes on from there.")
        say(text.format(n=len(noted)))
    seats: list[Seat] = []
    try:
        for number in range(1, len(ROOT_HOLDERS) + 1):
            seats.append(_one_seat(home, number, noted, {seat.holder for seat in seats}))
    except click.Abort:
        say("\n" + _("Interrupted. Nothing is lost: the same command goes on from here."))
        raise
    return seats


def _one_seat(home: Home, number: int, noted: dict[int, Noted], taken: set[str]) -> Seat:
    before = noted.get(number)
    say("")
    say(_("--- Holder {n} of 5 ---").format(n=number))
    if before is None:
        holder = _ask_name(taken | {each.holder for each in noted.values()})
        say(_("Put in this person's stick. They type their own passphrase; nobody else looks."))
    else:
        holder = before.holder
        say(_("{holder}: the key was made. Put the stick in again.").format(holder=holder))
    while True:
        folder = _ask_folder(home, before)
        made: list[Seat] = []

        def use(secret: Passphrase, folder: Path = folder, made: list[Seat] = made) -> Signer:
            made.append(take_seat(home, number, holder, folder, secret))
            return made[0].signer

        try:
            _with_passphrase(holder, use, is_new=before is None)
        except LoaError as error:
            say(str(error))
            continue
        seat = made[0]
        text = (
            _("Made and read back: {file}, key id {kid}. Take the stick out.")
            if before is None
            else _("Read back: {file}, key id {kid}. Take the stick out.")
        )
        say(text.format(file=seat.file, kid=seat.signer.public.kid.hex()[:16]))
        return seat


def _with_passphrase(holder: str, use: Callable[[Passphrase], Signer], *, is_new: bool) -> None:
    if is_new:
        use(ask_passphrase(_("New passphrase of {holder}").format(holder=holder)))
    else:
        until_opened(_("Passphrase of {holder}").format(holder=holder), use)


def _ask_name(taken: set[str]) -> str:
    while True:
        name = " ".join(str(click.prompt(_("Name of the holder"), err=True)).split())
        if name in taken:
            say(_("{holder} has a key already: five different people").format(holder=name))
        elif len(name.encode()) > _MAX_NAME:
            say(_("at most {n} bytes, please").format(n=_MAX_NAME))
        else:
            return name


def _ask_folder(home: Home, before: Noted | None) -> Path:
    default = None if before is None else str(before.file.parent)
    while True:
        asked = click.prompt(_("Folder of the stick"), default=default, err=True)
        folder = Path(str(asked).strip()).expanduser()
        try:
            if before is None:
                check_folder(home, folder)
        except ConfigError as error:
            say(str(error))
        else:
            return folder
