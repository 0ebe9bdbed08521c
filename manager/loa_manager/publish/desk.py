"""What a home judges a schedule by: the root, the policies in force, what is denied.

The province's home has them in its content tree; an editor's or approver's home holds copies in
``public/rules``, which came with the root. Either way each is accepted by the device's own rule.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from pathlib import Path

from loa_manager.content_tree import write_durably
from loa_manager.home import Home, read_bytes
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import ConfigError
from loa_protocol.hours import tighten
from loa_protocol.language import translator
from loa_protocol.objects.placement import DenyList, Settings
from loa_protocol.objects.policy import Policy
from loa_protocol.record import ClockTrust
from loa_protocol.scope import is_inside
from loa_protocol.trust import (
    RULES,
    Now,
    Position,
    Refusal,
    Trusted,
    TrustError,
    position_of,
    subject_of,
)

_ = translator("loa_manager")


def _accepted_policy(data: bytes, trusted: Trusted, now: Now) -> Policy:
    """Return the policy in *data*; raises as the acceptance rule, and says what helps."""
    try:
        policy = accept(data, trusted, now).body
    except TrustError as error:
        if error.reason is not Refusal.EXPIRED:
            raise
        text = _("the policy in this home: {why}; get a newer one with loa key export-public")
        raise TrustError(error.reason, text.format(why=error.detail)) from None
    assert isinstance(policy, Policy)  # as its kind says
    return policy


@dataclass(frozen=True, slots=True)
class Desk:
    """Accepted rules, by scope."""

    trusted: Trusted
    policies: Mapping[str, Policy]
    now: Now

    @classmethod
    def open(cls, home: Home, now: datetime) -> Desk:
        """Accept the rules that *home* holds.

        Raises:
            FormatError: one is damaged.
            TrustError: one is not to be trusted, or out of date.
            StoreError: one cannot be read.
        """
        instant = Now(int(now.timestamp()), ClockTrust.T3)
        trusted, bundles = trusted_with_denials(home, instant), _bundles(home)
        policies = {}
        for data in _newest(bundles, Kind.POLICY):
            policy = _accepted_policy(data, trusted, instant)
            policies[policy.scope] = policy
        return cls(trusted, policies, instant)

    def policy_for(self, scope: str) -> Policy:
        """Return the tighter of every policy above *scope*, the province's first.

        Raises:
            ConfigError: no policy covers it.
        """
        above = sorted(
            (policy for name, policy in self.policies.items() if is_inside(scope, name)),
            key=lambda policy: len(policy.scope),
        )
        if not above:
            fault = _("no policy covers {scope}; get it with: loa key export-public")
            raise ConfigError(_("policy"), [fault.format(scope=scope)])
        return reduce(tighten, above)

    def trusted_for(self, scope: str) -> Trusted:
        """Return what judges a playlist of *scope*: with the thresholds of its policy."""
        return dataclasses.replace(self.trusted, thresholds=self.policy_for(scope).thresholds)


def trusted_with_denials(home: Home, now: Now) -> Trusted:
    """Return what *home* judges signers by: its root, and who is denied.

    Needs no policy: who may speak is judged also on a day on which the policy has run out.

    Raises:
        FormatError: root or deny list is damaged.
        TrustError: a deny list is not to be trusted.
        StoreError: one cannot be read.
    """
    trusted = home.trusted()
    denied: frozenset[bytes] = frozenset()
    for data in _newest(_bundles(home), Kind.DENY_LIST):
        body = accept(data, trusted, now).body
        assert isinstance(body, DenyList)  # what accept() gives for this kind
        denied |= {entry.value for entry in body.entries}
    return dataclasses.replace(trusted, denied=denied)


def rules_folder(home: Home) -> Path:
    """Return where an editor's home keeps copies of policies and deny lists."""
    return home.public / "rules"


def export_rules(home: Home, other: Home) -> int:
    """Copy policies, deny lists and the settings of the province *home* to *other*.

    Returns:
        How many bundles.
    """
    bundles = _bundles(home)
    settings = home.settings_for(home.root.scope)
    if settings is not None:
        bundles.append(settings)
    for data in bundles:
        write_durably(rules_folder(other) / Bundle.from_bytes(data).digest.hex(), data)
    return len(bundles)


def find_settings(home: Home, now: datetime) -> Settings | None:
    """Return the newest settings of the whole province that *home* holds; None without any.

    Raises:
        FormatError, TrustError: they are damaged, or not signed by officers.
        StoreError: they cannot be read.
    """
    own = home.settings_for(home.root.scope)
    copies = _newest(_bundles(home), Kind.SETTINGS) if own is None else [own]
    instant = Now(int(now.timestamp()), ClockTrust.T3)
    for data in copies:
        body = accept(data, trusted_with_denials(home, instant), instant).body
        assert isinstance(body, Settings)  # what accept() gives for this kind
        if body.scope == home.root.scope:
            return body
    return None


def _bundles(home: Home) -> list[bytes]:
    index = home.content.index()
    leaves = (*index.policies.values(), *index.deny_lists.values())
    if leaves:
        return [home.content.object(leaf.digest) for leaf in leaves]
    return [read_bytes(path) for path in sorted(rules_folder(home).glob("*")) if path.is_file()]


def _newest(bundles: list[bytes], kind: Kind) -> list[bytes]:
    """Return the newest of *kind* for each scope: copies in a home may be of several years."""
    model = RULES[kind].model
    found: dict[str, tuple[Position, bytes]] = {}
    for data in bundles:
        bundle = Bundle.from_bytes(data)
        if bundle.kind != kind:
            continue
        body = model.from_bytes(bundle.payload)
        position, scope = position_of(body, bundle.digest), subject_of(kind, body)[1]
        assert position is not None  # both kinds are state
        if scope not in found or position.order > found[scope][0].order:
            found[scope] = position, data
    return [data for _position, data in found.values()]
