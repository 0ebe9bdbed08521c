"""Scopes: paths of opaque ids that a province assigns, such as ``vn/ls/st0137/c04``.

Never the state's unit codes: those are merged and reused, a pole stays where it is.
"""

from __future__ import annotations

import re

from loa_protocol.schema import Text

_FORM = re.compile(r"[a-z0-9][a-z0-9-]{0,31}(/[a-z0-9][a-z0-9-]{0,31}){0,7}")


def is_scope(text: str) -> bool:
    """Tell whether *text* is a path of 1 to 8 ids of lower-case letters, digits and hyphens."""
    return _FORM.fullmatch(text) is not None


def is_inside(scope: str, prefix: str) -> bool:
    """Tell whether *scope* is *prefix* or lies below it."""
    return scope == prefix or scope.startswith(f"{prefix}/")


SCOPE = Text(271, is_scope)
