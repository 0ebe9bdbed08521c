"""Somebody speaks live in a hamlet: homes with role live, and ``loa live`` as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np

from loa_manager.authority import Authority
from loa_manager.home import Home, read_bytes
from loa_manager.keyring import parse_request
from loa_manager.people import install_chain, make_own_key
from loa_manager.publish.desk import export_rules
from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.objects.authority import Role
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.online import OrderMark
from loa_sound.blocks import BLOCK, RATE, Samples
from support.hamlet import STATION, WITHIN_S, Hamlet
from support.passphrases import cheap
from support.sound_files import to_pcm
from support.waiting import soon

SECRET = cheap("một hai ba bốn")  # the hamlet's own


def speaker(here: Hamlet, name: str, scope: str = STATION) -> Home:
    """Make the home of somebody who may speak live for *scope*."""
    return certified_speaker(here.home, here.authority, here.folder / name, scope)


def certified_speaker(province: Home, authority: Authority, folder: Path, scope: str) -> Home:
    """Make a home in *folder* with a key of role live, certified for *scope*."""
    home, now = Home(folder), datetime.now(UTC)
    request, _kid = make_own_key(home, Role.LIVE, folder.name.title(), SECRET)
    home.root_path.parent.mkdir(parents=True, exist_ok=True)
    home.root_path.write_bytes(province.root_bundle)
    home.device_ca_path.write_bytes(read_bytes(province.device_ca_path))
    export_rules(province, home)
    chain = authority.certify(parse_request(request.read_bytes()), (scope,), now)
    install_chain(home, chain, now)
    return home


def order_hold(here: Hamlet, scope: str) -> int:
    """Let an officer silence *scope*, and return when they did, unix ms."""
    now_s, officer = int(time.time()), here.authority.officers[0]
    body = Command(
        id=os.urandom(16), scope=scope, number=now_s, verb=Verb.HOLD, reason="Kiểm tra",
        issued=now_s - 1, expires=now_s + 86_400, duration_s=0, value=0, references=(),
    )  # fmt: skip
    data = sign_bundle(Kind.COMMAND, body.to_bytes(), [officer.signer], certificates=officer.chain)
    tree = here.home.content
    mark = OrderMark(
        scope=scope, kind=Kind.COMMAND, digest=tree.put_object(data), until=body.expires
    )
    tree.change_orders(lambda orders: orders.with_order(mark, now_s))
    return now_s * 1000


@dataclass
class Speaking:
    """A running ``loa live`` or ``loa relay``, and what it has said so far."""

    process: subprocess.Popen[bytes]
    log: Path

    def events(self) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def said(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.events() if each.get("event") == event]

    def wait(self, event: str, count: int = 1) -> dict[str, Any]:
        """Return the *count*-th *event*, once it has happened."""

        def is_said() -> bool:
            assert self.process.poll() is None or len(self.said(event)) >= count, self.text()
            return len(self.said(event)) >= count

        soon(is_said, within_s=WITHIN_S)
        return self.said(event)[count - 1]

    def sent_s(self) -> float:
        """Return how much sound has gone out by now."""
        states = self.said("state")
        return float(states[-1]["sent_s"]) if states else 0.0

    def text(self) -> str:
        return self.log.read_text() + self.log.with_suffix(".err").read_text()

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ask it to end and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def loa(here: Hamlet, name: str, *arguments: str | Path) -> Iterator[Speaking]:
    """Run a ``loa`` command that stays, as *name*; it ends with the block."""
    log = here.crew.logs / f"{name}.out"
    with log.open("wb") as out, log.with_suffix(".err").open("wb") as err:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "loa_manager"),
                *map(str, arguments),
                *("--json", "--passphrase-file", str(here.folder / "passphrase")),
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=here.folder,
            env=os.environ | {"LOA_LANG": "en", "PYTHONUNBUFFERED": "1"},
        )
    try:
        yield Speaking(process, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


class Microphone:
    """Whoever speaks into the FIFO *path*: sound in real time, again and again."""

    def __init__(self, path: Path, sound: Samples) -> None:
        self._path, self._pcm = path, to_pcm(sound).tobytes()
        self._done = threading.Event()
        self.mute = threading.Event()
        self.began_ms = 0  # unix: when the first sample was "spoken"
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _work(self) -> None:
        with self._path.open("wb", buffering=0) as out:
            begin_s, sent, size = time.monotonic(), 0, 2 * BLOCK
            self.began_ms = time.time_ns() // 1_000_000
            while not self._done.is_set():
                sent += size
                wait_s = begin_s + sent / (2 * RATE) - time.monotonic()
                if self._done.wait(max(0.0, wait_s)):
                    return
                at = (sent - size) % len(self._pcm)
                block = self._pcm[at : at + size]
                out.write(bytes(len(block)) if self.mute.is_set() else block)


@contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let the children of *process* stand still, and then go on as if nothing had been."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert children
    for each in children:
        os.kill(int(each), signal.SIGSTOP)
    try:
        yield
    finally:
        for each in children:
            os.kill(int(each), signal.SIGCONT)


def bursts(seconds: int, hz: float = 1000.0, length_s: float = 0.1) -> Samples:
    """Return a tone of *length_s* at the start of each second."""
    wave = np.zeros(seconds * RATE, dtype=np.float32)
    tone = 0.5 * np.sin(2 * np.pi * hz * np.arange(round(length_s * RATE)) / RATE)
    for second in range(seconds):
        wave[second * RATE : second * RATE + len(tone)] = tone
    return wave


def onsets_ms(samples: Samples, start_ms: float, level: float = 0.05) -> list[float]:
    """Return when tones begin in *samples*, whose first one is at *start_ms*: 300 ms apart."""
    loud = np.flatnonzero(np.abs(samples) > level)
    if not len(loud):
        return []
    first = np.concatenate(([True], np.diff(loud) > 0.3 * RATE))
    return [start_ms + at / 48 for at in loud[first].tolist()]
