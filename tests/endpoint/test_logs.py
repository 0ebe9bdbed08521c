"""The agent's log: nobody outside may write as much into it as he likes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import aiomqtt
import pytest

from loa_endpoint.app.logs import begin_logging


@pytest.fixture
def loggers() -> Iterator[None]:
    """Put back what the agent's own process would leave as it is."""
    root, mqtt = logging.getLogger(), logging.getLogger("mqtt")
    kept = root.level, list(root.handlers), mqtt.level
    yield
    root.setLevel(kept[0])
    root.handlers[:] = kept[1]
    mqtt.setLevel(kept[2])


@pytest.mark.requirement("SEC-8")
async def test_a_broker_that_floods_or_babbles_writes_nothing_into_the_log(
    loggers: None, capsys: pytest.CaptureFixture[str]
) -> None:
    begin_logging()
    client = aiomqtt.Client("127.0.0.1", 1, protocol=aiomqtt.ProtocolVersion.V311)
    client._on_subscribe(client._client, None, 7, [])  # an answer to nothing
    client._logger.warning("Message queue is full. Discarding message.")
    logging.getLogger("loa.endpoint").warning("uplink_lost")
    lines = capsys.readouterr().err.splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["uplink_lost"]
