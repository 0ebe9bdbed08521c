"""A content tree in memory, signed by the tests' province."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from loa_endpoint.core import want as wants
from loa_protocol import merkle
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Root
from loa_protocol.objects.command import Command
from loa_protocol.objects.live import Grant
from loa_protocol.objects.online import (
    Head,
    Inclusion,
    Leaf,
    OrderMark,
    PolicyMark,
    SignerMark,
    StandingOrders,
)
from loa_protocol.objects.placement import Assignment, Denied, DeniedKind, DenyList, Settings
from loa_protocol.objects.playlist import Bearer, BearerKind, Item, Media, Playlist
from loa_protocol.objects.policy import Policy
from support.kept import signed_order
from support.province import CLUSTER, NOW, SCOPE, START, STATION, Person, playlist, policy, province

OTHER_STATION = "vn/ls/st0999"


def sha256(data: bytes) -> bytes:
    """Return the hash by which media are named."""
    return hashlib.sha256(data).digest()


def media_playlist(
    *contents: bytes, serial: int = 1, start: int | None = None, scope: str = STATION
) -> Playlist:
    """Return a playlist that plays each of *contents* for a minute, one after the other."""
    base = playlist(items=len(contents), serial=serial, scope=scope)
    media = tuple(
        Media(
            sha256=sha256(content),
            size=len(content),
            duration_ms=60_000,
            gain_cdb=0,
            loudness_clufs=-2300,
        )
        for content in contents
    )
    items = tuple(_with_media(item, index) for index, item in enumerate(base.items))
    session = replace(base.sessions[0], start=start or NOW.unix_s + 600)
    return replace(base, media=media, items=items, sessions=(session,))


def unsealed(kind: Kind, payload: bytes) -> bytes:
    """Return a bundle without seals."""
    return Bundle(kind=kind, version=1, payload=payload, seals=(), certificates=()).to_bytes()


def _with_media(item: Item, index: int) -> Item:
    return replace(item, bearers=(Bearer(kind=BearerKind.MEDIA, reference=index, cost=10),))


def settings(scope: str = SCOPE, serial: int = 1) -> Settings:
    """Return settings of *scope*."""
    return Settings(
        scope=scope,
        epoch=1,
        serial=serial,
        content=("https://content.example",),
        broker=("mqtts://broker.example:8883",),
        service=("https://service.example",),
        authorities=(b"x",),
        fallback={},
        fittings=(),
        heartbeat_s=300,
    )


def root_file(version: int) -> str:
    """Return where the root of that version stands."""
    return f"/{wants.root(version).path}"


@dataclass
class ContentLab:
    """The files of a tree, by path with a slash in front."""

    files: dict[str, bytes] = field(default_factory=dict)
    leaves: dict[str, Leaf] = field(default_factory=dict)
    policies: dict[str, PolicyMark] = field(default_factory=dict)
    deny_list: bytes = bytes(32)
    root: tuple[int, bytes] = (1, bytes(32))
    orders: list[OrderMark] = field(default_factory=list)
    signers: list[SignerMark] = field(default_factory=list)
    time: int = NOW.unix_s - 60

    def put(self, data: bytes) -> bytes:
        """Store a bundle and return the digest of its payload."""
        digest = Bundle.from_bytes(data).digest
        self.files[f"/objects/{digest.hex()}"] = data
        return digest

    def put_root(self, data: bytes) -> bytes:
        """Store a root under its digest and its version, and name it as the newest."""
        version = Root.from_bytes(Bundle.from_bytes(data).payload).version
        self.files[root_file(version)] = data
        self.root = version, self.put(data)
        return self.root[1]

    def put_media(self, *contents: bytes) -> None:
        """Store media."""
        for content in contents:
            self.files[f"/media/{sha256(content).hex()}"] = content

    def publish(self, body: Playlist, data: bytes | None = None, *, scope: str = STATION) -> bytes:
        """Store a playlist (signed by editor and approver unless *data* is given), and name it."""
        data = data or self.sign(Kind.PLAYLIST, body, province().editor, province().approver)
        digest = self.put(data)
        self.leaves[scope] = Leaf(scope=scope, epoch=body.epoch, serial=body.serial, digest=digest)
        return digest

    def publish_policy(self, body: Policy | None = None) -> bytes:
        """Store a policy signed by both officers, and name it."""
        body = body or policy()
        digest = self.put(self.sign(Kind.POLICY, body, *province().officers))
        self.policies[body.scope] = PolicyMark(
            scope=body.scope, epoch=body.epoch, serial=body.serial, digest=digest
        )
        return digest

    def deny(self, *values: bytes, serial: int = 1) -> bytes:
        """Store a deny list of key ids (16 bytes) and digests (32), and name it."""
        entries = tuple(
            Denied(
                kind=DeniedKind.KEY if len(value) == 16 else DeniedKind.DIGEST,
                value=value,
                until=START + 10**8,
            )
            for value in values
        )
        body = DenyList(scope=SCOPE, epoch=1, serial=serial, entries=entries)
        self.deny_list = self.put(self.sign(Kind.DENY_LIST, body, *province().officers))
        return self.deny_list

    def order(
        self, body: Alert | Command | Grant, data: bytes | None = None, *, kind: int = 0
    ) -> bytes:
        """Store an order (by two of the duty desk unless *data* is given), and list it."""
        data = data or signed_order(body)
        digest = self.put(data)
        kind = kind or Bundle.from_bytes(data).kind
        mark = OrderMark(scope=body.scope, kind=kind, digest=digest, until=body.expires)
        self.orders.append(mark)
        return digest

    def list_signers(self, *people: Person, scope: str = STATION) -> list[bytes]:
        """Store the certificates of people who give orders, and list them."""
        digests = [self.put(each) for signer in people for each in signer.chain]
        self.signers += [SignerMark(scope=scope, digest=digest) for digest in digests]
        return digests

    def put_list(self) -> bytes:
        """Store the list of what stands and return its digest; zeros where nothing does."""
        if not self.orders and not self.signers:
            return bytes(32)
        body = StandingOrders(orders=tuple(self.orders), signers=tuple(self.signers))
        return self.put(unsealed(Kind.STANDING_ORDERS, body.to_bytes()))

    def settle(self, *, serial: int = 1, scope: str = SCOPE) -> None:
        """Store settings of *scope*, and the assignment of the tests' device."""
        body = settings(scope, serial)
        assignment = Assignment(
            endpoint=province().device.public.fingerprint,
            epoch=1,
            serial=serial,
            scope=CLUSTER,
            village="Bản Mới",
        )
        officers = province().officers
        self.files[f"/state/{scope}/settings"] = self.sign(Kind.SETTINGS, body, *officers)
        self.files[f"/state/{CLUSTER}/assignment"] = self.sign(
            Kind.ASSIGNMENT, assignment, *officers
        )

    def renew(self, *, signer: Person | None = None, after_s: int = 10) -> bytes:
        """Sign a new head over what is named now, with its proofs; return the head."""
        self.time += after_s
        leaves = [self.leaves[scope] for scope in sorted(self.leaves)]
        encoded = [leaf.to_bytes() for leaf in leaves]
        for index, leaf in enumerate(leaves):
            path = tuple(merkle.path(encoded, index))
            inclusion = Inclusion(leaf=leaf, index=index, path=path)
            self.files[f"/proof/{leaf.scope}/_"] = inclusion.to_bytes()
        head = Head(
            scope=SCOPE,
            time=self.time,
            tree=merkle.root(encoded),
            leaves=len(leaves),
            standing_orders=self.put_list(),
            deny_list=self.deny_list,
            root_version=self.root[0],
            root=self.root[1],
            policies=tuple(self.policies[scope] for scope in sorted(self.policies)),
        )
        self.files["/head"] = self.sign(Kind.HEAD, head, signer or province().online)
        return self.files["/head"]

    def sign(self, kind: Kind, body: object, *people: Person) -> bytes:
        """Return a signed bundle."""
        return province().sign(kind, body, *people)  # type: ignore[arg-type]  # any wire object


def village_lab(*contents: bytes) -> ContentLab:
    """Return a tree with a policy, our station's playlist of *contents*, and another station's."""
    lab = ContentLab()
    lab.root = (1, Bundle.from_bytes(province().root_bundle).digest)
    lab.publish_policy()
    lab.publish(media_playlist(*contents or (b"bulletin",)))
    lab.put_media(*contents or (b"bulletin",))
    other = Leaf(scope=OTHER_STATION, epoch=1, serial=4, digest=bytes([7]) * 32)
    lab.leaves[OTHER_STATION] = other
    lab.renew()
    return lab
