"""The bearer desk: the fallback machine's words, turned into what the shell can do, and back.

It knows which bearer is which file or frequency, what is open at the player under which name, and
which FM windows are open. Which bearer sounds is the machine's decision alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from loa_endpoint.core import bearer as machine
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import (
    Effect,
    Keep,
    OpenLive,
    Prepare,
    Release,
    Silence,
    SoundLineIn,
    SoundMedia,
    Tune,
)
from loa_endpoint.core.fallback import Fallback
from loa_endpoint.core.fallback_table import State
from loa_endpoint.core.fm_windows import FmWindows
from loa_endpoint.core.live_desk import LiveDesk
from loa_endpoint.core.orders import Kept
from loa_endpoint.core.play import Play
from loa_endpoint.core.schedule import Planned
from loa_endpoint.core.signed_bearer import (
    is_live,
    live_id,
    loudness_beside,
    machine_bearer,
    media_id,
)
from loa_endpoint.core.told_note import TOLD, to_happening
from loa_endpoint.core.unsigned_streams import REFUSED, UnsignedStreams
from loa_protocol.objects.playlist import BearerKind, Media, Playlist
from loa_protocol.objects.policy import Policy
from loa_protocol.record import Happening

_SWITCH_LEAD_MS = 40  # two blocks: the player needs one to hear us
_EARLY_MS = 300  # a window is told so long before, for what begins with it is decided ahead
_MOVING = frozenset({State.ACQUIRING, State.SUSPECT, State.SWITCHING})
_NEAR_END_MS = 1000  # files end a few frames before or after what was planned


@dataclass(frozen=True, slots=True)
class _Source:
    """What a media bearer stands for."""

    planned: Planned
    media: Media


class BearerDesk:
    """Runs the fallback machine for the plays of one endpoint."""

    def __init__(self, fallback: Fallback) -> None:
        self._fallback = fallback
        self._playlist: Playlist | None = None
        self._live, self._fm_windows = LiveDesk(), FmWindows()
        self._streams = UnsignedStreams()
        self._slots: dict[str, tuple[bytes, str]] = {}  # live bearer id -> playlist and item
        self._flowing: set[str] = set()  # live bearers that have sound
        self._sources: dict[str, _Source] = {}  # media bearer id -> what it is
        self._cached: frozenset[bytes] = frozenset()
        self._windows: dict[str, int] = {}  # FM or stream bearer -> unix s: its window closes
        self._opened: dict[str, str] = {}  # bearer id -> the player's name for it
        self._opens = 0
        self._fm: machine.Bearer | None = None  # the FM bearer that is open, sounding or not
        self._fm_is_ready = False
        self._tuned_khz = 0  # where the tuner says it stands
        self._untold: deque[machine.Event] = deque()
        self._is_telling = False

    def on_programme(
        self,
        playlist: Playlist | None,
        planned: Sequence[Planned],
        digest: bytes,
        policy: Policy | None,
    ) -> None:
        """Know the items, live slots, streams and FM windows of the playlist in force."""
        self._playlist = playlist
        self._fm_windows.on_programme(playlist)
        self._streams.on_programme(playlist, planned, policy)
        self._sources.clear()
        self._slots.clear()
        media = () if playlist is None else playlist.media
        for each in planned:
            for bearer in each.item.bearers:
                if bearer.kind is BearerKind.MEDIA and bearer.reference < len(media):
                    source = _Source(each, media[bearer.reference])
                    self._sources[media_id(each.item, source.media)] = source
                elif is_live(bearer):
                    self._slots[live_id(each.item)] = digest, each.item.id

    def on_cached(self, media: Iterable[bytes], *, play: Play | None, now: Reading) -> list[Effect]:
        """Know which media are in the cache, whole and verified; try what has come just now."""
        before, self._cached = self._cached, frozenset(media)
        found = [
            name
            for name, source in self._sources.items()
            if source.media.sha256 in self._cached - before
        ]
        tried = [self.handle(machine.SoundFound(name), play, now) for name in found]
        return [effect for effects in tried for effect in effects]

    def on_denied(self, denied: frozenset[bytes], play: Play | None, now: Reading) -> list[Effect]:
        """Close what is open of a file that the deny list names."""
        effects: list[Effect] = []
        for name, source in self._sources.items():
            if source.media.sha256 in denied and (opened := self._opened.pop(name, None)):
                failed = self.handle(machine.SoundFailed(name, "denied"), play, now)
                effects += [*failed, Release(opened)]
        return effects

    def on_grants(self, grants: Iterable[Kept], play: Play | None, now: Reading) -> list[Effect]:
        """Know which live sessions may sound; what waited for one is tried."""
        before = {name for name in self._slots if self._grant_of(name) is not None}
        self._live.on_grants(grants)
        found = [n for n in self._slots if n not in before and self._grant_of(n) is not None]
        tried = [self.handle(machine.SoundFound(name), play, now) for name in found]
        return [effect for effects in tried for effect in effects]

    def voices(self, now: Reading) -> frozenset[bytes]:
        """Return the grants without a slot under which somebody is heard."""
        return self._live.voices(now)

    def on_live_chunk(self, data: bytes, play: Play | None, now: Reading) -> list[Effect]:
        """Hear a chunk of live sound, whoever brought it.

        Raises:
            FormatError, TrustError: it is not of an open session; nothing is changed.
        """
        order, fed = self._live.on_chunk(data, now)
        effects: list[Effect] = list(fed)
        for name in self._slots:
            if name not in self._flowing and self._grant_of(name) == order:
                self._flowing.add(name)
                is_open = name in self._opened
                event = machine.SoundReady(name) if is_open else machine.SoundFound(name)
                effects += self.handle(event, play, now)
        return effects

    def end_stalled(self, play: Play | None, now: Reading) -> list[Effect]:
        """Give up the live bearers of which nothing is left to sound."""
        effects: list[Effect] = []
        for name in sorted(self._flowing):
            order = self._grant_of(name)
            if order is None or not self._live.is_flowing(order, now):
                self._flowing.discard(name)
                if name in self._opened:
                    effects += self.handle(machine.SoundFailed(name, "stalled"), play, now)
        return effects

    def on_player_restarted(self, play: Play | None, now: Reading) -> list[Effect]:
        """Open again what is open: another player knows nothing of it."""
        reopened = [self._open_sound(bearer, play, now) for bearer in list(self._opened)]
        return [effect for effects in reopened for effect in effects]

    def fm_volume_cap(self, unix_ms: int) -> int:
        """Return the cap of the FM windows that are open at *unix_ms*; 0 where none is."""
        return self._fm_windows.volume_cap(unix_ms)

    def is_calm(self, now: Reading, later: Reading) -> bool:
        """Tell whether nothing changes from *now* to *later* by the time alone.

        While FM sounds, or is to prove itself, its readings are to be heard promptly.
        """
        sounding, deadline_ms = self._fallback.sounding, self._fallback.next_deadline()
        is_fm = sounding is not None and sounding.kind is BearerKind.FM
        is_proving = self._fm is not None and not self._fm_is_ready
        is_near = deadline_ms is not None and deadline_ms <= later.mono_ms
        if is_fm or is_proving or is_near or self._flowing or self._fallback.state in _MOVING:
            return False
        windows, streams = self._fm_windows, self._streams
        return (
            self._live.voices(now) == self._live.voices(later)
            and windows.closing(now, _EARLY_MS) == windows.closing(later, _EARLY_MS)
            and streams.closing(now, _EARLY_MS) == streams.closing(later, _EARLY_MS)
        )

    def machine_item(self, planned: Planned) -> machine.Item:
        """Return *planned* as the fallback machine knows it."""
        item = planned.item
        bearers = [
            machine_bearer(self._playlist, item, index) for index in range(len(item.bearers))
        ]
        return machine.Item(
            id=f"{item.id}@{planned.start_ms}",
            bearers=tuple(bearer for bearer in bearers if bearer is not None),
            expected_silence=tuple((s.start_ms, s.end_ms) for s in item.expected_silence),
        )

    def move_windows(self, play: Play | None, now: Reading) -> list[Effect]:
        """Open and close windows as the time asks; none opens on an untrusted clock.

        The machine is told a moment early; what sounds is put off until the window is really open.
        """
        effects = self._streams.passed_over(play, now)
        closing = self._fm_windows.closing(now, _EARLY_MS)
        closing |= self._streams.closing(now, _EARLY_MS)
        for name in [name for name in self._windows if name not in closing]:
            del self._windows[name]
            effects += self.handle(machine.WindowClosed(name), play, now)
        for name, end in closing.items():
            if self._windows.get(name) != end:
                if name in self._streams and name not in self._windows:
                    effects += self.handle(machine.SoundFound(name), play, now)
                self._windows[name] = end
                closes = now.mono_ms + end * 1000 - now.unix_ms
                effects += self.handle(machine.WindowOpened(name, closes), play, now)
        return effects

    def handle(self, event: machine.Event, play: Play | None, now: Reading) -> list[Effect]:
        """Tell the machine of *event*; return what it wants done while *play* is under way.

        What one word of the machine makes known (a file that is not there) is told when all words
        before it are carried out: an inner answer must not overtake an outer one.
        """
        self._untold.append(event)
        if self._is_telling:
            return []
        self._is_telling = True
        effects: list[Effect] = []
        while self._untold:
            for said in self._fallback.handle(self._untold.popleft(), now.mono_ms):
                effects += self._turn(said, play, now)
        self._is_telling = False
        return effects

    def _turn(self, said: machine.Effect, play: Play | None, now: Reading) -> list[Effect]:
        match said:
            case machine.PreOpen(bearer=bearer):
                return self._open(bearer, play, now)
            case machine.Close(bearer=bearer):
                return self._close(bearer)
            case machine.SwitchTo():
                return self._switch(said, play, now)
            case machine.Mute(fade_out_ms=fade):
                return [self._mute(fade, play, now)]
            case machine.Alarm(active=active):
                detail = "active" if active else "idle"
                return [Keep(Happening(name="programme_failure_alarm", detail=detail))]
            case machine.Note():
                return [Keep(to_happening(said))] if said.name in TOLD else []

    def _mute(self, fade_ms: int, play: Play | None, now: Reading) -> Silence:
        """End what sounds; before a play's own start that is the item before, on its end."""
        ahead_ms = 0 if play is None else max(0, play.planned.start_ms - now.unix_ms)
        if play is not None:
            play.carry(None, now.unix_ms + ahead_ms)
        return Silence(now.mono_ms + ahead_ms if ahead_ms else 0, fade_ms, "programme")

    def on_reading(self, reading: machine.Event, play: Play | None, now: Reading) -> list[Effect]:
        """Hear the tuner, or a stream by the name that the player has for it."""
        if isinstance(reading, machine.SoundRead | machine.FlowRead):
            name = self._bearer_of(reading.bearer)
            if name is None:
                return []
            reading = replace(reading, bearer=name)
        elif isinstance(reading, machine.TunerTuned):
            self._tuned_khz = reading.khz
        elif isinstance(reading, machine.TunerQuiet):
            self._tuned_khz, self._fm_is_ready = 0, False
        return self.handle(reading, play, now)

    def on_line_in(
        self, level_cdbfs: int, flatness_permille: int, *, play: Play | None, now: Reading
    ) -> list[Effect]:
        """Hear the meter of the line-in, which carries whatever the tuner stands on."""
        if self._fm is None or self._tuned_khz != self._fm.frequency_khz:
            return []
        effects: list[Effect] = []
        if not self._fm_is_ready:
            self._fm_is_ready = True
            effects += self.handle(machine.SoundReady(self._fm.id), play, now)
        read = machine.SoundRead(self._fm.id, level_cdbfs, flatness_permille)
        return effects + self.handle(read, play, now)

    def on_prepared(self, source: str, play: Play | None, now: Reading) -> list[Effect]:
        """The player has opened *source*."""
        name = self._bearer_of(source)
        return [] if name is None else self.handle(machine.SoundReady(name), play, now)

    def on_source_ended(
        self, source: str, reason: str, *, play: Play | None, now: Reading
    ) -> list[Effect]:
        """The player says that *source* will not sound any more, for *reason*."""
        name = self._bearer_of(source)
        if name is None:
            return []
        del self._opened[name]
        is_done = play is None or now.unix_ms >= play.planned.end_ms - _NEAR_END_MS
        if reason == "faded" or (reason == "end" and is_done):
            return []
        return self.handle(machine.SoundFailed(name, reason), play, now)

    def _open(self, bearer: machine.Bearer, play: Play | None, now: Reading) -> list[Effect]:
        if bearer.kind is BearerKind.FM:
            self._fm, self._fm_is_ready = bearer, False
            return [Tune(bearer.frequency_khz)]
        return self._open_sound(bearer.id, play, now)

    def _open_sound(self, bearer: str, play: Play | None, now: Reading) -> list[Effect]:
        if bearer in self._slots:
            return self._open_live(bearer, play, now)
        if bearer in self._streams:
            return self._open_stream(bearer, play, now)
        return self._open_media(bearer, play, now)

    def _open_live(self, bearer: str, play: Play | None, now: Reading) -> list[Effect]:
        order = self._grant_of(bearer)
        if order is None or not self._live.is_flowing(order, now):
            self._opened.pop(bearer, None)
            self._flowing.discard(bearer)
            reason = "no_grant" if order is None else "stalled"
            return self.handle(machine.SoundFailed(bearer, reason), play, now)
        self._opens += 1
        name = f"{bearer}#{self._opens}"
        self._opened[bearer] = name
        self._flowing.add(bearer)
        fed = self._live.attach(order, name)
        return [OpenLive(name), *fed, *self.handle(machine.SoundReady(bearer), play, now)]

    def _grant_of(self, bearer: str) -> bytes | None:
        """Return the grant whose session is behind a live bearer."""
        playlist, item = self._slots.get(bearer, (b"", ""))
        return self._live.for_slot(playlist, item)

    def _open_stream(self, bearer: str, play: Play | None, now: Reading) -> list[Effect]:
        self._opens += 1
        name = f"{bearer}#{self._opens}"
        said = self._streams.open(bearer, name, now)
        if said is None:
            self._opened.pop(bearer, None)
            return self.handle(machine.SoundFailed(bearer, REFUSED), play, now)
        self._opened[bearer] = name
        return [said]

    def _open_media(self, bearer: str, play: Play | None, now: Reading) -> list[Effect]:
        source = self._sources.get(bearer)
        if source is None or source.media.sha256 not in self._cached:
            self._opened.pop(bearer, None)
            return self.handle(machine.SoundFailed(bearer, "not_cached"), play, now)
        self._opens += 1
        name = f"{bearer}#{self._opens}"
        self._opened[bearer] = name
        position = max(0, now.unix_ms - source.planned.start_ms)
        return [Prepare(name, source.media.sha256, source.media.gain_cdb, position)]

    def _close(self, bearer: machine.Bearer) -> list[Effect]:
        if bearer.kind is BearerKind.FM:
            self._fm = None
            return [Tune(0)]
        source = self._opened.pop(bearer.id, None)
        if source is None:
            return []
        self._live.detach(source)
        return [Release(source)]

    def _switch(self, to: machine.SwitchTo, play: Play | None, now: Reading) -> list[Effect]:
        if play is None:
            return []
        start_ms = play.planned.start_ms - now.unix_ms + now.mono_ms
        at_ms = max(start_ms, now.mono_ms + _SWITCH_LEAD_MS)
        unix_ms = at_ms - now.mono_ms + now.unix_ms
        if to.bearer.kind is BearerKind.FM:
            unix_ms = self._fm_windows.opens_ms(to.bearer.frequency_khz, unix_ms)
            play.carry(BearerKind.FM, unix_ms)
            at_ms = unix_ms - now.unix_ms + now.mono_ms
            target = loudness_beside(self._playlist, play.planned.item)
            return [SoundLineIn(at_ms, to.fade_in_ms, to.fade_out_ms, target)]
        effects: list[Effect] = []
        if to.bearer.id not in self._opened:  # a new player has lost what the old one had opened
            effects += self._open(to.bearer, play, now)
        source = self._opened.get(to.bearer.id)
        if source is None:
            return effects
        if to.bearer.is_unsigned:
            unix_ms = self._streams.opens_ms(to.bearer.id, unix_ms)
            at_ms = unix_ms - now.unix_ms + now.mono_ms
        play.carry(to.bearer.kind, unix_ms, self._streams.host(to.bearer.id))
        order = self._grant_of(to.bearer.id)
        position = at_ms - start_ms if order is None else self._live.position_ms(order, unix_ms)
        sound = SoundMedia(source, position, at_ms, to.fade_in_ms, to.fade_out_ms)
        return [*effects, sound]

    def _bearer_of(self, source: str) -> str | None:
        return next((name for name, known in self._opened.items() if known == source), None)
