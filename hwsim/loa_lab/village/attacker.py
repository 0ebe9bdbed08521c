"""An attacker who owns the content server and the broker, and wants one loudspeaker to speak.

It has everything the server has: the content tree to write, and the server's own keys. It has no
editor's, approver's or officer's key, so the best it can do is offer what others signed, or sign
with keys of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import aiomqtt

from loa_lab.village.captured_server import WORD
from loa_lab.village.forgery import Forger
from loa_manager.content_tree import ContentTree, write_durably
from loa_manager.serve.admission import SERVER
from loa_manager.serve.key_folder import ServerKeys
from loa_protocol.envelope import Bundle
from loa_protocol.errors import PeerError
from loa_protocol.objects.playlist import Playlist

_LOOK_S = 0.005
_TIMEOUT_S = 5.0
_TRIES = 3

Message = tuple[str, bytes]
"""A topic, and what is sent under it."""


class Attacker:
    """Acts on a captured server."""

    def __init__(self, tree: ContentTree, keys: ServerKeys, mqtt_port: int) -> None:
        self._tree, self._keys, self._port = tree, keys, mqtt_port
        self.forger = Forger()

    def alter_as_it_appears(self, sha256: bytes, stop: threading.Event) -> None:
        """Wait for one media file to be published, and change a byte of it at once."""
        path = self._tree.media_path(sha256)
        while not stop.is_set():
            if path.is_file():
                _flip(path)
                return
            time.sleep(_LOOK_S)

    def offer(self, bundle: bytes, *, serial: int | None = None) -> Callable[[], None]:
        """Put *bundle* where the newest playlist of its scope is looked for; return the undoing.

        The server itself then signs a head that names it: a head may name any hash. *serial* is
        what the tree claims it to be, where that is to be a lie.
        """
        playlist = Playlist.from_bytes(Bundle.from_bytes(bundle).payload)
        digest = self._tree.put_object(bundle)
        index = self._tree.path / "index.json"
        before = index.read_bytes()
        table = json.loads(before)
        table["playlists"][playlist.scope] = {
            "epoch": playlist.epoch,
            "serial": playlist.serial if serial is None else serial,
            "digest": digest.hex(),
        }
        write_durably(index, json.dumps(table).encode())
        return lambda: write_durably(index, before)

    def receipts(self, endpoints: Iterable[bytes]) -> list[Message]:
        """Return what tells each endpoint that all its records were received."""
        now_ms = time.time_ns() // 1_000_000
        return [
            (f"down/{endpoint.hex()}/receipt", self.forger.receipt(endpoint, now_ms))
            for endpoint in endpoints
        ]

    def tell(self, messages: Iterable[Message]) -> None:
        """Send *messages*, as the broker, to whoever listens to their topics."""
        asyncio.run(self._tell(list(messages)))

    async def _tell(self, messages: list[Message]) -> None:
        context = self._keys.tls.client_context()
        left = list(messages)
        for _try in range(_TRIES):
            # under the server's own name: the real one is pushed off the broker meanwhile, and in
            # turn pushes us off when it comes back
            link = aiomqtt.Client(
                "127.0.0.1",
                self._port,
                identifier=SERVER,
                username=SERVER,
                password=WORD,
                tls_context=context,
                timeout=_TIMEOUT_S,
            )
            with contextlib.suppress(aiomqtt.MqttError):
                async with link as client:
                    while left:
                        await client.publish(*left[0], qos=1)  # it has arrived when this returns
                        del left[0]
            if not left:
                return
        raise PeerError(f"the attacker: the broker took {len(messages) - len(left)} messages")


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    write_durably(path, bytes(data))
