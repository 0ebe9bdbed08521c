"""Programs of others that play a file, each into nothing, so that they can stand beside Loa.

Each is started as its manual says for a machine without a screen. A client and its server count as
the client alone, for in a village the server stands elsewhere. ``tools/bench-peers.sh`` installs
them from Debian; what is not installed is named, never left out in silence.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

READY_S = 30.0
NULL = subprocess.DEVNULL
_RADIO = """settings.init.allow_root.set(true)
radio = single("{media}")
radio = blank.detect({{print("silence")}}, radio)
output.dummy(fallible=true, radio)
"""
_MOPIDY = """[core]
cache_dir = {folder}/cache
config_dir = {folder}/config
data_dir = {folder}/data
[audio]
output = fakesink sync=true
[http]
enabled = true
hostname = 127.0.0.1
port = {port}
zeroconf =
[m3u]
enabled = false
[stream]
enabled = false
[file]
enabled = true
media_dirs = {media_folder}
"""

Play = Callable[[Path, Path], contextlib.AbstractContextManager[int]]
"""Media and an empty folder in; the pid of what plays out, while the block lasts."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One program: its name, the programs that have to be there, and how it is made to play."""

    name: str
    programs: tuple[str, ...]
    play: Play
    remark: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """What of it is not installed."""
        return tuple(program for program in self.programs if shutil.which(program) is None)

    @property
    def version(self) -> str:
        """The version that Debian gives it; empty where it comes from elsewhere."""
        if shutil.which("dpkg-query") is None:
            return ""
        path = str(Path(shutil.which(self.programs[0]) or "").resolve())
        owner = _said("dpkg-query", "-S", path)
        package = owner.partition(":")[0]
        if not package:
            return ""
        return _said("dpkg-query", "-W", "-f=${Version}", package)


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, check=False, text=True).stdout


@contextlib.contextmanager
def _running(command: Sequence[str], **more: str) -> Iterator[int]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | more
    process = subprocess.Popen(command, stdin=NULL, stdout=NULL, stderr=NULL, env=environment)
    try:
        yield process.pid
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended by itself, with {process.returncode}")
    finally:
        process.kill()
        process.wait()


def _mpv(media: Path, _: Path) -> contextlib.AbstractContextManager[int]:
    quiet = ("--no-config", "--really-quiet", "--no-video", "--ao=null", "--loop")
    return _running(["mpv", *quiet, str(media)])


def _ffplay(media: Path, _: Path) -> contextlib.AbstractContextManager[int]:
    command = ["ffplay", "-v", "error", "-nodisp", "-loop", "0", str(media)]
    return _running(command, SDL_AUDIODRIVER="dummy")


def _ffmpeg(media: Path, _: Path) -> contextlib.AbstractContextManager[int]:
    command = ["ffmpeg", "-v", "error", "-nostdin", "-re", "-i", str(media), "-f", "null", "-"]
    return _running(command)


def _liquidsoap(media: Path, folder: Path) -> contextlib.AbstractContextManager[int]:
    script = folder / "radio.liq"
    script.write_text(_RADIO.format(media=media), encoding="utf-8")
    return _running(["liquidsoap", str(script)])


@contextlib.contextmanager
def _mopidy(media: Path, folder: Path) -> Iterator[int]:
    port, settings = _free_port(), folder / "mopidy.conf"
    text = _MOPIDY.format(folder=folder, port=port, media_folder=media.parent)
    settings.write_text(text, encoding="utf-8")
    with _running(["mopidy", "--config", str(settings)]) as pid:
        _ask_mopidy(port, "core.tracklist.add", {"uris": [media.as_uri()]})
        _ask_mopidy(port, "core.playback.play", {})
        time.sleep(0.5)
        if _ask_mopidy(port, "core.playback.get_state", {}) != "playing":
            raise RuntimeError("mopidy does not play")
        yield pid


def _ask_mopidy(port: int, method: str, parameters: dict[str, object]) -> Any:  # noqa: ANN401 - any JSON
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/mopidy/rpc",
        json.dumps(call).encode(),
        {"Content-Type": "application/json"},
    )
    until = time.monotonic() + READY_S
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.load(answer).get("result")
        except urllib.error.URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


@contextlib.contextmanager
def _snapclient(media: Path, folder: Path) -> Iterator[int]:
    port, pipe = _free_port(), folder / "snap"
    os.mkfifo(pipe)
    source = f"pipe://{pipe}?name=radio&sampleformat=48000:16:2&codec=opus&mode=read"
    server = [
        "snapserver", f"--server.datadir={folder}", f"--stream.source={source}",
        f"--stream.port={port}", "--tcp.enabled=false", "--http.enabled=false",
    ]  # fmt: skip
    feed = ["ffmpeg", "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", str(media)]
    feed += ["-f", "s16le", "-ar", "48000", "-ac", "2", "-y", str(pipe)]
    client = ["snapclient", "-h", "127.0.0.1", "-p", str(port), "--logsink", "null"]
    client += ["--player", "file:filename=/dev/null", "--hostID", "bench"]
    with _running(server), _running(feed):
        time.sleep(1)
        with _running(client) as pid:
            yield pid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


PEERS = (
    Peer("mpv", ("mpv",), _mpv),
    Peer("ffplay", ("ffplay",), _ffplay),
    Peer("ffmpeg -re", ("ffmpeg",), _ffmpeg),
    Peer("liquidsoap", ("liquidsoap",), _liquidsoap, "with blank.detect"),
    Peer("mopidy", ("mopidy",), _mopidy),
    Peer("snapclient", ("snapclient", "snapserver", "ffmpeg"), _snapclient, "the client alone"),
)
"""In the order in which they take their turns; the first is the baseline where it is there."""
