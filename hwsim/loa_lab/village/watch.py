"""The watch: wardens of the station and duty officers of the province, who warn and silence."""

from __future__ import annotations

import hashlib
import os
import time
import wave
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ed25519
from numpy.typing import NDArray

from loa_lab.village import plan as script
from loa_lab.village.people import OFFICERS, WARDENS, hand_out_rules, make_person
from loa_lab.village.scene import Village
from loa_manager.content_tree import write_durably
from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.keys import SoftSigner
from loa_protocol.language import translator
from loa_protocol.objects.live import Codec, Grant
from loa_protocol.objects.playlist import BulletinKind, Mark
from loa_sound.blocks import RATE
from loa_sound.decoder import decode
from loa_sound.transcode import transcode_to_opus

_ = translator("loa_lab")

SIREN_S: Final = 3
OLD_S: Final = 2  # so long the earlier alert counts: it is over by the evening
FREE_S: Final = 8  # of the attacker's tune, as a sound that nobody approved before
SESSION_IN_S: Final = 3600  # the live session is later than the story


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the watch has made ready on a quiet day, and what lies about for others to find."""

    siren: bytes  # its hash
    old: bytes  # an alert of earlier, which was in force and has expired
    free: bytes  # an alert with sound of its own, which one warden of two has signed
    tune: Path  # that sound
    grant: bytes  # the id of a live session that two wardens have granted


def siren_file(village: Village) -> Path:
    """Return where the siren is."""
    return village.work / "siren.opus"


def write_siren(village: Village) -> bytes:
    """Write the siren; return its hash, by which the policy approves it beforehand.

    It sweeps up once a second, each time further: every place in it differs from every other.
    """
    time_s = np.arange(SIREN_S * RATE) / RATE
    hz = 500 + 700 * (time_s % 1) + 300 * np.floor(time_s)
    raw = village.work / "siren.wav"
    _write_wav(raw, 0.5 * np.sin(2 * np.pi * np.cumsum(hz) / RATE))
    transcode_to_opus(raw, siren_file(village))
    return hashlib.sha256(siren_file(village).read_bytes()).digest()


def prepare(village: Village) -> Watch:
    """Give the watch its keys, its siren, and a live session for later."""
    with ThreadPoolExecutor(2) as pool:  # most of each command is its start
        list(pool.map(lambda each: make_person(village, each), (*WARDENS, *OFFICERS)))
    policy = village.work / "quiet-policy.toml"
    siren = write_siren(village)
    policy.write_text(script.quiet_policy_toml(siren), encoding="utf-8")
    home = ("--home", village.province)
    village.crew.run("loa", "policy", "sign", *home, policy, *village.passphrase)
    hand_out_rules(village, *WARDENS, *OFFICERS)
    village.say(_("two wardens and two duty officers have keys, the wardens a siren"))
    old = _order(village, "old", *_alert(village, 1, OLD_S, *_siren(village), "--speech-in", "0s"))
    tune = _write_tune(village)
    free = _order(
        village, "free", *_alert(village, 0, 600, "--title", "Thông báo", "--inline", tune)
    )
    grant = _grant_session(village)
    return Watch(siren=siren, old=old, free=free, tune=tune, grant=grant)


def send_alert(village: Village) -> dict[str, Any]:
    """Let a warden sound the siren; return what the command says."""
    command = _alert(village, 0, 600, *_siren(village))
    [given] = village.crew.facts("loa", *command)
    return dict(given)


def given_order(village: Village, order: str) -> bytes:
    """Return the order that the first warden gave, as anybody can fetch it."""
    return (village.work / WARDENS[0].name / "orders" / f"{order}.order").read_bytes()


def alert_status(village: Village, order: str) -> dict[str, Any]:
    """Ask who took the alert, as ``loa alert status`` tells it."""
    home = ("--home", village.province)
    return dict(village.crew.facts("loa", "alert", "status", order, *home))


def hold(village: Village, cluster: str) -> dict[str, Any]:
    """Let one warden silence a cluster; return what the command says."""
    [given] = village.crew.facts(
        "loa", "order", "hold", f"{script.STATION}/{cluster}", "--reason", "Nghe tiếng lạ",
        *_sitting(village, WARDENS[1].name),
    )  # fmt: skip
    return dict(given)


def begin_release(village: Village, cluster: str, order: str) -> Path:
    """Let one duty officer sign the release of a hold; return the file for the other."""
    file = village.work / "release.order"
    village.crew.run(
        "loa", "order", "release", f"{script.STATION}/{cluster}", "--of", order,
        "--reason", "Đã kiểm tra", "-o", file, *_sitting(village, OFFICERS[0].name),
    )  # fmt: skip
    return file


def end_release(village: Village, file: Path) -> None:
    """Let the other duty officer sign the release and send it."""
    village.crew.run("loa", "order", "sign", file, *_sitting(village, OFFICERS[1].name))


def packets_of(file: Path, count: int) -> tuple[bytes, ...]:
    """Return the first *count* Opus packets of an Ogg file (RFC 3533): sound that players know."""
    data, at, packets, packet = file.read_bytes(), 0, [], b""
    while data[at : at + 4] == b"OggS":
        sizes = data[at + 27 : at + 27 + data[at + 26]]
        at += 27 + len(sizes)
        for size in sizes:
            packet += data[at : at + size]
            at += size
            if size < 255:  # a packet ends with its first piece that is not full
                packets.append(packet)
                packet = b""
    return tuple(packets[2 : 2 + count])  # two headers come first


def _sitting(village: Village, name: str) -> tuple[str | Path, ...]:
    return ("--home", village.work / name, "--yes", *village.passphrase)


def _siren(village: Village) -> tuple[str | Path, ...]:
    # the sound travels inside the order: no board has to fetch it
    sound = ("--inline", siren_file(village), "--repeats", "1", "--gap", "0s", "--volume", "15")
    return ("--title", "Lũ quét", *sound)


def _alert(village: Village, warden: int, expires_s: int, *sound: str | Path) -> list[str | Path]:
    return [
        "alert", "send", "--scope", script.STATION, "--reason", "Nước vượt báo động 3",
        "--expires", f"{expires_s}s", *sound, *_sitting(village, WARDENS[warden].name),
    ]  # fmt: skip


def _order(village: Village, name: str, *command: str | Path) -> bytes:
    file = village.work / f"{name}.order"
    village.crew.run("loa", *command, "-o", file)
    return file.read_bytes()


def _write_tune(village: Village) -> Path:
    """Write the beginning of the tune that nobody allowed: what an attacker wants to be heard."""
    raw, tune = village.work / "tune.wav", village.work / "tune.opus"
    with resources.as_file(
        resources.files("loa_lab") / "material" / "sound" / f"{script.FORBIDDEN}.opus"
    ) as path:
        _write_wav(raw, np.concatenate(list(decode(path)))[: FREE_S * RATE])
    transcode_to_opus(raw, tune)
    return tune


def _write_wav(path: Path, sound: NDArray[np.floating[Any]]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32_767).astype("<i2").tobytes())


def _grant_session(village: Village) -> bytes:
    """Let two wardens grant a live session of later; return its id."""
    start = int(time.time()) + SESSION_IN_S
    key = SoftSigner(ed25519.Ed25519PrivateKey.generate()).public
    grant = Grant(
        id=os.urandom(16), scope=script.STATION, title="Họp thôn trực tiếp",
        kind=BulletinKind.NORMAL, language="vi", category="thông báo", start=start,
        end=start + 600, algorithm=key.algorithm, raw=key.raw, codec=Codec.OPUS, volume=12,
        mark=Mark.NONE,
    )  # fmt: skip
    file = village.work / "live.order"
    write_durably(file, sign_bundle(Kind.GRANT, grant.to_bytes(), []))
    for warden in WARDENS:
        village.crew.run("loa", "order", "sign", file, *_sitting(village, warden.name))
    return grant.id
