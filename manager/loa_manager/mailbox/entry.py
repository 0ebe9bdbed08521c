"""A draft in the mailbox as others see it, and what its seals must be. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from loa_manager.mailbox.state import State, waits_for
from loa_manager.mailbox.store import Posted
from loa_manager.publish.desk import Desk
from loa_manager.publish.signing import signers_of
from loa_manager.request_seal import RequestError
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import FormatError
from loa_protocol.objects.authority import Role
from loa_protocol.objects.playlist import Media, Playlist
from loa_protocol.scope import is_inside
from loa_protocol.trust import Resolved, TrustError

DESKS: Final = (Role.EDITOR, Role.APPROVER)


@dataclass(frozen=True, slots=True)
class Entry:
    """A draft in the mailbox with its state and the people behind it."""

    posted: Posted
    state: State
    signers: tuple[Resolved, ...]
    missing: tuple[tuple[Media, int], ...]
    is_followed: bool = False  # a newer draft of the same place is there: the editor went on

    @property
    def waits_for(self) -> Role | None:
        """In which role somebody has to act next; None where nobody has."""
        role = waits_for(self.state)
        return None if role is Role.EDITOR and self.is_followed else role


def entry_facts(entry: Entry) -> dict[str, Any]:
    """Return *entry* as the interface tells it; see docs/protocol/transport.md."""
    posted, waiting = entry.posted, entry.waits_for
    playlist, rejection = posted.playlist, posted.rejection
    return {
        "digest": posted.digest,
        "scope": playlist.scope,
        "epoch": playlist.epoch,
        "serial": playlist.serial,
        "not_before": playlist.not_before,
        "expires": playlist.expires,
        "items": len(playlist.items),
        "state": str(entry.state),
        "waits_for": None if waiting is None else waiting.name.lower(),
        "signers": [each.holder for each in entry.signers],
        "submitted_ms": posted.notes.submitted_ms,
        "submitted_by": posted.notes.by,
        "published_ms": posted.notes.published_ms,
        "refusal": posted.notes.refusal,
        "rejection": None if rejection is None else rejection.hex(),
        "missing": [
            {"sha256": media.sha256.hex(), "size": media.size, "received": received}
            for media, received in entry.missing
        ],
    }


def read_bundle(data: bytes) -> tuple[Bundle, Playlist]:
    """Return the draft that *data* is; raise RequestError 400 ``kind`` or ``format`` if none."""
    try:
        bundle = Bundle.from_bytes(data)
        if bundle.kind != Kind.PLAYLIST or bundle.version != 1:
            raise RequestError(400, "kind")
        return bundle, Playlist.from_bytes(bundle.payload)
    except FormatError:
        raise RequestError(400, "format") from None


def check_signers(bundle: Bundle, playlist: Playlist, desk: Desk) -> None:
    """Pass when every seal so far is one that devices would count.

    Raises:
        RequestError: 400 ``format``, or 403 with the reason.
    """
    try:
        signers = signers_of(bundle, desk.trusted, desk.now)
    except FormatError:
        raise RequestError(400, "format") from None
    except TrustError as error:
        raise RequestError(403, str(error.reason)) from None
    for signer in signers:
        if not any(is_inside(playlist.scope, prefix) for prefix in signer.scopes):
            raise RequestError(403, "scope", signer.holder)
        if not signer.roles.intersection(DESKS):
            raise RequestError(403, "role", signer.holder)


def is_below(entry: Entry, newest: dict[str, tuple[int, int]]) -> bool:
    """Tell whether the *newest* (epoch, serial) of its scope is above the entry's."""
    playlist = entry.posted.playlist
    return (playlist.epoch, playlist.serial) < newest[playlist.scope]


def has_both(signers: tuple[Resolved, ...]) -> bool:
    """Tell whether an editor and an approver are among *signers*, two holders."""
    return any(
        editor.holder != approver.holder
        for editor in signers
        if Role.EDITOR in editor.roles
        for approver in signers
        if Role.APPROVER in approver.roles
    )
