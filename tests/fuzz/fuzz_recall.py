"""Offers of black boxes as boards send them, and answers as a server may."""

from __future__ import annotations

import contextlib
import json

from loa_endpoint.core.black_box import parse_name
from loa_manager.recall.findings import Findings
from loa_protocol.errors import FormatError
from loa_protocol.recall import MOST_FILES, Lack, Offer


def fuzz(data: bytes) -> None:
    """Take *data* as an offer, as its answer, as a file's name and as a server's JSON."""
    with contextlib.suppress(FormatError):
        offer = Offer.from_bytes(data)
        assert len(offer.files) <= MOST_FILES
        assert offer.to_bytes() == data
    with contextlib.suppress(FormatError):
        assert Lack.from_bytes(data).to_bytes() == data
    text = data.decode("utf-8", "replace")
    segment = parse_name(text, 1)
    assert segment is None or parse_name(segment.name, 1) == segment
    with contextlib.suppress(ValueError, RecursionError, FormatError):
        Findings.from_facts(json.loads(text))
