"""The narrator: says what reaches the programme records while it happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from loa_lab.village.outcome import SWITCHES
from loa_manager import database, tables
from loa_protocol.language import translator
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.record import Evidence, OrderState

_ = translator("loa_lab")

_Found = TypeVar("_Found")

_LOOK_S = 0.5
_TOLD = SWITCHES - {"suspect", "switch"}


class Narrator:
    """Reads the programme records again and again, and says what is new in them."""

    def __init__(self, url: str, say: Callable[[str], None], titles: dict[str, str]) -> None:
        self._engine = database.open(url)
        self._say, self._titles = say, dict(titles)
        self._seen: set[tuple[Any, ...]] = set()

    def until(self, unix_s: float) -> None:
        """Narrate until *unix_s*."""
        while (left := unix_s - time.time()) > 0:
            self._look()
            time.sleep(min(_LOOK_S, max(0.0, left)))

    def until_so(self, is_so: Callable[[], bool], *, within_s: float) -> bool:
        """Narrate until *is_so*, or no longer; tell whether it came to that."""
        until = time.monotonic() + within_s
        while not (found := is_so()) and time.monotonic() < until:
            self._look()
            time.sleep(_LOOK_S)
        return found

    def while_done(self, task: Future[_Found]) -> _Found:
        """Narrate while somebody else does *task*; return what it gives."""
        while not task.done():
            self._look()
            time.sleep(_LOOK_S / 2)
        return task.result()

    def until_refused(self, by: int, *digests: bytes, within_s: float) -> bool:
        """Narrate until *by* endpoints have refused every object of these digests, or no longer.

        Tell whether it came to that.
        """
        return self.until_so(
            lambda: all(self._refused(each) >= by for each in digests), within_s=within_s
        )

    def has_answered(self, order: str, state: OrderState, by: int = 1) -> bool:
        """Tell whether *by* endpoints have said that the order of that id came to *state*."""
        answer = tables.order_answer
        wanted = select(answer.c.endpoint).where(
            answer.c.order_id == order, answer.c.state == int(state)
        )
        with self._engine.connect() as connection:
            return len({row.endpoint for row in connection.execute(wanted)}) >= by

    def know(self, order: str, title: str) -> None:
        """Know what people call an order."""
        self._titles[order] = title

    def _look(self) -> None:
        with self._engine.connect() as connection:
            self._plays(connection)
            self._events(connection)
            self._refusals(connection)
            self._answers(connection)

    def _refused(self, digest: bytes) -> int:
        wanted = select(tables.refusal.c.endpoint).where(tables.refusal.c.digest == digest.hex())
        with self._engine.connect() as connection:
            return len({row.endpoint for row in connection.execute(wanted)})

    def _plays(self, connection: Connection) -> None:
        for row in connection.execute(select(tables.play)):
            where = _where(row.cluster)
            if self._is_new("start", row.endpoint, row.play):
                text = _("{where}: begins: {title}")
                self._say(text.format(where=where, title=self._title(row.item)))
            if row.outcome is not None and self._is_new("end", row.endpoint, row.play):
                ways = " → ".join(BearerKind(s[0]).name.lower() for s in row.segments or ())
                text = _("{where}: ended: {title} [{ways}], {evidence}")
                self._say(
                    text.format(
                        where=where,
                        title=self._title(row.item),
                        ways=ways,
                        evidence=_evidence(Evidence(row.evidence)),
                    )
                )

    def _events(self, connection: Connection) -> None:
        for row in connection.execute(select(tables.event)):
            is_told = row.name in _TOLD or row.name.startswith(("speaker", "playing_silent"))
            if is_told and self._is_new(row.endpoint, row.epoch, row.sequence):
                self._say(f"{_where(row.cluster)}: {row.name}: {row.detail}")

    def _refusals(self, connection: Connection) -> None:
        for row in connection.execute(select(tables.refusal)):
            if self._is_new(row.endpoint, row.epoch, row.sequence):
                text = _("{where}: REFUSED {what}: {reason}")
                self._say(text.format(where=_where(row.cluster), what=row.what, reason=row.reason))

    def _answers(self, connection: Connection) -> None:
        for row in connection.execute(select(tables.order_answer)):
            state = OrderState(row.state)
            if row.order_id in self._titles and self._is_new(row.endpoint, row.order_id, state):
                text = _("{where}: {what}: {state}")
                self._say(
                    text.format(
                        where=_where(row.cluster),
                        what=self._titles[row.order_id],
                        state=_progress(state),
                    )
                )

    def _is_new(self, *key: Any) -> bool:  # noqa: ANN401 - column values
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _title(self, item: str) -> str:
        return next((title for name, title in self._titles.items() if item.endswith(name)), item)


def _where(scope: str) -> str:
    return scope.rsplit("/", 1)[-1]


def _progress(state: OrderState) -> str:
    words = {
        OrderState.TAKEN: _("taken"),
        OrderState.BEGUN: _("begun"),
        OrderState.ENDED: _("ended"),
        OrderState.REFUSED: _("REFUSED"),
    }
    return words[state]


def _evidence(grade: Evidence) -> str:
    words = {
        Evidence.SILENT: _("silent on the line"),
        Evidence.UNVERIFIED: _("unverified"),
        Evidence.OUTPUT: _("verified on the line"),
        Evidence.CONTENT: _("verified by ear"),
    }
    return words[grade]
