"""The mixing desk: commands in, blocks and events out. No pipes, no device, no clock.

It owns the sounds by name (`sounds`), the mixer that plays them, and the meters of the items.
Instants become samples of the timeline here, and nowhere else. The mixer is `LOOK_AHEAD` samples
ahead of what is written, for the limiter holds so many back; each sample is written in its own
place all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np

from loa_endpoint.audio import messages as m
from loa_endpoint.audio.aligned import Aligned
from loa_endpoint.audio.aligned_voices import AlignedVoices
from loa_endpoint.audio.duck import MUTE_DB, Duck
from loa_endpoint.audio.file_sound import FileSound
from loa_endpoint.audio.item_meter import ItemMeters
from loa_endpoint.audio.limiter import LOOK_AHEAD, Limiter
from loa_endpoint.audio.line_in import LineIn
from loa_endpoint.audio.mixer import Mixer, Part, Start
from loa_endpoint.audio.sounds import Sounds, to_samples
from loa_endpoint.audio.tone import ToneSound
from loa_endpoint.audio.voice import NEVER, Happening
from loa_endpoint.audio.written_monitor import Expectation
from loa_sound.blocks import RATE, Samples
from loa_sound.meters import to_db

BEATS_PER_FIGURES: Final = 3
"""What an item measured so far is told about once a second."""
QUIT_FADE: Final = RATE // 50
REALIGN: Final = RATE // 20
"""A file that still fades out may be asked back at most 50 ms beside where it is."""
_SECOND: Final = 1_000_000_000


class Timeline(Protocol):
    """Whatever knows when sample 0 sounded; a card corrects it as it runs."""

    @property
    def epoch_ns(self) -> int:
        """CLOCK_MONOTONIC instant of sample 0."""


class Desk:
    """What the player does with each command.

    Attributes:
        over: It has been told to quit, and has faded out.
        sink_xruns: Times that the sink ran dry; kept by the loop that owns the sink.
        sink_drift_ppm: How much too fast the sink is; kept likewise.
    """

    def __init__(
        self,
        mixer: Mixer,
        timeline: Timeline,
        emit: Callable[[m.Event], None],
        line_in: LineIn | None,
    ) -> None:
        self.mixer = mixer
        self.over = False
        self.sink_xruns = 0
        self.sink_drift_ppm = 0.0
        self._timeline = timeline
        self._emit = emit
        self._line_in = line_in
        self.sounds = Sounds(mixer, emit)
        self._items = ItemMeters(emit, self._instant_of)
        self._aligned = AlignedVoices(mixer, self._fault)
        self._limiter = Limiter()
        self._ahead = 0  # samples that the mixer is ahead of what is written
        self._power, self._powered = 0.0, 0
        self._volume_db = 0.0
        self._beats = 0
        self.on_mixed: Callable[[Samples], None] = lambda _: None  # before the limiter
        self._handlers: dict[type, Callable[[Any], None]] = {
            m.Prepare: self.sounds.prepare,
            m.OpenLive: self.sounds.open_live,
            m.OpenTone: self.sounds.open_tone,
            m.OpenStream: self.sounds.open_stream,
            m.Feed: self.sounds.feed,
            m.Release: self.sounds.release,
            m.Play: self._play,
            m.Align: self._align,
            m.PlayLineIn: self._play_line_in,
            m.Stop: self._stop,
            m.Volume: self._set_volume,
            m.Profile: self._set_profile,
            m.BeginItem: self._begin_item,
            m.EndItem: self._end_item,
            m.Quit: self._quit,
        }

    def handle(self, command: m.Command) -> None:
        """Carry out *command*, now or at the instant that it names."""
        if self.mixer.is_full and not isinstance(command, m.Stop | m.Quit):
            self._fault("too_many", "plans")
        else:
            self._handlers[type(command)](command)

    @property
    def now(self) -> int:
        """The next sample to be written."""
        return self.mixer.now - self._ahead

    @property
    def is_calm(self) -> bool:
        """What sounds now or within a second is there ahead of its time: files, tones, nothing."""
        if self.mixer.is_waiting:
            return False
        sounds = [voice.sound for voice in self.mixer.voices]
        sounds += [start.sound for start in self.mixer.starts_before(self.mixer.now + RATE)]
        return all(isinstance(each, FileSound | ToneSound) for each in sounds)

    @property
    def hears_line_in(self) -> bool:
        """The line-in sounds, or is to sound."""
        return self._line_in is not None and self.mixer.uses(self._line_in)

    @property
    def is_idle(self) -> bool:
        """Nothing sounds, nothing is planned, nothing is held back and nothing measured."""
        return self.mixer.is_idle and self._limiter.is_empty and not self._items.is_ending

    def skip(self, samples: int) -> None:
        """Let time pass without sound, as the sink could not take it."""
        self.mixer.skip(samples)
        self._limiter.soften()

    def render(self, block: Samples) -> None:
        """Fill *block* with the next samples, measure them, and report what began and ended."""
        self.sounds.pump(len(block), self._instant_of(self.now))
        if not self._ahead:
            self._go_ahead()
        start = self.now
        silence = self._items.silence_left(start)
        off = self._aligned.follow(self._timeline.epoch_ns, silence, self.sink_drift_ppm)
        self.mixer.render(block)
        self.on_mixed(block)
        self._limiter.process(block)
        self._items.note_off(start, off)
        self._items.feed(block, start, self.xruns)
        if self.mixer.voices:
            self._power += float(np.dot(block, block))
        self._powered += len(block)
        for happening in self.mixer.take_happenings():
            self._report(happening)

    def _go_ahead(self) -> None:
        """Render what the limiter holds back, once."""
        first = np.zeros(LOOK_AHEAD, dtype=np.float32)
        self.mixer.render(first)
        self._limiter.process(first)
        self._ahead = LOOK_AHEAD

    def beat(self, samples: int, now_ns: int) -> None:
        """Report life: *samples* is what this process has written."""
        voice = self.mixer.current
        now = self._sample_at(now_ns)
        mean = self._power / self._powered if self._powered else 0.0
        self._power, self._powered = 0.0, 0
        self._emit(
            m.Beat(
                samples=samples,
                at_ns=now_ns,
                source=voice.sound.name if voice else "",
                position_ms=_to_ms(max(0, now + voice.offset)) if voice else 0,
                rms_dbfs=round(to_db(mean**0.5), 1),
                xruns=self.xruns,
                drift_ppm=round(self.sink_drift_ppm, 1),
            )
        )
        self._beats += 1
        if self._beats % BEATS_PER_FIGURES == 0:
            self._items.tell(self.now, now_ns, self.xruns)

    @property
    def expected(self) -> Expectation:
        """What is expected of the samples that are written now."""
        is_played = self.mixer.current is not None and self._volume_db > MUTE_DB
        return Expectation(
            sound=is_played and self._items.expects_sound(self.now),
            is_declared=self._items.is_declared(self.now),
            volume_db=self._volume_db,
        )

    @property
    def xruns(self) -> int:
        """Times that there was silence because somebody came late."""
        return self.sink_xruns + self.mixer.starvations

    def wait_for_sounds(self, samples: int) -> None:
        """Wait until what the next *samples* need is decoded; only in virtual time."""
        for voice in self.mixer.voices:
            if isinstance(voice.sound, FileSound):
                voice.sound.wait(self.mixer.now + voice.offset + voice.ahead)
        until = self.mixer.now + samples + LOOK_AHEAD - self._ahead
        for start in self.mixer.starts_before(until):
            sound = start.sound
            if isinstance(sound, FileSound) and self.mixer.voice_of(sound) is None:
                sound.aim(start.position)
                sound.wait(start.position)

    def _sample_at(self, instant_ns: int) -> int:
        """Return the sample that sounds at an instant; the next one for 0."""
        if not instant_ns:
            return self.mixer.now
        return ((instant_ns - self._timeline.epoch_ns) * RATE + _SECOND // 2) // _SECOND

    def _instant_of(self, sample: int) -> int:
        return self._timeline.epoch_ns + sample * _SECOND // RATE

    def _fault(self, name: str, detail: str) -> None:
        self._emit(m.Fault(name=name, detail=detail[:500]))

    def _play(self, command: m.Play) -> None:
        sound = self.sounds.find(command.source)
        if sound is None:
            self._fault("unknown_source", command.source)
            return
        sample, position = self._sample_at(command.at_ns), to_samples(command.position_ms)
        voice = self.mixer.voice_of(sound)
        is_timed = bool(command.at_ns) and not sound.live
        if voice is not None and not sound.live and abs(position - sample - voice.offset) > REALIGN:
            self._fault("already_sounding", command.source)
            return
        if voice is not None and voice.aligned is not None and is_timed:
            voice.aligned.aim(position, command.at_ns)
        self.mixer.play(
            Start(
                sound,
                sample,
                position,
                fade_in=to_samples(command.fade_in_ms),
                fade_out=to_samples(command.fade_out_ms),
                anchored=bool(command.at_ns),
                duck=_duck(command),
                aligned=Aligned(position, command.at_ns) if is_timed else None,
            )
        )

    def _align(self, command: m.Align) -> None:
        sound = self.sounds.find(command.source)
        if sound is not None:  # else it is over, and the agent has not heard yet
            self._aligned.aim(sound, to_samples(command.position_ms), command.at_ns)

    def _play_line_in(self, command: m.PlayLineIn) -> None:
        if self._line_in is None:
            self._fault("no_line_in", command.source)
            return
        self._line_in.name = command.source
        self._line_in.gain = 10 ** (command.gain_db / 20)
        self._line_in.target_lufs = command.target_lufs
        self.mixer.play(
            Start(
                self._line_in,
                self._sample_at(command.at_ns),
                to_samples(command.position_ms),
                fade_in=to_samples(command.fade_in_ms),
                fade_out=to_samples(command.fade_out_ms),
                anchored=bool(command.at_ns),
            )
        )

    def _stop(self, command: m.Stop) -> None:
        fade, part = to_samples(command.fade_ms), Part(command.part)
        if command.at_ns:
            self.mixer.stop(self._sample_at(command.at_ns), fade, part)
        else:
            self.mixer.stop_all(fade, part)

    def _set_volume(self, command: m.Volume) -> None:
        sample, ramp = self._sample_at(command.at_ns), to_samples(command.ramp_ms)
        part = Part(command.part)
        if part is not Part.OVER:
            self._volume_db = command.gain_db
        self.mixer.set_volume(sample, command.gain_db, ramp, part)

    def _set_profile(self, command: m.Profile) -> None:
        self.mixer.set_horn(is_on=command.horn)

    def _begin_item(self, command: m.BeginItem) -> None:
        self._items.begin(command, self._measured_from(command.at_ns), self.xruns)

    def _end_item(self, command: m.EndItem) -> None:
        self._items.end(command.item, self._measured_from(command.at_ns))

    def _measured_from(self, at_ns: int) -> int:
        return max(self.now, self._sample_at(at_ns) if at_ns else 0)

    def _quit(self, command: m.Quit) -> None:
        self.mixer.at(self._sample_at(command.at_ns), self._fade_and_end)

    def _fade_and_end(self) -> None:
        self.mixer.stop_all(QUIT_FADE)
        self.mixer.at(self.mixer.now + QUIT_FADE + LOOK_AHEAD, self._end)

    def _end(self) -> None:
        self.over = True

    def _report(self, happening: Happening) -> None:
        sound = happening.sound
        at_ns = 0 if happening.sample == NEVER else self._instant_of(happening.sample)
        if happening.kind == "started":
            offset_ms = _to_ms(happening.position)
            self._emit(m.Started(source=sound.name, at_ns=at_ns, offset_ms=offset_ms))
            return
        self._emit(
            m.Ended(source=sound.name, reason=happening.kind, at_ns=at_ns, detail=happening.detail)
        )
        self.sounds.ended(sound)


def _duck(command: m.Play) -> Duck | None:
    if command.duck_db is None:
        return None
    return Duck(command.duck_db, to_samples(command.duck_ms))


def _to_ms(samples: int) -> int:
    return (samples * 1000 + RATE // 2) // RATE
