"""Live sound at the server: what is let through, and what never reaches the broker."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from loa_manager import database
from loa_manager.authority import Authority
from loa_manager.cli.order_options import open_giver
from loa_manager.founding import Plan, found_province
from loa_manager.home import Home
from loa_manager.keyring import Identity, load_signer
from loa_manager.live.permit import unsealed
from loa_manager.live.timeline import Piece
from loa_manager.live.voice import GrantAsk, Voice
from loa_manager.mailbox.office import Office
from loa_manager.orders import book
from loa_manager.orders.desk import OrderDesk
from loa_manager.policy_file import preset_policy
from loa_manager.request_seal import Claim, seal_request
from loa_manager.serve.key_folder import ServerKeys
from loa_manager.serve.live_route import CHUNKS_AT_ONCE, MOST_CHUNK
from loa_manager.serve.server import make_web
from loa_protocol.live import LiveSession
from loa_protocol.objects.placement import Denied, DeniedKind
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now
from support.live_lab import SECRET, certified_speaker

STATION = "vn/ls/st0137"
LONG_S = 600
AHEAD_MS = 1500


@dataclass
class Lab:
    """A province, three who may speak, and the routes of its server without a network."""

    folder: Path
    pushed: list[tuple[str, bytes]] = field(default_factory=list)
    has_broker: bool = True
    app: Starlette = field(init=False)

    def __post_init__(self) -> None:
        self.province = Home(self.folder / "ls")
        now = datetime.now(UTC)
        found_province(self.province, Plan(scope="vn/ls", is_test=True), SECRET, now)
        self.authority = Authority.open(self.province, SECRET)
        self.authority.sign_policy(preset_policy("rural", "vn/ls", now), now)
        for name in ("lan", "hung", "other"):
            certified_speaker(self.province, self.authority, self.folder / name, STATION)
        keys, engine = (
            ServerKeys.open(self.province, SECRET),
            database.open(self.province.database_url),
        )
        self.app = make_web(
            self.province, keys, engine, Office(self.province), push=self.push
        ).app()
        self.host = "localhost"

    async def push(self, topic: str, payload: bytes) -> bool:
        if self.has_broker:
            self.pushed.append((topic, payload))
        return self.has_broker

    def identity(self, name: str) -> Identity:
        return load_signer(Home(self.folder / name).own_keys / "live", SECRET)

    def grant(self, *holders: str, length_s: int = LONG_S) -> Voice:
        """Give a grant by *holders*; with one alone it does not stand."""
        now_s = int(time.time())
        ask = GrantAsk(scope=STATION, title="Họp", start=now_s - 30, end=now_s - 30 + length_s)
        voice = Voice(ask)
        paper = unsealed(voice)
        for name in holders:
            giver = open_giver(self.folder / name, None)
            paper = giver.add_seal(paper, SECRET).paper
        if len(holders) > 1:
            now = datetime.now(UTC)
            book.publish(paper, self.province, OrderDesk.open(self.province, now), at=now)
        return voice

    def post(self, target: str, body: bytes = b"", who: str | None = None) -> httpx.Response:
        return asyncio.run(self._post(target, body, who))

    async def _post(self, target: str, body: bytes, who: str | None) -> httpx.Response:
        headers = {}
        if who is not None:
            claim = Claim(
                method="POST", target=target, host=self.host, time_ms=time.time_ns() // 1_000_000,
                nonce=os.urandom(16), body=hashlib.sha256(body).digest(),
            )  # fmt: skip
            headers = seal_request(self.identity(who), claim)
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="https://localhost") as http:
            return await http.post(target, content=body, headers=headers)

    def open(self, voice: Voice, who: str = "lan") -> str:
        answer = self.post(f"/live/{voice.grant.id.hex()}", who=who)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["word"])

    def reason(self, answer: httpx.Response) -> tuple[int, str]:
        return answer.status_code, answer.json().get("reason", "")


def chunk(voice: Voice, *, ahead_ms: int = AHEAD_MS) -> bytes:
    at_ms = time.time_ns() // 1_000_000 + ahead_ms
    return voice.seal(Piece(at_ms, (b"\x58" * 60,) * 50))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("live"))


@pytest.fixture(autouse=True)
def afresh(lab: Lab) -> None:
    lab.pushed.clear()
    lab.has_broker = True


@pytest.mark.requirement("SEC-3")
def test_chunks_of_a_grant_that_stands_go_to_the_topic_of_its_scope_as_they_are(lab: Lab) -> None:
    voice = lab.grant("lan", "hung")
    word = lab.open(voice)
    sent = [chunk(voice), chunk(voice, ahead_ms=AHEAD_MS + 1000)]
    assert [lab.post(f"/live/{word}/chunk", each).status_code for each in sent] == [200, 200]
    assert lab.pushed == [(f"scope/{STATION}/live", each) for each in sent]
    board = LiveSession(voice.grant)
    assert [board.accept(each, Now(int(time.time()), ClockTrust.T3)).number for each in sent] == [
        0,
        1,
    ]


@pytest.mark.requirement("SEC-7")
def test_only_who_signed_a_grant_that_stands_opens_its_session(lab: Lab) -> None:
    half, whole = lab.grant("lan"), lab.grant("lan", "hung")
    for voice, who in ((half, "lan"), (whole, "other")):
        answer = lab.post(f"/live/{voice.grant.id.hex()}", who=who)
        assert lab.reason(answer) == (404, "not_here")
    answer = lab.post(f"/live/{whole.grant.id.hex()}")
    assert lab.reason(answer) == (401, "no_signature")
    lab.open(whole, "hung")  # whoever has signed it speaks, whichever of the two


@pytest.mark.requirement("SEC-3")
def test_what_a_stranger_sends_is_refused_unread_and_what_a_thief_of_the_word_sends_unheard(
    lab: Lab,
) -> None:
    voice = lab.grant("lan", "hung")
    word = lab.open(voice)
    forged = Voice(GrantAsk(scope=STATION, title="Họp", start=1, end=2))
    good = chunk(voice)
    refusals: list[tuple[str, bytes, tuple[int, str]]] = [
        ("unheard-of", good, (401, "no_session")),
        (word, chunk(forged), (403, "not_addressed")),
        (word, good[:-1] + bytes([good[-1] ^ 1]), (403, "signature")),
        (word, chunk(voice, ahead_ms=-40_000), (403, "expired")),
        (word, chunk(voice, ahead_ms=40_000), (403, "not_yet")),
        (word, b"rubbish", (400, "format")),
        (word, bytes(MOST_CHUNK + 1), (413, "too_long")),
    ]
    for said, data, reason in refusals:
        assert lab.reason(lab.post(f"/live/{said}/chunk", data)) == reason
    assert lab.pushed == []
    assert lab.post(f"/live/{word}/chunk", good).status_code == 200
    assert lab.reason(lab.post(f"/live/{word}/chunk", good)) == (403, "replayed")
    assert len(lab.pushed) == 1


@pytest.mark.requirement("SEC-7")
def test_the_key_of_a_session_cannot_flood_the_broker(lab: Lab) -> None:
    voice = lab.grant("lan", "hung")
    word = lab.open(voice)
    answers = [
        lab.post(f"/live/{word}/chunk", chunk(voice)) for _ in range(int(CHUNKS_AT_ONCE) + 9)
    ]
    assert lab.reason(answers[-1]) == (429, "too_many")
    assert len(lab.pushed) < len(answers)


def test_a_session_that_is_opened_again_has_a_new_word_and_goes_on(lab: Lab) -> None:
    voice = lab.grant("lan", "hung")
    first = lab.open(voice)
    lab.post(f"/live/{first}/chunk", chunk(voice))
    second = lab.open(voice)
    assert lab.reason(lab.post(f"/live/{first}/chunk", chunk(voice))) == (401, "no_session")
    assert lab.post(f"/live/{second}/chunk", chunk(voice)).status_code == 200


def test_without_a_broker_the_speaker_is_told(lab: Lab) -> None:
    voice = lab.grant("lan", "hung")
    word = lab.open(voice)
    lab.has_broker = False
    assert lab.reason(lab.post(f"/live/{word}/chunk", chunk(voice))) == (503, "no_broker")


@pytest.mark.requirement("SEC-8")
def test_a_key_that_is_denied_is_silent_from_its_next_chunk_on(lab: Lab) -> None:
    certified_speaker(lab.province, lab.authority, lab.folder / "thief", STATION)
    voice = lab.grant("thief", "hung")
    word = lab.open(voice, "thief")
    assert lab.post(f"/live/{word}/chunk", chunk(voice)).status_code == 200
    denied: Any = Denied(
        kind=DeniedKind.KEY,
        value=lab.identity("thief").signer.public.kid,
        until=int(time.time()) + 400 * 86_400,
    )
    lab.authority.deny([denied], datetime.now(UTC))
    status, _reason = lab.reason(lab.post(f"/live/{word}/chunk", chunk(voice)))
    assert status == 403
    assert lab.reason(lab.post(f"/live/{word}/chunk", chunk(voice))) == (401, "no_session")
    assert len(lab.pushed) == 1
