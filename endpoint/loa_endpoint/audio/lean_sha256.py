"""SHA-256 out of Python itself: for one hash a minute, `hashlib` would load OpenSSL.

That is over a megabyte in a launcher and its player, which need nothing else of it. The module
behind it has no public name; Python's own `random` comes by its SHA-512 in the same way.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:
        _own = importlib.import_module("_sha2" if sys.version_info >= (3, 12) else "_sha256")
    except ImportError:  # a Python that was built without
        _own = importlib.import_module("hashlib")
    sha256 = _own.sha256

__all__ = ["sha256"]
