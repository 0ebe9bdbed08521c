"""A signed draft into the content tree, when every device would accept it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime

from loa_manager.account import note
from loa_manager.content_tree import ContentTree
from loa_manager.home import Home
from loa_manager.keyring import read_chain
from loa_manager.publish.desk import Desk
from loa_manager.publish.drafts import Draft, check_media
from loa_manager.publish.media import OnFile, unwatched
from loa_manager.publish.order import check_order, find_collisions
from loa_manager.rechain import renew_arrived
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, open_seal
from loa_protocol.objects.online import Leaf
from loa_protocol.objects.playlist import Playlist
from loa_protocol.trust import Accepted, Refusal, TrustError


def judge_draft(draft: Draft, desk: Desk) -> Accepted:
    """Judge *draft* as a device would, against what was published last.

    Raises:
        TrustError: a device would refuse it; ``reason`` is the device's.
        NeedsOrderError: priorities meet in it, and nobody has decided which goes first.
    """
    check_order(draft.playlist, str(draft.path))
    return accept(draft.data, desk.trusted_for(draft.playlist.scope), desk.now)


def publish(
    draft: Draft, home: Home, desk: Desk, *, at: datetime, on_file: OnFile = unwatched
) -> Accepted:
    """Put *draft* and its media into the content tree of *home*, and a row into its account.

    Media first, the object next, its name in the index last: what a head names is there. A refusal
    leaves the index as it was and has its row too.

    Raises:
        TrustError: a device would refuse it, or a media file is not the one that was signed.
        StoreError: a media file is missing, or tree or database is not writable.
        ConfigError: another playlist's scope lies above or below.
    """
    facts: dict[str, object] = {
        "scope": draft.playlist.scope,
        "epoch": draft.playlist.epoch,
        "serial": draft.playlist.serial,
        "digest": draft.bundle.digest.hex(),
    }
    draft = dataclasses.replace(draft, data=renew_arrived(home, draft.data))
    tree = home.content
    tree.sweep(at)
    try:
        accepted = judge_draft(draft, desk)
        check_media(draft)  # before anything is copied: a false file leaves no trace in the tree
        tree.index().with_playlist(_leaf(draft))
        _copy(draft, tree, on_file)
    except TrustError as error:
        facts |= {"reason": str(error.reason), "why": error.detail}
        note(home, "playlist_refused", facts, at, "loa")
        raise
    holders = " + ".join(signer.holder for signer in accepted.signers)
    # the row comes first: a crash may leave a row too many, never a change without a row
    facts["items"] = len(draft.playlist.items)
    if draft.playlist.streams:
        facts["unsigned_streams"] = [stream.url for stream in draft.playlist.streams]
    note(home, "playlist_published", facts, at, holders)
    for collision in find_collisions(draft.playlist):
        titles = [item.title for item in collision.items]
        order = {"session": collision.session.id, "order": titles, "digest": facts["digest"]}
        note(home, "order_decided", order, at, holders)
    leaf = _leaf(draft)
    tree.set_playlist(leaf.scope, leaf.epoch, leaf.serial, leaf.digest)
    return accepted


@dataclass(frozen=True, slots=True)
class Published:
    """A playlist of the content tree and whoever signed it."""

    playlist: Playlist
    digest: bytes
    signers: tuple[str, ...]


def published(home: Home) -> list[Published]:
    """Return the newest playlist of every scope in the content tree of *home*.

    The names of signers are those of the certificates beside it; it was judged when it came in.
    """
    found = []
    for leaf in home.content.leaves():
        bundle = Bundle.from_bytes(home.content.object(leaf.digest))
        holders = {each.key.kid: each.holder for each in read_chain(bundle.certificates)}
        signers = [holders.get(open_seal(seal).kid, "?") for seal in bundle.seals]
        found.append(Published(Playlist.from_bytes(bundle.payload), leaf.digest, tuple(signers)))
    return found


def _copy(draft: Draft, tree: ContentTree, on_file: OnFile) -> None:
    for media in draft.playlist.media:
        path = draft.media / media.sha256.hex()
        if (
            tree.put_media(path, on_file(path.name[:8], media.size)) != media.sha256
        ):  # it changed since it was checked
            raise TrustError(Refusal.MEDIA_HASH, str(path))
    tree.put_object(draft.data)


def _leaf(draft: Draft) -> Leaf:
    playlist = draft.playlist
    return Leaf(
        scope=playlist.scope,
        epoch=playlist.epoch,
        serial=playlist.serial,
        digest=draft.bundle.digest,
    )
