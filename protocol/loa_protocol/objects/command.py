"""Orders to endpoints: silence them, wake them, set them right."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from loa_protocol.errors import MessageError
from loa_protocol.objects.authority import SECONDS
from loa_protocol.objects.event import EVENT, REASON, REFERENCES
from loa_protocol.objects.policy import VOLUME_MAX
from loa_protocol.schema import Bytes, Choice, Int, Wire, wire
from loa_protocol.scope import SCOPE

MAX_LOCKDOWN_S: Final = 86_400  # silence for alerts too must end by itself
MAX_EFFECT_S: Final = 366 * 86_400
MAX_AHEAD_S: Final = 86_400
MAX_LIFE_S: Final = 7 * 86_400  # of the message; what lasts may be heard of as late as it lasts
MAX_RECALL_S: Final = 4 * 3600  # of sound that one recall asks for


class Verb(enum.IntEnum):
    """What is ordered."""

    STOP = 1  # the present play, and scheduled sound for the duration
    HOLD = 2  # everything but alerts, for the duration or (0) until released
    RELEASE = 3  # the holds and lockdowns it refers to
    LOCKDOWN = 4  # alerts too, for the duration
    VOLUME = 5  # cap the volume at the value, for the duration
    REBOOT = 6
    SELF_TEST = 7
    ROTATE = 8  # take a new 30-day certificate; the device key is the identity and stays
    RESET_FLOOR = 9  # take *issued* as the time floor; over a nonce of this endpoint
    RECALL = 10  # send what the black box holds of *duration_s* from *since* on; one endpoint


# A release must be heard of as late as what it ends.
_LASTING: Final = frozenset({Verb.STOP, Verb.HOLD, Verb.RELEASE, Verb.VOLUME})


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Wire):
    """One order. Until when the message counts and how long its effect lasts are two fields."""

    id: bytes = wire(1, EVENT)
    scope: str = wire(2, SCOPE)
    number: int = wire(3, Int())  # of two that contradict each other the higher holds
    verb: Verb = wire(4, Choice(Verb))
    reason: str = wire(5, REASON)
    issued: int = wire(6, SECONDS)
    expires: int = wire(7, SECONDS)
    duration_s: int = wire(8, Int(0, MAX_EFFECT_S))
    value: int = wire(9, Int(0, VOLUME_MAX))
    references: tuple[bytes, ...] = wire(10, REFERENCES)
    endpoint: bytes | None = wire(11, EVENT, optional=True)  # one endpoint; else all in the scope
    nonce: bytes | None = wire(12, Bytes(16, 32), optional=True)
    since: int | None = wire(13, SECONDS, optional=True)  # of a recall

    @property
    def taken_from(self) -> int:
        """How early it may be given: two clocks are never further apart."""
        return self.issued - MAX_AHEAD_S

    def check(self) -> None:
        """Raise MessageError where the fields contradict each other."""
        if self.issued >= self.expires:
            raise MessageError("Command.expires: not after it was issued")
        longest = MAX_EFFECT_S if self.verb in _LASTING else MAX_LIFE_S
        if self.expires - self.issued > longest:
            raise MessageError(f"Command.expires: more than {longest} s after it was issued")
        if (self.verb is Verb.RELEASE) != bool(self.references):
            raise MessageError("Command.references: a release, and nothing else, refers to others")
        if self.verb is Verb.LOCKDOWN and not 0 < self.duration_s <= MAX_LOCKDOWN_S:
            raise MessageError(f"Command.duration_s: a lockdown lasts 1 to {MAX_LOCKDOWN_S} s")
        if (self.verb is Verb.RESET_FLOOR) != (self.nonce is not None):
            raise MessageError("Command.nonce: needed to reset the floor, and for nothing else")
        if (self.verb is Verb.RECALL) != (self.since is not None):
            raise MessageError("Command.since: needed to recall, and for nothing else")
        if self.since is not None:
            self._check_recall(self.since)

    def _check_recall(self, since: int) -> None:
        """Refuse to recall from many at once, without bound, or what is not said yet."""
        if self.endpoint is None:
            raise MessageError("Command.endpoint: a recall is of one endpoint")
        if not 0 < self.duration_s <= MAX_RECALL_S:
            raise MessageError(f"Command.duration_s: a recall is of 1 to {MAX_RECALL_S} s")
        if since + self.duration_s > self.issued:
            raise MessageError("Command.since: a recall is of what has been said")
