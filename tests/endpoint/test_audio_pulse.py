"""Sound is back whatever befalls the sound server between us and the card."""

from __future__ import annotations

import asyncio
import pathlib

import numpy as np
import pytest

from loa_endpoint.audio import messages as m
from support.pulse import Pulse
from support.sound_card import MEDIA_S, Pole, find, murmur
from support.sound_files import to_pcm

pytestmark = [
    pytest.mark.needs("portaudio", "pulseaudio"),
    pytest.mark.requirement("AUD-3", "RAD-4"),
]


async def test_a_sink_that_is_suspended_or_taken_away_and_a_server_that_is_killed_are_outlived(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Pulse(tmp_path) as pulse:
        for name, value in pulse.environment.items():
            monkeypatch.setenv(name, value)
        pole = Pole(tmp_path, "pyaudio:speaker")
        await pole.begin()
        for what, fail, mend in (
            ("suspended", pulse.suspend, pulse.resume),
            ("taken away", pulse.unplug, pulse.plug),
            ("killed", pulse.kill, pulse.start),
        ):
            back_s = await pole.survive(fail, mend, away_s=1.2)
            print(f"{what}: sound is back {back_s:.2f} s after the sink")
            assert back_s < 20  # within 1 s where nobody else needs the machine
        heard = np.frombuffer(await asyncio.to_thread(pulse.hear, 0.5), dtype="<i2")[::2]
        part = (heard[len(heard) // 2 :][:2_400] / 32_768).astype(np.float32)
        assert find(part, to_pcm(murmur(MEDIA_S)))
        print([event for event in pole.events if isinstance(event, m.Fault)])
        await pole.end()
