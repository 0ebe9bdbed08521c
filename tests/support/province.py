"""A small province with real keys: five root holders, two officers, one station's editors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.keys import Algorithm, SoftSigner
from loa_protocol.objects.authority import (
    ONLINE_LIFE_S,
    Certificate,
    Level,
    Role,
    Root,
    RootKey,
)
from loa_protocol.objects.playlist import (
    Bearer,
    BearerKind,
    BulletinKind,
    Item,
    Media,
    Playlist,
    Session,
)
from loa_protocol.objects.policy import AfterAlert, AlertLimits, Hours, OrderRule, Policy
from loa_protocol.record import ClockTrust
from loa_protocol.schema import Wire
from loa_protocol.trust import Now, Trusted

START = 1_800_000_000  # 2027-01-15 08:00 UTC, a Friday: 15:00 in Vietnam
YEAR = 365 * 86_400
NOW = Now(START + 3600, ClockTrust.T3)
SCOPE = "vn/ls"
STATION = "vn/ls/st0137"
CLUSTER = "vn/ls/st0137/c04"
SPEAKING = tuple(role for role in Role if role.is_speaking)


@dataclass
class Person:
    """Somebody with a key and, below the root, a certificate chain."""

    holder: str
    signer: SoftSigner
    chain: tuple[bytes, ...] = ()


@dataclass
class Province:
    """Everything that signs in the tests."""

    roots: list[Person]
    officers: list[Person]
    editor: Person
    approver: Person
    wardens: list[Person]  # of the station: alerts, live sound, orders
    duty: list[Person]  # of the province: the same, and bulletins
    online: Person
    root: Root
    root_bundle: bytes
    device: SoftSigner = field(default_factory=lambda: person("device", p256=True).signer)

    def trusted(self, **changes: Any) -> Trusted:
        """Return what a board of cluster c04 trusts."""
        facts: dict[str, Any] = {
            "root": self.root,
            "root_digest": Bundle.from_bytes(self.root_bundle).digest,
            "scope": CLUSTER,
            "fingerprint": self.device.public.fingerprint,
        }
        return Trusted(**{**facts, **changes})

    def sign(self, kind: Kind, body: Wire, *people: Person) -> bytes:
        """Return a bundle of *body* signed by *people* with their chains."""
        chain = [certificate for each in people for certificate in each.chain]
        payload = body.to_bytes()
        return sign_bundle(kind, payload, [p.signer for p in people], certificates=chain)


def person(holder: str, *, p256: bool = False) -> Person:
    """Return somebody with a fresh key and no certificate."""
    key = ec.generate_private_key(ec.SECP256R1()) if p256 else ed25519.Ed25519PrivateKey.generate()
    return Person(holder, SoftSigner(key))


def certify(
    subject: Person,
    issuers: Sequence[Person],
    *,
    scopes: tuple[str, ...],
    roles: tuple[Role, ...],
    may_issue: tuple[Role, ...] = (),
    level: Level = Level.COMMUNE,
    epoch: int = 1,
    expires: int | None = None,
) -> Person:
    """Give *subject* a certificate by *issuers*, for a year or two weeks, and return it."""
    is_online = not all(role.is_speaking for role in roles)
    if expires is None:
        expires = START + (ONLINE_LIFE_S if is_online else YEAR)
    public = subject.signer.public
    certificate = Certificate(
        algorithm=public.algorithm,
        raw=public.raw,
        holder=subject.holder,
        scopes=scopes,
        roles=roles,
        may_issue=may_issue,
        level=level,
        epoch=epoch,
        serial=1,
        not_before=expires - ONLINE_LIFE_S if is_online else START - 86_400,
        expires=expires,
    )
    own = sign_bundle(Kind.CERTIFICATE, certificate.to_bytes(), [i.signer for i in issuers])
    above = tuple(dict.fromkeys(c for issuer in issuers for c in issuer.chain))
    subject.chain = (*above, own)
    return subject


@cache
def province() -> Province:
    """Return the province; made once a process."""
    roots = [person(f"root-{n}") for n in range(1, 6)]
    root = Root(
        scope=SCOPE,
        version=1,
        test=True,
        created=START - YEAR,
        keys=tuple(
            RootKey(algorithm=p.signer.public.algorithm, raw=p.signer.public.raw, holder=p.holder)
            for p in roots
        ),
        threshold=3,
        algorithms=(Algorithm.EDDSA, Algorithm.ES256),
        formats={},
        floors={Kind.PLAYLIST: 2, Kind.POLICY: 2, Kind.ALERT: 2},
        recovery_keys=3,
    )
    root_bundle = sign_bundle(Kind.ROOT, root.to_bytes(), [p.signer for p in roots[:3]])
    officers = [
        certify(
            person(f"officer-{n}"),
            roots[:2],
            scopes=(SCOPE,),
            roles=(Role.POLICY, Role.OPERATE, Role.REVOKE),
            may_issue=tuple(Role),
            level=Level.PROVINCE,
        )
        for n in (1, 2)
    ]
    editor = certify(person("editor"), officers, scopes=(STATION,), roles=(Role.EDITOR,))
    approver = certify(
        person("approver", p256=True), officers, scopes=(STATION,), roles=(Role.APPROVER,)
    )
    wardens = [
        certify(
            person(f"warden-{n}"),
            officers,
            scopes=(STATION,),
            roles=(Role.ALERT, Role.LIVE, Role.OPERATE),
        )
        for n in (1, 2)
    ]
    duty = [
        certify(
            person(f"duty-{n}"),
            officers,
            scopes=(SCOPE,),
            roles=(Role.ALERT, Role.LIVE, Role.OPERATE, Role.BULLETIN),
            level=Level.PROVINCE,
        )
        for n in (1, 2, 3)
    ]
    online = certify(
        person("server"),
        officers[:1],
        scopes=(SCOPE,),
        roles=(Role.HEAD, Role.TIME, Role.INGEST),
        level=Level.PROVINCE,
    )
    return Province(roots, officers, editor, approver, wardens, duty, online, root, root_bundle)


def policy(**changes: Any) -> Policy:
    """Return the province's policy, 05:00 to 21:00 every day."""
    facts: dict[str, Any] = {
        "scope": SCOPE,
        "epoch": 1,
        "serial": 1,
        "not_before": START,
        "expires": START + YEAR,
        "utc_offset_min": 420,
        "hours": (Hours(weekdays=127, start_min=300, end_min=1260),),
        "sessions_per_day": 4,
        "minutes_per_session": 45,
        "volume_caps": (),
        "loudness_clufs": -2300,
        "languages": (),
        "refused_categories": ("quảng cáo",),
        "retention_days": 400,
        "cached_days": 30,
        "thresholds": {},
        "start_wait_s": 20,
        "unsigned_time_s": 366 * 86_400,
        "preapproved": (),
        "alert_limits": AlertLimits(per_day=10, seconds_per_day=600),
        "alert_without_time": False,
        "after_alert": AfterAlert.RESUME,
        "unsigned_streams": (),
        "preapproved_holders": 1,
        "order_deadline_min": 60,
        "order_rule": OrderRule.WAIT,
    }
    return Policy(**{**facts, **changes})


def playlist(items: int = 2, **changes: Any) -> Playlist:
    """Return a playlist of one session with *items* items of a minute each."""
    facts: dict[str, Any] = {
        "scope": STATION,
        "epoch": 1,
        "serial": 1,
        "not_before": START,
        "expires": START + 7 * 86_400,
        "media": (
            Media(
                sha256=bytes([7]) * 32,
                size=480_000,
                duration_ms=60_000,
                gain_cdb=-120,
                loudness_clufs=-2180,
            ),
        ),
        "sessions": (Session(id="s1", start=START + 3600, duration_s=60 * items, volume=10),),
        "items": tuple(
            Item(
                id=f"i{n}",
                session=0,
                title=f"Bản tin số {n}",
                kind=BulletinKind.NORMAL,
                level=Level.COMMUNE,
                language="vi",
                category="thông báo",
                offset_ms=60_000 * n,
                duration_ms=60_000,
                bearers=(Bearer(kind=BearerKind.MEDIA, reference=0, cost=10),),
                expected_silence=(),
            )
            for n in range(items)
        ),
        "fm_windows": (),
    }
    return Playlist(**{**facts, **changes})
