"""A radio on this machine: Debian's Icecast, and ffmpeg as its studio."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loa_lab.village.ports import free_port
from support.waiting import soon

PASSWORD = "hackme"
MISSING = [name for name in ("icecast2", "ffmpeg") if shutil.which(name) is None]
_CONFIG = """<icecast>
  <limits><sources>4</sources><clients>20</clients><source-timeout>5</source-timeout></limits>
  <authentication>
    <source-password>{password}</source-password>
    <admin-user>admin</admin-user><admin-password>{password}</admin-password>
  </authentication>
  <hostname>127.0.0.1</hostname>
  <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
  <fileserve>0</fileserve>
  <paths>
    <basedir>{folder}</basedir><logdir>{folder}</logdir><webroot>{folder}</webroot>
    <adminroot>{folder}</adminroot>
  </paths>
  <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog></logging>
  <security><chroot>0</chroot>{owner}</security>
</icecast>
"""
_OWNER = "<changeowner><user>nobody</user><group>nogroup</group></changeowner>"


@dataclass
class Radio:
    """A running Icecast."""

    folder: Path
    port: int

    def url(self, mount: str) -> str:
        return f"http://127.0.0.1:{self.port}/{mount}"

    def said(self) -> str:
        log = self.folder / "error.log"
        return log.read_text() if log.exists() else ""

    @contextlib.contextmanager
    def studio(self, mount: str, sound: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Send *sound* to *mount* in real time, again and again, until the block ends."""
        target = f"icecast://source:{PASSWORD}@127.0.0.1:{self.port}/{mount}"
        with encoder(target, sound, is_opus=not mount.endswith(".mp3")) as process:
            yield process


@contextlib.contextmanager
def encoder(target: str, sound: Path, *, is_opus: bool) -> Iterator[subprocess.Popen[bytes]]:
    """Let ffmpeg send *sound* to *target* in real time, again and again.

    A FIFO is raw sound, as fast as it comes.
    """
    opus = ("-c:a", "libopus", "-b:a", "64k", "-page_duration", "20000", "-f", "ogg")
    mp3 = ("-c:a", "libmp3lame", "-b:a", "128k", "-f", "mp3")
    kind = (*opus, "-content_type", "application/ogg") if is_opus else mp3
    raw = ("-f", "s16le", "-ar", "48000", "-ac", "1", "-probesize", "32")
    pace = raw if sound.is_fifo() else ("-re", "-stream_loop", "-1")
    process = subprocess.Popen(
        [
            *("ffmpeg", "-loglevel", "error", "-nostdin", *pace),
            *("-i", str(sound), *kind, *(() if is_opus else ("-content_type", "audio/mpeg"))),
            *("-flush_packets", "1", target),
        ],
        stdin=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def radio(folder: Path) -> Iterator[Radio]:
    """Run an Icecast in *folder*; as root it becomes nobody, since it refuses to be root."""
    folder.mkdir()
    made, is_root = Radio(folder, free_port()), os.geteuid() == 0
    config = folder / "icecast.xml"
    owner = _OWNER if is_root else ""
    config.write_text(_CONFIG.format(password=PASSWORD, port=made.port, folder=folder, owner=owner))
    if is_root:
        shutil.chown(folder, "nobody", "nogroup")
        for above in folder.parents:
            if above.stat().st_uid == 0 and not above.stat().st_mode & 0o001:
                above.chmod(above.stat().st_mode | 0o011)
    process = subprocess.Popen(
        ["icecast2", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        soon(lambda: "server started" in made.said(), within_s=10)
        yield made
    finally:
        process.kill()
        process.wait()
