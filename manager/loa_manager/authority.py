"""The province's two officers at work: certificates, policy, settings, assignments, denials.

Everything signed here is judged by the device's own acceptance rule before it leaves: what a board
would refuse is refused at the desk. The keys are in memory for as long as an :class:`Authority` is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from loa_manager import x509
from loa_manager.denial import check_bearable, denials_in_force, extended, present_list
from loa_manager.home import Home, read_bytes
from loa_manager.issued import epoch_of, keep_issued, list_issued
from loa_manager.keyring import (
    Identity,
    KeyRequest,
    Secrets,
    format_chain,
    load_chain,
    load_key,
    load_signer,
    read_chain,
)
from loa_manager.serials import next_serial
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import ConfigError
from loa_protocol.keys import KID_BYTES, PublicKey
from loa_protocol.language import translator
from loa_protocol.objects.authority import (
    EPOCH_LEAD,
    ONLINE_LIFE_S,
    Certificate,
    Level,
    Role,
)
from loa_protocol.objects.placement import Assignment, Denied, DenyList, Settings
from loa_protocol.objects.policy import Policy
from loa_protocol.record import ClockTrust
from loa_protocol.schema import Wire
from loa_protocol.scope import is_inside
from loa_protocol.trust import Now, Refusal, Trusted, TrustError

_ = translator("loa_manager")

OFFICERS: Final = ("officer-1", "officer-2")
OFFICER_ROLES: Final = (Role.POLICY, Role.OPERATE, Role.REVOKE)
OFFICER_LIFE: Final = timedelta(days=365)
COMMUNE_LIFE: Final = timedelta(days=90)
# online keys may name hashes and tell the time: two weeks bound what a stolen one can freeze, and
# boards refuse more
ONLINE_LIFE: Final = timedelta(seconds=ONLINE_LIFE_S)
SERVER_LIVES: Final = {
    "head": (Role.HEAD, ONLINE_LIFE),
    "time": (Role.TIME, ONLINE_LIFE),
    "ingest": (Role.INGEST, ONLINE_LIFE),
}
SERVER_HOLDER: Final = "server"
DEVICE_CA: Final = "device-ca"
EPOCH: Final = 1  # where a province begins; certificates carry it on and raise it
_EARLIER_S: Final = 300  # the signer's clock may be a little ahead of a board's


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a certificate is to allow."""

    scopes: tuple[str, ...]
    roles: tuple[Role, ...]
    level: Level = Level.COMMUNE
    life: timedelta = COMMUNE_LIFE
    may_issue: tuple[Role, ...] = ()
    epoch: int = EPOCH

    @property
    def is_online(self) -> bool:
        """Whether it is for a key that lies on a server."""
        return any(not role.is_speaking for role in self.roles)


@dataclass(frozen=True, slots=True)
class Authority:
    """Both officers' keys, opened."""

    home: Home
    officers: tuple[Identity, ...]
    trusted: Trusted

    @classmethod
    def open(cls, home: Home, passphrase: Secrets) -> Authority:
        """Open both officers' keys of *home*.

        Raises:
            StoreError: a key is not there.
            ConfigError: the passphrase does not open it.
        """
        officers = tuple(load_signer(home.authority_keys / name, passphrase) for name in OFFICERS)
        return cls(home, officers, _trusted(home))

    @property
    def epoch(self) -> int:
        """The epoch in which both officers may sign: the lower of their certificates'."""
        certificates = [officer.certificate for officer in self.officers]
        return min((each.epoch for each in certificates if each is not None), default=EPOCH)

    def certify(
        self,
        request: KeyRequest,
        scopes: tuple[str, ...],
        now: datetime,
        *,
        level: Level = Level.COMMUNE,
        epoch: int | None = None,
    ) -> bytes:
        """Return the armoured chain for the key and roles of *request*, by both officers.

        Args:
            request: What the holder asks.
            scopes: Where the key may speak.
            now: The certificate begins here.
            level: How high it ranks.
            epoch: Raised over the scopes' present one, to outrun a stolen key; by default the
                present one.

        Raises:
            ConfigError: a scope lies outside the province, a role is not for people, the epoch
                falls back or leaps, or the officers' own certificates have ended.
            TrustError: DENIED: the key is on the deny list.
        """
        faults = [
            _("{scope} lies outside {province}").format(scope=scope, province=self.scope)
            for scope in scopes
            if not is_inside(scope, self.scope)
        ]
        faults += [
            _("role {role} belongs to the server alone").format(role=role.name.lower())
            for role in request.roles
            if not role.is_speaking
        ]
        present = epoch_of(list_issued(self.home), scopes, self.epoch)
        if epoch is not None and epoch < present:
            text = _("epoch {epoch} falls behind the present one, {present}")
            faults.append(text.format(epoch=epoch, present=present))
        if epoch is not None and epoch > self.epoch + EPOCH_LEAD:
            text = _("epoch {epoch} leads the officers' own by more than {n}")
            faults.append(text.format(epoch=epoch, n=EPOCH_LEAD))
        if not scopes or faults:
            raise ConfigError(_("request"), faults or [_("at least one scope is needed")])
        grant = Grant(scopes=scopes, roles=request.roles, level=level, epoch=epoch or present)
        own = self.issue(request.key, request.holder, grant, now)
        return format_chain((*self._chains(), own))

    def renew(self, old: Certificate, now: datetime) -> bytes:
        """Return the armoured chain of *old*'s key with the same rights for another term.

        Raises:
            ConfigError, TrustError: as :meth:`certify`.
        """
        grant = Grant(
            scopes=old.scopes,
            roles=old.roles,
            level=old.level,
            epoch=epoch_of(list_issued(self.home), old.scopes, max(old.epoch, self.epoch)),
        )
        return format_chain((*self._chains(), self.issue(old.key, old.holder, grant, now)))

    def issue(self, key: PublicKey, holder: str, grant: Grant, now: datetime) -> bytes:
        """Return the certificate bundle for *key* alone, signed by both officers.

        It is in the register before it is returned, and ends no later than the officers' own.

        Raises:
            ConfigError: the officers' own certificates have ended, or an online key is to hold
                longer than boards allow.
            TrustError: DENIED: the key is on the deny list.
        """
        if grant.is_online and grant.life > ONLINE_LIFE:
            fault = _("a server's key holds for {n} days at most").format(n=ONLINE_LIFE.days)
            raise ConfigError(_("certificate"), [fault])
        if key.kid in self.trusted.denied:
            raise TrustError(Refusal.DENIED, f"{holder} {key.kid.hex()}")
        life = min(grant.life, self.ends - now)
        if life <= timedelta(0):
            fault = _("the officers' certificates have ended; loa key renew-officers first")
            raise ConfigError(_("officers"), [fault])
        serial = next_serial(self.home.authority_keys, "certificate", now)
        bounded = dataclasses.replace(grant, life=life)
        certificate = make_certificate(key, holder, bounded, serial=serial, now=now)
        signers = [officer.signer for officer in self.officers]
        data = sign_bundle(Kind.CERTIFICATE, certificate.to_bytes(), signers)
        keep_issued(self.home, data)
        return data

    @property
    def ends(self) -> datetime:
        """When the first of the officers' own certificates ends: nothing below holds longer."""
        expiries = [each.expires for each in read_chain(self._chains())]
        return datetime.fromtimestamp(min(expiries, default=0), UTC)

    def issue_server(self, key: PublicKey, name: str, now: datetime) -> bytes:
        """Return the armoured chain of the server key *name* (head, time or ingest)."""
        role, life = SERVER_LIVES[name]
        grant = Grant(
            scopes=(self.scope,),
            roles=(role,),
            level=Level.PROVINCE,
            life=life,
            epoch=self.epoch,
        )
        return format_chain((*self._chains(), self.issue(key, SERVER_HOLDER, grant, now)))

    def sign_policy(self, draft: Policy, now: datetime) -> bytes:
        """Sign *draft* with the next serial, put it into the content tree and return the bundle.

        Raises:
            TrustError: a board would refuse it.
        """
        data = self._sign(Kind.POLICY, draft, f"policy {draft.scope}", now)
        bundle = Bundle.from_bytes(data)
        signed = Policy.from_bytes(bundle.payload)
        self.home.content.put_object(data)
        self.home.content.set_policy(signed.scope, signed.epoch, signed.serial, bundle.digest)
        return data

    def sign_settings(self, draft: Settings, now: datetime) -> bytes:
        """Sign *draft* with the next serial, put it into the content tree and return the bundle.

        Raises:
            TrustError: a board would refuse it.
        """
        data = self._sign(Kind.SETTINGS, draft, f"settings {draft.scope}", now)
        self.home.content.put_state(draft.scope, "settings", data)
        return data

    def deny(self, entries: Iterable[Denied], now: datetime) -> bytes:
        """Put *entries* on the deny list, sign it, put it into the content tree and return it.

        What was denied stays so; the head names the new list when the server signs it next.

        Raises:
            ConfigError: the list is full, or an entry would deny a key that signs it.
            TrustError: a board would refuse it.
        """
        listed = list(entries)
        now_s = int(now.timestamp())
        check_bearable(listed, list_issued(self.home), self.signing_kids, now_s)
        draft = extended(present_list(self.home), self.scope, listed, now_s)
        data = self._sign(Kind.DENY_LIST, draft, f"deny list {self.scope}", now)
        bundle = Bundle.from_bytes(data)
        signed = DenyList.from_bytes(bundle.payload)
        self.home.content.put_object(data)
        self.home.content.set_deny_list(signed.scope, signed.epoch, signed.serial, bundle.digest)
        return data

    def assign(self, key: PublicKey, scope: str, village: str, now: datetime) -> bytes:
        """Sign that the board with *key* hangs at *scope*; put it into the tree and return it.

        Raises:
            MessageError: *scope* or *village* is not of the form.
            TrustError: a board would refuse it, for example outside the province.
        """
        draft = Assignment(
            endpoint=key.fingerprint, epoch=self.epoch, serial=0, scope=scope, village=village
        )
        return self.sign_assignment(draft, now)

    def sign_assignment(self, draft: Assignment, now: datetime) -> bytes:
        """Sign *draft* with the next serial, put it into the content tree and return the bundle.

        Raises:
            TrustError: a board would refuse it.
        """
        subject = f"assignment {draft.endpoint[:KID_BYTES].hex()}"
        data = self._sign(Kind.ASSIGNMENT, draft, subject, now)
        self.home.content.put_state(draft.scope, "assignment", data)
        return data

    @property
    def signing_kids(self) -> frozenset[bytes]:
        """The key ids of the present officers."""
        return frozenset(officer.signer.public.kid for officer in self.officers)

    @property
    def scope(self) -> str:
        """The province's scope."""
        return self.trusted.root.scope

    def _sign(
        self,
        kind: Kind,
        draft: Policy | Settings | Assignment | DenyList,
        subject: str,
        now: datetime,
    ) -> bytes:
        serial = next_serial(self.home.authority_keys, subject, now)
        body: Wire = dataclasses.replace(draft, epoch=self.epoch, serial=serial)
        signers = [officer.signer for officer in self.officers]
        data = sign_bundle(kind, body.to_bytes(), signers, certificates=self._chains())
        accept(data, _trusted(self.home), Now(int(now.timestamp()), ClockTrust.T3))
        return data

    def _chains(self) -> tuple[bytes, ...]:
        return tuple(dict.fromkeys(each for officer in self.officers for each in officer.chain))


def officers_epoch(home: Home) -> int:
    """Return the highest epoch of the officers' present certificates.

    Raises:
        StoreError, FormatError: a certificate cannot be read.
    """
    chains = [load_chain(home.authority_keys / name) for name in OFFICERS]
    return max((each.epoch for chain in chains for each in read_chain(chain)), default=EPOCH)


def _trusted(home: Home) -> Trusted:
    denials = denials_in_force(home)
    denied = frozenset(entry.value for entry in denials)
    return dataclasses.replace(home.trusted(), denied=denied, denials=denials)


def make_certificate(
    key: PublicKey, holder: str, grant: Grant, *, serial: int, now: datetime
) -> Certificate:
    """Return the unsigned certificate of *key* for *grant*, from a little before *now* on.

    An online key's life counts from that beginning, as boards count it; a person's from *now*.
    """
    start = int(now.timestamp())
    begins = start - _EARLIER_S
    counted = begins if grant.is_online else start
    return Certificate(
        algorithm=key.algorithm,
        raw=key.raw,
        holder=holder,
        scopes=grant.scopes,
        roles=grant.roles,
        may_issue=grant.may_issue,
        level=grant.level,
        epoch=grant.epoch,
        serial=serial,
        not_before=begins,
        expires=counted + int(grant.life.total_seconds()),
    )


def open_device_ca(home: Home, passphrase: Secrets) -> x509.Issuer:
    """Open the device CA; raises as :func:`open_issuer`."""
    return open_issuer(home.authority_keys / DEVICE_CA, home.device_ca_path, passphrase)


def open_issuer(key_path: Path, certificate: Path, passphrase: Secrets) -> x509.Issuer:
    """Open the X.509 CA with the key at *key_path* and the PEM file *certificate*.

    Raises:
        StoreError: a file cannot be read.
        ConfigError: the passphrase does not open the key.
        FormatError: the certificate is damaged.
    """
    key = load_key(key_path, passphrase)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(str(key_path), [_("not a P-256 key")])
    return x509.Issuer(x509.from_pem(read_bytes(certificate)), key)
