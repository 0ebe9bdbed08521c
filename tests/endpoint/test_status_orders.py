"""What a technician reads of the orders in force."""

from __future__ import annotations

from typing import Any

import pytest

from loa_endpoint.app.status_text import status_lines

FACTS: dict[str, Any] = {
    "scope": "vn/ls/st0137/c01",
    "state": "connected",
    "faults": [],
    "item": None,
    "time": {"utc_offset_min": 420, "trust": "T3"},
    "next": [],
    "connected": True,
    "records": {"unsent": 0},
    "media": {"cached": 0, "missing": 0},
    "carriers": {"sticks": [], "modem": None},
    "stopped_by_button_s": 61,
    "orders": [
        {
            "what": "hold",
            "level": "province",
            "title": "",
            "reason": "Nghe tiếng lạ",
            "value": 0,
            "until_ms": None,
        },
        {
            "what": "alert",
            "level": "commune",
            "title": "Lũ quét",
            "reason": "Nước lên",
            "value": None,
            "until_ms": 1_800_000_000_000,
        },
    ],
}


@pytest.mark.requirement("SEC-8")
def test_the_status_names_what_silences_by_whom_until_when_and_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])
    lines = list(status_lines(FACTS))
    assert "Hold: only alerts sound, by the province, until it is released (Nghe tiếng lạ)" in lines
    assert "Alert: Lũ quét, by the commune, until 15/01 15:00 (Nước lên)" in lines
    assert "Stopped by the button: only alerts sound, for 2 minutes" in lines
