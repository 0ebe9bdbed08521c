"""A test's language is its own."""

from __future__ import annotations

import os

from loa_protocol.language import DEFAULT_LANGUAGE, choose_language, language

BEFORE = os.environ.get("LOA_LANG", DEFAULT_LANGUAGE)


def test_a_language_may_be_chosen() -> None:
    other = "en" if BEFORE == "vi" else "vi"
    choose_language(other)
    assert language() == other


def test_what_the_test_before_chose_is_forgotten() -> None:
    assert language() == BEFORE
