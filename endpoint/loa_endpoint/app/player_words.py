"""What the director asks of the player, in the player's own words."""

from __future__ import annotations

from loa_endpoint.audio import messages
from loa_endpoint.core import effect as ask

SILENCE_DB = -100.0  # the player's word for no sound at all


def to_message(effect: ask.Effect) -> messages.Message:
    """Return *effect* as a command.

    Raises:
        ValueError: it is for another part than the player.
    """
    said: messages.Message
    match effect:
        case ask.Release():
            said = messages.Release(source=effect.source)
        case ask.OpenLive() | ask.OpenStream() | ask.OpenTone():
            said = _to_open(effect)
        case ask.FeedLive():
            said = messages.Feed(
                source=effect.source,
                position_ms=effect.position_ms,
                packets=list(effect.packets),
            )
        case ask.SoundMedia() | ask.SoundLineIn():
            said = _to_start(effect)
        case ask.Align():
            said = messages.Align(
                source=effect.source, position_ms=effect.position_ms, at_ns=_ns(effect.at_ms)
            )
        case ask.Silence():
            said = messages.Stop(at_ns=_ns(effect.at_ms), fade_ms=effect.fade_ms, part=effect.part)
        case ask.SetGain():
            gain = SILENCE_DB if effect.gain_cdb is None else effect.gain_cdb / 100
            said = messages.Volume(
                gain_db=gain,
                ramp_ms=effect.ramp_ms,
                at_ns=_ns(effect.at_ms),
                part=effect.part,
            )
        case ask.Shape(horn=horn):
            said = messages.Profile(horn=horn)
        case ask.Measure():
            said = _to_measure(effect)
        case ask.EndMeasure():
            said = messages.EndItem(item=effect.play, at_ns=_ns(effect.at_ms))
        case _:
            raise ValueError(f"{type(effect).__name__} is no word to the player")
    return said


def _to_open(effect: ask.OpenLive | ask.OpenStream | ask.OpenTone) -> messages.Message:
    match effect:
        case ask.OpenLive(source=source):
            return messages.OpenLive(source=source)
        case ask.OpenStream(source=source, url=url, target_clufs=target):
            lufs = max(-70.0, target / 100)
            return messages.OpenStream(source=source, url=url, target_lufs=lufs)
        case ask.OpenTone(source=source, length_ms=length):
            return messages.OpenTone(source=source, length_ms=length)


def _to_start(effect: ask.SoundMedia | ask.SoundLineIn) -> messages.Message:
    match effect:
        case ask.SoundMedia():
            return messages.Play(
                source=effect.source,
                position_ms=effect.position_ms,
                at_ns=_ns(effect.at_ms),
                fade_in_ms=effect.fade_in_ms,
                fade_out_ms=effect.fade_out_ms,
                duck_db=None if effect.duck_cdb is None else effect.duck_cdb / 100,
                duck_ms=effect.duck_ms,
            )
        case ask.SoundLineIn():
            return messages.PlayLineIn(
                at_ns=_ns(effect.at_ms),
                fade_in_ms=effect.fade_in_ms,
                fade_out_ms=effect.fade_out_ms,
                target_lufs=max(-70.0, effect.target_clufs / 100),
            )


def _to_measure(effect: ask.Measure) -> messages.BeginItem:
    return messages.BeginItem(
        item=effect.play,
        at_ns=_ns(effect.at_ms),
        expected_silence=effect.expected_silence,
        is_declared=effect.is_declared,
        opening_ms=effect.opening_ms,
    )


def _ns(at_ms: int) -> int:
    return at_ms * 1_000_000
