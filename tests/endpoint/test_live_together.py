"""Live sound at several horns, measured on what they wrote: together, and silent where forged.

Sealed chunks go through the desk that judges them to real players in real time; each is brought the
chunks in another way.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

from loa_endpoint.audio import messages as m
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import FeedLive
from loa_endpoint.core.live_desk import LiveDesk
from loa_protocol.errors import FormatError
from loa_protocol.live import seal_chunk
from loa_protocol.objects.live import LiveChunk
from loa_protocol.record import ClockTrust
from loa_protocol.trust import TrustError
from loa_sound.blocks import BLOCK, RATE, Samples
from loa_sound.opus import OpusEncoder
from support.kept import kept_order
from support.orders import grant
from support.player_lab import LivePlayer, in_ms
from support.province import person
from support.sound_files import read_wav, tone

SESSION = person("session").signer
GRANT = grant(SESSION)
PACKETS = 25  # half a second
CHUNK_MS = PACKETS * 20
COUNT = 5
TOGETHER_MS = 10.0  # SYN-1: neighbouring horns
SPARE_MS = 20  # an Opus packet at each edge says something of its neighbour


def spoken() -> list[bytes]:
    """Return chunks, sealed, each of which begins with 200 ms of tone."""
    half = np.zeros(PACKETS * BLOCK, dtype=np.float32)
    half[: RATE // 5] = tone(1, 1000, 0.5)[: RATE // 5]
    encoder, packets = OpusEncoder(), list[bytes]()
    for at in range(0, COUNT * len(half), BLOCK):
        packets += encoder.encode(half[at % len(half) : at % len(half) + BLOCK])
    packets += encoder.finish()
    return [
        seal_chunk(
            LiveChunk(
                grant=GRANT.id,
                number=number,
                at_ms=GRANT.start * 1000 + number * CHUNK_MS,
                packets=tuple(packets[number * PACKETS : (number + 1) * PACKETS]),
            ),
            SESSION,
        )
        for number in range(COUNT)
    ]


def judged(chunks: list[bytes]) -> list[FeedLive]:
    """Return what a board feeds to its player when *chunks* are brought to it, one by one."""
    desk = LiveDesk()
    desk.on_grants([kept_order(GRANT)[0]])
    fed = desk.attach(GRANT.id, "live#1")
    now = Reading(
        mono_ms=1_000_000, unix_ms=GRANT.start * 1000, trust=ClockTrust.T3, uncertainty_ms=1
    )
    for data in chunks:
        with contextlib.suppress(FormatError, TrustError):
            fed += desk.on_chunk(data, now)[1]
    return fed


def onsets_ns(player: LivePlayer, wav: Path, base_ns: int) -> tuple[list[float], Samples]:
    """Return when tones began, in ns of the machine's clock, and all samples from the base on."""
    epoch = player.of(m.Ready)[0].epoch_ns
    samples = read_wav(wav).astype(np.float32) / np.float32(32768)
    loud = np.flatnonzero(np.abs(samples) > 0.1)
    first = np.concatenate(([True], np.diff(loud) > RATE // 10))
    begin = round((base_ns - epoch) * RATE / 1e9)
    return [epoch + at * 1e9 / RATE for at in loud[first].tolist()], samples[begin:]


@pytest.mark.requirement("SRC-1", "SEC-3")
def test_horns_sound_a_voice_together_and_what_is_forged_or_missing_is_silence_at_its_place(
    tmp_path: Path,
) -> None:
    chunks = spoken()
    forged = chunks[1][:-1] + bytes([chunks[1][-1] ^ 1])
    stranger = seal_chunk(
        LiveChunk(grant=GRANT.id, number=9, at_ms=GRANT.start * 1000 + 2 * CHUNK_MS,
                  packets=(b"\x58" * 40,) * PACKETS), person("stranger").signer,
    )  # fmt: skip
    brought = [
        chunks,
        [chunks[n] for n in (0, 2, 1, 4, 3, 3, 1)],  # in disorder, and twice
        [chunks[0], forged, stranger, chunks[3], chunks[4]],
    ]
    wavs = [tmp_path / f"horn{n}.wav" for n in range(3)]
    with contextlib.ExitStack() as stack:
        players = [stack.enter_context(LivePlayer("--sink", f"wav:{wav}")) for wav in wavs]
        for player in players:
            player.wait(m.Ready)
        base_ns = in_ms(600)
        for player, mine in zip(players, brought, strict=True):
            player.send(
                m.OpenLive(source="live#1"),
                m.Play(source="live#1", at_ns=base_ns, fade_in_ms=0),
                *(
                    m.Feed(
                        source=each.source, position_ms=each.position_ms, packets=list(each.packets)
                    )
                    for each in judged(mine)
                ),
            )
        for player in players:
            player.wait_until(base_ns + (COUNT * CHUNK_MS + 300) * 1_000_000)
        heard = [onsets_ns(player, wav, base_ns) for player, wav in zip(players, wavs, strict=True)]
    places = [[round((at - base_ns) / 1e6 / CHUNK_MS) for at in came] for came, _ in heard]
    assert places == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 3, 4]]
    for place in (0, 3, 4):  # where all three sound
        instants = [came[mine.index(place)] for (came, _), mine in zip(heard, places, strict=True)]
        assert (max(instants) - min(instants)) / 1e6 <= TOGETHER_MS
    silent = slice((CHUNK_MS + SPARE_MS) * 48, (3 * CHUNK_MS - SPARE_MS) * 48)
    assert np.abs(heard[2][1][silent]).max() == 0
