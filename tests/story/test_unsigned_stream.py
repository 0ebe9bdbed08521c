"""A radio that nobody signs: a real agent plays it where it may, and never hangs on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from loa_protocol.parameters import FallbackParameters, ReturnMode
from loa_sound.blocks import RATE
from support.broker_lab import server_tls
from support.device_ca_lab import X509Lab
from support.hamlet import (
    ALWAYS,
    STATION,
    WITHIN_S,
    Hamlet,
    Pole,
    hamlet,
    make_piece,
    soon_s,
)
from support.sound_files import tone
from support.stream_station import Radio, radio_on_air
from support.waiting import soon

pytestmark = pytest.mark.story

TUNE_HZ = 3000.0  # what stands behind it rumbles far below
QUICK = FallbackParameters(
    silence_fail_ms=2000,
    ip_starved_ms=500,
    ip_no_bytes_ms=4000,
    ip_probe_min_ms=1000,
    ok_ip_ms=4100,
    dwell_ms=0,
    flap_switches=100,
    return_mode=ReturnMode.AUTO,
)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Hamlet]:
    with hamlet(tmp_path / "hamlet", poles=1) as made:
        yield made


@pytest.fixture
def radio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Radio]:
    """Stream over TLS by an authority that agents started from now on find in their system."""
    lab, ca = X509Lab(), tmp_path / "ca.pem"
    ca.write_bytes(lab.ca_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    context = server_tls(lab).server_context()
    with radio_on_air(tmp_path, tone(5, TUNE_HZ, 0.2), context) as made:
        made.burst_s = 3
        yield made


def until(pole: Pole, bearer: str) -> int:
    """Wait until *pole* sounds by *bearer*; return when, unix ms."""
    soon(lambda: pole.status()["bearer"] == bearer, within_s=WITHIN_S)
    return time.time_ns() // 1_000_000


def listen_on(seconds: float) -> int:
    """Let time pass that is to be heard afterwards; return when it is over, unix ms."""
    end_s = time.time() + seconds
    soon(lambda: time.time() > end_s)
    return round(end_s * 1000)


def tune_share(pole: Pole, from_ms: int, to_ms: int) -> float:
    """Return how much of the power that *pole* sounded was in the radio's tune, 0 to 1."""
    part = pole.recording().part(from_ms, to_ms).astype(np.float64)
    power = np.abs(np.fft.rfft(part)) ** 2
    return float(power[int(0.9 * TUNE_HZ * len(part) / RATE) :].sum() / power.sum())


@pytest.mark.requirement("SEC-3", "SRC-1", "AUD-5")
def test_a_radio_that_nobody_signs_is_heard_in_its_hours_left_when_it_fails_and_written_down(
    here: Hamlet, radio: Radio
) -> None:
    here.sign_policy(
        hours=ALWAYS,
        start_wait_s=3,
        unsigned_streams=("localhost",),
        unsigned_stream_hours=ALWAYS,
    )
    here.sign_settings(f"{STATION}/c01", fallback=QUICK.to_map())
    pole = here.pole("c01")
    pole.start()
    soon(pole.knows_the_time, within_s=WITHIN_S)
    behind, other = make_piece(here.folder, "sau", 120), make_piece(here.folder, "khac", 20)
    here.publish(pole, [behind], start_s=soon_s(8), stream=radio.url)
    heard_ms = until(pole, "stream")
    silent_ms = listen_on(3)
    radio.is_silent = True
    left_ms = until(pole, "media")
    radio.is_silent = False
    again_ms = until(pole, "stream")
    vanished_ms = listen_on(3)
    radio.vanish()
    gone_ms = until(pole, "media")
    end_ms = listen_on(1)

    elsewhere = radio.url.replace("localhost", "127.0.0.1")
    here.publish(pole, [other], start_s=soon_s(3), stream=elsewhere)
    soon(lambda: pole.is_playing(other), within_s=WITHIN_S)
    (play, _other) = here.ended(pole, 2)
    assert set(radio.asked) == {"localhost"}
    assert ("item khac", "unsigned_stream") in here.refusals(pole)
    assert ("item sau", "unsigned_stream") not in here.refusals(pole)
    assert (play.item, play.unsigned_host) == ("sau", "localhost")
    assert _other.unsigned_host is None
    pole.stop()

    record = pole.recording()
    silence_ms = record.longest_gap_ms(silent_ms, left_ms + 1500)
    gap_ms = record.longest_gap_ms(vanished_ms, gone_ms + 1000)
    print(f"silent for {silence_ms} ms, gap {gap_ms} ms after it had vanished")
    assert tune_share(pole, heard_ms + 500, silent_ms) > 0.9
    assert tune_share(pole, left_ms + 600, left_ms + 1000) < 0.1
    assert tune_share(pole, again_ms + 700, vanished_ms) > 0.9
    assert tune_share(pole, end_ms - 500, end_ms) < 0.1
    assert silence_ms < 10_000
    assert gap_ms < 3000
