"""From one root to the next: what shall change, a draft that travels from holder to holder.

The holders need not meet. A draft carries the root in force and the proposed one with the
signatures it has so far; each holder looks at it and adds one. Pure: files are the caller's.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from loa_manager.armour import armour, unarmour
from loa_manager.root_holders import MAX_THRESHOLD, MIN_THRESHOLD, SPEAKING_FLOOR
from loa_protocol.envelope import Bundle, Kind, add_signature, sign_bundle
from loa_protocol.errors import ConfigError, MessageError
from loa_protocol.keys import Algorithm, Signer
from loa_protocol.language import translator
from loa_protocol.objects.authority import Root, RootKey
from loa_protocol.record import ClockTrust
from loa_protocol.schema import Bytes, Wire, wire
from loa_protocol.succession import accept_root, holders_of, root_signers
from loa_protocol.trust import Now

_ = translator("loa_manager")

_TITLE: Final = "LOA ROOT DRAFT"
_MAX_ROOT: Final = 16 * 1024
_UNKNOWN_TIME: Final = Now(0, ClockTrust.T0)  # whether the root in force is one has no date


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What the next root shall do otherwise; what is not named stays."""

    add: tuple[RootKey, ...] = ()
    remove: tuple[str, ...] = ()  # holders
    threshold: int | None = None
    formats: Mapping[int, int] = field(default_factory=dict)  # kind -> lowest version
    floors: Mapping[int, int] = field(default_factory=dict)  # kind -> fewest holders
    add_algorithms: tuple[Algorithm, ...] = ()
    remove_algorithms: tuple[Algorithm, ...] = ()


@dataclass(frozen=True, slots=True)
class Signatures:
    """Who agreed so far, and how many must."""

    old: frozenset[str]
    new: frozenset[str]
    old_needed: int
    new_needed: int

    @property
    def is_complete(self) -> bool:
        """Whether both roots' holders have agreed."""
        return len(self.old) >= self.old_needed and len(self.new) >= self.new_needed


@dataclass(frozen=True, slots=True, kw_only=True)
class RootDraft(Wire):
    """The root in force and the proposed one, both as bundles."""

    present: bytes = wire(1, Bytes(1, _MAX_ROOT))
    proposed: bytes = wire(2, Bytes(1, _MAX_ROOT))

    @property
    def base(self) -> Bundle:
        """The root in force, as it was when the draft was made."""
        return Bundle.from_bytes(self.present)

    @property
    def next(self) -> Bundle:
        """The proposed root with its signatures so far."""
        return Bundle.from_bytes(self.proposed)

    @property
    def old(self) -> Root:
        """The root in force, opened."""
        return Root.from_bytes(self.base.payload)

    @property
    def new(self) -> Root:
        """The proposed root, opened."""
        return Root.from_bytes(self.next.payload)

    def signatures(self) -> Signatures:
        """Return who signed, every signature checked.

        Raises:
            TrustError: a signature is by a stranger, or does not fit.
        """
        old, new = self.old, self.new
        kids = root_signers(self.proposed, (old, new))
        needed = old.threshold if old.keys == new.keys else max(old.threshold, old.recovery_keys)
        return Signatures(holders_of(old, kids), holders_of(new, kids), needed, new.threshold)

    def to_text(self) -> bytes:
        """Return the draft as text that travels by mail and on sticks."""
        return armour(_TITLE, self.to_bytes())


def parse_draft(data: bytes) -> RootDraft:
    """Read a draft: its root in force is one, and every signature on the proposed one is good.

    Raises:
        FormatError: *data* is no draft.
        TrustError: the root in force is not signed by its own holders, or a signature is bad.
    """
    draft = RootDraft.from_bytes(unarmour(_TITLE, data))
    accept_root(draft.present, None, _UNKNOWN_TIME)
    if draft.next.kind != Kind.ROOT or draft.new.version != draft.old.version + 1:
        raise MessageError("the proposed object is not the next root")
    draft.signatures()
    return draft


def make_draft(present: bytes, changes: Changes, now: datetime) -> RootDraft:
    """Return the unsigned draft of the root after *present*.

    Raises:
        ConfigError: the changes do not go together; every fault is named.
    """
    root = next_root(Root.from_bytes(Bundle.from_bytes(present).payload), changes, now)
    return RootDraft(present=present, proposed=sign_bundle(Kind.ROOT, root.to_bytes(), ()))


def sign_draft(draft: RootDraft, signer: Signer) -> RootDraft:
    """Return *draft* with the signature of *signer*; once is enough.

    Raises:
        ConfigError: the key belongs to neither root.
    """
    kid = signer.public.kid
    if not any(key.key == signer.public for root in (draft.old, draft.new) for key in root.keys):
        fault = _("the key {kid} belongs neither to the root in force nor to the new one")
        raise ConfigError(_("root"), [fault.format(kid=kid.hex()[:16])])
    if kid in root_signers(draft.proposed, (draft.old, draft.new)):
        return draft
    return dataclasses.replace(draft, proposed=add_signature(draft.proposed, signer))


def next_root(present: Root, changes: Changes, now: datetime) -> Root:
    """Return the root that follows *present*, unsigned.

    Raises:
        ConfigError: the changes do not go together; every fault is named.
    """
    kept = tuple(key for key in present.keys if key.holder not in changes.remove)
    algorithms = tuple(
        each
        for each in dict.fromkeys((*present.algorithms, *changes.add_algorithms))
        if each not in changes.remove_algorithms
    )
    threshold = present.threshold if changes.threshold is None else changes.threshold
    faults = _faults(present, changes, kept, algorithms, threshold)
    if faults:
        raise ConfigError(_("root"), faults)
    new = dataclasses.replace(
        present,
        version=present.version + 1,
        created=max(int(now.timestamp()), present.created),
        keys=(*kept, *changes.add),
        threshold=threshold,
        algorithms=algorithms,
        formats={**present.formats, **changes.formats},
        floors={**present.floors, **changes.floors},
        recovery_keys=threshold,
    )
    if dataclasses.replace(new, version=present.version, created=present.created) == present:
        raise ConfigError(_("root"), [_("nothing would change")])
    return new


def _faults(
    present: Root,
    changes: Changes,
    kept: tuple[RootKey, ...],
    algorithms: tuple[Algorithm, ...],
    threshold: int,
) -> list[str]:
    keys = (*kept, *changes.add)
    holders = Counter(key.holder for key in keys)
    kids = Counter(key.key.kid for key in keys)
    known = {key.holder for key in present.keys}
    faults = [
        _("{holder} is no holder of this root").format(holder=holder)
        for holder in changes.remove
        if holder not in known
    ]
    faults += [
        _("{holder} would hold two keys; remove the old one too").format(holder=holder)
        for holder, count in holders.items()
        if count > 1
    ]
    faults += [_("one key stands twice") for count in kids.values() if count > 1]
    faults += threshold_faults(threshold, len(holders))
    faults += [
        _("{holder}'s key is of an algorithm that the root would not allow").format(
            holder=key.holder
        )
        for key in keys
        if key.algorithm not in algorithms
    ]
    faults += [
        _("the format floor of {kind} would fall").format(kind=_kind_name(kind))
        for kind, version in changes.formats.items()
        if version < present.formats.get(kind, 1)
    ]
    faults += [
        _("{kind} needs at least {n} holders").format(kind=_kind_name(kind), n=SPEAKING_FLOOR)
        for kind, count in changes.floors.items()
        if count < min(SPEAKING_FLOOR, present.floors.get(kind, 1))
    ]
    return faults


def threshold_faults(threshold: int, holders: int) -> list[str]:
    """Return what is wrong with that threshold among so many holders."""
    if not MIN_THRESHOLD <= threshold <= MAX_THRESHOLD:
        text = _("the threshold must be from {least} to {most}")
        return [text.format(least=MIN_THRESHOLD, most=MAX_THRESHOLD)]
    if threshold >= holders:
        text = _(
            "{n} holders are too few for a threshold of {threshold}: one lost key would be all"
        )
        return [text.format(n=holders, threshold=threshold)]
    return []


def _kind_name(kind: int) -> str:
    return Kind(kind).name.lower() if kind in set(Kind) else str(kind)
