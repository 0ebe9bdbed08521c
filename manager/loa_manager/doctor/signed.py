"""What lies in the content tree, judged by the acceptance rule itself; and forgeries beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ed25519

from loa_manager.content_tree import ContentTree
from loa_manager.doctor.finding import Finding, passed_if
from loa_manager.home import Home, read_bytes
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, seal
from loa_protocol.errors import FormatError, LoaError, StoreError
from loa_protocol.keys import Algorithm, SoftSigner
from loa_protocol.language import translator
from loa_protocol.objects.placement import Settings
from loa_protocol.objects.policy import Policy
from loa_protocol.parameters import FallbackParameters
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, Refusal, Trusted, TrustError

_ = translator("loa_manager")

ACCEPTED: Final = "accepted"
_PROVISIONS: Final = ("5.5-5",)


@dataclass(frozen=True, slots=True)
class Judged:
    """An object and the verdict on it: ``accepted``, or why not."""

    name: str
    verdict: str

    @property
    def is_well(self) -> bool:
        """Whether boards take it, or would have in its time: old playlists stay in place."""
        return self.verdict in (ACCEPTED, Refusal.EXPIRED) if self.is_dated else self.is_accepted

    @property
    def is_accepted(self) -> bool:
        """Whether boards take it."""
        return self.verdict == ACCEPTED

    @property
    def is_dated(self) -> bool:
        """Whether it is meant to run out."""
        return self.name.startswith("playlist")


def judge_tree(home: Home, now: datetime) -> list[Judged]:
    """Return the verdict on every object of configuration in the content tree.

    Raises:
        StoreError, FormatError: the root or the index cannot be read.
    """
    trusted, at = home.trusted(), _at(now)
    return [Judged(name, verdict(data, trusted, at)) for name, data in _objects(home.content)]


def verdict(data: bytes | None, trusted: Trusted, at: Now) -> str:
    """Return ``accepted``, a refusal's word, or that *data* is missing or no object."""
    if data is None:
        return "missing"
    try:
        accept(data, trusted, at)
    except TrustError as error:
        return str(error.reason)
    except FormatError:
        return "format"
    return ACCEPTED


def judge_configuration(judged: Sequence[Judged], where: Path) -> Finding:
    """Judge the verdicts of :func:`judge_tree`."""
    bad = [f"{each.name}: {each.verdict}" for each in judged if not each.is_well]
    text = _(
        "{n} objects (settings, policies, assignments, playlists, lists) judged; refused: {bad}"
    )
    return Finding(
        id="configuration_signed",
        provisions=_PROVISIONS,
        result=passed_if(bool(judged) and not bad),
        text=text.format(n=len(judged), bad=", ".join(bad) or "-"),
        where=str(where),
        evidence={"objects": {each.name: each.verdict for each in judged}},
    )


def judge_forgeries(home: Home, now: datetime) -> Iterator[Finding]:
    """Judge what the acceptance rule says to forgeries of this province's own settings.

    Raises:
        StoreError, FormatError: root or settings cannot be read.
    """
    trusted, at = home.trusted(), _at(now)
    data = home.settings_for(trusted.root.scope)
    if data is None:
        raise StoreError(str(home.content.path), _("the province has no settings"))
    found = {name: verdict(each, trusted, at) for name, each in _forgeries(data).items()}
    genuine = verdict(data, trusted, at)
    text = _("the province's settings: {genuine}; forged: {found}")
    yield Finding(
        id="forgeries_refused",
        provisions=_PROVISIONS,
        result=passed_if(genuine == ACCEPTED and ACCEPTED not in found.values()),
        text=text.format(
            genuine=genuine, found=", ".join(f"{name}: {why}" for name, why in found.items())
        ),
        where=str(home.content.path),
        evidence={"genuine": genuine, **found},
    )
    yield _judge_algorithms(data, trusted, at)


def judge_schedule(home: Home) -> Iterator[Finding]:
    """Judge what the signed policy and settings say about days without a network and the return.

    Raises:
        StoreError, FormatError: policy or settings cannot be read.
    """
    scope = home.root.scope
    leaf = home.content.index().policies.get(scope)
    days = 0
    if leaf is not None:
        policy = Bundle.from_bytes(home.content.object(leaf.digest))
        days = Policy.from_bytes(policy.payload).cached_days
    text = _("the signed policy lets boards play their schedule for {days} days without a head")
    yield Finding(
        id="plays_offline",
        provisions=("5.9-1", "5.9-2"),
        result=passed_if(days > 0),
        text=text.format(days=days),
        where=f"policy {scope}",
        evidence={"cached_days": days},
    )
    data = home.settings_for(scope)
    if data is None:
        return
    settings = Settings.from_bytes(Bundle.from_bytes(data).payload)
    jitter = FallbackParameters.from_map(settings.fallback).ip_probe_jitter_permille
    text = _("signed settings: tries to connect are spread by {permille} per mille")
    yield Finding(
        id="orderly_return",
        provisions=("5.9-3",),
        result=passed_if(jitter > 0),
        text=text.format(permille=jitter),
        where=f"settings {scope}",
        evidence={"ip_probe_jitter_permille": jitter, "heartbeat_s": settings.heartbeat_s},
    )


def _judge_algorithms(data: bytes, trusted: Trusted, at: Now) -> Finding:
    root = trusted.root
    used = {each.algorithm for each in root.keys}
    fewer = tuple(each for each in Algorithm if each not in used) or (Algorithm.ES256,)
    without = dataclasses.replace(trusted, root=dataclasses.replace(root, algorithms=fewer))
    answer = verdict(data, without, at)
    names = ", ".join(each.name for each in root.algorithms)
    text = _("the signed root names {names}; under a root without the one in use: {answer}")
    return Finding(
        id="algorithms_are_data",
        provisions=("5.5-3",),
        result=passed_if(bool(root.algorithms) and answer not in (ACCEPTED, "format")),
        text=text.format(names=names, answer=answer),
        where=f"root {root.version}",
        evidence={"algorithms": [each.name for each in root.algorithms], "without": answer},
    )


def _forgeries(data: bytes) -> dict[str, bytes]:
    bundle = Bundle.from_bytes(data)
    stranger = SoftSigner(ed25519.Ed25519PrivateKey.generate())
    strange = seal(bundle.payload, bundle.label, stranger)
    settings = Settings.from_bytes(bundle.payload)
    changed = dataclasses.replace(settings, heartbeat_s=settings.heartbeat_s + 1).to_bytes()
    made = {
        "unsigned": dataclasses.replace(bundle, seals=()),
        "one_signer": dataclasses.replace(bundle, seals=bundle.seals[:1]),
        "unknown_key": dataclasses.replace(bundle, seals=(strange,)),
        "changed": dataclasses.replace(bundle, payload=changed),
    }
    return {name: each.to_bytes() for name, each in made.items()}


def _objects(tree: ContentTree) -> Iterator[tuple[str, bytes | None]]:
    index = tree.index()
    tables = (
        ("policy", index.policies),
        ("deny-list", index.deny_lists),
        ("playlist", index.playlists),
    )
    for kind, table in tables:
        for scope, leaf in sorted(table.items()):
            yield f"{kind} {scope}", _read(tree, leaf.digest)
    state = tree.path / "state"
    for path in sorted(state.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            place = path.relative_to(state)
            yield f"{place.name} {place.parent}", read_bytes(path)
    yield "head", read_bytes(tree.path / "head") if (tree.path / "head").is_file() else None


def _read(tree: ContentTree, digest: bytes) -> bytes | None:
    try:
        return tree.object(digest)
    except LoaError:
        return None


def _at(now: datetime) -> Now:
    return Now(int(now.timestamp()), ClockTrust.T3)
