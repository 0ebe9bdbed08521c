"""One play from its first sample to its record: segments, measures, and what to write down."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field

from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import Measure
from loa_endpoint.core.schedule import Planned
from loa_protocol.objects.playlist import BearerKind, Mark
from loa_protocol.record import Evidence, Outcome, PlayEnded, PlayStarted, Recorded, Segment

MOST_RECORDED = 48  # files of the black box: with all else they fit into a record of 4,096 bytes
_OPENING_MS = 250  # a file that begins late is opened first, on a slow card; its start tells of it
MAX_SEGMENTS = 60  # the record holds 64; a flapping bearer is held long before


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the player measured on the samples it wrote during a play."""

    loudness_clufs: int | None
    true_peak_cdb: int | None
    silent_ms: int
    longest_gap_ms: int
    xruns: int
    recorded: tuple[Recorded, ...] = ()  # the files of the black box that cover it
    off_ms: int | None = None  # how late (+) it was at the worst moment


NOTHING_MEASURED = Measured(
    loudness_clufs=None, true_peak_cdb=None, silent_ms=0, longest_gap_ms=0, xruns=0
)


@dataclass(slots=True, kw_only=True)
class Play:
    """A play under way. Times are unix ms by the endpoint's clock."""

    id: bytes
    planned: Planned
    volume: int
    uncertainty_ms: int
    started_ms: int | None = None  # the first sample of any bearer
    segments: list[Segment] = field(default_factory=list)
    unsigned_host: str | None = None  # the first whose unsigned stream sounded
    _bearer: BearerKind | None = None
    _host: str | None = None  # whose unsigned stream carries it now
    _since_ms: int = 0

    @property
    def name(self) -> str:
        """How the player knows this play's measurement."""
        return self.id.hex()

    @property
    def bearer(self) -> BearerKind | None:
        """What carries it now."""
        return self._bearer

    def carry(self, bearer: BearerKind | None, at_ms: int, host: str | None = None) -> None:
        """Note that *bearer* (None for silence) carries the play from *at_ms* on.

        *host* is whose stream it is, where nobody signed that.
        """
        if bearer is self._bearer and host == self._host:
            return
        self._close(at_ms)
        self._bearer, self._host, self._since_ms = bearer, host, at_ms
        if bearer is not None and self.started_ms is None:
            self.started_ms = at_ms

    def measure(self, now: Reading) -> Measure:
        """Return the order to measure it: from its start, or from now on where that has passed."""
        late_ms = max(0, now.unix_ms - self.planned.start_ms)
        item = self.planned.item
        return Measure(
            self.name,
            at_ms=now.mono_ms + max(0, self.planned.start_ms - now.unix_ms),
            expected_silence=tuple(
                (max(0, span.start_ms - late_ms), span.end_ms - late_ms)
                for span in item.expected_silence
                if span.end_ms > late_ms
            ),
            opening_ms=_OPENING_MS if late_ms and self.started_ms is None else 0,
        )

    def sounded(self, at_ms: int) -> None:
        """Correct the beginning of the present segment: its first sample came at *at_ms*."""
        if self._bearer is None or at_ms < self._since_ms:
            return
        if self.started_ms == self._since_ms:
            self.started_ms = at_ms
        elif self.segments and self.segments[-1].end_ms == self._since_ms:
            last = self.segments[-1]  # the bearer before went on until this one came
            self.segments[-1] = dataclasses.replace(last, end_ms=at_ms)
        self._since_ms = at_ms

    def started(self, *, playlist: bytes, scope: str, mark: Mark) -> PlayStarted:
        """Return the record to keep before the first sample sounds."""
        item, session = self.planned.item, self.planned.session
        return PlayStarted(
            play=self.id,
            item=item.id,
            session=session.id,
            playlist=playlist,
            scope=scope,
            planned_ms=self.planned.start_ms,
            duration_ms=item.duration_ms,
            kind=item.kind,
            level=item.level,
            language=item.language,
            category=item.category,
            mark=mark,
            bulletin=item.bulletin,
        )

    def ended(
        self, at_ms: int, outcome: Outcome, measured: Measured, evidence: tuple[Evidence, int]
    ) -> PlayEnded:
        """Return the record of the whole play.

        Args:
            at_ms: When it ended.
            outcome: How.
            measured: What the player measured; NOTHING_MEASURED when the player was lost.
            evidence: The grade, and for how many ms a sensor confirmed it.
        """
        self._close(at_ms)
        self._bearer = self._host = None
        started = at_ms if self.started_ms is None else self.started_ms
        return PlayEnded(
            play=self.id,
            outcome=outcome,
            started_ms=started,
            ended_ms=max(at_ms, started),
            segments=tuple(self.segments[:MAX_SEGMENTS]),
            silent_ms=measured.silent_ms,
            longest_gap_ms=measured.longest_gap_ms,
            evidence=evidence[0],
            evidence_ms=evidence[1],
            xruns=measured.xruns,
            offset_ms=started - self.planned.start_ms,
            volume=self.volume,
            uncertainty_ms=min(self.uncertainty_ms, 2**49),
            loudness_clufs=measured.loudness_clufs,
            true_peak_cdb=measured.true_peak_cdb,
            recorded=measured.recorded or None,
            drift_ms=measured.off_ms,
            unsigned_host=self.unsigned_host,
        )

    def _close(self, at_ms: int) -> None:
        if self._bearer is not None and at_ms > self._since_ms:
            self.unsigned_host = self.unsigned_host or self._host
            self.segments.append(
                Segment(bearer=self._bearer, start_ms=self._since_ms, end_ms=at_ms)
            )


def play_id(playlist: bytes, item: str, epoch: int) -> bytes:
    """Return the id of an item's play: the same item never plays twice in one epoch."""
    return hashlib.sha256(b"%s/%s/%d" % (playlist, item.encode(), epoch)).digest()[:16]
