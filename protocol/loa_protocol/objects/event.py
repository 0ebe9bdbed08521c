"""What the layouts of events share: a random id, and the limits of a message."""

from __future__ import annotations

from typing import Final

from loa_protocol.schema import Bytes, ListOf, Text

EVENT: Final = Bytes(16, 16)  # random; an event happens once
REFERENCES: Final = ListOf(EVENT, 16)
REASON: Final = Text(300)
