"""Streams that nobody signed: where, when and from whom one may sound.

The playlist names the address, the policy the hosts and the hours; both have to agree at each
instant. To the fallback machine those hours are a window, as those of FM are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import Effect, Keep, OpenStream
from loa_endpoint.core.play import Play
from loa_endpoint.core.schedule import Planned
from loa_endpoint.core.signed_bearer import loudness_beside, stream_id
from loa_protocol.hours import may_stream, stream_until_ms
from loa_protocol.objects.playlist import Playlist, Stream
from loa_protocol.objects.policy import Policy
from loa_protocol.record import ClockTrust, Refused

REFUSED: Final = "unsigned_stream"
_NEAR_MS: Final = 15_000  # nobody has to know whether a later item's stream may sound
_SECOND_MS: Final = 1000  # hours begin and end on whole seconds


@dataclass(frozen=True, slots=True)
class _Source:
    """What a bearer stands for."""

    stream: Stream
    planned: Planned
    target_clufs: int


class UnsignedStreams:
    """The streams of the playlist in force, judged by the policy in force."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}  # bearer id -> what it is
        self._policy: Policy | None = None
        self._told = ""  # the play of which it was told last that a stream was passed over

    def __contains__(self, bearer: str) -> bool:
        """Tell whether a bearer is one of them."""
        return bearer in self._sources

    def on_programme(
        self, playlist: Playlist | None, planned: Iterable[Planned], policy: Policy | None
    ) -> None:
        """Know what is planned, and by which rules."""
        self._policy = policy
        streams = () if playlist is None else playlist.streams or ()
        self._sources = {
            stream_id(each.item, streams[bearer.reference - 1]): _Source(
                streams[bearer.reference - 1], each, loudness_beside(playlist, each.item)
            )
            for each in planned
            for bearer in each.item.bearers
            if bearer.is_unsigned and bearer.reference <= len(streams)
        }

    def host(self, bearer: str) -> str | None:
        """Return whose stream a bearer is; None where it is none of them."""
        source = self._sources.get(bearer)
        return None if source is None else source.stream.host

    def open(self, bearer: str, name: str, now: Reading) -> OpenStream | None:
        """Return the order to open it as *name*; None where it may not sound when it is due."""
        source = self._sources[bearer]
        if not self._may(source, max(now.unix_ms, source.planned.start_ms)):
            return None
        return OpenStream(name, source.stream.url, source.target_clufs)

    def closing(self, now: Reading, early_ms: int) -> dict[str, int]:
        """Return until when (unix s) each may sound that may now, or within *early_ms*.

        None may on a clock that is not trusted: what hour it is nobody knows.
        """
        if now.trust < ClockTrust.T2:
            return {}
        closing = {}
        for bearer, source in self._sources.items():
            planned = source.planned
            if planned.start_ms - _NEAR_MS <= now.unix_ms < planned.end_ms:
                end_ms = self._until_ms(source, now.unix_ms)
                end_ms = end_ms or self._until_ms(source, now.unix_ms + early_ms)
                if end_ms is not None:
                    closing[bearer] = end_ms // _SECOND_MS
        return closing

    def opens_ms(self, bearer: str, unix_ms: int) -> int:
        """Return the first instant from *unix_ms* on at which it may sound: the next second."""
        is_open = self._may(self._sources[bearer], unix_ms)
        return unix_ms if is_open else -(-unix_ms // _SECOND_MS) * _SECOND_MS

    def passed_over(self, play: Play | None, now: Reading) -> list[Effect]:
        """Tell, once for each play, that the policy keeps a stream of it from sounding."""
        if play is None or play.name == self._told:
            return []
        at_ms = max(now.unix_ms, play.planned.start_ms)
        mine = [s for s in self._sources.values() if s.planned == play.planned]
        refused = next((s.stream for s in mine if not self._may(s, at_ms)), None)
        if refused is None:
            return []
        self._told = play.name
        is_named = self._policy is not None and refused.host in self._policy.unsigned_streams
        why = "outside its unsigned_stream_hours" if is_named else "no host that it names"
        detail = f"{refused.host}: {why}"
        what = f"item {play.planned.item.id}"
        return [Keep(Refused(what=what[:64], reason=REFUSED, detail=detail[:300]))]

    def _may(self, source: _Source, unix_ms: int) -> bool:
        policy = self._policy
        return policy is not None and may_stream(policy, source.stream.url, unix_ms)

    def _until_ms(self, source: _Source, unix_ms: int) -> int | None:
        """Return the end of the hours around *unix_ms*, as far as the item reaches."""
        if self._policy is None:
            return None
        end_ms = until_ms = stream_until_ms(self._policy, source.stream.url, unix_ms)
        while until_ms is not None and until_ms < source.planned.end_ms:  # a span may follow
            end_ms = until_ms
            until_ms = stream_until_ms(self._policy, source.stream.url, until_ms)
        return end_ms if until_ms is None else until_ms
