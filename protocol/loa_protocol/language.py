"""Texts for people, in Vietnamese first and English beside.

The one module of this package that reads a file: the compiled catalogue that ships inside each
package as ``locale/<language>.mo``. The English text in the code is the key.
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Callable
from importlib import resources

DEFAULT_LANGUAGE = "vi"
LANGUAGES = ("vi", "en")

_chosen: list[str] = []


def choose_language(code: str) -> None:
    """Make every translator of this process speak *code* from now on.

    Raises:
        ValueError: *code* is not one of ``LANGUAGES``.
    """
    if code not in LANGUAGES:
        raise ValueError(f"language {code!r} is not one of {LANGUAGES}")
    _chosen[:] = [code]


def language() -> str:
    """Tell the language in force: the chosen one, else ``LOA_LANG``, else Vietnamese."""
    if _chosen:
        return _chosen[0]
    wished = os.environ.get("LOA_LANG", DEFAULT_LANGUAGE)
    return wished if wished in LANGUAGES else DEFAULT_LANGUAGE


def translator(package: str) -> Callable[[str], str]:
    """Return the function that turns an English text of *package* into the language in force.

    The language is looked up at each call, so that ``--lang`` works on texts of modules that were
    imported before the option was read.
    """
    catalogues: dict[str, gettext.NullTranslations] = {}

    def translate(text: str) -> str:
        code = language()
        if code not in catalogues:
            catalogues[code] = _load(package, code)
        return catalogues[code].gettext(text)

    return translate


def _load(package: str, code: str) -> gettext.NullTranslations:
    file = resources.files(package) / "locale" / f"{code}.mo"
    if not file.is_file():  # English is the key itself and needs no catalogue
        return gettext.NullTranslations()
    with file.open("rb") as stream:
        return gettext.GNUTranslations(stream)
