"""What an editor and an approver do at their desks: check, draft, seal.

The shell around the pure modules of this package: it reads and writes files and reads no clock.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from loa_manager.authority import EPOCH
from loa_manager.content_tree import write_durably
from loa_manager.home import Home, read_bytes
from loa_manager.keyring import Identity, parse_chain, read_chain
from loa_manager.publish.desk import Desk
from loa_manager.publish.drafts import (
    Draft,
    Prepared,
    check_media,
    measure_media,
    prepare,
    read_draft,
    write_draft,
)
from loa_manager.publish.media import MediaStore, OnFile, unwatched
from loa_manager.publish.order import Collision, check_order, find_collisions
from loa_manager.publish.preview import Preview, make_preview
from loa_manager.publish.schedule import parse_schedule
from loa_manager.publish.signing import add_seal, signers_of
from loa_manager.serials import next_serial
from loa_protocol.errors import ConfigError
from loa_protocol.objects.authority import Role
from loa_protocol.objects.playlist import Playlist


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A playlist, what it will do, and what else is worth a word.

    Without a draft, the playlist's epoch and serial mean nothing yet.
    """

    playlist: Playlist
    preview: Preview
    is_draft: bool
    warnings: tuple[str, ...] = ()
    signers: tuple[str, ...] = ()

    @property
    def collisions(self) -> list[Collision]:
        """The sessions in which priorities of the commune and of a higher level meet."""
        return find_collisions(self.playlist)

    @property
    def needs_order(self) -> bool:
        """Whether the commune has still to decide which priority goes first."""
        return not all(each.is_decided for each in self.collisions)


def media_store(home: Home) -> MediaStore:
    """Return the measured media of *home*."""
    return MediaStore(home.path / "media")


def check_schedule(
    path: Path, home: Home, desk: Desk, *, forbid: bool = True, on_file: OnFile = unwatched
) -> Checked:
    """Judge the schedule at *path*; nothing is written but the store of measured media.

    Args:
        path: The TOML file.
        home: Whose store keeps the media.
        desk: The rules.
        forbid: Whether an item that the policy forbids is a fault, or only told of.
        on_file: Told of each media file.

    Raises:
        ConfigError: with every fault of text, media, their fit, and the policy.
        StoreError: a file cannot be read, or the store not written.
    """
    return _check(_prepare(path, home, desk, on_file), desk, where=str(path), forbid=forbid)


def make_draft(
    path: Path,
    target: Path,
    home: Home,
    desk: Desk,
    *,
    serial: int | None = None,
    on_file: OnFile = unwatched,
) -> Checked:
    """Write the schedule at *path* as the unsigned draft *target*, its media beside it.

    What the policy forbids is told in the result; whoever seals the draft decides.

    Args:
        path: The TOML file.
        target: The draft to write.
        home: The editor's: keeps measured media and the last serial.
        desk: The rules.
        serial: The playlist's; by default the next one.
        on_file: Told of each media file.

    Raises:
        ConfigError: with every fault.
        StoreError: a file cannot be read or written.
    """
    prepared = _prepare(path, home, desk, on_file)
    checked = _check(prepared, desk, where=str(path), forbid=False)
    if serial is None:
        now = datetime.fromtimestamp(desk.now.unix_s, UTC)
        serial = next_serial(home.own_keys, f"playlist {checked.playlist.scope}", now)
    playlist = dataclasses.replace(checked.playlist, epoch=_epoch(home), serial=serial)
    write_draft(target, playlist, prepared.kept.values(), on_file)
    return dataclasses.replace(checked, playlist=playlist, is_draft=True)


def check_draft(
    path: Path, desk: Desk, *, forbid: bool = True, on_file: OnFile = unwatched
) -> tuple[Draft, Checked]:
    """Judge the draft at *path*: its seals so far, its media, and what the policy says.

    Raises:
        FormatError: it is no draft.
        TrustError: a seal is not valid, or a media file is not the one that it names.
        StoreError: a media file is missing.
        ConfigError: the policy forbids an item, and *forbid* holds.
    """
    draft = read_draft(path)
    signers = signers_of(draft.bundle, desk.trusted, desk.now)
    check_media(draft, on_file)
    policy = desk.policy_for(draft.playlist.scope)
    preview = make_preview(draft.playlist, policy, desk.now.unix_s)
    if forbid and preview.forbidden:
        raise ConfigError(str(path), [remark.text for remark in preview.forbidden])
    holders = tuple(signer.holder for signer in signers)
    return draft, Checked(playlist=draft.playlist, preview=preview, is_draft=True, signers=holders)


def seal_draft(draft: Draft, identity: Identity, role: Role, desk: Desk) -> str:
    """Add the seal of *identity* in its *role* to the draft's file and return the holder.

    Raises:
        TrustError: the certificate does not allow it, or the same holder sealed it before.
        NeedsOrderError: priorities meet in it, and nobody has decided which goes first.
        StoreError: the file is not writable.
    """
    check_order(draft.playlist, str(draft.path))
    write_durably(draft.path, add_seal(draft.data, identity, role, desk.trusted, desk.now))
    certificate = identity.certificate
    assert certificate is not None  # add_seal() refused an identity without
    return certificate.holder


def _prepare(path: Path, home: Home, desk: Desk, on_file: OnFile) -> Prepared:
    schedule, faults = parse_schedule(read_bytes(path))
    if schedule is None:
        return Prepared(playlist=None, kept={}, faults=faults, warnings=[])
    kept, unusable = measure_media(schedule, path.parent, media_store(home), on_file)
    prepared = prepare(
        schedule,
        kept,
        desk.policy_for(schedule.scope),
        position=(EPOCH, desk.now.unix_s),
        now_s=desk.now.unix_s,
    )
    return dataclasses.replace(prepared, faults=[*faults, *unusable, *prepared.faults])


def _check(prepared: Prepared, desk: Desk, *, where: str, forbid: bool) -> Checked:
    playlist, faults = prepared.playlist, [str(fault) for fault in prepared.faults]
    if playlist is None:
        raise ConfigError(where, faults)
    policy = desk.policy_for(playlist.scope)
    preview = make_preview(playlist, policy, desk.now.unix_s, prepared.places)
    if forbid:
        faults += [remark.text for remark in preview.forbidden]
    if faults:
        raise ConfigError(where, faults)
    return Checked(
        playlist=playlist,
        preview=preview,
        is_draft=False,
        warnings=tuple(map(str, prepared.warnings)),
    )


def _epoch(home: Home) -> int:
    """Return the epoch that the editor's certificate allows."""
    file = home.own_keys / "editor.cert"
    if not file.is_file():
        return EPOCH
    return read_chain(parse_chain(read_bytes(file)))[-1].epoch
