"""What may be heard, worked out from what people signed; and whether anything else was.

Written without looking at the director: a list of intervals, each with the tone of a signed sound,
and what silences them. It knows three things: what was signed (by the people of the world), what of
it has been carried to the board so far (by the network), and which orders the board has owned up to
(its records). Times are the board's own, unix ms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from loa_protocol.envelope import Kind
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.live import Grant
from loa_protocol.objects.placement import DenyList
from loa_protocol.objects.playlist import Playlist
from loa_protocol.objects.standing import StandingProgramme
from loa_sound.blocks import RATE, Samples

ATTENTION_HZ: Final = (800, 970)  # before the words of an alert
LIVE_HZ: Final = 2700  # of everything that is spoken live
MARKER_HZ: Final = 3000  # no signed sound has it; everything that the attacker brings has
SLACK_MS: Final = 400  # a fade, and a round of the agent
LAZY_MS: Final = 70_000  # a playlist that waits for its day is looked at once a minute
_OFFSET_S: Final = 7 * 3600
_DAY_S: Final = 86_400
_OPEN_S, _CLOSED_S = 5 * 3600, 21 * 3600  # the policy's hours
_WINDOW: Final = RATE // 10
_BAND_HZ: Final = 30
_ASIDE_HZ: Final = 600
_FOREIGN: Final = 0.05  # of a window's power
_FOREIGN_LIVE: Final = 0.15  # a decoder that begins anew after a lost second was seen to add 0.104
_WHOLE: Final = 0.97  # of a window sounds: where one begins or ends, the edge has every tone


@dataclass(frozen=True)
class Fact:
    """Something that the stated number of people signed."""

    kind: Kind
    body: object
    digest: bytes


@dataclass
class Oracle:
    """What may sound, when."""

    tones: dict[bytes, int] = field(default_factory=dict)  # media -> Hz
    facts: dict[bytes, Fact] = field(default_factory=dict)  # by the digest of the payload
    carried: dict[bytes, int] = field(default_factory=dict)  # digest -> when the board first had it
    kept: dict[bytes, int] = field(default_factory=dict)  # digest -> when the board kept it
    taken: dict[bytes, int] = field(default_factory=dict)  # order -> when the board owned up to it
    strangers: list[str] = field(default_factory=list)  # kept or taken, and nobody signed it
    spoken: list[tuple[int, int, int, bytes]] = field(default_factory=list)  # from, to, Hz, grant

    # --- what it is told

    def sign(self, kind: Kind, body: object, digest: bytes) -> None:
        """Know that people signed *body*."""
        self.facts[digest] = Fact(kind, body, digest)

    def carry(self, digest: bytes, at_ms: int) -> None:
        """Know that the board was given it, whole and as it was signed."""
        if digest in self.facts:
            self.carried.setdefault(digest, at_ms)

    def keep(self, kind: Kind, digest: bytes, at_ms: int) -> None:
        """Know that the board keeps a state object."""
        if kind is Kind.HEAD:
            return
        self.kept.setdefault(digest, at_ms)
        if digest not in self.carried:
            self.strangers.append(f"{kind.name} {digest.hex()}")

    def take(self, digest: bytes, at_ms: int) -> None:
        """Know that the board says it took an order."""
        fact = self.facts.get(digest)
        if fact is None or digest not in self.carried:
            self.strangers.append(f"order {digest.hex()}")
        else:
            self.taken.setdefault(getattr(fact.body, "id", b""), at_ms)

    def speak(self, at_ms: int, length_ms: int, hz: int, grant: bytes) -> None:
        """Know that a chunk of live sound was carried in time, by who holds the session's key."""
        self.spoken.append((at_ms, at_ms + length_ms, hz, grant))

    # --- what is asked

    def allowed(self, at_ms: int) -> frozenset[int]:
        """Return the tones that may be heard at an instant."""
        if self._is_locked(at_ms):
            return frozenset()
        tones = set(self._alerts(at_ms))
        if self.holds(at_ms) == 0:
            tones |= set(self._scheduled(at_ms)) | set(self._live(at_ms))
        return frozenset(tones)

    def near(self, at_ms: int) -> frozenset[int]:
        """Return the tones that may be heard at an instant or were a fade ago."""
        return self.allowed(at_ms) | self.allowed(at_ms - SLACK_MS) | self.allowed(at_ms + 50)

    def holds(self, at_ms: int) -> int:
        """Return how many holds stand that the board has owned up to."""
        return sum(
            self._has_taken(each.body.id, at_ms) and not self._is_released(each.body.id, at_ms)
            for each in self._of(Command)
            if isinstance(each.body, Command) and each.body.verb is Verb.HOLD
        )

    # --- inside

    def _of(self, layout: type) -> Iterable[Fact]:
        return [each for each in self.facts.values() if isinstance(each.body, layout)]

    def _has(self, fact: Fact, at_ms: int) -> bool:
        return self.carried.get(fact.digest, at_ms + 1) <= at_ms

    def _has_taken(self, order: bytes, at_ms: int) -> bool:
        return self.taken.get(order, at_ms + 1) <= at_ms

    def _is_released(self, hold: bytes, at_ms: int) -> bool:
        return any(
            isinstance(each.body, Command)
            and each.body.verb is Verb.RELEASE
            and hold in each.body.references
            and self._has(each, at_ms)
            for each in self._of(Command)
        )

    def _is_locked(self, at_ms: int) -> bool:
        return any(
            isinstance(each.body, Command)
            and each.body.verb is Verb.LOCKDOWN
            and self._has_taken(each.body.id, at_ms)
            and at_ms < (each.body.issued + each.body.duration_s) * 1000
            for each in self._of(Command)
        )

    def _alerts(self, at_ms: int) -> Iterable[int]:
        cancels = [each.body for each in self._of(Alert)]
        for fact in self._of(Alert):
            body = fact.body
            assert isinstance(body, Alert)
            if body.media is None or not self._has(fact, at_ms):
                continue
            is_cancelled = any(
                isinstance(each, Alert)
                and body.id in each.references
                and self._has_taken(each.id, at_ms)
                for each in cancels
            )
            if body.start * 1000 <= at_ms < body.expires * 1000 and not is_cancelled:
                yield self.tones[body.media.sha256]
                yield from ATTENTION_HZ

    def _live(self, at_ms: int) -> Iterable[int]:
        grants = {g.body.id: g for g in self._of(Grant) if isinstance(g.body, Grant)}
        for start, end, hz, grant in self.spoken:
            if start <= at_ms < end and self._has(grants[grant], at_ms):
                yield hz

    def _scheduled(self, at_ms: int) -> Iterable[int]:
        if not _OPEN_S <= _local_s(at_ms) < _CLOSED_S:
            return
        for fact in self._of(Playlist):
            if isinstance(fact.body, Playlist) and self._rules(fact, fact.body, at_ms):
                for item in fact.body.items:
                    start = fact.body.sessions[item.session].start * 1000 + item.offset_ms
                    if start <= at_ms < start + item.duration_ms:
                        yield from self._tones_of(fact.body, item.bearers)
        for fact in self._of(StandingProgramme):
            is_covered = any(self._surely(p, at_ms) for p in self._of(Playlist))
            body = fact.body
            if isinstance(body, StandingProgramme) and self._has(fact, at_ms) and not is_covered:
                yield from self._weekly(body, at_ms)

    def _weekly(self, body: StandingProgramme, at_ms: int) -> Iterable[int]:
        for item in body.items:
            begins_ms = body.sessions[item.session].start_min * 60_000 + item.offset_ms
            if begins_ms <= _local_s(at_ms) * 1000 + at_ms % 1000 < begins_ms + item.duration_ms:
                yield from self._tones_of(body, item.bearers)

    def _tones_of(self, body: Playlist | StandingProgramme, bearers: Iterable[object]) -> list[int]:
        references = [getattr(each, "reference", 0) for each in bearers]
        return [self.tones[body.media[n].sha256] for n in references if n < len(body.media)]

    def _rules(self, fact: Fact, body: Playlist, at_ms: int) -> bool:
        """Tell whether a playlist may be what is played from."""
        if not self._has(fact, at_ms) or not body.not_before * 1000 <= at_ms:
            return False
        newer = [p for p in self._of(Playlist) if getattr(p.body, "serial", 0) > body.serial]
        is_over = any(self._surely(each, at_ms) for each in newer)
        return at_ms < body.expires * 1000 and not is_over and not self._is_denied(fact, at_ms)

    def _surely(self, fact: Fact, at_ms: int) -> bool:
        """Tell whether a playlist is in force beyond doubt: any before it must be silent."""
        body = fact.body
        assert isinstance(body, Playlist)
        since_ms = max(self.kept.get(fact.digest, at_ms), body.not_before * 1000)
        last_s = max(session.start for session in body.sessions)
        end_s = min(body.expires, (last_s + _OFFSET_S) // _DAY_S * _DAY_S + _DAY_S - _OFFSET_S)
        is_denied = self._is_denied(fact, at_ms)
        return since_ms + LAZY_MS < at_ms < end_s * 1000 - SLACK_MS and not is_denied

    def _is_denied(self, fact: Fact, at_ms: int) -> bool:
        return any(
            self.kept.get(each.digest, at_ms + 1) <= at_ms
            and isinstance(each.body, DenyList)
            and any(entry.value == fact.digest for entry in each.body.entries)
            for each in self._of(DenyList)
        )


def _local_s(at_ms: int) -> int:
    return (at_ms // 1000 + _OFFSET_S) % _DAY_S


class Allows(Protocol):
    """Who knows what may be heard."""

    def near(self, at_ms: int) -> frozenset[int]:
        """Return the tones that may be heard at an instant or were a fade ago."""


@dataclass
class Meter:
    """The tape: every sample that is written is weighed against the oracle."""

    oracle: Allows
    board_ms: Callable[[int], int]  # monotonic ns -> the board's unix ms
    written: int = 0
    sounding: int = 0  # samples that are not zero
    unsigned: int = 0
    marked: int = 0  # with the attacker's tone
    heard: Counter[int] = field(default_factory=Counter)  # samples by tone
    faults: list[str] = field(default_factory=list)
    _held: list[Samples] = field(default_factory=list)
    _first_ns: int = 0

    def write(self, samples: Samples, first_ns: int) -> None:
        """Take samples as the sink does."""
        self.written += len(samples)
        if not self._held:
            self._first_ns = first_ns
        self._held.append(samples.copy())
        if sum(map(len, self._held)) >= _WINDOW or not samples.any():
            window = np.concatenate(self._held)
            self._held.clear()
            if window.any():
                self._weigh(window, self.board_ms(self._first_ns))

    def _weigh(self, window: Samples, at_ms: int) -> None:
        loud = np.flatnonzero(window)
        begin_ms, end_ms = at_ms + int(loud[0]) * 1000 // RATE, at_ms + int(loud[-1]) * 1000 // RATE
        self.sounding += len(loud)
        allowed = self.oracle.near(begin_ms) | self.oracle.near(end_ms)
        powers = _powers(window)
        foreign = _FOREIGN_LIVE if LIVE_HZ in allowed else _FOREIGN
        if _is_marked(powers, is_whole=len(loud) > _WHOLE * len(window)):
            self.marked += len(loud)
            self._foul("the attacker's tone", at_ms, powers)
        if not self.oracle.near(begin_ms) or not self.oracle.near(end_ms):
            self.unsigned += len(loud)
            self._foul("sound where nothing may", at_ms, powers)
        elif len(loud) > _WHOLE * len(window) and _share(powers, allowed) < 1 - foreign:
            self.unsigned += len(loud)
            self._foul(f"not of {sorted(allowed)}", at_ms, powers)
        for hz in allowed:
            if _share(powers, [hz]) > 0.5:
                self.heard[hz] += len(loud)

    def _foul(self, why: str, at_ms: int, powers: Samples) -> None:
        if len(self.faults) < 20:
            hz = int(np.argmax(powers)) * RATE // (2 * (len(powers) - 1))
            self.faults.append(f"{at_ms}: {why}; {hz} Hz, local second {_local_s(at_ms)}")


def _powers(window: Samples) -> Samples:
    spectrum: Samples = np.abs(np.fft.rfft(window * np.hanning(len(window)))) ** 2
    return spectrum


def _is_marked(powers: Samples, *, is_whole: bool) -> bool:
    """Tell whether the attacker's tone is in a window.

    Where a signed sound begins or ends within it, its edge has every tone, the higher the less: the
    attacker's then has to stand out from those on both sides of it.
    """
    found = _share(powers, [MARKER_HZ])
    beside = (_share(powers, [MARKER_HZ - _ASIDE_HZ]), _share(powers, [MARKER_HZ + _ASIDE_HZ]))
    return found > 0.01 and (is_whole or found > 2 * max(beside))


def _share(powers: Samples, tones: Iterable[int]) -> float:
    hz = np.fft.rfftfreq(2 * (len(powers) - 1), 1 / RATE)
    near = np.zeros(len(powers), dtype=bool)
    for tone in tones:
        near |= np.abs(hz - tone) <= _BAND_HZ
    return float(powers[near].sum() / max(powers.sum(), 1e-12))
