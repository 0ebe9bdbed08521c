"""What somebody without the province's keys can make: keys, certificates and seals of their own."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import time
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ed25519

from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.keys import SoftSigner
from loa_protocol.live import seal_chunk
from loa_protocol.objects.alert import Alert, AlertMessage
from loa_protocol.objects.authority import Certificate, Level, Role
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.live import LiveChunk
from loa_protocol.objects.online import Receipt
from loa_protocol.objects.playlist import Mark, Media, Playlist


class Forger:
    """Two made-up officers, an editor and an approver whom they certify, all with real keys."""

    def __init__(self) -> None:
        self._officers = (_key(), _key())
        self._editor, self._approver = _key(), _key()

    def playlist(self, like: Playlist) -> bytes:
        """Return *like*, one serial newer, duly signed by two people of no province."""
        newer = dataclasses.replace(like, serial=like.serial + 1)
        certificates = (
            self._certificate(self._editor, Role.EDITOR, like.scope),
            self._certificate(self._approver, Role.APPROVER, like.scope),
        )
        signers = (self._editor, self._approver)
        return sign_bundle(Kind.PLAYLIST, newer.to_bytes(), signers, certificates=certificates)

    def receipt(self, endpoint: bytes, now_ms: int) -> bytes:
        """Return a receipt that claims a million records of *endpoint*, by the key of no server."""
        claim = Receipt(endpoint=endpoint, epoch=1, next=1_000_000, chain=bytes(32), time_ms=now_ms)
        ingest = self._certificate(self._editor, Role.INGEST, "vn")
        return sign_bundle(Kind.RECEIPT, claim.to_bytes(), [self._editor], certificates=(ingest,))

    def alert(self, scope: str, sound: bytes, length_ms: int) -> bytes:
        """Return an alert with *sound* inside, duly signed by two wardens of no province."""
        now_s = int(time.time())
        media = Media(
            sha256=hashlib.sha256(sound).digest(), size=len(sound), duration_ms=length_ms,
            gain_cdb=0, loudness_clufs=-2300,
        )  # fmt: skip
        body = Alert(
            id=os.urandom(16), scope=scope, message=AlertMessage.ALERT, title="Thông báo",
            reason="Khẩn", language="vi", start=now_s, expires=now_s + 600, duration_s=60,
            repeats=3, gap_s=0, speech_ms=0, volume=15, mark=Mark.NONE, references=(),
            media=media, sound=sound,
        )  # fmt: skip
        return self._by_two(Kind.ALERT, body, Role.ALERT)

    def release(self, scope: str, order: bytes) -> bytes:
        """Return the release of the hold *order*, duly signed by two of no province."""
        now_s = int(time.time())
        body = Command(
            id=os.urandom(16), scope=scope, number=now_s, verb=Verb.RELEASE, reason="Hết lệnh",
            issued=now_s, expires=now_s + 600, duration_s=0, value=0, references=(order,),
        )  # fmt: skip
        return self._by_two(Kind.COMMAND, body, Role.OPERATE)

    def chunk(self, grant: bytes, packets: Sequence[bytes]) -> bytes:
        """Return live sound that names the session *grant*, by a key of our own."""
        at_ms = time.time_ns() // 1_000_000
        chunk = LiveChunk(grant=grant, number=0, at_ms=at_ms, packets=tuple(packets))
        return seal_chunk(chunk, self._editor)

    def _by_two(self, kind: Kind, body: Alert | Command, role: Role) -> bytes:
        signers = (self._editor, self._approver)
        certificates = [self._certificate(each, role, body.scope) for each in signers]
        return sign_bundle(kind, body.to_bytes(), signers, certificates=certificates)

    def _certificate(self, key: SoftSigner, role: Role, scope: str) -> bytes:
        now_s = int(time.time())
        certificate = Certificate(
            algorithm=key.public.algorithm,
            raw=key.public.raw,
            holder=f"forged {role.name.lower()} {key.public.kid.hex()[:8]}",
            scopes=(scope,),
            roles=(role,),
            may_issue=(),
            level=Level.COMMUNE,
            epoch=1,
            serial=1,
            not_before=now_s - 86_400,
            expires=now_s + 30 * 86_400,
        )
        return sign_bundle(Kind.CERTIFICATE, certificate.to_bytes(), self._officers)


def _key() -> SoftSigner:
    return SoftSigner(ed25519.Ed25519PrivateKey.generate())
