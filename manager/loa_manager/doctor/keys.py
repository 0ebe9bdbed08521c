"""Keys and secrets as they lie: modes, locks, and whether any two devices share one."""

from __future__ import annotations

import importlib.util
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, select

from loa_manager import tables
from loa_manager.doctor.finding import Finding, Result, passed_if
from loa_manager.doctor.processes import Process
from loa_manager.key_file import read_public
from loa_protocol.errors import FormatError
from loa_protocol.keys import Algorithm, PublicKey
from loa_protocol.language import translator

_ = translator("loa_manager")

PACKAGES: Final = ("loa_protocol", "loa_sound", "loa_manager", "loa_endpoint")
_ANY_KEY: Final = re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/]{16}")
_PLAIN_KEY: Final = re.compile(rb"-----BEGIN (?:EC |RSA |OPENSSH )?PRIVATE KEY-----\s")
_SECRET_WORD: Final = re.compile(r"passw|secret|token|pin$", re.IGNORECASE)
_LARGEST: Final = 1 << 20  # no key is larger
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_SKIPPED: Final = frozenset({"content", "broker", "mailbox"})  # signed bytes and stores, no keys


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file with a private key: its mode, and whether a passphrase locks it."""

    path: Path
    mode: int
    is_locked: bool

    @property
    def is_private(self) -> bool:
        """Whether its owner alone may open it."""
        return not self.mode & _OTHERS

    def facts(self) -> dict[str, object]:
        """Return it for JSON."""
        return {"path": str(self.path), "mode": f"{self.mode:04o}", "locked": self.is_locked}


def key_files(home: Path) -> list[KeyFile]:
    """Return every private key below *home*, locked or not.

    Raises:
        OSError: a file cannot be read.
    """
    found = []
    for path in sorted(_files(home)):
        mode = stat.S_IMODE(path.stat().st_mode)
        data = path.read_bytes()
        is_plain = _PLAIN_KEY.search(data) is not None
        if path.suffix == ".key" or is_plain:
            found.append(KeyFile(path, mode, not is_plain and _is_locked(data)))
    return found


def judge_key_files(files: Sequence[KeyFile], home: Path) -> Finding:
    """Judge modes and locks of the keys in a home."""
    bad = [
        f"{each.path.relative_to(home)} {each.mode:04o}"
        + ("" if each.is_locked else " " + _("(not locked)"))
        for each in files
        if not (each.is_private and each.is_locked)
    ]
    text = _("{n} key files: all 0600 or tighter and locked by a passphrase, but for: {bad}")
    return Finding(
        id="key_files",
        provisions=("5.4-1",),
        result=passed_if(bool(files) and not bad),
        text=text.format(n=len(files), bad=", ".join(bad) or "-"),
        where=str(home / "keys"),
        evidence={"files": [each.facts() for each in files]},
    )


def judge_passphrase(processes: Sequence[Process]) -> Finding:
    """Judge where the running server has its passphrase from, and who else could read it."""
    server = next((each for each in processes if not each.is_broker), None)
    path = None if server is None else _passphrase_file(server.arguments)
    if path is None:
        text = _(
            "the running server was given no file with the passphrase, or is not seen from here"
        )
        return Finding(
            id="passphrase", provisions=("5.4-1",), result=Result.NOT_APPLICABLE, text=text
        )
    try:
        mode: int | None = stat.S_IMODE(path.stat().st_mode)
    except OSError:  # a credential of the service manager: seen by the service alone
        mode = None
    shown = _("not readable from here") if mode is None else f"{mode:04o}"
    return Finding(
        id="passphrase",
        provisions=("5.4-1",),
        result=passed_if(mode is None or not mode & _OTHERS),
        text=_("the server reads its passphrase from a file, mode {mode}").format(mode=shown),
        where=str(path),
        evidence={"mode": None if mode is None else f"{mode:04o}"},
    )


def judge_hard_coded() -> Finding:
    """Search the installed packages of Loa for private keys."""
    searched, found = 0, []
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for path in _files(Path(folder)):
                searched += 1
                if _ANY_KEY.search(path.read_bytes()):
                    found.append(str(path))
    text = _("{n} files of the installed programs searched for private keys; found in: {found}")
    return Finding(
        id="no_hard_coded_keys",
        provisions=("5.4-3",),
        result=passed_if(bool(searched) and not found),
        text=text.format(n=searched, found=", ".join(found) or "-"),
        where=", ".join(PACKAGES),
        evidence={"searched": searched, "found": found},
    )


def device_keys(connection: Connection) -> list[tuple[str, bytes]]:
    """Return id and public key of every board in the registry, revoked ones too."""
    table = tables.endpoint
    rows = connection.execute(select(table.c.id, table.c.public_key).order_by(table.c.id))
    return [(row.id, row.public_key) for row in rows]


def judge_device_keys(boards: Sequence[tuple[str, bytes]]) -> Finding:
    """Judge whether every board has a key of its own."""
    counts = Counter(key for _id, key in boards)
    shared = [board for board, key in boards if counts[key] > 1]
    misnamed = [board for board, key in boards if _id_of(key) != board]
    text = _("{boards} boards in the registry, {keys} different keys; shared or misnamed: {bad}")
    bad = sorted({*shared, *misnamed})
    return Finding(
        id="device_keys_differ",
        provisions=("5.4-4",),
        result=passed_if(not bad) if boards else Result.NOT_APPLICABLE,
        text=text.format(boards=len(boards), keys=len(counts), bad=", ".join(bad) or "-"),
        where="endpoint",
        evidence={"boards": len(boards), "keys": len(counts), "bad": bad},
    )


def secret_columns(connection: Connection) -> list[str]:
    """Return the columns of the database whose name speaks of a secret."""
    found = inspect(connection)
    return [
        f"{table}.{column['name']}"
        for table in found.get_table_names()
        for column in found.get_columns(table)
        if _SECRET_WORD.search(column["name"])
    ]


def judge_passwords(
    columns: Sequence[str], broker: str | None, offers: Iterable[str] | None
) -> Finding:
    """Judge whether anything here could be opened with a password.

    Args:
        columns: Of the database, whose name speaks of a secret.
        broker: The broker's configuration; None where it cannot be read.
        offers: Ways to log in that the server's answers named; None where nobody answered.
    """
    lines = [] if broker is None else broker.splitlines()
    settings = [line.strip() for line in lines if _SECRET_WORD.search(line.partition("#")[0])]
    found = [*columns, *settings, *(offers or ())]
    is_whole = broker is not None and offers is not None
    text = _("columns, settings of the broker and answers that speak of a password: {found}")
    if not (found or is_whole):
        text = _("the broker's configuration or the server's answers could not be had")
    return Finding(
        id="no_passwords",
        provisions=("5.1-1",),
        result=passed_if(not found) if found or is_whole else Result.NOT_APPLICABLE,
        text=text.format(found=", ".join(found) or "-"),
        where="database, nats.conf, HTTPS",
        evidence={"found": found, "is_whole": is_whole},
    )


def _id_of(raw: bytes) -> str:
    return PublicKey(Algorithm.ES256, raw).kid.hex()


def _is_locked(data: bytes) -> bool:
    try:
        read_public(data)
    except FormatError:
        return False
    return True


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_symlink() or (path.is_dir() and path.name in _SKIPPED):
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.is_file() and path.stat().st_size <= _LARGEST:
            yield path


def _passphrase_file(arguments: Sequence[str]) -> Path | None:
    for at, word in enumerate(arguments):
        name, _equals, value = word.partition("=")
        if name == "--passphrase-file":
            value = value or next(iter(arguments[at + 1 : at + 2]), "")
            return Path(value) if value else None
    return None
