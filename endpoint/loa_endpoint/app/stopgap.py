"""Stopgap content plane."""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from loa_endpoint.app.keeper import Keeper
from loa_endpoint.uplink.tls import EndpointContext
from loa_protocol import merkle
from loa_protocol.accept import accept
from loa_protocol.errors import FetchError, FormatError
from loa_protocol.objects.online import Head, Inclusion
from loa_protocol.trust import Accepted, Now, TrustError

log = logging.getLogger("loa.endpoint")


class Content:
    def __init__(
        self,
        keeper: Keeper,
        context: Callable[[], EndpointContext],
        now: Callable[[], Now],
        refused: Callable[[str, str, str, bytes | None], None],
        adopted: Callable[[Accepted, bytes], None],
        head: Callable[[Head], None],
    ) -> None:
        self.keeper, self.context, self.now, self.refused, self.adopted, self.head = (
            keeper,
            context,
            now,
            refused,
            adopted,
            head,
        )
        self.media = keeper.store.home / "media"
        self.media.mkdir(exist_ok=True)
        self.seen: set[bytes] = set()

    def get(self, path: str) -> bytes:
        url = self.keeper.settings.content[0]
        parts = urllib.parse.urlsplit(url)
        c = http.client.HTTPSConnection(
            parts.hostname, parts.port or 443, context=self.context(), timeout=10
        )
        try:
            c.request("GET", parts.path.rstrip("/") + "/" + path)
            r = c.getresponse()
            if r.status != 200:
                raise FetchError(path, r.status)
            return r.read(64 << 20)
        except OSError as e:
            raise FetchError(path, 0, str(e)) from None
        finally:
            c.close()

    def post(self, path: str, body: bytes, context: EndpointContext) -> bytes:
        url = self.keeper.settings.service[0]
        parts = urllib.parse.urlsplit(url)
        c = http.client.HTTPSConnection(
            parts.hostname, parts.port or 443, context=context, timeout=10
        )
        try:
            c.request("POST", path, body)
            r = c.getresponse()
            data = r.read(1 << 20)
            if r.status != 200:
                raise FetchError(path, r.status, data.decode(errors="replace")[:200])
            return data
        except OSError as e:
            raise FetchError(path, 0, str(e)) from None
        finally:
            c.close()

    def judge(self, what: str, data: bytes) -> Accepted | None:
        digest = hashlib.sha256(data).digest()
        if digest in self.seen:
            return None
        try:
            return accept(data, self.keeper.trusted(), self.now())
        except TrustError as e:
            self.seen.add(digest)
            self.refused(what, str(e.reason), e.detail, digest)
        except FormatError as e:
            self.seen.add(digest)
            self.refused(what, "format", str(e), digest)
        return None

    def round(self) -> None:
        a = self.judge("head", self.get("head"))
        if a is None or not isinstance(a.body, Head):
            return
        head = a.body
        self.head(head)
        for mark in head.policies:
            data = self.get("objects/" + mark.digest.hex())
            got = self.judge("policy", data)
            if got:
                self.adopted(got, data)
        scope = self.keeper.scope.rsplit("/", 1)[0]
        try:
            proof = Inclusion.from_bytes(self.get("proof/" + scope))
        except FetchError:
            return
        if not merkle.is_included(
            proof.leaf.to_bytes(), proof.index, proof.path, size=head.leaves, tree=head.tree
        ):
            self.refused("proof", "inclusion", "", None)
            return
        data = self.get("objects/" + proof.leaf.digest.hex())
        got = self.judge("playlist", data)
        if got:
            self.adopted(got, data)
        for playlist in (self.keeper.playlist, self.keeper.next_playlist):
            for m in playlist.media if playlist else ():
                self.fetch_media(m.sha256)

    def fetch_media(self, sha: bytes) -> None:
        path = self.media / sha.hex()
        if path.exists() or sha in self.seen:
            return
        data = self.get("media/" + sha.hex())
        if hashlib.sha256(data).digest() != sha:
            self.seen.add(sha)
            self.refused("media", "media_hash", sha.hex(), sha)
            return
        part = path.with_suffix(".part")
        part.write_bytes(data)
        os.rename(part, path)

    def cached(self) -> list[bytes]:
        return [bytes.fromhex(p.name) for p in self.media.iterdir() if len(p.name) == 64]

    def path(self, sha: bytes) -> Path:
        return self.media / sha.hex()
