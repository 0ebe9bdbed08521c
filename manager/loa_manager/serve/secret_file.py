"""Secrets for those who can only read files, without a file on any disk (Linux)."""

from __future__ import annotations

import os
from pathlib import Path


class SecretFile:
    """Bytes in memory that open under a path: in this process, and in children that inherit it.

    OpenSSL and the broker take a private key by path only. The key file of the home is encrypted;
    its plain text never touches a disk.
    """

    def __init__(self, name: str, data: bytes) -> None:
        self.descriptor = os.memfd_create(name)
        os.write(self.descriptor, data)  # memory: written whole or OSError

    @property
    def path(self) -> Path:
        """Where it can be opened; in a child under the same descriptor number."""
        return Path(f"/proc/self/fd/{self.descriptor}")

    def close(self) -> None:
        """Forget the bytes once nobody has them open."""
        os.close(self.descriptor)
