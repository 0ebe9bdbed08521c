"""A PulseAudio of our own, with one sink that nobody hears, and what befalls them."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
from typing import Self

from support.waiting import soon

SINK = "sink_name=speaker rate=48000 channels=2 format=s16le norewinds=1"
"""Without norewinds the sink stalls for a second when a stream begins."""


class Pulse:
    """A daemon that a test may kill; a context manager that ends it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.socket = folder / "native"
        self.config = folder / "pulse.conf"
        client = folder / "client.conf"
        client.write_text("autospawn = no\n")
        self.config.write_text(
            f'pcm.speaker {{ type pulse server "unix:{self.socket}" device speaker }}\n'
            "pcm.default { type null }\n"
        )
        self.environment = {
            "ALSA_CONFIG_PATH": str(self.config),
            "PULSE_RUNTIME_PATH": str(folder),
            "PULSE_STATE_PATH": str(folder),
            "PULSE_CLIENTCONFIG": str(client),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start the daemon, and wait until it answers."""
        self._process = subprocess.Popen(
            [
                *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1"),
                *("--use-pid-file=no", "--realtime=no", "--high-priority=no"),
                *("-L", f"module-native-protocol-unix auth-anonymous=1 socket={self.socket}"),
                *("-L", f"module-null-sink {SINK}"),
            ],
            env=os.environ | self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        soon(lambda: self._ask("info").returncode == 0, within_s=30)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self.socket.unlink(missing_ok=True)

    def tell(self, *words: str) -> None:
        """Let ``pactl`` do something.

        Raises:
            AssertionError: It does not.
        """
        done = self._ask(*words)
        assert done.returncode == 0, done.stderr

    def _ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pactl", "-s", f"unix:{self.socket}", *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
            env=os.environ | self.environment,
        )

    def unplug(self) -> None:
        """Take the sink away."""
        self.tell("unload-module", "module-null-sink")

    def plug(self) -> None:
        """Put a sink of the same name there."""
        self.tell("load-module", "module-null-sink", *SINK.split())

    def suspend(self) -> None:
        """Let the sink take nothing."""
        self.tell("suspend-sink", "speaker", "1")

    def resume(self) -> None:
        """Let it go on."""
        self.tell("suspend-sink", "speaker", "0")

    def hear(self, seconds: float) -> bytes:
        """Return what comes out of the sink from now on: s16le, stereo, 48 kHz."""
        listening = subprocess.Popen(
            [
                *("parec", "-s", f"unix:{self.socket}", "-d", "speaker.monitor", "--raw"),
                *("--format=s16le", "--rate=48000", "--channels=2", "--latency-msec=20"),
            ],
            stdout=subprocess.PIPE,
            env=os.environ | self.environment,
        )
        assert listening.stdout is not None
        data = listening.stdout.read(round(seconds * 48_000) * 4)
        listening.kill()
        listening.wait()
        listening.stdout.close()
        return data
