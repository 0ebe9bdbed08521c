"""espeak-ng, as a program of its own: its licence (GPL-3) stays on its side of the pipe."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

from loa_manager.media.utterance import Utterance
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")

PROGRAM: Final = "espeak-ng"
TIMEOUT_S: Final = 120  # half an hour of speech takes it some seconds
_VOICE = re.compile(r"[a-z][a-z0-9+_-]{0,60}", re.ASCII | re.IGNORECASE)


class Espeak:
    """Text goes in by its standard input, so that no text can be taken for an option."""

    def speak(self, utterance: Utterance, target: Path) -> None:
        """Write a WAV file of *utterance* to *target*.

        Raises:
            ConfigError: espeak-ng is not installed, has no such voice, or fails.
        """
        voice = utterance.voice or utterance.language
        self._check_voice(voice)
        command = [PROGRAM, "--stdin", "-b", "1", "-v", voice, "-w", str(target)]
        command += ["-s", str(utterance.words_per_min)]
        _run(command, utterance.text)
        if not target.is_file():
            raise ConfigError(PROGRAM, [_("it wrote no sound")])

    @staticmethod
    def _check_voice(voice: str) -> None:
        """Refuse what espeak-ng would take for another: it reads `no-such-voice` as Norwegian."""
        if not _VOICE.fullmatch(voice):
            raise ConfigError(PROGRAM, [_("{voice} is no name of a voice").format(voice=voice)])
        rows = (line.split() for line in _run([PROGRAM, "--voices"], "").splitlines()[1:])
        known = sorted({row[1].lower() for row in rows if len(row) > 1})
        name = voice.partition("+")[0].lower()  # behind the plus stands a variant, such as f3
        if name not in known:
            alike = [each for each in known if each[:2] == name[:2]] or known
            fault = _("it has no voice {voice}; there are: {names}")
            raise ConfigError(PROGRAM, [fault.format(voice=voice, names=", ".join(alike))])


def _run(command: list[str], text: str) -> str:
    """Run espeak-ng and return what it wrote.

    Raises:
        ConfigError: it is not installed, or fails.
    """
    try:
        done = subprocess.run(
            command,
            input=text.encode(),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        fault = _("not installed; on Debian and Ubuntu: sudo apt install espeak-ng")
        raise ConfigError(PROGRAM, [fault]) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(PROGRAM, [str(error)]) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-200:] or str(done.returncode)
        raise ConfigError(PROGRAM, [said])
    return done.stdout.decode(errors="replace")
