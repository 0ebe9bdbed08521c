"""Who may speak: the root and the certificates below it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from loa_protocol.keys import Algorithm, PublicKey
from loa_protocol.schema import Bool, Bytes, Choice, Int, ListOf, MapOf, Nested, Text, Wire, wire
from loa_protocol.scope import SCOPE

HOLDER = Text(64)
SECONDS = Int(0, 2**40)  # unix time; the year 36,000 is far enough
EPOCH_LEAD: Final = 1000  # by how much a certificate's epoch may be above its issuer's
ONLINE_LIFE_S: Final = 14 * 86_400  # trust.md section 2: what a stolen online key can do ends then


class Role(enum.IntEnum):
    """What a certificate lets its holder sign."""

    EDITOR = 1
    APPROVER = 2
    ALERT = 3
    LIVE = 4
    BULLETIN = 5
    POLICY = 6
    OPERATE = 7
    REVOKE = 8
    HEAD = 9
    TIME = 10
    INGEST = 11

    @property
    def is_speaking(self) -> bool:
        """Whether it can change what a loudspeaker does; the three online roles cannot."""
        return self < Role.HEAD


class Level(enum.IntEnum):
    """Who speaks (cấp); a higher number outranks a lower."""

    COMMUNE = 1
    PROVINCE = 2
    CENTRAL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RootKey(Wire):
    """One of the root's keys and the person or token that holds it."""

    algorithm: Algorithm = wire(1, Choice(Algorithm))
    raw: bytes = wire(2, Bytes(32, 33))
    holder: str = wire(3, HOLDER)

    @property
    def key(self) -> PublicKey:
        """The key itself."""
        return PublicKey(self.algorithm, self.raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Root(Wire):
    """The anchor of a province: its keys, how many must agree, and floors no policy can lower."""

    scope: str = wire(1, SCOPE)
    version: int = wire(2, Int(1))
    test: bool = wire(3, Bool())  # a test province: simulators enrol, every report says THỬ NGHIỆM
    created: int = wire(4, SECONDS)
    keys: tuple[RootKey, ...] = wire(5, ListOf(Nested(RootKey), 16, 1))
    threshold: int = wire(6, Int(1, 16))  # distinct holders for a new root or a transfer
    algorithms: tuple[Algorithm, ...] = wire(7, ListOf(Choice(Algorithm), 8, 1))
    formats: dict[int, int] = wire(8, MapOf(Int(1, 255), 32))  # kind -> lowest version accepted
    floors: dict[int, int] = wire(9, MapOf(Int(1, 16), 32))  # kind -> fewest holders
    recovery_keys: int = wire(10, Int(0, 16))  # root holders who together replace a lost key


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate(Wire):
    """What a key may sign, where, and until when."""

    algorithm: Algorithm = wire(1, Choice(Algorithm))
    raw: bytes = wire(2, Bytes(32, 33))
    holder: str = wire(3, HOLDER)
    scopes: tuple[str, ...] = wire(4, ListOf(SCOPE, 16, 1))
    roles: tuple[Role, ...] = wire(5, ListOf(Choice(Role), 16))
    may_issue: tuple[Role, ...] = wire(6, ListOf(Choice(Role), 16))
    level: Level = wire(7, Choice(Level))  # priority ceiling
    epoch: int = wire(8, Int(0, 2**31))
    serial: int = wire(9, Int())
    not_before: int = wire(10, SECONDS)
    expires: int = wire(11, SECONDS)

    @property
    def key(self) -> PublicKey:
        """The certified key."""
        return PublicKey(self.algorithm, self.raw)

    @property
    def is_online(self) -> bool:
        """Whether it has a role of a key that lies on a server: head, time or ingest."""
        return any(not role.is_speaking for role in self.roles)

    @property
    def needed_issuers(self) -> int:
        """How many distinct holders must have issued it (trust.md section 1)."""
        return 2 if self.may_issue or any(role.is_speaking for role in self.roles) else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Wire):
    """Consent of a board's present root to be replaced by another."""

    old_root: bytes = wire(1, Bytes(32, 32))  # digest of the present root's payload
    new_root: bytes = wire(2, Bytes(32, 32))
    endpoint: bytes | None = wire(3, Bytes(16, 16), optional=True)  # one board, or every board
    expires: int = wire(4, SECONDS)
