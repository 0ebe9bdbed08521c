"""A finding: what was measured, where, with which result. Never a claim about a standard.

The numbers of provisions are those of ETSI EN 303 645, from a public copy of its table B.1. The
standard's own text was not read here, so a *pass* says what was measured, and nothing else.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


class Result(enum.StrEnum):
    """What a measure came to."""

    PASS = "pass"  # noqa: S105 - a result, no password
    FAIL = "fail"
    NOT_APPLICABLE = "n/a"  # cannot be measured here; the text says why


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row.

    Attributes:
        id: Stable name of the measure.
        provisions: Which provisions it bears on; empty where none of the table does.
        result: What came of it.
        text: What was measured, in the language in force.
        where: On what: an address, a file, a table.
        evidence: The values, for programs.
    """

    id: str
    provisions: tuple[str, ...]
    result: Result
    text: str
    where: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)

    def facts(self) -> dict[str, object]:
        """Return the row for JSON."""
        return {
            "id": self.id,
            "provisions": list(self.provisions),
            "result": str(self.result),
            "text": self.text,
            "where": self.where,
            "evidence": dict(self.evidence),
        }


def passed_if(is_well: bool) -> Result:
    """Return PASS or FAIL."""
    return Result.PASS if is_well else Result.FAIL


def count(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many passed, failed, and could not be measured."""
    found = [each.result for each in findings]
    return {
        "passed": found.count(Result.PASS),
        "failed": found.count(Result.FAIL),
        "not_applicable": found.count(Result.NOT_APPLICABLE),
    }
