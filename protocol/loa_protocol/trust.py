"""What the acceptance rule judges with: reasons, rules a kind, positions, and what is trusted."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from loa_protocol.envelope import Kind
from loa_protocol.errors import LoaError
from loa_protocol.keys import KID_BYTES, PublicKey
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Certificate, Level, Role, Root
from loa_protocol.objects.bulletin import Bulletin
from loa_protocol.objects.command import Command
from loa_protocol.objects.live import Grant
from loa_protocol.objects.online import Head, Receipt, TimeAnswer
from loa_protocol.objects.placement import Assignment, Denied, DenyList, Settings
from loa_protocol.objects.playlist import Playlist
from loa_protocol.objects.policy import Policy
from loa_protocol.objects.standing import StandingProgramme
from loa_protocol.record import ClockTrust


class Refusal(enum.StrEnum):
    """Why a well-formed object is refused. Closed: a new reason is a new version of the rule."""

    KIND = "kind"  # not a kind that is accepted here
    VERSION = "version"  # a format below the floor or not known
    CHAIN = "chain"  # a certificate does not lead to the root, or exceeds its issuer
    UNKNOWN_SIGNER = "unknown_signer"
    SIGNATURE = "signature"
    ROLE = "role"
    THRESHOLD = "threshold"  # too few distinct holders or keys
    LEVEL = "level"  # not from as high as it needs
    SCOPE = "scope"  # the signer does not speak for that scope
    NOT_ADDRESSED = "not_addressed"  # not for this endpoint
    DENIED = "denied"
    EPOCH = "epoch"  # above the epoch of a signer's certificate
    ROLLBACK = "rollback"
    EQUIVOCATION = "equivocation"
    REPLAYED = "replayed"
    NONCE = "nonce"
    NOT_YET = "not_yet"
    EXPIRED = "expired"
    MEDIA_HASH = "media_hash"  # the file's SHA-256 is not the one that was signed


class TrustError(LoaError):
    """Well-formed, and not to be trusted."""

    def __init__(self, reason: Refusal, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


State = Policy | Playlist | StandingProgramme | Assignment | Settings | DenyList
Event = Alert | Grant | Command | Bulletin
Object = State | Event | Head | TimeAnswer | Receipt


@dataclass(frozen=True, slots=True)
class Rule:
    """What a kind needs: its layout, one holder for each role, whether it must cover us."""

    model: type[Object]
    roles: tuple[Role, ...]
    covers_endpoint: bool = True
    lowest: Level = Level.COMMUNE


RULES: Final[dict[Kind, Rule]] = {
    Kind.POLICY: Rule(Policy, (Role.POLICY, Role.POLICY)),
    Kind.PLAYLIST: Rule(Playlist, (Role.EDITOR, Role.APPROVER)),
    Kind.STANDING_PROGRAMME: Rule(StandingProgramme, (Role.EDITOR, Role.APPROVER)),
    Kind.BULLETIN: Rule(Bulletin, (Role.BULLETIN,), lowest=Level.PROVINCE),
    Kind.ALERT: Rule(Alert, (Role.ALERT,)),
    Kind.GRANT: Rule(Grant, (Role.LIVE,)),
    Kind.COMMAND: Rule(Command, (Role.OPERATE,)),
    Kind.ASSIGNMENT: Rule(
        Assignment, (Role.OPERATE, Role.OPERATE), covers_endpoint=False, lowest=Level.PROVINCE
    ),
    Kind.SETTINGS: Rule(Settings, (Role.OPERATE, Role.OPERATE), lowest=Level.PROVINCE),
    Kind.DENY_LIST: Rule(DenyList, (Role.REVOKE, Role.REVOKE), lowest=Level.PROVINCE),
    Kind.HEAD: Rule(Head, (Role.HEAD,)),
    Kind.TIME_ANSWER: Rule(TimeAnswer, (Role.TIME,), covers_endpoint=False),
    Kind.RECEIPT: Rule(Receipt, (Role.INGEST,), covers_endpoint=False),
}
ALWAYS_FROM_ONE_HOLDER: Final = frozenset({Kind.HEAD, Kind.TIME_ANSWER, Kind.RECEIPT})


@dataclass(frozen=True, slots=True)
class Now:
    """The time of a judgement: never below the floor, with the trust it deserves."""

    unix_s: int
    trust: ClockTrust

    @property
    def is_known(self) -> bool:
        """Whether the time is more than a floor (T2 and above)."""
        return self.trust >= ClockTrust.T2


@dataclass(frozen=True, slots=True)
class Position:
    """How far a state object has come."""

    epoch: int
    serial: int
    digest: bytes

    @property
    def order(self) -> tuple[int, int]:
        """What must rise."""
        return self.epoch, self.serial


Subject = tuple[Kind, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """What the judging side trusts so far.

    *scope* and *fingerprint* are None where no endpoint judges (the manager's own checks).
    """

    root: Root
    root_digest: bytes
    scope: str | None = None
    fingerprint: bytes | None = None
    positions: Mapping[Subject, Position] = field(default_factory=dict)
    thresholds: Mapping[int, int] = field(default_factory=dict)  # of the policy in force
    # of the province's own policy, which alone counts for people of the province; None: the same
    widest_thresholds: Mapping[int, int] | None = None
    denied: frozenset[bytes] = frozenset()  # key ids and digests
    denials: tuple[Denied, ...] = ()  # the entries in force, which a newer deny list must keep
    nonce: bytes = b""
    seen: Mapping[bytes, int] = field(default_factory=dict)  # what happened: replay.name_of
    preapproved: frozenset[bytes] = frozenset()  # hashes of media, by the policy in force
    preapproved_holders: int = 1
    # (playlist, item) of the accepted playlists -> (start, end), unix seconds
    live_slots: Mapping[tuple[bytes, str], tuple[int, int]] = field(default_factory=dict)

    @property
    def endpoint_id(self) -> bytes | None:
        """The first 16 bytes of the device key's fingerprint."""
        return None if self.fingerprint is None else self.fingerprint[:KID_BYTES]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A key that leads to the root: a root key itself, or one with a verified certificate."""

    key: PublicKey
    holder: str
    scopes: tuple[str, ...]
    roles: frozenset[Role]
    certificate: Certificate | None

    @property
    def level(self) -> Level:
        """As how high it may speak; a root key itself speaks for nobody."""
        return Level.COMMUNE if self.certificate is None else self.certificate.level


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A verified object.

    *level* is that at which as many holders as it needs stand behind it.

    *is_known* says that this very object was accepted before; *is_pending* that it is stored now
    and comes into force at its not-before, or when the time is known.
    """

    kind: Kind
    body: Object
    digest: bytes
    signers: tuple[Resolved, ...]
    is_known: bool
    is_pending: bool
    level: Level


def subject_of(kind: Kind, body: Object) -> Subject:
    """Return what a position is kept for: a kind within a scope, or an endpoint's assignment.

    An assignment's scope is what it decides, so an old one for another scope must not look new.
    """
    if isinstance(body, Assignment):
        return kind, body.endpoint.hex()
    return kind, getattr(body, "scope", "")


def position_of(body: Object, digest: bytes) -> Position | None:
    """Return the position of a state object; None for what is no state."""
    if isinstance(body, State):
        return Position(body.epoch, body.serial, digest)
    return None
