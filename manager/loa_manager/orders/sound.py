"""The sound of an alert: a file, a hash that is known here, or a template; carried along or not.

An inline sound is coded anew where it is too large to travel inside the order.
"""

from __future__ import annotations

import re
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loa_manager.home import Home, read_bytes, read_text
from loa_manager.publish.editing import media_store
from loa_manager.publish.fields import Fields
from loa_manager.publish.gain import gain_cdb
from loa_manager.publish.media import Kept
from loa_manager.publish.places import Fault, find_places
from loa_manager.publish.values import read_integer, read_length, read_name
from loa_manager.publish.values import read_text as text_of
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_protocol.objects.alert import MAX_SOUND
from loa_protocol.objects.playlist import Media
from loa_protocol.objects.policy import Policy
from loa_sound.transcode import transcode_to_opus

_ = translator("loa_manager")

INLINE_BITS_PER_S: Final = 16_000  # speech that is understood from a horn, in half the bytes
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound as an order names it; *data* travels inside the order, *file* has to be there."""

    media: Media
    file: Path
    data: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """An alert that was thought through on a quiet day; None where it says nothing."""

    title: str | None = None
    media: str | None = None
    drill_media: str | None = None
    language: str | None = None
    repeats: int | None = None
    gap_s: int | None = None
    volume: int | None = None
    duration_s: int | None = None


def find_sound(home: Home, source: str, policy: Policy, *, is_inline: bool | None) -> Sound:
    """Return the sound that *source* means, measured and kept in *home*.

    Args:
        home: Keeps measured media; the province's has them in its content tree, too.
        source: A file, or the SHA-256 of a kept one in hex.
        policy: Gives the loudness.
        is_inline: Whether it shall travel inside the order; None: if there is room for it as it is.

    Raises:
        ConfigError: nothing of that hash is known, or it is too long to travel along.
        StoreError: it cannot be read.
        SoundError: it is no sound.
    """
    kept = _kept(home, source)
    if is_inline is None:
        is_inline = kept.facts.size <= MAX_SOUND
    if not is_inline:
        return Sound(_media(kept, policy), kept.path)
    if kept.facts.size > MAX_SOUND:
        kept = _coded_anew(home, kept)
    if kept.facts.size > MAX_SOUND:
        text = _("{size} bytes; inside an order there is room for {limit}, about 96 s of speech")
        raise ConfigError(source, [text.format(size=kept.facts.size, limit=MAX_SOUND)])
    return Sound(_media(kept, policy), kept.path, read_bytes(kept.path))


def read_template(home: Home, name: str) -> Template:
    """Read ``templates/<name>.toml`` in *home*; media in it are files beside it, or hashes.

    Raises:
        StoreError: there is none.
        ConfigError: with every fault.
    """
    path = home.path / "templates" / f"{read_name(name)}.toml"
    text = read_text(path)
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(str(path), [_("not TOML: {why}").format(why=error)]) from None
    faults: list[Fault] = []
    fields = Fields(table, (), places=find_places(text), faults=faults)
    template = Template(
        title=fields.read("title", text_of(200)),
        media=_beside(path, fields.read("media", text_of(200))),
        drill_media=_beside(path, fields.read("drill_media", text_of(200))),
        language=fields.read("language", text_of(35)),
        repeats=fields.read("repeats", read_integer(1, 100)),
        gap_s=fields.read("gap", read_integer(0, 30)),
        volume=fields.read("volume", read_integer(1, 15)),
        duration_s=fields.read("duration", read_length(86_400)),
    )
    fields.finish()
    if faults:
        raise ConfigError(str(path), [str(fault) for fault in faults])
    return template


def is_hash(source: str) -> bool:
    """Tell whether *source* is a SHA-256 and no file's name."""
    return _HASH.fullmatch(source) is not None


def _beside(template: Path, name: str | None) -> str | None:
    return name if name is None or is_hash(name) else str(template.parent / name)


def _kept(home: Home, source: str) -> Kept:
    store = media_store(home)
    if not is_hash(source):
        return store.add(Path(source))
    digest = bytes.fromhex(source)
    for kept in store.list():
        if kept.facts.sha256 == digest:
            return kept
    place = home.content.media_path(digest)
    if place.is_file():
        kept = store.add(place, trim=False)  # what was published is as it is
        if kept.facts.sha256 == digest:
            return kept
    raise ConfigError(source, [_("no sound of this hash is known here; name its file")])


def _coded_anew(home: Home, kept: Kept) -> Kept:
    with tempfile.TemporaryDirectory(prefix="loa-sound-") as folder:
        target = Path(folder) / f"{Path(kept.name).stem}.opus"
        transcode_to_opus(kept.path, target, INLINE_BITS_PER_S)
        return media_store(home).add(target, trim=False)


def _media(kept: Kept, policy: Policy) -> Media:
    facts = kept.facts
    return Media(
        sha256=facts.sha256,
        size=facts.size,
        duration_ms=facts.duration_ms,
        gain_cdb=gain_cdb(facts, policy.loudness_clufs),
        loudness_clufs=facts.loudness_clufs,
    )
