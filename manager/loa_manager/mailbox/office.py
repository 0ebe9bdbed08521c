"""What the server does with drafts: takes them in, keeps them apart, and publishes mechanically.

No key is opened here. A draft has no path to the content tree until both seals are on it and the
devices' own acceptance rule says yes; then nobody needs to be asked any more.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from datetime import datetime
from typing import Any, Final

from loa_manager.account import note
from loa_manager.home import Home
from loa_manager.mailbox.entry import DESKS, Entry, check_signers, has_both, is_below, read_bundle
from loa_manager.mailbox.parts import OffsetError
from loa_manager.mailbox.rejection import open_rejection
from loa_manager.mailbox.room import Held, Limits, drafts_to_drop
from loa_manager.mailbox.state import Standing, State, state_of
from loa_manager.mailbox.store import DraftBox, Notes, Posted
from loa_manager.publish.desk import Desk
from loa_manager.publish.drafts import Draft
from loa_manager.publish.order import find_collisions
from loa_manager.publish.publication import publish
from loa_manager.publish.signing import signers_of
from loa_manager.request_seal import RequestError, Sender
from loa_protocol.envelope import Bundle, Kind, open_seal
from loa_protocol.errors import ConfigError, FormatError
from loa_protocol.objects.authority import Role
from loa_protocol.objects.playlist import Media, Playlist
from loa_protocol.trust import Refusal, TrustError

_DAY_MS: Final = 86_400_000

log = logging.getLogger(__name__)


class Office:
    """The mailbox of one province home."""

    def __init__(self, home: Home, limits: Limits | None = None) -> None:
        self._home, self._limits = home, limits or Limits()
        self._box = DraftBox(home.path / "mailbox", home.content)
        self._publishing = threading.Lock()

    def inbox(self, scope: str, now: datetime) -> list[Entry]:
        """Return the drafts of *scope* and below, the newest first; raises StoreError."""
        desk = Desk.open(self._home, now)
        found = [self._entry(posted, desk) for posted in self._box.inside(scope)]
        newest: dict[str, tuple[int, int]] = {}
        for each in found:
            playlist = each.posted.playlist
            order = playlist.epoch, playlist.serial
            newest[playlist.scope] = max(order, newest.get(playlist.scope, order))
        return [dataclasses.replace(each, is_followed=is_below(each, newest)) for each in found]

    def find(self, sender: Sender, digest: str, *roles: Role) -> Posted:
        """Return a draft that *sender* may see in one of *roles*.

        Raises:
            RequestError: 404 ``not_here``, 403 ``scope`` or ``role``.
        """
        posted = self._box.find(digest)
        if posted is None:
            raise RequestError(404, "not_here", sender.holder)
        sender.need(posted.playlist.scope, *roles)
        return posted

    def show(self, sender: Sender, digest: str, now: datetime) -> Entry:
        """Return the entry of a draft that *sender* may see; raises as :meth:`find`."""
        return self._entry(self.find(sender, digest, *DESKS), Desk.open(self._home, now))

    def submit(self, sender: Sender, data: bytes, now: datetime) -> Entry:
        """Take the draft *data* in; the same one again changes nothing.

        Raises:
            RequestError: 400 ``format``; 403 with the reason why a seal or its holder is refused;
                409 ``rollback``, ``equivocation`` or ``expired``; 507 ``full``.
        """
        bundle, playlist = read_bundle(data)
        sender.need(playlist.scope, Role.EDITOR)
        desk = Desk.open(self._home, now)
        self._check_place(playlist, bundle, desk)
        check_signers(bundle, playlist, desk)
        with self._box.changing():
            posted = self._box.find(bundle.digest.hex())
            if posted is None:
                self._make_room(sender, bundle, playlist, desk)
                notes = Notes(_ms(now), sender.holder)
                posted = self._box.put(playlist.scope, data, notes)
                self._account("draft_submitted", posted, sender, now)
            else:
                posted = self._merge(posted, bundle, desk)
        return self._advance(posted, desk, now)

    def receive(
        self, sender: Sender, digest: str, sha256: str, *, offset: int, data: bytes, now: datetime
    ) -> dict[str, Any]:
        """Take a portion of a media file that the draft *digest* names.

        Raises:
            RequestError: as :meth:`find`; 409 ``offset`` or ``media_hash``: begin where the entry
                says that we are; 507 ``full``: the disk is needed for records and orders.
        """
        posted = self.find(sender, digest, Role.EDITOR)
        if self._box.free() < self._limits.free:
            raise RequestError(507, "full", sender.holder)
        media = self._media(posted, sha256, sender)
        try:
            received = self._box.append(posted, media, offset, data)
        except OffsetError:
            raise RequestError(409, "offset", sender.holder) from None
        except TrustError as error:
            raise RequestError(409, str(error.reason), sender.holder) from None
        if received == media.size and not self._box.missing(posted):
            self._advance(posted, Desk.open(self._home, now), now)
        return {"received": received, "size": media.size}

    def media_file(self, sender: Sender, digest: str, sha256: str) -> Any:  # noqa: ANN401 - a path
        """Return the path of a media file of the draft; raises as :meth:`find`."""
        posted = self.find(sender, digest, *DESKS)
        path = self._box.media_path(posted, self._media(posted, sha256, sender))
        if path is None:
            raise RequestError(404, "not_here", sender.holder)
        return path

    def approve(self, sender: Sender, digest: str, data: bytes, now: datetime) -> Entry:
        """Add the seal that *sender* has put on the draft, and publish it if that was the last.

        Raises:
            RequestError: as :meth:`find`; 400 ``format``; 403 with the reason why the seal is
                refused; 409 with the state of a draft that is not to be approved.
        """
        posted = self.find(sender, digest, Role.APPROVER)
        bundle, playlist = read_bundle(data)
        desk = Desk.open(self._home, now)
        entry = self._entry(posted, desk)
        if bundle.digest.hex() != digest:
            raise RequestError(409, "other_draft", sender.holder)
        if entry.state not in (State.WAITING, State.APPROVED, State.PUBLISHED):
            raise RequestError(409, str(entry.state), sender.holder)
        if sender.kid not in {open_seal(seal).kid for seal in bundle.seals}:
            raise RequestError(403, "unknown_signer", sender.holder)
        check_signers(bundle, playlist, desk)
        with self._box.changing():
            posted = self._merge(self.find(sender, digest, Role.APPROVER), bundle, desk)
            if posted.notes.refusal is not None:  # asked once more: the rules may be others now
                posted = self._box.note(posted, dataclasses.replace(posted.notes, refusal=None))
        self._account("draft_approved", posted, sender, now)
        return self._advance(posted, desk, now)

    def reject(self, sender: Sender, digest: str, data: bytes, now: datetime) -> Entry:
        """Keep *sender*'s sealed rejection of the draft.

        Raises:
            RequestError: as :meth:`find`; 400 ``format``; 403 with the reason why it is refused;
                409 with the state of a draft that is settled already.
        """
        posted = self.find(sender, digest, Role.APPROVER)
        desk = Desk.open(self._home, now)
        try:
            rejection, signer = open_rejection(data, desk.trusted, desk.now)
        except FormatError:
            raise RequestError(400, "format", sender.holder) from None
        except TrustError as error:
            raise RequestError(403, str(error.reason), sender.holder) from None
        facts = rejection.draft.hex(), rejection.scope, signer.key.kid
        if facts != (digest, posted.playlist.scope, sender.kid):
            raise RequestError(409, "other_draft", sender.holder)
        with self._publishing, self._box.changing():
            entry = self._entry(self.find(sender, digest, Role.APPROVER), desk)
            if entry.state is State.REJECTED:
                return entry
            if not entry.state.is_open:
                raise RequestError(409, str(entry.state), sender.holder)
            posted = self._box.reject(posted, data)
            self._account("draft_rejected", posted, sender, now, why=rejection.reason)
        return self._entry(posted, desk)

    def recover(self, now: datetime) -> None:
        """Publish what was complete when the server ended, and forget what is long settled.

        Raises:
            StoreError: the mailbox cannot be read or written.
        """
        desk = Desk.open(self._home, now)
        for posted in self._box.everything():
            entry = self._entry(posted, desk)
            age_ms = _ms(now) - posted.notes.submitted_ms
            if not entry.state.is_open and age_ms > self._limits.kept_days * _DAY_MS:
                with self._box.changing():
                    self._box.drop(posted)
            else:
                self._advance(posted, desk, now)

    def _advance(self, posted: Posted, desk: Desk, now: datetime) -> Entry:
        """Publish *posted* if nothing is missing any more, and return where it stands."""
        entry = self._entry(posted, desk)
        if entry.state is not State.WAITING or not has_both(entry.signers):
            return entry
        with self._publishing:
            fresh = self._box.find(posted.digest)
            if fresh is None or self._entry(fresh, desk).state is not State.WAITING:
                return entry if fresh is None else self._entry(fresh, desk)
            self._box.gather(fresh)
            draft = Draft(fresh.path, fresh.data, fresh.bundle, fresh.playlist)
            try:
                publish(draft, self._home, desk, at=now)
            except (TrustError, ConfigError) as error:
                refusal = str(getattr(error, "reason", getattr(error, "code", "config")))
                # one seal too few is no refusal: another deputy's will do
                kept = None if refusal == Refusal.THRESHOLD else refusal
                fresh = self._box.note(fresh, dataclasses.replace(fresh.notes, refusal=kept))
                log.warning("draft_not_published", extra={"draft": fresh.digest, "why": refusal})
            else:
                done = dataclasses.replace(fresh.notes, published_ms=_ms(now), refusal=None)
                fresh = self._box.note(fresh, done)
                self._box.drop_media(fresh)  # the content tree has them now
        return self._entry(fresh, Desk.open(self._home, now))

    def _entry(self, posted: Posted, desk: Desk) -> Entry:
        try:
            signers = tuple(signers_of(posted.bundle, desk.trusted, desk.now))
        except (TrustError, FormatError):
            signers = ()  # a certificate has run out since, or was denied
        is_published = posted.notes.published_ms is not None
        missing = () if is_published else tuple(self._box.missing(posted))
        standing = Standing(
            is_published=is_published,
            is_rejected=posted.rejection is not None,
            is_outdated=self._is_outdated(posted.playlist, posted.bundle, desk),
            is_whole=not missing,
            is_decided=all(each.is_decided for each in find_collisions(posted.playlist)),
            has_editor=any(Role.EDITOR in each.roles for each in signers),
            is_signed=has_both(signers),
            is_refused=posted.notes.refusal is not None,
        )
        return Entry(posted, state_of(standing), signers, missing)

    def _is_outdated(self, playlist: Playlist, bundle: Bundle, desk: Desk) -> bool:
        try:
            self._check_place(playlist, bundle, desk)
        except RequestError:
            return True
        return False

    @staticmethod
    def _check_place(playlist: Playlist, bundle: Bundle, desk: Desk) -> None:
        reached = desk.trusted.positions.get((Kind.PLAYLIST, playlist.scope))
        order = playlist.epoch, playlist.serial
        if playlist.expires <= desk.now.unix_s:
            raise RequestError(409, "expired")
        if reached is not None and order < reached.order:
            raise RequestError(409, "rollback")
        if reached is not None and order == reached.order and bundle.digest != reached.digest:
            raise RequestError(409, "equivocation")

    def _merge(self, posted: Posted, bundle: Bundle, desk: Desk) -> Posted:
        """Add the seals of *bundle*, which were checked, to those that are there."""
        seals = {open_seal(seal).kid: seal for seal in (*bundle.seals, *posted.bundle.seals)}
        old = {open_seal(seal).kid for seal in posted.bundle.seals}
        new = [seal for kid, seal in seals.items() if kid not in old]
        if not new:
            return posted
        merged = dataclasses.replace(
            posted.bundle,
            seals=(*posted.bundle.seals, *new),
            certificates=tuple(dict.fromkeys((*posted.bundle.certificates, *bundle.certificates))),
        )
        check_signers(merged, posted.playlist, desk)
        try:
            data = merged.to_bytes()
        except FormatError:
            raise RequestError(409, "too_many_signers") from None
        notes = dataclasses.replace(posted.notes, refusal=None)
        return self._box.put(posted.playlist.scope, data, notes)

    def _make_room(self, sender: Sender, bundle: Bundle, playlist: Playlist, desk: Desk) -> None:
        """Drop settled drafts until one more of *playlist*'s size fits.

        Raises:
            RequestError: 507 ``full``: too many are open.
        """
        new = Held(
            digest=bundle.digest.hex(),
            scope=playlist.scope,
            by=sender.holder,
            submitted_ms=desk.now.unix_s * 1000,
            is_open=True,
            media={each.sha256: each.size for each in playlist.media},
        )
        near = {
            each.digest: each
            for each in self._box.everything()
            if each.notes.by == new.by or each.playlist.scope == new.scope
        }
        held = [self._held(self._entry(each, desk)) for each in near.values()]
        too_many = drafts_to_drop(new, held, self._limits)
        if too_many is None:
            raise RequestError(507, "full", sender.holder)
        for digest in too_many:
            self._box.drop(near[digest])

    @staticmethod
    def _held(entry: Entry) -> Held:
        posted, playlist = entry.posted, entry.posted.playlist
        media = () if entry.state is State.PUBLISHED else playlist.media
        return Held(
            digest=posted.digest,
            scope=playlist.scope,
            by=posted.notes.by,
            submitted_ms=posted.notes.submitted_ms,
            is_open=entry.state.is_open,
            media={each.sha256: each.size for each in media},
        )

    def _media(self, posted: Posted, sha256: str, sender: Sender) -> Media:
        found = [each for each in posted.playlist.media if each.sha256.hex() == sha256]
        if not found:
            raise RequestError(404, "not_here", sender.holder)
        return found[0]

    def _account(
        self, what: str, posted: Posted, sender: Sender, now: datetime, **more: object
    ) -> None:
        facts = {"scope": posted.playlist.scope, "digest": posted.digest, **more}
        note(self._home, what, facts, now, sender.holder)


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
