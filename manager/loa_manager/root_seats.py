"""Root keys made on the sticks of their holders, one after the other, resumable between any two.

A stick comes in, a key is made on it, read back, and the stick goes out again: the next one may
well come to the same folder. What was made is noted in the home that is being founded, so that an
interrupted ceremony goes on where it was and makes no key twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loa_manager.content_tree import write_durably
from loa_manager.home import UNFINISHED, Home, read_bytes, write_private
from loa_manager.keyring import KEY, Passphrase, load_signer, make_key
from loa_manager.root_holders import card_path, key_files, make_card
from loa_protocol.errors import ConfigError
from loa_protocol.keys import Signer, SoftSigner
from loa_protocol.language import translator

_ = translator("loa_manager")

_SEATS: Final = "seats"


@dataclass(frozen=True, slots=True)
class Seat:
    """One of the root's holders, at the ceremony: their number, name, key file, and the key."""

    number: int
    holder: str
    file: Path
    signer: Signer


@dataclass(frozen=True, slots=True)
class Noted:
    """What an interrupted ceremony left behind of one holder."""

    number: int
    holder: str
    file: Path
    public: bytes


def noted_seats(home: Home) -> dict[int, Noted]:
    """Return the root keys that an interrupted ceremony in *home* made, by number.

    Raises:
        StoreError: the note cannot be read.
        ConfigError: it is damaged.
    """
    file = home.path / UNFINISHED
    if not file.exists():
        return {}
    try:
        value = json.loads(read_bytes(file) or b"{}")
        rows = value.get(_SEATS, []) if isinstance(value, dict) else []
        found = [_noted(row) for row in rows]
    except (ValueError, TypeError, KeyError):
        text = _("the note of the interrupted ceremony is damaged; remove this file to begin anew")
        raise ConfigError(str(file), [text]) from None
    return {each.number: each for each in found}


def take_seat(home: Home, number: int, holder: str, folder: Path, passphrase: Passphrase) -> Seat:
    """Make the key of holder *number* in *folder*, or open it where it was made before.

    Args:
        home: The home that is being founded; it is marked as unfinished.
        number: From 1.
        holder: The person's name, as it will stand in the root.
        folder: The stick; it must exist and hold no key.
        passphrase: The holder's own.

    Raises:
        ConfigError: the folder is not fit, or the passphrase does not open the key made before.
        StoreError: the stick cannot be written or read back.
        MessageError: the name is too long.
    """
    before = noted_seats(home).get(number)
    if before is not None:
        return _open(before, folder, passphrase)
    check_folder(home, folder)
    file = folder / f"root-{number}{KEY}"
    public = SoftSigner(make_key(file, passphrase)).public
    signer = load_signer(file, passphrase).signer  # a bad stick shows itself now, not in a year
    if signer.public != public:
        raise ConfigError(str(file), [_("the stick does not give back what was written")])
    write_durably(card_path(file), make_card(signer, holder))
    _note(home, Noted(number, holder, file, public.raw))
    return Seat(number, holder, file, signer)


def check_folder(home: Home, folder: Path) -> None:
    """Raise ConfigError where no root key should be made in *folder*."""
    if not folder.is_dir():
        raise ConfigError(str(folder), [_("no such folder; is the stick in?")])
    if folder.resolve().is_relative_to(home.path.resolve()):
        raise ConfigError(str(folder), [_("a root key must not lie in the province's home")])
    if there := [path.name for path in key_files(folder)]:
        text = _("{keys} lies here already: one stick for each holder, and none twice")
        raise ConfigError(str(folder), [text.format(keys=", ".join(there))])


def _open(before: Noted, folder: Path, passphrase: Passphrase) -> Seat:
    places = (folder / before.file.name, before.file)
    file = next((path for path in places if path.is_file()), None)
    if file is None:
        text = _(
            "{file} of {holder} was made before the interruption and is not here: put that stick in"
        )
        fault = text.format(file=before.file.name, holder=before.holder)
        raise ConfigError(str(folder), [fault])
    signer = load_signer(file, passphrase).signer
    if signer.public.raw != before.public:
        raise ConfigError(str(file), [_("not the key that was made before the interruption")])
    return Seat(before.number, before.holder, file, signer)


def _note(home: Home, seat: Noted) -> None:
    rows = [*noted_seats(home).values(), seat]
    value = [
        {
            "number": each.number,
            "holder": each.holder,
            "file": str(each.file.absolute()),
            "public": each.public.hex(),
        }
        for each in rows
    ]
    write_private(home.path / UNFINISHED, json.dumps({_SEATS: value}).encode())


def _noted(row: Any) -> Noted:  # noqa: ANN401 - JSON of any shape is narrowed here
    return Noted(
        int(row["number"]), str(row["holder"]), Path(row["file"]), bytes.fromhex(row["public"])
    )
