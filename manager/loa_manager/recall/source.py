"""Where a recall is asked after: in the province's own home, or at its server."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from sqlalchemy import Engine

from loa_manager import database
from loa_manager.home import Home, make_private_folder, read_bytes, write_private
from loa_manager.recall.findings import Findings, Found, board_at, look
from loa_manager.recall.room import FOLDER, SUFFIX, Room
from loa_manager.service_client import ServiceClient
from loa_protocol.errors import ConfigError, FetchError, MessageError, RefusedError
from loa_protocol.language import translator
from loa_protocol.recall import MOST_BYTES
from loa_protocol.trust import Refusal, TrustError

_ = translator("loa_manager")


class Source(Protocol):
    """Somebody who knows what has come."""

    def board(self, cluster: str, at_ms: int) -> bytes:
        """Return the id of the board that hung at *cluster* at unix *at_ms* and still does.

        Raises:
            ConfigError: there is none, or another one hangs there now.
            LoaError: nobody could be asked.
        """

    def look(self, order: bytes, endpoint: bytes) -> Findings:
        """Return how a recall stands; raises LoaError where nobody can be asked."""

    def file(self, order: bytes, found: Found) -> Path:
        """Return a whole file, whose hash was looked at once more.

        Raises:
            TrustError: it is not the file of that hash.
            LoaError: it cannot be read or fetched.
        """


class OwnBooks:
    """The province's own home."""

    def __init__(self, home: Home, engine: Engine) -> None:
        self._engine, self._room = engine, Room(home)

    def board(self, cluster: str, at_ms: int) -> bytes:
        """Look into the register."""
        with database.reading(self._engine) as connection:
            return _checked(cluster, board_at(connection, cluster, at_ms))

    def look(self, order: bytes, endpoint: bytes) -> Findings:
        """Look into folder and records."""
        with database.reading(self._engine) as connection:
            return look(connection, self._room, order, endpoint.hex())

    def file(self, order: bytes, found: Found) -> Path:
        """Return where the server put it."""
        path = self._room.path(order, found.sha256)
        _check(path, read_bytes(path), found.sha256)
        return path


class Server:
    """The province's server, asked by a person; what it sends is kept in their home."""

    def __init__(self, home: Home, client: ServiceClient) -> None:
        self._folder, self._client = home.path / FOLDER, client

    def board(self, cluster: str, at_ms: int) -> bytes:
        """Ask for it."""
        try:
            facts = self._client.call("GET", f"/recall/board/{at_ms}/{quote(cluster)}").json()
        except RefusedError as error:
            if error.code != "not_here":
                raise
            return _checked(cluster, None)
        try:
            return _checked(cluster, (str(facts["endpoint"]), bool(facts["active"])))
        except (KeyError, TypeError, ValueError) as error:
            raise MessageError(f"not a board: {error!r:.200}") from None

    def look(self, order: bytes, endpoint: bytes) -> Findings:  # noqa: ARG002 - as the other's
        """Ask for it; a server that has not seen the order yet knows nothing of it."""
        try:
            return Findings.from_facts(self._client.call("GET", f"/recall/{order.hex()}").json())
        except RefusedError as error:
            if error.code != "not_here":
                raise
            return Findings("given", "", None, 0, 0)

    def file(self, order: bytes, found: Found) -> Path:
        """Fetch it, unless it is here."""
        path = self._folder / order.hex() / f"{found.sha256.hex()}{SUFFIX}"
        if not path.is_file():
            data, target = bytearray(), f"/recall/{order.hex()}/{found.sha256.hex()}"
            for piece in self._client.download(target):
                data += piece
                if len(data) > MOST_BYTES:
                    raise FetchError(target, 200, _("the answer is too long"))
            _check(path, bytes(data), found.sha256)
            make_private_folder(path.parent.parent)
            make_private_folder(path.parent)
            write_private(path, bytes(data))
        _check(path, read_bytes(path), found.sha256)
        return path


def _checked(cluster: str, found: tuple[str, bool] | None) -> bytes:
    if found is None:
        raise ConfigError(cluster, [_("no board is known to have hung there at that time")])
    if not found[1]:
        fault = _("the board of that time, {board}, is not there any more; its card has the sound")
        raise ConfigError(cluster, [fault.format(board=found[0])])
    return bytes.fromhex(found[0])


def _check(path: Path, data: bytes, sha256: bytes) -> None:
    if hashlib.sha256(data).digest() != sha256:
        raise TrustError(Refusal.MEDIA_HASH, str(path))
