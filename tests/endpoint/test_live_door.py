"""The door for live sound: what is refused is silence, and told once a minute."""

from __future__ import annotations

import pytest

from loa_endpoint.app.live_door import LiveDoor
from loa_protocol.errors import MessageError
from loa_protocol.record import Body, Refused
from loa_protocol.trust import Refusal, TrustError


class Deaf:
    """A stage that refuses what it is told to refuse."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.heard: list[bytes] = []
        self.kept: list[Body] = []

    def on_live_chunk(self, data: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.heard.append(data)

    def keep(self, body: Body) -> bool:
        self.kept.append(body)
        return True


@pytest.mark.requirement("SEC-3")
def test_a_chunk_that_is_refused_is_told_once_and_the_next_one_is_heard() -> None:
    stage = Deaf()
    door = LiveDoor(stage)
    stage.error = TrustError(Refusal.SIGNATURE, "00")
    for _ in range(50):
        door.hear(b"forged")
    stage.error = MessageError("no chunk")
    door.hear(b"junk")
    stage.error = None
    door.hear(b"good")
    assert stage.heard == [b"good"]
    assert [r.reason for r in stage.kept if isinstance(r, Refused)] == ["signature", "format"]
