"""The announcer: what is said over the programme, beside the director who lets the programme sound.

It asks the player to lower what plays and to speak; that what plays comes back is the player's own
doing, so that it comes back also when nobody says so. An announcement is an item like any: policy,
holds, stops and alerts are obeyed, and it has a play record of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import (
    Effect,
    EndMeasure,
    Judge,
    Keep,
    Prepare,
    Release,
    Silence,
    SoundMedia,
)
from loa_endpoint.core.endings import Endings
from loa_endpoint.core.fader import Fader
from loa_endpoint.core.place import Place
from loa_endpoint.core.play import Play
from loa_endpoint.core.schedule import AHEAD_MS, LEAD_MS, Planned, announced, upcoming
from loa_endpoint.core.sound_alarms import SoundGuard
from loa_endpoint.core.turns import Turns
from loa_protocol.objects.playlist import BearerKind, Media, Playlist
from loa_protocol.record import Outcome

DUCK_MS = 100  # the programme is lowered before the first word, and comes back as quickly
_SOON_MS = 40  # two blocks: the player needs one to hear us
_FADE_MS = 20
_NEAR_END_MS = 1000  # files end a few frames before or after what was planned


class Announcer:
    """Lets the announcements of a playlist sound.

    Args:
        place: Which cluster this is.
        turns: What has had its turn already, shared with the director.
        endings: Where plays wait for what was measured.
        guard: What makes a play quieter for a fault of its sound.
    """

    def __init__(
        self, place: Place, turns: Turns, endings: Endings, guard: SoundGuard | None = None
    ) -> None:
        self._place, self._turns, self._endings = place, turns, endings
        self.play: Play | None = None
        self.fader = Fader("over", guard)
        self._planned: tuple[Planned, ...] = ()
        self._media: tuple[Media, ...] = ()
        self._cached: frozenset[bytes] = frozenset()
        self._opened: tuple[Planned, str] | None = None  # what is open, under the player's name
        self._opens = 0
        self._failed: Planned | None = None  # its file cannot be read: not tried again
        self._sounds = False  # the player has been asked to let it sound

    # --- what it is told

    def on_programme(
        self, playlist: Playlist | None, planned: Iterable[Planned], now: Reading
    ) -> list[Effect]:
        """Know what is planned; what goes on being planned, by the same file, goes on sounding."""
        play, before = self.play, None if self.play is None else self._media_of(self.play.planned)
        self._planned = tuple(each for each in planned if each.item.is_announcement)
        self._media = () if playlist is None else playlist.media
        if play is None:
            return self._close()
        is_same = play.planned in self._planned and self._media_of(play.planned) == before
        return [] if is_same else self.end(now, Outcome.STOPPED)

    def on_cached(self, media: frozenset[bytes]) -> None:
        """Know which media are in the cache; what was missing is tried at the next round."""
        self._cached = media

    def on_denied(self, denied: frozenset[bytes], now: Reading) -> list[Effect]:
        """End what sounds by a file that the deny list names."""
        self._cached -= denied
        if self._opened is None or (media := self._media_of(self._opened[0])) is None:
            return []
        if media.sha256 not in denied:
            return []
        ended = [] if self.play is None else self.end(now, Outcome.BROKEN)
        return ended + self._close()

    def on_started(self, source: str, at_ms: int, now: Reading) -> bool:
        """Hear that *source* began to sound at monotonic *at_ms*; tell whether it is ours."""
        if not self._is_mine(source):
            return False
        if self.play is not None:
            self.play.sounded(at_ms - now.mono_ms + now.unix_ms)
        return True

    def on_source_ended(self, source: str, reason: str, now: Reading) -> list[Effect] | None:
        """Hear that *source* will not sound any more; None where it is not ours."""
        if not self._is_mine(source):
            return None
        assert self._opened is not None  # else it were not ours
        if reason == "broken":
            self._failed = self._opened[0]
        self._opened, play = None, self.play
        if play is None or not self._sounds:
            return []
        if reason == "end" and now.unix_ms >= play.planned.end_ms - _NEAR_END_MS:
            return []
        play.carry(None, now.unix_ms)
        return [] if reason == "faded" else self.end(now, Outcome.BROKEN)

    def on_player_restarted(self, now: Reading) -> list[Effect]:
        """A new player has nothing open: speak on at the right place."""
        self._opened, self._sounds = None, False
        self.fader.forget()
        play = self.play
        if play is None:
            return []
        play.carry(None, now.unix_ms)
        return [play.measure(now)]

    def on_not_kept(self, play: bytes) -> bool:
        """The beginning of *play* could not be written down; tell whether it is ours."""
        if self.play is None or self.play.id != play:
            return False
        self._turns.give_back(self.play.name)
        self.play, self._sounds = None, False
        return True

    def break_in(self, now: Reading, outcome: Outcome, *, is_dropped: bool) -> list[Effect]:
        """End what is said; what is left of it may follow as a play of its own."""
        if self.play is None:
            return []
        if not is_dropped:
            self._turns.break_off(self.play.planned)
        return self.end(now, outcome)

    # --- the round

    def follow(
        self, now: Reading, *, may_begin: bool, level: int | None, stopped_ms: int
    ) -> list[Effect]:
        """Open, begin and end what the time asks for.

        Args:
            now: This round's reading.
            may_begin: Items may sound now.
            level: The volume of the announcement under way; None where there is none.
            stopped_ms: What began before this was stopped, and does not come again; unix ms.
        """
        due = announced(self._planned, now.unix_ms + LEAD_MS)
        play, effects = self.play, list[Effect]()
        if play is not None and due != play.planned:
            effects += self.end(now, Outcome.COMPLETE)
        if due is not None and self.play is None:
            is_over = due.start_ms < stopped_ms or self._turns.is_spent(due)
            due = None if is_over else due
        effects += self._open_ahead(due, now)
        if due is not None and self.play is None and may_begin:
            effects += self._begin(due, now)
        elif self.play is not None and level is not None:
            effects += self.fader.move(self.play, level, now)
            effects += self._let_sound(self.play, now)
            effects += self.fader.tell_cap(self.play, level)
        return effects

    def end(self, now: Reading, outcome: Outcome) -> list[Effect]:
        """End what is said, on its instant where that is to come."""
        play = self.play
        assert play is not None  # callers have looked
        end_ms = now.unix_ms
        if outcome is Outcome.COMPLETE:
            end_ms = play.planned.end_ms
            outcome = Outcome.BROKEN if play.started_ms is None else outcome
        at_ms = max(now.mono_ms, end_ms - now.unix_ms + now.mono_ms)
        stop_ms = at_ms if end_ms > now.unix_ms else 0
        self.play, self._sounds = None, False
        self._endings.add(play, outcome, end_ms=end_ms, mono_ms=at_ms)
        return [
            Silence(stop_ms, _FADE_MS, "over"),
            EndMeasure(play.name, at_ms),
            Judge(None, over=True),
        ]

    # --- inside

    def _begin(self, planned: Planned, now: Reading) -> list[Effect]:
        play = Play(
            id=self._turns.id_of(planned),
            planned=planned,
            volume=planned.session.volume,
            uncertainty_ms=now.uncertainty_ms,
        )
        self._turns.is_first(play.name)
        self.play, self._sounds = play, False
        self.fader.forget()
        place = self._place
        kept = play.started(playlist=planned.source, scope=place.scope, mark=place.mark)
        return [Keep(kept), Judge(play.name, over=True), play.measure(now)]

    def _let_sound(self, play: Play, now: Reading) -> list[Effect]:
        """Let it sound as soon as its file is there: from its start, or at its place."""
        if self._sounds or self._opened is None or self._opened[0] != play.planned:
            return []
        self._sounds = True
        start_ms = play.planned.start_ms - now.unix_ms + now.mono_ms
        at_ms = max(start_ms, now.mono_ms + _SOON_MS)
        play.carry(BearerKind.MEDIA, at_ms - now.mono_ms + now.unix_ms)
        position, duck = at_ms - start_ms, play.planned.item.duck_cdb
        fade_in = _FADE_MS if position else 0  # of a beginning nothing is to be lost
        return [
            SoundMedia(self._opened[1], position, at_ms, fade_in, _FADE_MS, duck, DUCK_MS),
        ]

    def _open_ahead(self, due: Planned | None, now: Reading) -> list[Effect]:
        wanted = due if self.play is None else self.play.planned
        if wanted is None:
            coming = upcoming(self._planned, now.unix_ms, now.unix_ms + AHEAD_MS)
            wanted = next((each for each in coming if each.block is None), None)
        is_open = self._opened is not None and self._opened[0] == wanted
        if wanted is None or is_open or wanted == self._failed:
            return []
        media = self._media_of(wanted)
        if media is None or media.sha256 not in self._cached:
            return []
        closed = self._close()
        self._opens += 1
        name = f"over-{wanted.item.id}#{self._opens}"
        self._opened = wanted, name
        position = max(0, now.unix_ms - wanted.start_ms)
        return [*closed, Prepare(name, media.sha256, media.gain_cdb, position)]

    def _close(self) -> list[Effect]:
        if self._opened is None:
            return []
        name, self._opened = self._opened[1], None
        return [Release(name)]

    def _media_of(self, planned: Planned) -> Media | None:
        reference = min(planned.item.bearers, key=lambda bearer: bearer.cost).reference
        return self._media[reference] if reference < len(self._media) else None

    def _is_mine(self, source: str) -> bool:
        return self._opened is not None and self._opened[1] == source
