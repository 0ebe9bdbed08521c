"""One server a home: two would write over each other's stores."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path
from typing import Final

from loa_protocol.errors import ConfigError, StoreError
from loa_protocol.language import translator

_ = translator("loa_manager")

WAIT_S: Final = 15.0  # a broker whose server was killed may still be writing its stores

LOOK_S: Final = 0.1


class HomeLock:
    """A lock that ends with the last process that holds it, however it ends.

    The broker inherits it: whoever kills the server alone does not unlock the broker's stores.
    """

    def __init__(self, path: Path) -> None:
        """Open the lock at *path*; take nothing yet.

        Raises:
            StoreError: it cannot be opened.
        """
        self._path = path
        try:
            self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(str(path), error.strerror or str(error)) from None

    async def take(self) -> None:
        """Take the lock, waiting up to :data:`WAIT_S` for one who is ending.

        Raises:
            ConfigError: another server runs on this home.
        """
        for _round in range(1 + round(WAIT_S / LOOK_S)):  # nothing tells that another process ended
            if self._try():
                return
            await asyncio.sleep(LOOK_S)
        raise ConfigError(str(self._path.parent), [_("another loa serve runs here")])

    def close(self) -> None:
        """Let go of it in this process."""
        os.close(self.descriptor)

    def _try(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
