"""An order goes to the server from a person's machine, and the sound it names before it.

The server takes sound only for an order that the boards would take, and only what it names: so the
order is shown first, its sound sent where it is lacking, and the order given then.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from loa_manager.home import Home
from loa_manager.media_upload import answered, upload
from loa_manager.orders.paper import Paper, media_beside
from loa_manager.publish.editing import media_store
from loa_manager.publish.media import OnFile
from loa_manager.service_client import ServiceClient
from loa_protocol.errors import PeerError, RefusedError

MISSING = "media_missing"


def post(client: ServiceClient, home: Home, paper: Paper, on_file: OnFile) -> None:
    """Bring the order *paper* to the server, with what it lacks of the sound.

    Raises:
        RefusedError: the server says no; ``media_missing`` where the sound is not here, either.
        FetchError: it cannot be reached.
        TrustError, StoreError: a sound beside the order is not the one, or cannot be read.
    """
    try:
        client.call("POST", "/orders", paper.data)
    except RefusedError as error:
        if error.code != MISSING:
            raise
        _bring_sound(client, home, paper, on_file)
        client.call("POST", "/orders", paper.data)


def is_lacking(client: ServiceClient, paper: Paper) -> bool:
    """Tell whether the server lacks a sound that *paper* names; False where it does not answer.

    Whoever cannot reach it is told so when the order is sent.
    """
    try:
        for media in paper.media:
            client.call("HEAD", f"/content/media/{media.sha256.hex()}")
    except RefusedError:
        return True
    except PeerError:
        return False
    return False


def _bring_sound(client: ServiceClient, home: Home, paper: Paper, on_file: OnFile) -> None:
    files = {**_kept(home), **media_beside(paper)}
    for media in paper.media:
        target = f"/orders/{paper.bundle.digest.hex()}/media/{media.sha256.hex()}"
        received = partial(answered, client, f"{target}/0", b"")  # nothing sent asks for that
        file = files.get(media.sha256)
        if file is not None:
            upload(client, target, media, file, received=received, on_file=on_file)
        elif received() < media.size:
            raise RefusedError(client.address, MISSING)


def _kept(home: Home) -> dict[bytes, Path]:
    """Return the sounds of *home*: whoever signs second may have them, too."""
    return {kept.facts.sha256: kept.path for kept in media_store(home).list()}
