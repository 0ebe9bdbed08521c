"""Which recordings say a text: the fewest that cover its words, and what nobody has recorded. Pure.

Words are compared without capitals and punctuation. A recording is used whole, never across a comma
or the end of a sentence; where words can be had in several ways, the fewest pieces win, since every
seam is heard.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loa_manager.phrases.sheet import Phrase

SENTENCE_MS: Final = 550
COMMA_MS: Final = 280
JOINT_MS: Final = 30
"""Between two pieces of one breath; each brings some ms of its own at its ends."""
_ENDS: Final = ".!?…"
_STOPS: Final = ",;:"
_PUNCTUATION: Final = _ENDS + _STOPS + "\"'“”‘’()[]«»–—-"
_UNCOVERED: Final = 1_000  # a word that nobody recorded costs more than any number of pieces


@dataclass(frozen=True, slots=True)
class Token:
    """One word to be said, and the pause behind it; with *phrase* it is that recording, no word."""

    word: str
    pause_ms: int = 0
    phrase: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """One recording to be played, and the silence behind it."""

    phrase: Phrase
    pause_ms: int


@dataclass(frozen=True, slots=True)
class Cover:
    """What a text becomes: *pieces* in order, and the words that nobody has recorded."""

    pieces: tuple[Piece, ...]
    missing: tuple[str, ...]


def key_of(text: str) -> tuple[str, ...]:
    """Return the words of *text* for comparing."""
    return tuple(token.word for token in tokens_of(text))


def tokens_of(text: str) -> list[Token]:
    """Return the words of *text* in small letters, with the pauses that its punctuation means."""
    found: list[Token] = []
    composed = unicodedata.normalize("NFC", text.casefold())
    for paragraph in re.split(r"\n\s*\n", composed):
        for raw in paragraph.split():
            word = raw.strip(_PUNCTUATION)
            pause_ms = _pause_ms(raw[raw.rfind(word) + len(word) :] if word else raw)
            if word:
                found.append(Token(word, pause_ms))
            elif found:
                found[-1] = _with_pause(found[-1], pause_ms)
        if found and paragraph.strip():
            found[-1] = _with_pause(found[-1], SENTENCE_MS)
    return found


def cover(tokens: Sequence[Token], phrases: Iterable[Phrase]) -> Cover:
    """Return the recordings of *phrases* that say *tokens*."""
    by_id = {each.id: each for each in phrases}
    by_words = {key_of(each.text): each for each in by_id.values()}
    longest = max((len(key) for key in by_words), default=0)
    pieces: list[Piece] = []
    missing: dict[str, None] = {}
    for breath in _breaths(tokens):
        for start, end, phrase in _cheapest(breath, by_id, by_words, longest):
            pause_ms = breath[end - 1].pause_ms or JOINT_MS
            if phrase is not None:
                pieces.append(Piece(phrase, pause_ms))
            else:
                missing.setdefault(
                    " ".join(token.phrase or token.word for token in breath[start:end])
                )
    return Cover(tuple(pieces), tuple(missing))


def _breaths(tokens: Sequence[Token]) -> Iterable[Sequence[Token]]:
    start = 0
    for at, token in enumerate(tokens, start=1):
        if token.pause_ms or at == len(tokens):
            yield tokens[start:at]
            start = at


def _cheapest(
    breath: Sequence[Token],
    by_id: Mapping[str, Phrase],
    by_words: Mapping[tuple[str, ...], Phrase],
    longest: int,
) -> list[tuple[int, int, Phrase | None]]:
    """Return how *breath* is said with the fewest pieces; words without any come as one."""
    costs: list[float] = [0.0]
    steps: list[tuple[int, Phrase | None]] = [(0, None)]
    for end in range(1, len(breath) + 1):
        best: tuple[float, int, Phrase | None] = (costs[end - 1] + _UNCOVERED, end - 1, None)
        for start in range(max(0, end - max(1, longest)), end):
            phrase = _find(breath[start:end], by_id, by_words)
            if phrase is not None and costs[start] + 1 < best[0]:
                best = (costs[start] + 1, start, phrase)
        costs.append(best[0])
        steps.append(best[1:])
    return _walk_back(steps, breath)


def _walk_back(
    steps: Sequence[tuple[int, Phrase | None]], breath: Sequence[Token]
) -> list[tuple[int, int, Phrase | None]]:
    found: list[tuple[int, int, Phrase | None]] = []
    end = len(breath)
    while end:
        start, phrase = steps[end]
        is_word = phrase is None and not breath[start].phrase
        if is_word and found and found[-1][2] is None and not breath[end].phrase:
            found[-1] = (start, found[-1][1], None)
        else:
            found.append((start, end, phrase))
        end = start
    return found[::-1]


def _find(
    part: Sequence[Token],
    by_id: Mapping[str, Phrase],
    by_words: Mapping[tuple[str, ...], Phrase],
) -> Phrase | None:
    if part[0].phrase:
        return by_id.get(part[0].phrase) if len(part) == 1 else None
    if any(token.phrase for token in part):
        return None
    return by_words.get(tuple(token.word for token in part))


def _pause_ms(marks: str) -> int:
    if any(mark in _ENDS for mark in marks):
        return SENTENCE_MS
    return COMMA_MS if any(mark in _STOPS or mark in "–—" for mark in marks) else 0


def _with_pause(token: Token, pause_ms: int) -> Token:
    return Token(token.word, max(token.pause_ms, pause_ms), token.phrase)
