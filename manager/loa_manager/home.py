"""The manager's data directory: where everything lies, and what kind of home it is.

A *province* home is made by ``loa init`` and holds database, content tree and the province's keys.
An editor's or approver's *own* home holds nothing but ``keys/own``. This module knows paths, modes
and the public root; what the keys do is :mod:`loa_manager.keyring`'s business.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loa_manager.content_tree import ContentTree
from loa_manager.durable import sync_folder
from loa_protocol.envelope import Bundle
from loa_protocol.errors import ConfigError, StoreError
from loa_protocol.language import translator
from loa_protocol.objects.authority import Root
from loa_protocol.trust import Trusted

_ = translator("loa_manager")

UNFINISHED: Final = "unfinished"  # there from the first to the last step of `loa init`
MAX_READ: Final = 64 * 2**20  # bytes: twice the largest list of poles
_DATABASE_URL: Final = "database-url"


@dataclass(frozen=True, slots=True)
class Home:
    """The paths below one data directory."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> Home:
        """Return the province home at *path*.

        Raises:
            ConfigError: there is none, or its making was interrupted.
        """
        home = cls(path.expanduser())
        if home.is_unfinished:
            fault = _("loa init was interrupted here; run the same loa init again")
            raise ConfigError(str(path), [fault])
        if not home.root_path.is_file():
            fault = _(
                "no province here; make one with loa init, or bring its public part with"
                " loa key export-public"
            )
            raise ConfigError(str(path), [fault])
        return home

    @property
    def is_unfinished(self) -> bool:
        """Whether a `loa init` began here and never ended."""
        return (self.path / UNFINISHED).exists()

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL: the file ``database-url`` where there is one, else our SQLite."""
        try:
            return (self.path / _DATABASE_URL).read_text().strip()
        except FileNotFoundError:
            return f"sqlite:///{self.path / 'loa.db'}"

    @property
    def content(self) -> ContentTree:
        """The tree of static files that anybody may serve."""
        return ContentTree(self.path / "content")

    @property
    def public(self) -> Path:
        """What may be shown to everybody: root, device CA, policies."""
        return self.path / "public"

    @property
    def root_path(self) -> Path:
        """The bundle of the present root."""
        return self.public / "root"

    @property
    def device_ca_path(self) -> Path:
        """The X.509 certificate (PEM) under which boards and server know each other."""
        return self.public / "device-ca.pem"

    @property
    def root_keys(self) -> Path:
        """Keys of the root's holders; in a real province they leave the machine."""
        return self.path / "keys" / "root"

    @property
    def authority_keys(self) -> Path:
        """Keys of the province's officers and of the device CA."""
        return self.path / "keys" / "authority"

    @property
    def server_keys(self) -> Path:
        """The only key folder that `loa serve` opens."""
        return self.path / "keys" / "server"

    @property
    def own_keys(self) -> Path:
        """The keys of the person whose home this is."""
        return self.path / "keys" / "own"

    @property
    def root_bundle(self) -> bytes:
        """The bytes of the root bundle; raises StoreError when it cannot be read."""
        return read_bytes(self.root_path)

    @property
    def root(self) -> Root:
        """The province's present root.

        Raises:
            StoreError: the file cannot be read.
            FormatError: it is damaged.
        """
        return Root.from_bytes(Bundle.from_bytes(self.root_bundle).payload)

    def trusted(self) -> Trusted:
        """Return what the manager's own checks trust: the root, and how far state has come."""
        bundle = Bundle.from_bytes(self.root_bundle)
        return Trusted(
            root=Root.from_bytes(bundle.payload),
            root_digest=bundle.digest,
            positions=self.content.index().positions,
        )

    def settings_for(self, scope: str) -> bytes | None:
        """Return the settings bundle nearest above *scope*; None where none covers it."""
        parts = scope.split("/")
        for length in range(len(parts), 0, -1):
            file = self.content.path / "state" / "/".join(parts[:length]) / "settings"
            if file.is_file():
                return read_bytes(file)
        return None


def make_private_folder(path: Path) -> None:
    """Make *path* and what is missing above it, readable by its owner alone.

    Raises:
        StoreError: it cannot be made.
    """
    try:
        for folder in (*reversed(path.parents), path):
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreError(str(path), error.strerror or str(error)) from None


def write_private(path: Path, data: bytes) -> None:
    """Replace *path* by *data* as a whole, synced, readable by its owner alone.

    Raises:
        StoreError: the disk is full or the place not writable; *path* is as it was.
    """
    make_private_folder(path.parent)
    try:
        file, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)  # 0600 from the start
        try:
            with os.fdopen(file, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).rename(path)
        finally:
            Path(name).unlink(missing_ok=True)  # only there when it was not placed
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(str(path), error.strerror or str(error)) from None


def read_bytes(path: Path) -> bytes:
    """Return the content of *path*, which is no media file.

    Raises:
        StoreError: it cannot be read, or is larger than anything that is read whole. It may come
            from strangers; each parser has a limit of its own.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_READ + 1)
    except OSError as error:
        raise StoreError(str(path), error.strerror or str(error)) from None
    if len(data) > MAX_READ:
        fault = _("the file is larger than {limit} bytes").format(limit=MAX_READ)
        raise StoreError(str(path), fault)
    return data


def read_text(path: Path) -> str:
    """Return the text of *path*.

    Raises:
        StoreError: it cannot be read.
        ConfigError: it is not UTF-8.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        fault = _("not UTF-8 text at byte {at}").format(at=error.start)
        raise ConfigError(str(path), [fault]) from None
