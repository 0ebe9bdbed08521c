"""The making of a province: `loa init`, done once, whole or not at all.

A file ``unfinished`` stands in the home from the first to the last step. A home with it is no home
yet, and the next `loa init` begins anew, but for root keys on sticks that were made already: the
mark remembers them. A home without it is never touched again.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from loa_manager import audit, database, x509
from loa_manager.authority import (
    DEVICE_CA,
    EPOCH,
    OFFICERS,
    Authority,
)
from loa_manager.ceremony import certify_officers
from loa_manager.content_tree import write_durably
from loa_manager.home import UNFINISHED, Home, make_private_folder, write_private
from loa_manager.keyring import Secrets, make_key
from loa_manager.policy_file import preset_policy
from loa_manager.root_draft import threshold_faults
from loa_manager.root_holders import ROOT_HOLDERS, ROOT_THRESHOLD, distinct
from loa_manager.root_seats import Seat
from loa_manager.server_keys import make_server_keys
from loa_protocol.bench import short_fingerprint
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import ConfigError, StoreError
from loa_protocol.keys import Algorithm, SoftSigner
from loa_protocol.language import translator
from loa_protocol.objects.authority import Root, RootKey
from loa_protocol.objects.placement import Settings
from loa_protocol.record import ClockTrust
from loa_protocol.scope import is_scope
from loa_protocol.succession import accept_root
from loa_protocol.trust import Now

_ = translator("loa_manager")

_TWO_HOLDERS: Final = (
    Kind.POLICY,
    Kind.PLAYLIST,
    Kind.ASSIGNMENT,
    Kind.SETTINGS,
    Kind.DENY_LIST,
)
_HEARTBEAT_S: Final = 300
_OURS: Final = ("keys", "public", "content", "loa.db", "loa.db-wal", "loa.db-shm", UNFINISHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What `loa init` was asked to make."""

    scope: str
    is_test: bool = False
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1")
    port: int = 8443
    mqtt_port: int = 8883
    preset: str = "rural"
    threshold: int = ROOT_THRESHOLD

    def check(self, holders: int | None = None) -> None:
        """Raise ConfigError naming every fault; *holders* is how many the root will have."""
        faults = []
        if not is_scope(self.scope):
            faults.append(_("{scope!r} is no scope, such as vn/ls").format(scope=self.scope))
        if not self.hosts:
            faults.append(_("the server needs at least one host name or address"))
        faults += threshold_faults(self.threshold, holders or len(ROOT_HOLDERS))
        if faults:
            raise ConfigError("loa init", faults)


def found_province(
    home: Home, plan: Plan, passphrase: Secrets, now: datetime, seats: Sequence[Seat] = ()
) -> Root:
    """Make the province of *plan* in *home* and return its root.

    Args:
        home: Where.
        plan: What.
        passphrase: Locks the keys of officers and server.
        now: When.
        seats: The root's holders, whose keys lie elsewhere; without any, five keys are made in the
            home, which is good for a test province only.

    Raises:
        ConfigError: the plan is faulty, or something else stands at *home*.
        StoreError: it cannot be written; the same call begins anew.
    """
    plan.check(len({seat.holder for seat in seats}) or None)
    begin_founding(home)
    holders = seats or _seats_in_home(home, passphrase)
    root = _make_root(home, plan, holders, now)
    for name in OFFICERS:
        make_key(home.authority_keys / f"{name}.key", passphrase)
    certify_officers(home, root, passphrase, now, holders=[each.signer for each in holders])
    _make_device_ca(home, plan.scope, passphrase, now)
    authority = Authority.open(home, passphrase)
    make_server_keys(authority, plan.hosts, passphrase, now)
    policy = preset_policy(plan.preset, plan.scope, now)
    authority.sign_policy(policy, now)
    authority.sign_settings(_settings(home, plan), now)
    _make_database(home, root, policy.utc_offset_min, now)
    (home.path / UNFINISHED).unlink()
    return root


def begin_founding(home: Home) -> None:
    """Mark *home* as unfinished and remove what an interrupted founding left in it.

    What the mark remembers of the root's holders stays.

    Raises:
        ConfigError: something else stands there.
        StoreError: it cannot be written.
    """
    _clear(home)
    if not home.is_unfinished:
        write_private(home.path / UNFINISHED, b"{}")


def _clear(home: Home) -> None:
    """Remove what an interrupted founding left; refuse anything else."""
    if home.path.exists() and not home.is_unfinished and any(home.path.iterdir()):
        raise ConfigError(str(home.path), [_("not empty; nothing is ever overwritten")])
    make_private_folder(home.path)
    try:
        home.path.chmod(0o700)
        for name in _OURS[:-1]:  # the mark itself goes last, at the end of the founding
            _remove(home.path / name)
    except OSError as error:
        raise StoreError(str(home.path), error.strerror or str(error)) from None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _seats_in_home(home: Home, passphrase: Secrets) -> list[Seat]:
    files = [home.root_keys / f"{holder}.key" for holder in ROOT_HOLDERS]
    return [
        Seat(number, file.stem, file, SoftSigner(make_key(file, passphrase)))
        for number, file in enumerate(files, 1)
    ]


def _make_root(home: Home, plan: Plan, seats: Sequence[Seat], now: datetime) -> Root:
    root = Root(
        scope=plan.scope,
        version=1,
        test=plan.is_test,
        created=int(now.timestamp()),
        keys=tuple(
            RootKey(
                algorithm=seat.signer.public.algorithm,
                raw=seat.signer.public.raw,
                holder=seat.holder,
            )
            for seat in seats
        ),
        threshold=plan.threshold,
        algorithms=(Algorithm.EDDSA, Algorithm.ES256),
        formats={},
        floors=dict.fromkeys(_TWO_HOLDERS, 2),
        recovery_keys=plan.threshold,
    )
    signers = distinct([seat.signer for seat in seats], root, root.threshold)
    data = sign_bundle(Kind.ROOT, root.to_bytes(), signers)
    accept_root(data, None, Now(int(now.timestamp()), ClockTrust.T3))
    write_durably(home.root_path, data)
    home.content.put_root(data)
    return root


def _make_device_ca(home: Home, scope: str, passphrase: Secrets, now: datetime) -> None:
    key = make_key(home.authority_keys / f"{DEVICE_CA}.key", passphrase, "p256")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = x509.make_device_ca(key, scope, now)
    write_durably(home.device_ca_path, certificate.public_bytes(serialization.Encoding.PEM))


def _settings(home: Home, plan: Plan) -> Settings:
    host = f"[{plan.hosts[0]}]" if ":" in plan.hosts[0] else plan.hosts[0]
    ca = x509.from_pem(home.device_ca_path.read_bytes())
    return Settings(
        scope=plan.scope,
        epoch=EPOCH,
        serial=0,
        content=(f"https://{host}:{plan.port}/content",),
        broker=(f"mqtts://{host}:{plan.mqtt_port}",),
        service=(f"https://{host}:{plan.port}",),
        authorities=(ca.public_bytes(serialization.Encoding.DER),),
        fallback={},
        fittings=(),
        heartbeat_s=_HEARTBEAT_S,
    )


def _make_database(home: Home, root: Root, utc_offset_min: int, now: datetime) -> None:
    engine = database.create(home.database_url)
    try:
        with database.writing(engine) as connection:
            province = database.Province(root.scope, root.test, utc_offset_min)
            database.set_province(connection, province, round(now.timestamp() * 1000))
            detail = {"scope": root.scope, "test": root.test, "root": root_fingerprint(home)}
            audit.write(connection, "loa init", "province_founded", detail, now)
    finally:
        engine.dispose()


def root_fingerprint(home: Home) -> str:
    """Return the short fingerprint by which people compare the root on two screens."""
    return short_fingerprint(Bundle.from_bytes(home.root_bundle).digest)
