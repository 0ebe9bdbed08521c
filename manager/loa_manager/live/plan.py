"""Which live slot is next: asked again and again, for a playlist may be replaced at any time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Final

from loa_manager.live.slots import Slot
from loa_protocol.errors import ConfigError, LoaError

EVERY_S: Final = 20.0


class Plan:
    """The slots to fill, looked up by a thread of its own."""

    def __init__(
        self, find: Callable[[], list[Slot]], pattern: str, *, every_s: float = EVERY_S
    ) -> None:
        """Know nothing yet; :meth:`look` or :meth:`begin` changes that.

        Args:
            find: Returns the slots of the playlist in force, the next one first; raises LoaError.
            pattern: Of the ids of those to fill; ``*`` and ``?`` stand for any letters.
            every_s: Between two looks.
        """
        self._find, self._pattern, self._every_s = find, pattern, every_s
        self._is_over = threading.Event()
        self.slots: list[Slot] = []
        self.trouble = ""  # why nobody can tell

    def begin(self) -> None:
        """Look now, and again and again until :meth:`close`."""
        threading.Thread(target=self._work, name="plan", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._is_over.set()

    def look(self) -> None:
        """Look once.

        Raises:
            LoaError: nobody can tell; what was known stays, unless there is no playlist any more.
        """
        try:
            self.slots = self._find()
        except ConfigError:
            self.slots = []
            raise

    def next(self, now_ms: int) -> Slot | None:
        """Return the first slot to fill that is not over at unix *now_ms*."""
        left = (each for each in self.slots if each.end * 1000 > now_ms)
        return next((each for each in left if fnmatchcase(each.item, self._pattern)), None)

    def _work(self) -> None:
        while not self._is_over.is_set():
            try:
                self.look()
                self.trouble = ""
            except LoaError as error:
                self.trouble = str(error)
            self._is_over.wait(self._every_s)
