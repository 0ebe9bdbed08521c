"""SHA-256 out of Python itself: for one hash a minute, `hashlib` would load OpenSSL.

That is over a megabyte in a launcher and its player, which need nothing else of it. The modules
behind it have no public name; Python's own `random` comes by its SHA-512 in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:
        from _sha2 import sha256  # Python 3.12
    except ImportError:
        try:
            from _sha256 import sha256  # Python 3.11
        except ImportError:
            from hashlib import sha256

__all__ = ["sha256"]
