"""A real broker with its call-out around a laboratory CA, and MQTT clients that are boards."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiomqtt

from loa_manager.serve.callout import CalloutKeys
from loa_manager.serve.message_plane import MessagePlane, ServerTls
from loa_manager.serve.nats_token import KeyType, NatsKey
from support.device_ca_lab import Client, FixedRoster, X509Lab, client_context, key_pem

LIMIT_S = 10.0


async def until(condition: Callable[[], bool | Awaitable[bool]], limit_s: float = LIMIT_S) -> None:
    """Wait until *condition* holds; fail at the limit."""
    deadline = time.monotonic() + limit_s
    while True:
        held = condition()
        if held if isinstance(held, bool) else await held:
            return
        assert time.monotonic() < deadline, "the condition never came true"
        await asyncio.sleep(0.02)


def server_tls(lab: X509Lab) -> ServerTls:
    return ServerTls(key_pem(lab.server.key), lab.authorities)


@contextlib.asynccontextmanager
async def running_plane(
    lab: X509Lab, roster: FixedRoster, folder: Path, port: int = 0
) -> AsyncIterator[MessagePlane]:
    """Run broker and call-out until the block ends."""
    plane = MessagePlane(
        server_tls(lab),
        roster,
        folder,
        "127.0.0.1",
        port,
        keys=CalloutKeys.of(NatsKey.generate(KeyType.ACCOUNT)),
    )
    async with running(plane.run):
        yield plane


@contextlib.asynccontextmanager
async def running(
    part: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
) -> AsyncIterator[None]:
    """Run *part* from the moment it says that it is ready until the block ends."""
    ready = asyncio.Event()
    task = asyncio.create_task(part(ready))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        if not task.done():
            yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def mqtt(
    plane: MessagePlane,
    context: ssl.SSLContext | None,
    client_id: str,
    *,
    clean: bool = True,
    word: str | None = None,
) -> aiomqtt.Client:
    return aiomqtt.Client(
        "127.0.0.1",
        plane.mqtt_port,
        identifier=client_id,
        username=None if word is None else client_id,
        password=word,
        tls_context=context,
        protocol=aiomqtt.ProtocolVersion.V311,
        clean_session=clean,
        timeout=3,
    )


def board_client(plane: MessagePlane, lab: X509Lab, board: Client) -> aiomqtt.Client:
    return mqtt(plane, client_context(lab, board), board.id)


async def knock(port: int, context: ssl.SSLContext | None, client_id: str) -> str:
    """Say CONNECT and return what the broker makes of it: in, not authorised, cut, or no TLS."""
    name = client_id.encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(name).to_bytes(2) + name
    try:
        async with asyncio.timeout(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            writer.write(bytes([0x10, len(body)]) + body)
            answer = await reader.read(4)
            writer.close()
    except ssl.SSLError as error:
        return error.reason or "tls"
    except ConnectionResetError:
        return "cut"
    except TimeoutError:
        return "no answer"  # nobody answered the broker's question yet
    if answer[:1] != b"\x20":  # no CONNACK, though perhaps an alert
        return "cut"
    return "in" if answer[3] == 0 else f"refused {answer[3]}"
