"""What the fallback machine does and says in one call, in order."""

from __future__ import annotations

from collections.abc import Iterable

from loa_endpoint.core.bearer import Alarm, Bearer, Close, Effect, Note, PreOpen, Sound
from loa_endpoint.core.fm_proof import Proof
from loa_endpoint.core.watch import BearerWatch
from loa_protocol.objects.playlist import BearerKind


class Journal:
    """Collect effects; keep what was said, opened and alarmed, so that each is told once."""

    def __init__(self) -> None:
        self.opened: dict[str, Bearer] = {}
        self._effects: list[Effect] = []
        self._rejected: set[tuple[str, str]] = set()
        self._alarmed = False

    def take(self) -> tuple[Effect, ...]:
        """Return the effects since the last call."""
        effects, self._effects = tuple(self._effects), []
        return effects

    def do(self, effect: Effect) -> None:
        """Add an effect."""
        self._effects.append(effect)

    def say(
        self,
        name: str,
        watch: BearerWatch | None = None,
        *,
        cause: str = "",
        reading: int | None = None,
        lasted_ms: int = 0,
    ) -> None:
        """Add a note about a bearer, or about none."""
        bearer = watch.bearer.id if watch is not None else ""
        self.do(Note(name=name, bearer=bearer, cause=cause, reading=reading, lasted_ms=lasted_ms))

    def say_failure(self, failed: BearerWatch, sound: Sound, *, lasted_ms: int) -> None:
        """Say why a bearer is left: a rule, a monitor, or that it was not ready in time."""
        bar, monitor = failed.bar(sound), failed.failure
        cause = bar or monitor or "acquire"
        reading = failed.reading(monitor) if monitor is not None else None
        self.say("fail", failed, cause=cause, reading=reading, lasted_ms=lasted_ms)
        if cause == "pi" and failed.proof.reason == "other_pi":
            self.say("pi_mismatch", failed, reading=failed.proof.other_pi)

    def begin_item(self) -> None:
        """Let rejections be said again."""
        self._rejected.clear()

    def say_rejections(self, watches: Iterable[BearerWatch], sound: Sound) -> None:
        """Say once per item and reason why FM may not sound under it."""
        for watch in watches:
            if watch.bearer.kind is not BearerKind.FM:
                continue
            reason = watch.bar(sound)
            # a proof that a lost tuner took with it is on its way back, not refused
            denied = watch.failure == "pi" and watch.proof.proof is not Proof.NONE
            if reason is None and (denied or watch.failure == "open"):
                reason = watch.proof.reason or None
            if reason is not None and (watch.bearer.id, reason) not in self._rejected:
                self._rejected.add((watch.bearer.id, reason))
                self.say("fm_rejected", watch, cause=reason, reading=watch.proof.other_pi)

    def alarm(self, active: bool) -> None:
        """Raise or clear the programme failure alarm, if that changes it."""
        if active is not self._alarmed:
            self._alarmed = active
            self.do(Alarm(active))
            self.say("programme_failure_alarm", cause="active" if active else "idle")

    def match(self, wished: Iterable[Bearer]) -> list[str]:
        """Open and close until just *wished* are open; return the ids that were closed."""
        by_id = {bearer.id: bearer for bearer in wished}
        closed = [id_ for id_ in self.opened if id_ not in by_id]
        for id_ in closed:
            self.do(Close(self.opened.pop(id_)))
        for id_, bearer in by_id.items():
            if id_ not in self.opened:
                self.opened[id_] = bearer
                self.do(PreOpen(bearer))
        return closed
