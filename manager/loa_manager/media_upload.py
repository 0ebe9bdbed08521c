"""Media on their way to the server, portion by portion; interrupted, the next call goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from loa_manager.mailbox.parts import PORTION
from loa_manager.publish.media import OnFile
from loa_manager.service_client import ServiceClient
from loa_protocol.errors import MessageError, RefusedError, StoreError
from loa_protocol.language import translator
from loa_protocol.objects.playlist import Media

_ = translator("loa_manager")

_TURNS: Final = 3  # times that the server may say where it really is


def upload(
    client: ServiceClient,
    target: str,
    media: Media,
    file: Path,
    *,
    received: Callable[[], int],
    on_file: OnFile,
) -> None:
    """Send what the server lacks of *file*.

    Args:
        client: Whoever asks.
        target: Where its portions go, without the offset.
        media: What it is.
        file: Where it stands.
        received: Asks the server how much of it is there.
        on_file: Told of it.

    Raises:
        RefusedError: the server says no.
        FetchError: it cannot be reached.
        MessageError: its answer makes no sense.
        StoreError: the file cannot be read, or is too short.
    """
    offset, turns = received(), 0
    on_bytes = on_file(media.sha256.hex()[:8], media.size)
    on_bytes(offset)
    while offset < media.size:
        portion = _read_portion(file, offset)
        try:
            reached = answered(client, f"{target}/{offset}", portion)
        except RefusedError as error:
            turns += 1
            if error.code != "offset" or turns > _TURNS:
                raise
            offset = received()  # somebody else sends the same file
            continue
        if reached <= offset:
            raise MessageError("the server's answer says that nothing was received")
        on_bytes(reached - offset)
        offset = reached


def answered(client: ServiceClient, target: str, portion: bytes) -> int:
    """Send *portion*, or nothing to ask, and return how much of the file is there; as `upload`."""
    answer = client.call("POST", target, portion).json()
    if not isinstance(answer, dict) or not isinstance(answer.get("received"), int):
        raise MessageError("the server's answer does not say how much it has received")
    return int(answer["received"])


def _read_portion(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            portion = file.read(PORTION)
    except OSError as error:
        raise StoreError(str(path), error.strerror or str(error)) from None
    if not portion:
        raise StoreError(str(path), _("shorter than what was signed says"))
    return portion
