"""Bulletins on offer, as a commune sees them: from the province's tree, a copy, or the server.

The list is not signed and only leads to offers; each has its own seals and is judged here.
"""

from __future__ import annotations

import hashlib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loa_manager.home import Home, read_bytes
from loa_manager.orders.facts import paper_facts
from loa_manager.orders.giving import Giver
from loa_manager.orders.paper import Paper, open_paper
from loa_manager.orders.standing import parse_standing
from loa_manager.service_client import service_address
from loa_protocol import cbor
from loa_protocol.envelope import Kind
from loa_protocol.errors import ConfigError, FetchError, FormatError, StoreError
from loa_protocol.language import translator
from loa_protocol.objects.bulletin import Bulletin
from loa_protocol.scope import is_inside
from loa_protocol.trust import Refusal, TrustError

_ = translator("loa_manager")

TIMEOUT_S: Final = 30.0
MAX_SOUND: Final = 512 << 20  # bytes; a bulletin is minutes long
Fetch = Callable[[str, int], bytes]
"""Told a path below the tree and how many bytes at most, returns the file."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A bulletin that was verified, and whoever has signed it."""

    paper: Paper
    holders: tuple[str, ...]
    fetch: Fetch

    def facts(self) -> dict[str, Any]:
        """Return what it says."""
        return paper_facts(self.paper)

    def read_sound(self) -> bytes:
        """Fetch its sound.

        Raises:
            TrustError: MEDIA_HASH: it is not the one that was signed.
            StoreError, FetchError: it is not there.
        """
        (media,) = self.paper.media
        data = self.fetch(f"media/{media.sha256.hex()}", min(media.size, MAX_SOUND))
        if hashlib.sha256(data).digest() != media.sha256:
            raise TrustError(Refusal.MEDIA_HASH, media.sha256.hex())
        return data


def read_offers(giver: Giver, source: str | None, scope: str | None) -> list[Offer]:
    """Return the bulletins offered to *scope* (to anybody without one), the newest first.

    What is not a bulletin that can be trusted is left out: the list proves nothing.

    Args:
        giver: Whoever asks; judges.
        source: Folder or address of a content tree; by default the home's own, else the server's.
        scope: The place.

    Raises:
        FetchError, StoreError: the tree cannot be read.
        FormatError: its list is damaged.
    """
    fetch = _fetcher(giver, source)
    rows = parse_standing(fetch("bulletins", cbor.MAX_BYTES)).orders
    found = []
    for row in rows:
        if row.kind != Kind.BULLETIN or (scope is not None and not is_inside(scope, row.scope)):
            continue
        try:
            paper = open_paper(fetch(f"objects/{row.digest.hex()}", cbor.MAX_BYTES))
            accepted = giver.desk.judge(paper).accepted
        except (TrustError, FormatError, ConfigError):
            continue
        if isinstance(paper.body, Bulletin) and accepted and accepted.digest == row.digest:
            holders = tuple(signer.holder for signer in accepted.signers)
            found.append(Offer(paper, holders, fetch))
    return sorted(found, key=lambda each: getattr(each.paper.body, "not_before", 0), reverse=True)


def _fetcher(giver: Giver, source: str | None) -> Fetch:
    if source is None and giver.is_province:
        return _from_folder(giver.home.content.path)
    address = source or service_address(giver.home, giver.now) + "/content"
    if "://" not in address:
        return _from_folder(Path(address))
    if not address.startswith("https://"):
        raise ConfigError(address, [_("expected a folder or an https address")])
    return _from_server(address.rstrip("/"), giver.home)


def _from_folder(folder: Path) -> Fetch:
    def fetch(path: str, most: int) -> bytes:
        data = read_bytes(folder / path)
        if len(data) > most:
            raise StoreError(str(folder / path), _("the answer is too long"))
        return data

    return fetch


def _from_server(address: str, home: Home) -> Fetch:
    context = ssl.create_default_context()  # a CDN's certificate, or the province's own
    if home.device_ca_path.is_file():
        context.load_verify_locations(str(home.device_ca_path))
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context), _NoRedirect()
    )

    def fetch(path: str, most: int) -> bytes:
        url = f"{address}/{path}"
        try:
            with opener.open(url, timeout=TIMEOUT_S) as answer:
                data: bytes = answer.read(most + 1)
        except urllib.error.HTTPError as error:
            raise FetchError(url, error.code, "") from None
        except OSError as error:
            raise FetchError(url, 0, str(getattr(error, "reason", error))) from None
        if len(data) > most:
            raise FetchError(url, 200, _("the answer is too long"))
        return data

    return fetch


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: an address that was not named is nobody's."""

    def redirect_request(self, *_request: object) -> None:
        """Refuse: urllib then raises what the server answered."""
