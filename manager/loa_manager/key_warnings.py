"""Warnings of certificates that end: 30, 14, 7 and 1 days before, and after. Pure.

A step that is more than half of a certificate's whole life says nothing: the server's certificates
of a fortnight are told of 7 days before they end, not on the day they are made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from loa_protocol.language import translator

_ = translator("loa_manager")

STEPS: Final = (30, 14, 7, 1)  # days
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """From when to when one certificate, with all that it hangs on, holds."""

    folder: str
    name: str
    holder: str
    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyWarning:
    """One certificate that ends soon.

    Attributes:
        term: Which one.
        days_left: Whole days, rounded up; 0 when it has ended.
        step: The step that it has passed: 30, 14, 7 or 1; 0 when it has ended.
    """

    term: Term
    days_left: int
    step: int

    @property
    def has_ended(self) -> bool:
        """Whether it no longer holds."""
        return self.step == 0

    @property
    def text(self) -> str:
        """A line for people."""
        term = self.term
        who = f"{term.name} ({term.holder})" if term.holder else term.name
        if self.has_ended:
            return _("the certificate of {who} has ended").format(who=who)
        text = _("the certificate of {who} ends in {days} days")
        return text.format(who=who, days=self.days_left)

    def facts(self) -> dict[str, object]:
        """Return the warning for JSON."""
        term = self.term
        return {
            "folder": term.folder,
            "name": term.name,
            "holder": term.holder,
            "expires": term.ends,
            "days_left": self.days_left,
            "step": self.step,
        }


def judge_terms(now: datetime, terms: Iterable[Term]) -> list[KeyWarning]:
    """Return a warning for each of *terms* that ends within its steps, the first to end first."""
    found = [each for term in terms if (each := judge_term(now, term)) is not None]
    return sorted(found, key=lambda each: (each.term.ends, each.term.name))


def judge_term(now: datetime, term: Term) -> KeyWarning | None:
    """Return the warning that *term* deserves at *now*; None while there is time."""
    left, life = term.ends - now, term.ends - term.starts
    if left <= timedelta(0):
        return KeyWarning(term=term, days_left=0, step=0)
    passed = [step for step in STEPS if left <= step * _DAY and 2 * step * _DAY <= life]
    if not passed:
        return None
    return KeyWarning(term=term, days_left=math.ceil(left / _DAY), step=min(passed))
