"""Order files and lists that travel by mail and stick: any bytes are one, or a named error."""

from __future__ import annotations

import contextlib
import json

from loa_manager.orders.facts import paper_facts
from loa_manager.orders.giving import Known
from loa_manager.orders.paper import open_paper
from loa_manager.orders.standing import OrderList, parse_standing
from loa_protocol.errors import FormatError


def fuzz(data: bytes) -> None:
    """Read *data* as an order, as a list of what stands, and as a server's JSON."""
    with contextlib.suppress(FormatError):
        paper_facts(open_paper(data))
    with contextlib.suppress(FormatError):
        parse_standing(data)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    for read in (Known.of, OrderList.from_json):
        try:
            read(value)
        except FormatError:
            continue
