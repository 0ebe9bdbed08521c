"""A root and the way to the next one, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from loa_manager.root_draft import RootDraft, Signatures
from loa_protocol.bench import short_fingerprint
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.language import translator
from loa_protocol.objects.authority import Root, RootKey

_ = translator("loa_manager")


def root_facts(bundle: Bundle) -> dict[str, Any]:
    """Return what can be told of a root, for people and for programs."""
    root = Root.from_bytes(bundle.payload)
    return {
        "province": root.scope,
        "test": root.test,
        "version": root.version,
        "created": datetime.fromtimestamp(root.created, UTC),
        "root": short_fingerprint(bundle.digest),
        "holders": [f"{key.holder} ({key.key.kid.hex()[:16]})" for key in root.keys],
        "threshold": root.threshold,
        "algorithms": [each.name.lower() for each in root.algorithms],
        "formats": {_kind(kind): version for kind, version in sorted(root.formats.items())},
        "floors": {_kind(kind): count for kind, count in sorted(root.floors.items())},
    }


def root_labels() -> dict[str, str]:
    """Return the labels under which :func:`root_facts` are shown."""
    return {
        "province": _("Province"),
        "test": _("Test province"),
        "version": _("Version"),
        "created": _("Made on"),
        "root": _("Root fingerprint"),
        "holders": _("Holders"),
        "threshold": _("Must agree"),
        "algorithms": _("Algorithms"),
        "formats": _("Format floors"),
        "floors": _("Fewest holders"),
    }


def differences(old: Root, new: Root) -> list[str]:
    """Return in sentences what *new* does otherwise than *old*."""
    return [
        *_holders(old, new),
        *_numbers(old, new),
        *_table(
            old.formats,
            new.formats,
            _("{kind}: only version {new} or newer is accepted (so far {old})"),
        ),
        *_table(
            old.floors,
            new.floors,
            _("{kind}: at least {new} holders must sign (so far {old})"),
        ),
    ]


def signature_facts(draft: RootDraft, signatures: Signatures) -> dict[str, Any]:
    """Return who has signed a draft and what is missing."""
    return {
        "signed_old": sorted(signatures.old),
        "needed_old": signatures.old_needed,
        "signed_new": sorted(signatures.new),
        "needed_new": signatures.new_needed,
        "complete": signatures.is_complete,
        "missing": _missing(draft, signatures),
    }


def _missing(draft: RootDraft, signatures: Signatures) -> list[str]:
    rows = (
        (_("of the root in force"), draft.old, signatures.old, signatures.old_needed),
        (_("of the new root"), draft.new, signatures.new, signatures.new_needed),
    )
    found = []
    for which, root, signed, needed in rows:
        if len(signed) < needed:
            open_to = sorted({key.holder for key in root.keys} - signed)
            text = _("{n} more {which}, any of: {who}")
            found.append(text.format(n=needed - len(signed), which=which, who=", ".join(open_to)))
    return found


def _holders(old: Root, new: Root) -> Iterator[str]:
    before = {key.key.kid: key for key in old.keys}
    after = {key.key.kid: key for key in new.keys}
    for kid, key in before.items():
        if kid not in after:
            yield _("leaves: {who}").format(who=_who(key))
        elif after[kid].holder != key.holder:
            text = _("the key of {old} is now held by {new}")
            yield text.format(old=key.holder, new=after[kid].holder)
    for kid, key in after.items():
        if kid not in before:
            yield _("comes: {who}").format(who=_who(key))


def _numbers(old: Root, new: Root) -> Iterator[str]:
    if old.threshold != new.threshold:
        text = _("{new} of {n} holders must agree (so far {old} of {m})")
        yield text.format(new=new.threshold, n=len(new.keys), old=old.threshold, m=len(old.keys))
    if new.recovery_keys not in (old.recovery_keys, new.threshold):
        yield _("{n} holders must agree where keys change").format(n=new.recovery_keys)
    for each in set(new.algorithms) - set(old.algorithms):
        yield _("keys of the algorithm {name} are accepted from now on").format(name=each.name)
    for each in set(old.algorithms) - set(new.algorithms):
        text = _("keys of the algorithm {name} are accepted no more: what they sign is refused")
        yield text.format(name=each.name)
    if old.scope != new.scope or old.test != new.test:
        yield _("ANOTHER PROVINCE: no board will take it")


def _table(old: Mapping[int, int], new: Mapping[int, int], text: str) -> Iterator[str]:
    for kind in sorted({*old, *new}):
        if old.get(kind, 1) != new.get(kind, 1):
            yield text.format(kind=_kind(kind), old=old.get(kind, 1), new=new.get(kind, 1))


def _who(key: RootKey) -> str:
    return f"{key.holder} ({key.algorithm.name}, {key.key.kid.hex()[:16]})"


def _kind(kind: int) -> str:
    return Kind(kind).name.lower() if kind in set(Kind) else str(kind)
