"""People with homes of their own around one province, and a board that judges what they sign."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from loa_manager.authority import Authority
from loa_manager.content_tree import write_durably
from loa_manager.home import Home
from loa_manager.keyring import Identity, load_signer, parse_request
from loa_manager.people import install_chain, make_own_key, rotate_own_key
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.objects.authority import Role
from loa_protocol.objects.placement import DenyList
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Accepted, Now, Trusted, position_of, subject_of
from support import province
from support.bench_lab import FOUNDED, SECRET, province_home
from support.passphrases import cheap

PASSPHRASE = cheap(SECRET)
STATION = "vn/ls/st0137"
CLUSTER = f"{STATION}/c01"
DAY_S = 86_400


@dataclass
class Someone:
    """A person with a home and a key for one role."""

    home: Home
    role: Role
    holder: str
    request: bytes

    @property
    def name(self) -> str:
        return self.role.name.lower()

    @property
    def identity(self) -> Identity:
        return load_signer(self.home.own_keys / self.name, PASSPHRASE)

    def install(self, chain: bytes, at: datetime = FOUNDED) -> Identity:
        install_chain(self.home, chain, at)
        return self.identity

    def rotate(self) -> bytes:
        """Return the request of a key that shall follow the present one."""
        path, _kid = rotate_own_key(self.home, self.name, PASSPHRASE)
        return path.read_bytes()


@dataclass
class Board:
    """What an endpoint of cluster c01 trusts, changed only by what it accepts."""

    trusted: Trusted

    def take(self, data: bytes, at: datetime = FOUNDED) -> Accepted:
        """Accept *data* or raise; remember how far it came and what it denies."""
        now = Now(int(at.timestamp()), ClockTrust.T3)
        accepted = accept(data, self.trusted, now)
        position = position_of(accepted.body, accepted.digest)
        subject = subject_of(accepted.kind, accepted.body)
        if position is not None:
            positions = {**self.trusted.positions, subject: position}
            self.trusted = dataclasses.replace(self.trusted, positions=positions)
        if isinstance(accepted.body, DenyList):
            denied = frozenset(entry.value for entry in accepted.body.entries)
            denials = accepted.body.entries
            self.trusted = dataclasses.replace(self.trusted, denied=denied, denials=denials)
        return accepted


@dataclass
class KeyLab:
    """A province, its people and a board."""

    folder: Path
    home: Home = field(init=False)

    def __post_init__(self) -> None:
        self.home = province_home(self.folder)

    @property
    def authority(self) -> Authority:
        return Authority.open(self.home, PASSPHRASE)

    def board(self) -> Board:
        trusted = dataclasses.replace(self.home.trusted(), positions={}, scope=CLUSTER)
        return Board(trusted)

    def person(self, folder: str, role: Role, holder: str, *, certify: bool = True) -> Someone:
        home = Home(self.folder / folder)
        path, _kid = make_own_key(home, role, holder, PASSPHRASE)
        write_durably(home.root_path, self.home.root_bundle)
        someone = Someone(home, role, holder, path.read_bytes())
        if certify:
            self.certify(someone)
        return someone

    def certify(
        self, someone: Someone, at: datetime = FOUNDED, *, epoch: int | None = None
    ) -> Identity:
        chain = self.authority.certify(parse_request(someone.request), (STATION,), at, epoch=epoch)
        return someone.install(chain, at)


def week(
    *people: Identity, serial: int = 1, epoch: int = 1, at: datetime = FOUNDED, days: int = 7
) -> bytes:
    """Return a week's playlist of the station, signed by *people*."""
    start = int(at.timestamp())
    body = dataclasses.replace(
        province.playlist(scope=STATION, not_before=start, expires=start + days * DAY_S),
        serial=serial,
        epoch=epoch,
    )
    chains = [each for one in people for each in one.chain]
    signers = [one.signer for one in people]
    return sign_bundle(Kind.PLAYLIST, body.to_bytes(), signers, certificates=chains)


def deny_list(home: Home) -> bytes:
    """Return the deny list as boards fetch it."""
    leaf = home.content.index().deny_lists[home.root.scope]
    data = home.content.object(leaf.digest)
    assert Bundle.from_bytes(data).kind == Kind.DENY_LIST
    return data
