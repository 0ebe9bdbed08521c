"""Judges orders before they leave, by the boards' own acceptance rule and the policy in force.

A desk needs no policy to silence a place: where the policy has run out, commands are still judged,
by the root's floors alone. Alerts need one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from loa_manager.home import Home
from loa_manager.in_date import check_in_date
from loa_manager.keyring import Identity
from loa_manager.orders.paper import Paper, open_paper
from loa_manager.publish.desk import Desk, trusted_with_denials
from loa_manager.publish.signing import signers_of
from loa_protocol.accept import accept
from loa_protocol.chain import resolve
from loa_protocol.envelope import Bundle, add_signature
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.live import Grant
from loa_protocol.objects.playlist import BearerKind, BulletinKind, Playlist
from loa_protocol.objects.policy import Policy
from loa_protocol.record import ClockTrust
from loa_protocol.scope import is_inside
from loa_protocol.trust import RULES, Accepted, Now, Refusal, Resolved, Trusted, TrustError

_ = translator("loa_manager")

LOWEST: Final = {Verb.LOCKDOWN: Level.PROVINCE, Verb.RESET_FLOOR: Level.PROVINCE}


@dataclass(frozen=True, slots=True)
class Judged:
    """What a board would say to an order now; *accepted* is None while holders are missing."""

    paper: Paper
    signers: tuple[Resolved, ...]
    accepted: Accepted | None

    @property
    def is_complete(self) -> bool:
        """Whether a board would take it."""
        return self.accepted is not None


@dataclass(frozen=True, slots=True)
class OrderDesk:
    """What orders are judged by; *rules* is None where no policy is in force.

    *slots* are live slots of playlists that were judged elsewhere: a person's home has none.
    """

    home: Home
    trusted: Trusted
    rules: Desk | None
    now: Now
    slots: Mapping[tuple[bytes, str], tuple[int, int]] = dataclasses.field(default_factory=dict)

    @classmethod
    def open(cls, home: Home, now: datetime) -> OrderDesk:
        """Accept what *home* holds.

        Raises:
            FormatError: root, policy or deny list is damaged.
            TrustError: a deny list is not to be trusted.
            StoreError: one cannot be read.
        """
        instant = Now(int(now.timestamp()), ClockTrust.T3)
        trusted = trusted_with_denials(home, instant)
        try:
            rules: Desk | None = Desk.open(home, now)
        except TrustError:  # run out; or signed by those who are denied now
            rules = None
        return cls(home, trusted, rules, instant)

    def policy_for(self, scope: str) -> Policy:
        """Return the tightest policy over *scope*.

        Raises:
            ConfigError: *scope* is in another province, or no policy is in force.
        """
        province = self.trusted.root.scope
        if not is_inside(scope, province):
            fault = _("not in the province of this home, {province}")
            raise ConfigError(scope, [fault.format(province=province)])
        if self.rules is None:
            raise ConfigError(_("policy"), [_("no policy is in force; sign a new one first")])
        return self.rules.policy_for(scope)

    def judge(self, paper: Paper, known: Iterable[Paper] = ()) -> Judged:
        """Judge *paper* as a board in its scope would.

        Args:
            paper: The order, with the seals it has got so far.
            known: Other orders that stand: an id that was used is refused.

        Raises:
            TrustError: a board would refuse it, for more than a missing holder.
            ConfigError: it goes over the limits of the policy, or no policy is in force.
            FormatError: a certificate is damaged.
        """
        signers = tuple(signers_of(paper.bundle, self.trusted, self.now))
        trusted = self._trusted_for(paper, known)
        _check_level(paper, signers)
        try:
            accepted: Accepted | None = accept(paper.data, trusted, self.now)
        except TrustError as error:
            if error.reason is not Refusal.THRESHOLD:
                raise
            accepted = None
        if accepted is not None:
            self._check_limits(paper, accepted, known)
        return Judged(paper, signers, accepted)

    def seal(self, paper: Paper, identity: Identity, role: Role | None = None) -> Paper:
        """Return *paper* with a seal of *identity*.

        Raises:
            TrustError: ROLE, SCOPE, CHAIN: the certificate does not allow it; EXPIRED: it has
                ended; THRESHOLD: the same holder has sealed it before.
        """
        check_in_date(identity, self.now)
        signer = resolve(identity.chain, self.trusted, self.now).get(identity.signer.public.kid)
        if signer is None or signer.certificate is None:
            text = _("{name} has no certificate").format(name=identity.name)
            raise TrustError(Refusal.CHAIN, text)
        fitting = {role} if role is not None else set(roles_of(paper))
        if not fitting & set(signer.roles):
            text = _("{holder} is no {role}")
            names = " / ".join(sorted(each.name.lower() for each in fitting))
            raise TrustError(Refusal.ROLE, text.format(holder=signer.holder, role=names))
        scope = paper.body.scope
        if not any(is_inside(scope, prefix) for prefix in signer.scopes):
            text = _("{holder} does not speak for {scope}")
            raise TrustError(Refusal.SCOPE, text.format(holder=signer.holder, scope=scope))
        earlier = signers_of(paper.bundle, self.trusted, self.now)
        if signer.holder in {each.holder for each in earlier}:
            text = _("{holder} has signed already; the second signature is another person's")
            raise TrustError(Refusal.THRESHOLD, text.format(holder=signer.holder))
        data = add_signature(paper.data, identity.signer, certificates=identity.chain)
        return open_paper(data, paper.path)

    def level_of(self, paper: Paper) -> Level | None:
        """Return the level at which *paper* counts; None where that cannot be told any more."""
        try:
            trusted = self._trusted_for(paper, ())
            return accept(paper.data, trusted, self.now).level
        except (TrustError, ConfigError):
            return None

    def _trusted_for(self, paper: Paper, known: Iterable[Paper]) -> Trusted:
        others = (each for each in known if each.bundle.digest != paper.bundle.digest)
        if any(each.id == paper.id for each in others):  # answers and references name the id
            raise TrustError(Refusal.REPLAYED, paper.id.hex())
        trusted = self.trusted
        if isinstance(paper.body, Command):
            if self.rules is None:
                return dataclasses.replace(trusted, nonce=paper.body.nonce or b"")
            trusted = dataclasses.replace(trusted, nonce=paper.body.nonce or b"")
        if isinstance(paper.body, Grant):
            trusted = dataclasses.replace(trusted, live_slots=self._live_slots(paper.body))
        policy = self.policy_for(paper.body.scope)
        return dataclasses.replace(
            trusted,
            thresholds=policy.thresholds,
            preapproved=frozenset(policy.preapproved),
            preapproved_holders=policy.preapproved_holders,
        )

    def _live_slots(self, grant: Grant) -> dict[tuple[bytes, str], tuple[int, int]]:
        """Return the live slot that *grant* fills, where its playlist is in force here."""
        digest, slot = grant.playlist, grant.slot
        if digest is None or slot is None:
            return {}
        if (digest, slot) in self.slots:
            return {(digest, slot): self.slots[digest, slot]}
        if digest not in {leaf.digest for leaf in self.home.content.leaves()}:
            return {}
        bundle = Bundle.from_bytes(self.home.content.object(digest))
        span = find_slot(Playlist.from_bytes(bundle.payload), slot)
        return {} if span is None else {(digest, slot): span}

    def _check_limits(self, paper: Paper, accepted: Accepted, known: Iterable[Paper]) -> None:
        """Refuse what the boards' daily limits would refuse, as far as it can be told from here."""
        body = paper.body
        if not isinstance(body, Alert) or body.is_cancel or accepted.level > Level.COMMUNE:
            return
        limits = self.policy_for(body.scope).alert_limits
        others = [
            (each, {signer.holder for signer in self._signers(each)})
            for each in known
            if isinstance(each.body, Alert) and each.id != body.id and not each.body.is_cancel
        ]
        days = []  # of each holder: how many alerts, and how long they may sound
        for holder in {signer.holder for signer in accepted.signers}:
            mine = [body, *(each.body for each, holders in others if holder in holders)]
            days.append((len(mine), sum(map(sound_s, mine))))
        fewest, shortest = (min(day[at] for day in days) for at in (0, 1))
        # like a board: what several people stand behind is refused when all of them are over
        if all(n > limits.per_day or s > limits.seconds_per_day for n, s in days):
            text = _(
                "the policy allows a holder {count} alerts and {seconds} s of them a day;"
                " this would be {mine} and {length} s"
            )
            values = {"count": limits.per_day, "seconds": limits.seconds_per_day}
            raise ConfigError(_("alert"), [text.format(mine=fewest, length=shortest, **values)])

    def _signers(self, paper: Paper) -> list[Resolved]:
        try:
            return signers_of(paper.bundle, self.trusted, self.now)
        except TrustError:
            return []


def find_slot(playlist: Playlist, item: str) -> tuple[int, int] | None:
    """Return from when to when, unix seconds, the live slot *item* may be filled; None for none."""
    for each in playlist.items:
        is_live = any(b.kind is BearerKind.STREAM and b.reference == 0 for b in each.bearers)
        if each.id == item and is_live and each.session < len(playlist.sessions):
            start_ms = playlist.sessions[each.session].start * 1000 + each.offset_ms
            return start_ms // 1000, (start_ms + each.duration_ms) // 1000
    return None


def sound_s(body: object) -> int:
    """Return for how many seconds the alert *body* may sound at most; 0 for anything else."""
    if not isinstance(body, Alert) or body.media is None:
        return 0
    return min(body.duration_s, -(-body.repeats * body.media.duration_ms // 1000))


def roles_of(paper: Paper) -> tuple[Role, ...]:
    """Return the roles that the seals of *paper* need."""
    if isinstance(paper.body, Grant) and paper.body.kind is BulletinKind.EMERGENCY:
        return Role.LIVE, Role.ALERT
    return tuple(dict.fromkeys(RULES[paper.kind].roles))


def lowest_level(paper: Paper) -> Level:
    """Return the level below which nobody gives such an order."""
    if isinstance(paper.body, Command):
        return LOWEST.get(paper.body.verb, Level.COMMUNE)
    return RULES[paper.kind].lowest


def level_text(level: Level) -> str:
    """Return the word for *level* in the language in force."""
    return {
        Level.COMMUNE: _("commune"),
        Level.PROVINCE: _("province"),
        Level.CENTRAL: _("central"),
    }[level]


def _check_level(paper: Paper, signers: Iterable[Resolved]) -> None:
    lowest = lowest_level(paper)
    for signer in signers:
        if signer.level < lowest:  # told now, not when the last holder has signed
            text = _("{holder} signs for a {level}; it takes a {lowest}")
            names = {"level": level_text(signer.level), "lowest": level_text(lowest)}
            raise TrustError(Refusal.LEVEL, text.format(holder=signer.holder, **names))
