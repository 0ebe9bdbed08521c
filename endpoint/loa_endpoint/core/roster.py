"""The bearers of the present item with their watches, and who comes next among them."""

from __future__ import annotations

import random
from collections.abc import Container, Iterable, Iterator

from loa_endpoint.core.bearer import (
    Bearer,
    Item,
    PiRead,
    Reading,
    SignalRead,
    Sound,
    TunerTuned,
)
from loa_endpoint.core.watch import BearerWatch
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.parameters import FallbackParameters


class Roster:
    """Keep a watch for every bearer of interest; answer who may sound, by cost.

    FM bearers whose window is open are kept across items, so that their failures are remembered.
    """

    def __init__(self, parameters: FallbackParameters, rng: random.Random) -> None:
        self._parameters = parameters
        self._rng = rng
        self._watches: dict[str, BearerWatch] = {}
        self._windows: dict[str, int] = {}
        self.item: Item | None = None
        self.coming: Item | None = None
        self.order: tuple[BearerWatch, ...] = ()  # of the present item, the best first
        self._tuned_khz: int | None = None

    # --- items, windows, readings

    def announce(self, item: Item) -> None:
        """Watch the bearers of an item that comes next."""
        self.coming = item
        for bearer in item.order():
            self._watch(bearer)

    def begin(self, item: Item, start_ms: int) -> None:
        """Make *item* the present one; its first instant was at *start_ms*."""
        self.end()
        self.item, self.coming = item, None
        self.order = tuple(self._watch(bearer) for bearer in item.order())
        for watch in self.order:
            watch.begin(item, start_ms)

    def end(self) -> None:
        """Have no present item."""
        for watch in self.order:
            watch.end()
        self.item, self.order = None, ()

    def shut(self, ids: Iterable[str], still_open: Container[str]) -> None:
        """Take note of closed bearers; forget those that no item, window or open sound holds."""
        for id_ in ids:
            self._watches[id_].shut()
        coming = {bearer.id for bearer in self.coming.order()} if self.coming else set()
        held = {watch.bearer.id for watch in self.order} | coming | self._windows.keys()
        for id_ in [i for i in self._watches if i not in held and i not in still_open]:
            del self._watches[id_]

    def open_window(self, id_: str, closes_ms: int) -> None:
        """Let an FM bearer, or an unsigned stream, sound until *closes_ms*."""
        self._windows[id_] = closes_ms
        if id_ in self._watches:
            self._watches[id_].set_window(closes_ms)

    def close_window(self, id_: str) -> None:
        """Let it be opened no more."""
        self._windows.pop(id_, None)
        if id_ in self._watches:
            self._watches[id_].set_window(None)

    def read(self, reading: Reading, now_ms: int) -> None:
        """Give a reading to the watches that it concerns."""
        if isinstance(reading, SignalRead | PiRead | TunerTuned):
            if isinstance(reading, TunerTuned):
                self._tuned_khz = reading.khz
            for watch in self._fm():
                # what is heard on another frequency says nothing about this bearer
                if isinstance(reading, TunerTuned) or self._is_tuned_to(watch):
                    watch.handle(reading, now_ms)
        elif (found := self._watches.get(reading.bearer)) is not None:
            found.handle(reading, now_ms)

    def hear_no_tuner(self, now_ms: int) -> None:
        """Tell every FM watch that the tuner's line is quiet."""
        for watch in self._fm():
            watch.hear_no_tuner(now_ms)

    def tick(self, now_ms: int) -> None:
        """Let time pass."""
        for id_ in [i for i, closes_ms in self._windows.items() if closes_ms <= now_ms]:
            del self._windows[id_]
        for watch in self._watches.values():
            watch.tick(now_ms)

    def deadlines(self, now_ms: int) -> Iterator[int]:
        """Give the times at which a watch changes by itself."""
        for watch in self._watches.values():
            deadline = watch.next_deadline(now_ms)
            if deadline is not None:
                yield deadline

    # --- who may sound

    @property
    def sound(self) -> Sound:
        """What the present item sounds like."""
        return self.item.sound if self.item is not None else Sound.NORMAL

    def is_barred(self, watch: BearerWatch) -> bool:
        """Tell whether a rule keeps *watch* silent under the present item."""
        return watch.bar(self.sound) is not None

    def allowed(self) -> tuple[BearerWatch, ...]:
        """Return the bearers of the present item that no rule bars, the best first."""
        return tuple(watch for watch in self.order if not self.is_barred(watch))

    def is_best(self, watch: BearerWatch) -> bool:
        """Tell whether no allowed bearer is better."""
        allowed = self.allowed()
        return not allowed or allowed[0] is watch

    def candidates(self, *, avoid: Container[str] = ()) -> list[BearerWatch]:
        """Return who can be tried: not failed; those that are bad just now come last.

        Args:
            avoid: Ids that are taken only if there is nobody else.
        """
        able = [watch for watch in self.allowed() if not watch.has_failed]
        return sorted(able, key=lambda w: (w.bearer.id in avoid, w.suspicion is not None))

    def better_than(self, watch: BearerWatch) -> BearerWatch | None:
        """Return the best bearer that is well and better than *watch*."""
        return next((each for each in self._above(watch) if each.is_well), None)

    def revived(self, now_ms: int) -> BearerWatch | None:
        """Return the best bearer that could end a mute.

        Dead air is worse than a bearer that has not been good for long, so the usual time is not
        asked for; only that it has been good for as long as opening one may take.
        """
        return next((each for each in self.allowed() if now_ms >= self._revives_ms(each)), None)

    def revivals(self) -> Iterator[int]:
        """Give the times at which bearers can end a mute."""
        for watch in self.allowed():
            if watch.clear_since_ms is not None:
                yield self._revives_ms(watch)

    def first_of_coming(self) -> Iterator[Bearer]:
        """Give the bearer that the announced item will want first.

        FM is listened to before its window opens: the station takes seconds to prove itself. In
        case it does not, what may sound without a window is ready too.
        """
        if self.coming is not None:
            watches = [self._watch(bearer) for bearer in self.coming.order()]
            for watch in [watch for watch in watches if not watch.has_failed]:
                bar = watch.bar(self.coming.sound)
                if bar in {None, "no_window"}:
                    yield watch.bearer
                if bar is None:
                    return

    def to_open(self, using: BearerWatch | None, now_ms: int) -> Iterator[Bearer]:
        """Give the bearers to listen to besides the one in use: the best FM, and who was better.

        There is one tuner: while FM is in use no other FM bearer can be listened to.
        """
        above = self._above(using) if using is not None else self.allowed()
        has_fm = using is not None and using.bearer.kind is BearerKind.FM
        for watch in self.allowed():
            is_fm = watch.bearer.kind is BearerKind.FM
            if (is_fm and has_fm) or (not is_fm and watch not in above):
                continue
            has_fm = has_fm or is_fm
            if not watch.is_shut_out or watch.probe.is_due(now_ms):
                yield watch.bearer

    def _above(self, watch: BearerWatch) -> tuple[BearerWatch, ...]:
        allowed = self.allowed()
        return allowed[: allowed.index(watch)] if watch in allowed else ()

    def _revives_ms(self, watch: BearerWatch) -> int:
        if watch.clear_since_ms is None:
            return 2**63
        return watch.clear_since_ms + (self._parameters.acquire_ms if watch.has_failed else 0)

    def _is_tuned_to(self, watch: BearerWatch) -> bool:
        return self._tuned_khz == watch.bearer.frequency_khz

    def _fm(self) -> Iterable[BearerWatch]:
        return [w for w in self._watches.values() if w.bearer.kind is BearerKind.FM]

    def _watch(self, bearer: Bearer) -> BearerWatch:
        watch = self._watches.get(bearer.id)
        if watch is None or _source(watch.bearer) != _source(bearer):  # nothing carries over
            watch = BearerWatch(bearer, self._parameters, rng=self._rng)
            watch.set_window(self._windows.get(bearer.id))
            self._watches[bearer.id] = watch
        watch.bearer = bearer  # the cost may differ from item to item
        return watch


def _source(bearer: Bearer) -> tuple[BearerKind, int, int | None]:
    return bearer.kind, bearer.frequency_khz, bearer.pi
