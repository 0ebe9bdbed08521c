"""What a person can do about a disk that will not keep something."""

from __future__ import annotations

import errno
from typing import Final

from loa_protocol.errors import StoreError

REMEDIES: Final = {
    errno.ENOSPC: "the disk is full; remove what is not needed, or fit a larger card",
    errno.EDQUOT: "the quota is used up; remove what is not needed, or raise it",
    errno.EFBIG: "the file would pass the size allowed here; raise the limit",
    errno.EROFS: "the disk is mounted read-only, often because the card failed; see the kernel log",
    errno.EACCES: "not allowed; give the place to the user that the agent runs as",
    errno.EPERM: "not allowed; give the place to the user that the agent runs as",
    errno.EIO: "the card does not answer as it should; replace it",
    errno.ENOENT: "not there; provision the board again, or put the folder back",
    errno.ENOTDIR: "a file stands where a folder should be; move it away",
    errno.EISDIR: "a folder stands where a file should be; move it away",
}


def store_error(where: object, error: OSError) -> StoreError:
    """Return the error that names the place *where* and what to do about *error*."""
    remedy = REMEDIES.get(error.errno or 0, error.strerror or type(error).__name__)
    return StoreError(str(where), remedy)
