"""One evening at one real pole whose server and broker are in hostile hands, and what came of it.

First silence, in which the attacker tries; then live sound that people granted; then a long item,
over which one warden's hold comes to stand while everything is tried; its release; and the true
server's return, with a true alert.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from loa_manager.serve.key_folder import ServerKeys
from loa_protocol.keys import SoftSigner
from loa_protocol.live import seal_chunk
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.command import Verb
from loa_protocol.objects.live import LiveChunk
from support.hamlet import PROVINCE, WITHIN_S, Hamlet, Pole
from support.hostile_broker import FORGERIES
from support.hostile_forger import Forger
from support.hostile_oracle import ATTENTION_HZ, LIVE_HZ, MARKER_HZ
from support.hostile_wire_broker import BREAKERS, RECEIPTS
from support.hostile_wire_ear import Windows
from support.hostile_wire_front import Front
from support.hostile_wire_people import (
    ALERT_HZ,
    LIVE_S,
    LONG,
    LONG_HZ,
    LONG_S,
    OLD_HZ,
    Commune,
)
from support.hostile_wire_tricks import CARDS
from support.hostile_wire_vitals import Vitals
from support.hostile_wire_web import HEAD, LIES, LIST, TIME_LIES
from support.hostile_world import spoken
from support.orders import command
from support.passphrases import cheap
from support.province import certify, person
from support.waiting import soon

VOICES: Final = ("forged chunk", "altered chunk", "chunk again", "chunk of another session")
LATE: Final = "chunk late"
AGAIN: Final = "old orders"
PUSHED: Final = "old head pushed"
ON_LIST: Final = ("endless body", "length too short", "compression bomb", "swap", "tamper")
FORGED: Final = tuple(card for card in FORGERIES if card not in ("huge message", AGAIN, "old head"))
"""What is pushed; old heads are played on the web, huge packets are of the broker's own."""
BREAKS: Final = (BREAKERS[:3], BREAKERS[3:])
"""Before and after the agent is killed, and with it its patience between two connections."""
CLOCK_MS: Final = 300
"""How far off a board's clock may be: a loaded machine tells the time to a fifth of a second."""
_LEAD_S: Final = 12  # from publishing to the session's start
_WITHHELD: Final = 5  # the second of live sound that the broker keeps
_FLOOD_S: Final = 2.5
_LARGE: Final = 200_000  # bytes: as large a message as there may be


@dataclass
class Night:
    """Make it, let it `begin`, be attacked and `end`, and read it."""

    here: Hamlet
    seed: int
    windows: Windows = field(default_factory=Windows)
    vitals: Vitals = field(default_factory=Vitals)
    tried: Counter[str] = field(default_factory=Counter)
    ended: dict[str, bool] = field(default_factory=dict)  # by breaker: whether the session was over
    strayed: list[str] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)
    flooded: int = 0
    obeyed_ms: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.pole: Pole = self.here.pole("c01")
        secret = cheap((self.here.folder / "passphrase").read_text())
        self.keys = ServerKeys.open(self.here.home, secret)
        known = self.keys.head.identity
        assert isinstance(known.signer, SoftSigner)
        online = person("server")
        online.signer, online.chain = known.signer, known.chain
        self.commune = Commune(self.here, self.pole, online)
        self.forger = self._forger()

    def _forger(self) -> Forger:
        forger = Forger(self.commune, self.chance, people=self.commune.people)
        roots = [person("root-1"), person("root-2")]
        now_s = int(datetime.now(UTC).timestamp())
        forger.own = [
            certify(
                person(f"x{n}"),
                roots,
                scopes=(PROVINCE,),
                roles=tuple(role for role in Role if role.is_speaking),
                level=Level.PROVINCE,
                expires=now_s + 86_400,
            )
            for n in range(2)
        ]
        forger.strangers = self.commune.strangers
        return forger

    @property
    def withheld_ms(self) -> int:
        """When the second of live sound began that the broker kept for itself."""
        return self.commune.spoken[_WITHHELD]

    # --- under the true server

    def begin(self) -> None:
        """Let the board know the time, its playlist and its grant; then the server is gone."""
        commune, pole = self.commune, self.pole
        pole.start()
        self._know_process()
        self._learns_the_time()
        commune.sign(
            commune.alert(OLD_HZ, expires_s=commune.clock.unix_s - 1), *commune.people.wardens
        )
        commune.publish(commune.clock.unix_s + _LEAD_S)
        self.forger.begin()
        soon(self._is_ready, within_s=WITHIN_S)
        self.here.kill_server()
        live_ms, long_ms = commune.start_s * 1000, (commune.start_s + LIVE_S) * 1000
        for begin_ms, length_s, hz in ((live_ms, LIVE_S, LIVE_HZ), (long_ms, LONG_S, LONG_HZ)):
            end_ms = begin_ms + length_s * 1000
            self.windows.tones.append((begin_ms - CLOCK_MS, end_ms + CLOCK_MS, hz))

    def _learns_the_time(self) -> None:
        try:
            soon(self.pole.knows_the_time, within_s=WITHIN_S)
        except AssertionError as error:
            said = self.pole.crew.log(self.pole.name)[-3000:]
            raise AssertionError(f"{error}; the board last said:\n{said}") from None

    def _know_process(self) -> None:
        assert self.pole.process is not None
        self.pids.append(self.pole.process.pid)

    def _is_ready(self) -> bool:
        is_granted = any(each["state"] == "TAKEN" for each in self.pole.said("order"))
        return is_granted and self.pole.status()["media"]["cached"] > 0

    # --- under the attacker

    def provoke(self, front: Front) -> None:
        """Try only what would sound at once if it were believed."""
        front.wait_connected()
        self._forge(front)
        self._speak(front)

    def attack(self, front: Front) -> None:
        """Live through everything up to the hold's release."""
        front.wait_connected()
        front.play(*((card, HEAD) for card in CARDS))
        self._forge(front)
        self._speak(front)
        soon(lambda: self._plays(LONG), within_s=WITHIN_S)
        hold = self._hold(front)
        self._in_silence(front)
        self._release(front, hold)
        self.tried, self.flooded = front.tried, front.broker.flooded
        self.strayed = front.strayed

    def _plays(self, item: str | None) -> bool:
        return bool(self.pole.status()["item"] == item)

    def _forge(self, front: Front) -> None:
        """Push one of everything that is forged, and what was true once."""
        for card in FORGED:
            front.push("order", self.forger.forged(card), card)
        for data in self.commune.signed:
            front.push("order", data, AGAIN)
        front.push("head", front.web.old, PUSHED)
        for card in RECEIPTS:
            soon(lambda: front.broker.batches, within_s=WITHIN_S)
            front.do(front.broker.receipt(card))
        front.heard_all()

    def _speak(self, front: Front) -> None:
        """Pass the officer's live sound on, one second of it excepted, among forged ones."""
        for number in range(LIVE_S):
            at_s = self.commune.start_s + number - 2
            _until(at_s)
            data = self.commune.chunk(number)
            if number != _WITHHELD:
                front.push("live", data)
            card = VOICES[number % len(VOICES)]
            front.push("live", self._voice(card), card)

    def _voice(self, card: str) -> bytes:
        match card:
            case "forged chunk":
                return self.forger.chunk()
            case "altered chunk":
                return self.forger.altered_chunk()
            case "chunk again":
                return self.commune.chunks[0]
        packets = spoken(MARKER_HZ, 3)[0]
        at_ms = self.commune.clock.unix_ms + 1000
        body = LiveChunk(grant=self.chance.randbytes(16), number=1, at_ms=at_ms, packets=packets)
        return seal_chunk(body, self.forger.session.signer)

    def _hold(self, front: Front) -> bytes:
        """Let one warden silence the station; return the order's id."""
        commune = self.commune
        body = command(Verb.HOLD, **commune.times())
        front.push("order", commune.order(body, commune.people.wardens[0]))
        soon(lambda: self._plays(None), within_s=WITHIN_S)
        self.windows.silent.append((commune.clock.unix_ms, 0))
        return body.id

    def _in_silence(self, front: Front) -> None:
        """Try everything while the hold stands, over a kill of the agent."""
        front.play(*((card, LIST) for card in ON_LIST))
        self._forge(front)
        self._break(front, BREAKS[0])
        self.pole.kill()
        front.web.times.extend(TIME_LIES)
        self.pole.start()
        self._know_process()
        front.wait_connected()
        self._flood(front)
        # before it knows the time, a head that the stolen key dates a day ahead is one to go by
        self._learns_the_time()
        front.play(*((card, HEAD) for card in LIES))
        self._forge(front)
        front.push("live", self.commune.chunks[_WITHHELD], LATE)
        self._break(front, BREAKS[1])

    def _break(self, front: Front, cards: tuple[str, ...]) -> None:
        for card in cards:
            self.ended[card] = front.breaks(card)

    def _flood(self, front: Front) -> None:
        commune = self.commune
        forged = [self.forger.forged(card) for card in FORGED]
        large = self.chance.randbytes(_LARGE)
        pieces = [*forged, *commune.signed, *commune.chunks, self.forger.chunk(), large, b""]
        front.do(front.broker.flood(pieces, _FLOOD_S))
        front.heard_all()

    def _release(self, front: Front, hold: bytes) -> None:
        """Let two wardens end the hold; the hold itself is replayed after it."""
        commune = self.commune
        body = command(Verb.RELEASE, references=(hold,), **commune.times())
        data = commune.order(body, *commune.people.wardens)
        begin_ms, _ = self.windows.silent.pop()
        self.windows.silent.append((begin_ms, commune.clock.unix_ms))
        front.push("order", data)
        soon(lambda: self._plays(LONG), within_s=WITHIN_S)
        for data in commune.signed:
            front.push("order", data, AGAIN)
        front.heard_all()
        assert self._plays(LONG), "a hold that was released stands again"

    # --- under the true server again

    def end(self) -> None:
        """Let the true server come back, and people warn."""
        commune = self.commune
        self.here.open_server()
        body = commune.alert()
        for hz in (ALERT_HZ, *ATTENTION_HZ):
            self.windows.tones.append((commune.clock.unix_ms, body.expires * 1000, hz))
        commune.order(body, *commune.people.wardens)
        title = body.title
        soon(lambda: self._plays(title), within_s=WITHIN_S)
        self.obeyed_ms = commune.clock.unix_ms
        soon(lambda: not self._plays(title), within_s=WITHIN_S)
        soon(lambda: self.pole.status()["records"]["unsent"] < 3, within_s=WITHIN_S)


def _until(unix_s: float) -> None:
    left_s = max(1.0, unix_s - time.time())
    soon(lambda: time.time() >= unix_s, within_s=left_s + 1)
