"""The permission to speak: a grant given as any other order, and its session at the server."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from loa_manager.home import Home
from loa_manager.keyring import Identity, Secrets, has_key, load_signer
from loa_manager.live.line import CHUNK_S, NOT_THERE, Clock, CommonClock, Opened, open_session
from loa_manager.live.slots import Slot, find_slots
from loa_manager.live.voice import GrantAsk, Voice
from loa_manager.orders.giving import Giver
from loa_manager.orders.paper import Paper, open_paper
from loa_manager.service_client import ServiceClient
from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.errors import ConfigError, LoaError, PeerError, RefusedError
from loa_protocol.language import translator
from loa_protocol.objects.authority import Role

_ = translator("loa_manager")

LENGTH_S: Final = 3600  # of a grant: no session lasts longer
AHEAD_S: Final = 300  # before a grant ends the next one is given
AGAIN_S: Final = 10.0
SIGNING_S: Final = 600.0  # so long another holder has time to sign
_LOOK_S: Final = 1.0


def unsealed(voice: Voice) -> Paper:
    """Return the grant of *voice* as an order that nobody has sealed yet."""
    return open_paper(sign_bundle(Kind.GRANT, voice.grant.to_bytes(), []))


def live_identity(home: Home, secrets: Secrets) -> Identity:
    """Return the key with role live at *home*; raise ConfigError where there is none."""
    folder = home.own_keys / Role.LIVE.name.lower()
    if not has_key(folder):
        raise ConfigError(str(folder), [_("no key for this here: loa key make --role live")])
    return load_signer(folder, secrets)


def slots_for(giver: Giver, identity: Identity | None, scope: str) -> list[Slot]:
    """Return the live slots of *scope* that are not over.

    Args:
        giver: Whoever asks.
        identity: Seals the question to the server; None in the province's home.
        scope: Whose playlist.

    Raises:
        LoaError: as :func:`loa_manager.live.slots.find_slots`.
    """
    if identity is None:
        return find_slots(giver.desk, None, scope)
    client = ServiceClient(giver.home, identity, giver.server)
    try:
        return find_slots(giver.desk, client, scope)
    finally:
        client.close()


def knowing(giver: Giver, slot: Slot) -> Giver:
    """Return *giver* with a desk that knows *slot* of a playlist that was judged."""
    known = {(slot.playlist, slot.item): (slot.start, slot.end)}
    return dataclasses.replace(giver, desk=dataclasses.replace(giver.desk, slots=known))


def wait_open(
    client: ServiceClient,
    voice: Voice,
    clock: CommonClock,
    stop: threading.Event,
    within_s: float = SIGNING_S,
) -> Opened | None:
    """Open the session of *voice* as soon as its grant stands; None where *stop* came first.

    The common clock follows the server's from then on.

    Raises:
        RefusedError: it does not stand within *within_s*, or the server refuses the session.
        FetchError: the server is not reached.
    """
    until_ms = clock() + within_s * 1000
    while not stop.is_set():
        try:
            opened = open_session(client, voice, clock)
        except RefusedError as refused:
            if refused.code != NOT_THERE or clock() > until_ms:
                raise
            stop.wait(_LOOK_S)
        else:
            clock.correct(opened.ahead_ms)
            return opened
    return None


@dataclass(frozen=True, slots=True)
class OneHolder:
    """Gives grants for live slots, alone: who may is whoever holds the one key that it takes."""

    begin: Callable[[], Giver]  # anew for each grant: a desk judges at one time
    secrets: Secrets
    clock: CommonClock

    def give(self, ask: GrantAsk, slot: Slot) -> tuple[Voice, str]:
        """Return the voice for *ask*, whose grant stands at the server, and its session's word.

        Raises:
            ConfigError: one holder is not enough.
            LoaError: a board would refuse it, or the server is not reached.
        """
        giver, voice = knowing(self.begin(), slot), Voice(ask)
        identity = giver.sealer(unsealed(voice), self.secrets)
        client = ServiceClient(giver.home, identity, giver.server, timeout_s=CHUNK_S)
        try:
            # asked first: a server that is away gets no grant, and nothing has to be kept for it
            client.call("GET", f"/orders/{quote(ask.scope)}")
            judged = giver.seal(Kind.GRANT, voice.grant, self.secrets)
            if not judged.is_complete:
                fault = _("it takes another holder; a relay speaks in live slots alone")
                raise ConfigError(ask.slot or ask.scope, [fault])
            giver.deliver(judged, self.secrets, output=None)
            opened = open_session(client, voice, self.clock)
        finally:
            client.close()
        self.clock.correct(opened.ahead_ms)
        return voice, opened.word


class Permits:
    """The grants of one slot, each given before the last one ends, by a thread of its own."""

    def __init__(
        self,
        slot: Slot,
        give: Callable[[int, int], Voice],
        clock: Clock,
        *,
        length_s: int = LENGTH_S,
        ahead_s: int = AHEAD_S,
    ) -> None:
        """Begin to give.

        Args:
            slot: What is filled.
            give: Makes the grant from and to these unix seconds; raises LoaError.
            clock: The common time.
            length_s: Of each grant.
            ahead_s: How long before the end of one the next is given.
        """
        self._slot, self._give, self._clock = slot, give, clock
        self._length_s, self._ahead_s = length_s, ahead_s
        self._is_over = threading.Event()
        self.voices: list[Voice] = []
        self.trouble = ""
        self._thread = threading.Thread(target=self._work, name="permits", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give no more."""
        self._is_over.set()

    def next_span(self, now_s: int) -> tuple[int, int] | None:
        """Return from when to when the next grant is to be; None while none is needed."""
        begun = self.voices[-1].grant.end if self.voices else None
        if begun is not None and begun - now_s > self._ahead_s:
            return None
        start = max(self._slot.start, now_s) if begun is None or begun <= now_s else begun
        end = min(self._slot.end, start + self._length_s)
        return (start, end) if start < end else None

    def _work(self) -> None:
        while not self._is_over.is_set():
            span = self.next_span(self._clock() // 1000)
            if span is None:
                self._is_over.wait(_LOOK_S / 4)
                continue
            try:
                voice = self._give(*span)
            except LoaError as error:
                self.trouble = str(error)
                self._is_over.wait(_LOOK_S if isinstance(error, PeerError) else AGAIN_S)
            else:
                self.trouble = ""
                self.voices.append(voice)
