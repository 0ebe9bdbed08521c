"""A schedule made ready, and the draft in which it travels from desk to desk.

A draft is a file ``NAME.draft``, the playlist's bundle with as many seals as it has got so far, and
a folder ``media`` beside it with the files it names. Two drafts in one folder share it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loa_manager.content_tree import store_by_hash, write_durably
from loa_manager.home import read_bytes
from loa_manager.media.advice import advice
from loa_manager.publish.compose import compose, wire_id
from loa_manager.publish.entries import Schedule
from loa_manager.publish.gain import MediaFacts, missing_cdb
from loa_manager.publish.layout import Slot, lay_out
from loa_manager.publish.media import Kept, MediaStore, OnFile, find_file, unwatched
from loa_manager.publish.order import Choice, Terms, is_collision, titles_of
from loa_manager.publish.places import Fault
from loa_protocol import cbor
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import ConfigError, FormatError, MessageError, StoreError
from loa_protocol.language import translator
from loa_protocol.objects.playlist import BulletinKind, Playlist
from loa_protocol.objects.policy import Policy
from loa_protocol.trust import Refusal, TrustError
from loa_sound.errors import SoundError
from loa_sound.quality import Trouble

_ = translator("loa_manager")

SUFFIX: Final = ".draft"
_QUIETER_CDB: Final = 100  # a file that stays 1 LU or more below the target is worth a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A schedule as far as it could be made ready; *playlist* is None where *faults* forbid one."""

    playlist: Playlist | None
    kept: Mapping[str, Kept]
    faults: list[Fault]
    warnings: list[Fault]
    places: dict[str, str] = field(default_factory=dict)  # ids on the wire -> places in the text


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft file and what it holds; unjudged."""

    path: Path
    data: bytes
    bundle: Bundle
    playlist: Playlist

    @property
    def media(self) -> Path:
        """The folder of its media files."""
        return self.path.parent / "media"


def measure_media(
    schedule: Schedule, folder: Path, store: MediaStore, on_file: OnFile = unwatched
) -> tuple[dict[str, Kept], list[Fault]]:
    """Measure each file that *schedule* names below *folder*; faults carry the place naming it.

    Args:
        schedule: What the officer wrote.
        folder: Where the schedule stands.
        store: Keeps what was measured.
        on_file: Told of each file at its start.

    Raises:
        StoreError: the store cannot be written.
    """
    kept: dict[str, Kept] = {}
    faults: list[Fault] = []
    whole = _with_meant_silence(schedule) | _of_bulletins(schedule)
    for name, place in schedule.files.items():
        path = find_file(folder, name)
        if path is None:
            faults.append(Fault(place, _("there is no file {name}").format(name=name)))
            continue
        try:
            watch, trim = on_file(name, path.stat().st_size), False if name in whole else None
            kept[name] = store.add(path, watch, trim=trim)
        except SoundError as error:
            fault = _("{name} cannot be used as sound: {why}")
            why = f"{error.reason}, {error.detail}" if error.detail else error.reason
            faults.append(Fault(place, fault.format(name=name, why=why)))
        except ConfigError as error:
            faults += [Fault(place, f"{name}: {each}") for each in error.faults]
    return kept, faults


def prepare(
    schedule: Schedule,
    kept: Mapping[str, Kept],
    policy: Policy,
    *,
    position: tuple[int, int],
    now_s: int,
) -> Prepared:
    """Lay *schedule* out and compose its playlist. Pure.

    Args:
        schedule: What the officer wrote.
        kept: The files that could be measured.
        policy: Gives local time and loudness.
        position: The (epoch, serial) of the playlist.
        now_s: The time, to refuse what is over already.
    """
    media = {name: each.facts for name, each in kept.items()}
    durations = {name: facts.duration_ms for name, facts in media.items()}
    terms = Terms(deadline_min=policy.order_deadline_min, rule=policy.order_rule, now_s=now_s)
    slots, faults = lay_out(schedule, durations, utc_offset_min=policy.utc_offset_min, terms=terms)
    playlist = None
    if media.keys() >= schedule.files.keys():
        try:
            playlist = compose(schedule, slots, media, policy=policy, position=position)
        except ConfigError as error:
            faults += [Fault(error.where, each) for each in error.faults]
    if playlist is not None and playlist.expires <= now_s:
        faults.append(Fault("schedule", _("its last day is over already")))
    return Prepared(
        playlist=playlist,
        kept=kept,
        faults=faults,
        warnings=[
            *_soft_files(schedule, media, policy),
            *_poor_files(schedule, kept),
            *_bare_streams(schedule),
            *_ordered_by_rule(slots),
        ],
        places=_places(slots),
    )


def write_draft(
    path: Path, playlist: Playlist, media: Iterable[Kept], on_file: OnFile = unwatched
) -> None:
    """Write *playlist* without a seal to *path*, after its *media* beside it.

    Raises:
        StoreError: the place is not writable, or a kept file changed since it was measured.
    """
    for kept in media:
        watch = on_file(kept.name, kept.facts.size)
        if store_by_hash(kept.path, path.parent / "media", watch) != kept.facts.sha256:
            raise StoreError(str(kept.path), _("changed since it was measured"))
    write_durably(path, sign_bundle(Kind.PLAYLIST, playlist.to_bytes(), []))


def read_draft(path: Path) -> Draft:
    """Read the draft at *path* without judging it.

    Raises:
        StoreError: it cannot be read.
        FormatError: it is no playlist of the profile; the text names the file.
    """
    size = path.stat().st_size if path.is_file() else 0
    if size > cbor.MAX_BYTES:
        raise FormatError(f"{path}: {size} bytes are more than the {cbor.MAX_BYTES} allowed")
    data = read_bytes(path)
    try:
        bundle = Bundle.from_bytes(data)
        if bundle.kind != Kind.PLAYLIST or bundle.version != 1:
            raise MessageError(f"expected a playlist, got {bundle.label}")
        return Draft(path, data, bundle, Playlist.from_bytes(bundle.payload))
    except FormatError as error:
        raise type(error)(f"{path}: {error}") from None


def check_media(draft: Draft, on_file: OnFile = unwatched) -> None:
    """Hash every file that *draft* names.

    Raises:
        StoreError: one is not there.
        TrustError: MEDIA_HASH: one is not the file that was signed.
    """
    for media in draft.playlist.media:
        path = draft.media / media.sha256.hex()
        on_bytes = on_file(path.name[:8], media.size)
        digest = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
                    on_bytes(len(chunk))
        except OSError as error:
            raise StoreError(str(path), error.strerror or str(error)) from None
        if digest.digest() != media.sha256:
            raise TrustError(Refusal.MEDIA_HASH, str(path))


def _soft_files(schedule: Schedule, media: Mapping[str, MediaFacts], policy: Policy) -> list[Fault]:
    text = _("{name} stays {missing} LU below the target: its peaks forbid more gain")
    return [
        Fault(place, text.format(name=name, missing=f"{missing / 100:.1f}"))
        for name, place in schedule.files.items()
        if name in media
        and (missing := missing_cdb(media[name], policy.loudness_clufs)) >= _QUIETER_CDB
    ]


def _poor_files(schedule: Schedule, kept: Mapping[str, Kept]) -> list[Fault]:
    """Say what is the matter with the recordings; silence that was announced is not."""
    silence, meant = {Trouble.MOSTLY_SILENT, Trouble.LONG_PAUSE}, _with_meant_silence(schedule)
    return [
        Fault(place, f"{name}: {advice(finding)}")
        for name, place in schedule.files.items()
        if name in kept
        for finding in kept[name].findings
        if not (name in meant and finding.trouble in silence)
    ]


def _bare_streams(schedule: Schedule) -> list[Fault]:
    """Name the items that fall silent when a server of somebody else's does."""
    text = _("no file stands behind the stream: when it fails, nothing sounds")
    return [
        Fault(item.place, text)
        for session in schedule.sessions
        for item in session.items
        if item.stream is not None and item.file is None
    ]


def _with_meant_silence(schedule: Schedule) -> set[str]:
    """Return the files whose pauses are wanted and counted from their start: they stay whole."""
    items = (item for session in schedule.sessions for item in session.items)
    return {item.file for item in items if item.file is not None and item.expected_silence}


def _of_bulletins(schedule: Schedule) -> set[str]:
    """Return the files that are a higher level's signed sound: another file would not be it."""
    items = (item for session in schedule.sessions for item in session.items)
    return {item.file for item in items if item.file is not None and item.bulletin is not None}


def _ordered_by_rule(slots: list[Slot]) -> list[Fault]:
    """Name, once each, the sessions whose priorities the policy's rule has put in order."""
    text = _("nobody decided by the deadline; the policy's rule orders its priorities: {titles}")
    found: dict[str, Fault] = {}
    for slot in slots:
        entries = [each.entry for each in slot.items if each.entry.kind is BulletinKind.PRIORITY]
        if slot.choice in (Choice.HIGHER_FIRST, Choice.OWN_FIRST) and is_collision(entries):
            fault = Fault(slot.entry.place, text.format(titles=titles_of(entries)))
            found.setdefault(slot.entry.place, fault)
    return list(found.values())


def _places(slots: list[Slot]) -> dict[str, str]:
    places = {wire_id(slot): slot.entry.place for slot in slots}
    return places | {
        wire_id(slot, placed): placed.entry.place for slot in slots for placed in slot.items
    }
