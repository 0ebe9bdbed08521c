"""The evening's orders: an alert over a bulletin, a hold that outlives a kill, and forgeries."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from loa_lab.village import plan as script
from loa_lab.village import watch as duty
from loa_lab.village.attacker import Attacker, Message
from loa_lab.village.narrator import Narrator
from loa_lab.village.scene import Village
from loa_lab.village.watch import Watch
from loa_protocol.envelope import Bundle
from loa_protocol.errors import PeerError
from loa_protocol.language import translator
from loa_protocol.record import OrderState

_ = translator("loa_lab")

_OBEYED_S: Final = 25.0  # boards obey within a second; a loaded machine is slow
_REFUSED_S: Final = 12.0
_BACK_S: Final = 30.0  # from the start of an agent to its first word
_STILL_MS: Final = 1500  # for so long the board is listened to after its return
_TRIES: Final = 4
_PACKETS: Final = 50  # of 20 ms: one chunk of live sound


@dataclass(slots=True)
class Given:
    """The orders of the evening, as they went; instants in unix ms."""

    alert: str = ""
    status: dict[str, Any] = field(default_factory=dict)  # as ``loa alert status`` tells it
    hold: str = ""
    killed_ms: int = 0
    back_ms: int = 0
    listened_ms: int = 0
    released_ms: int = 0


@dataclass(slots=True)
class Alarm:
    """Gives the orders, and lets the attacker give theirs, while the narrator tells."""

    village: Village
    watch: Watch
    attacker: Attacker
    narrator: Narrator
    given: Given = field(default_factory=Given)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2))

    def sound(self) -> None:
        """Let one warden sound the siren over whatever plays; return when boards know of it."""
        self.village.say(_("a warden alone sounds the siren: the policy has approved it before"))
        told = self.narrator.while_done(self.pool.submit(duty.send_alert, self.village))
        self.given.alert = told["id"]
        self.narrator.know(told["id"], _("siren"))

    def follow(self) -> None:
        """Narrate until every board has sounded the siren, and ask for its status."""
        boards, order = len(self.village.endpoints), self.given.alert
        self.narrator.until_so(
            lambda: self.narrator.has_answered(order, OrderState.ENDED, boards), within_s=_OBEYED_S
        )
        asked = self.pool.submit(duty.alert_status, self.village, order)
        status = self.given.status = self.narrator.while_done(asked)
        ended = sum(each["state"] == "ended" for each in status["answers"])
        text = _("loa alert status: {count} of {boards} boards took the siren and sounded it")
        self.village.say(text.format(count=ended, boards=status["boards"]))

    def forge(self) -> None:
        """Let the attacker, as the broker, offer what is no order, and what was one."""
        forger, station, watch = self.attacker.forger, script.STATION, self.watch
        packets = duty.packets_of(watch.tune, _PACKETS)
        alerts = (
            (_("an alert by wardens of no province"),
             forger.alert(station, watch.tune.read_bytes(), duty.FREE_S * 1000)),
            (_("a warden's own sound, signed by that one warden"), watch.free),
            (_("an alert that has expired"), watch.old),
            (_("the siren once more"), duty.given_order(self.village, self.given.alert)),
        )  # fmt: skip
        chunks = (
            (_("live sound without a grant"), forger.chunk(os.urandom(16), packets)),
            (_("live sound under a grant, by another key"), forger.chunk(watch.grant, packets)),
        )
        for what, _bundle in (*alerts, *chunks):
            self._announce(what)
        self._announce(_("forged receipts"))
        messages: list[Message] = [(f"scope/{station}/order", bundle) for _what, bundle in alerts]
        messages += [(f"scope/{station}/live", chunk) for _what, chunk in chunks]
        messages += self.attacker.receipts(self.village.endpoints.values())
        digests = [Bundle.from_bytes(bundle).digest for _what, bundle in alerts[:-1]]
        self._tell(messages)
        self.narrator.until_refused(len(self.village.endpoints), *digests, within_s=_REFUSED_S)

    def silence(self) -> None:
        """Let one warden hold a cluster, kill its agent, and let two officers release it."""
        cluster, given = script.HELD, self.given
        self.village.say(_("a warden alone silences {cluster}").format(cluster=cluster))
        held = self.pool.submit(duty.hold, self.village, cluster)
        given.hold = self.narrator.while_done(held)["id"]
        self.narrator.know(given.hold, _("hold"))
        self.narrator.until_so(
            lambda: self.narrator.has_answered(given.hold, OrderState.BEGUN), within_s=_OBEYED_S
        )
        release = self.pool.submit(duty.begin_release, self.village, cluster, given.hold)
        self._kill(cluster)
        file = self.narrator.while_done(release)
        self._refuse_releases(cluster, file.read_bytes())
        given.listened_ms = _now_ms()
        self.village.say(_("two duty officers of the province release {cluster}").format(
            cluster=cluster))  # fmt: skip
        self.narrator.while_done(self.pool.submit(duty.end_release, self.village, file))
        given.released_ms = _now_ms()

    def _kill(self, cluster: str) -> None:
        """Kill an agent, start it anew, and listen whether it keeps silent."""
        given, runs = self.given, self._runs(cluster)
        self.village.say(_("{cluster}: its agent is killed (-9) and starts again").format(
            cluster=cluster))  # fmt: skip
        self.village.kill_agent(cluster)
        given.killed_ms = _now_ms()
        self.village.start_agent(cluster)
        if not self.narrator.until_so(lambda: self._runs(cluster) > runs, within_s=_BACK_S):
            raise PeerError(f"{cluster}: not back within {_BACK_S:g} s")
        given.back_ms = _now_ms()
        self.narrator.until((given.back_ms + _STILL_MS) / 1000)

    def _refuse_releases(self, cluster: str, by_one: bytes) -> None:
        """Let the attacker try to end the hold."""
        scope = f"{script.STATION}/{cluster}"
        forged = self.attacker.forger.release(scope, bytes.fromhex(self.given.hold))
        self._announce(_("a release by officers of no province"))
        self._announce(_("a release that one officer of two has signed"))
        topic, before = f"scope/{scope}/order", self._refusals(cluster)
        # a board that has just come back may not listen yet: an attacker has patience
        for _try in range(_TRIES):
            self._tell([(topic, forged), (topic, by_one)])
            # its log is read: the records of this come later, past the broker that was attacked
            if self.narrator.until_so(
                lambda: self._refusals(cluster) >= before + 2, within_s=_REFUSED_S / _TRIES
            ):
                return

    def _tell(self, messages: list[Message]) -> None:
        self.narrator.while_done(self.pool.submit(self.attacker.tell, messages))

    def _refusals(self, cluster: str) -> int:
        return self.village.crew.log(cluster).count('"event": "refused", "what": "command"')

    def _announce(self, what: str) -> None:
        self.village.say(_("attacker, who owns the broker: {what}").format(what=what))

    def _runs(self, cluster: str) -> int:
        return self.village.crew.log(cluster).count('"event": "ready"')


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
