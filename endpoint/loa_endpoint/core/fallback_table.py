"""The fallback machine's states, signals and moves: one literal table, with all pairs.

A signal is a fact about the bearers' roles (the sounding one, the wanted one, a better one), worked
out by :mod:`loa_endpoint.core.fallback` from the monitors; an act is what it does about it.
"""

from __future__ import annotations

import enum
from typing import Final


class State(enum.Enum):
    """Where the machine stands."""

    IDLE = "idle"  # no item
    ACQUIRING = "acquiring"  # an item began, its first bearer does not deliver yet
    ON = "on"  # the best bearer sounds
    SUSPECT = "suspect"  # the best bearer sounds, a monitor of it is bad
    SWITCHING = "switching"  # nothing sounds, the wanted bearer does not deliver yet
    FALLBACK = "fallback"  # a lesser bearer sounds
    RETURNING = "returning"  # a lesser one sounds, a better one is well: wait for the place
    HOLDING = "holding"  # too many switches: stay
    MUTED = "muted"  # every bearer failed: never noise
    EMERGENCY = "emergency"  # an alert sounds, the programme stands aside


class Signal(enum.Enum):
    """What can be the case."""

    STARTED = "started"
    ENDED = "ended"
    EMERGENCY_BEGAN = "emergency_began"
    EMERGENCY_OVER = "emergency_over"
    HOLD_OVER = "hold_over"
    SUSPECTED = "suspected"  # a monitor of the sounding bearer went bad
    CLEARED = "cleared"  # none is bad any more
    FAILED = "failed"  # the sounding bearer failed, another can be tried
    EXHAUSTED = "exhausted"  # it failed, none is left
    BEST_READY = "best_ready"  # the wanted bearer delivers and is the best
    OTHER_READY = "other_ready"  # it delivers, a better one exists
    REFUSED = "refused"  # the wanted bearer cannot be had, another can be tried
    ALL_REFUSED = "all_refused"  # it cannot be had, none is left
    BETTER_WELL = "better_well"  # a better one was good for long enough
    BETTER_LOST = "better_lost"  # it no longer is
    DUE_BEST = "due_best"  # the place to return has come, to the best
    DUE_OTHER = "due_other"  # or to a better one that is not the best
    FLAPPING = "flapping"  # too many switches in the window
    REVIVED = "revived"  # after a mute: a bearer can sound again


class Act(enum.Enum):
    """What is done on a move."""

    NOTHING = "nothing"
    BEGIN = "begin"
    END = "end"
    YIELD = "yield"
    RESUME = "resume"
    WARN = "warn"
    CLEAR = "clear"
    LEAVE = "leave"
    GIVE_UP = "give_up"
    LAND = "land"
    TRY_NEXT = "try_next"
    AWAIT_PLACE = "await_place"
    LENGTHEN = "lengthen"
    RETURN = "return"
    HOLD = "hold"
    UNHOLD = "unhold"
    REVIVE = "revive"


Move = tuple[State, Act]
Row = dict[Signal, Move]

# What the programme's frame does in every state but EMERGENCY.
_FRAME: Final[Row] = {
    Signal.STARTED: (State.ACQUIRING, Act.BEGIN),
    Signal.ENDED: (State.IDLE, Act.END),
    Signal.EMERGENCY_BEGAN: (State.EMERGENCY, Act.YIELD),
}
# What a failure of the sounding bearer does in every state in which one sounds.
_LOSS: Final[Row] = {
    Signal.FAILED: (State.SWITCHING, Act.LEAVE),
    Signal.EXHAUSTED: (State.MUTED, Act.GIVE_UP),
}
_WANTED: Final[Row] = {
    Signal.BEST_READY: (State.ON, Act.LAND),
    Signal.OTHER_READY: (State.FALLBACK, Act.LAND),
    Signal.ALL_REFUSED: (State.MUTED, Act.GIVE_UP),
}

# Signals that say nothing in a state, by why they do not.
_ABOUT_SOUNDING: Final = frozenset(
    {Signal.SUSPECTED, Signal.CLEARED, Signal.FAILED, Signal.EXHAUSTED, Signal.FLAPPING}
)
_ABOUT_WANTED: Final = frozenset(
    {Signal.BEST_READY, Signal.OTHER_READY, Signal.REFUSED, Signal.ALL_REFUSED}
)
_ABOUT_BETTER: Final = frozenset({Signal.BETTER_WELL, Signal.BETTER_LOST})
_ABOUT_PLACE: Final = frozenset({Signal.DUE_BEST, Signal.DUE_OTHER})
_NO_HOLD: Final = frozenset({Signal.HOLD_OVER})
_NO_ALERT: Final = frozenset({Signal.EMERGENCY_OVER})
_NOT_MUTED: Final = frozenset({Signal.REVIVED})
_SILENT_BY_PLAN: Final = _ABOUT_SOUNDING | _ABOUT_BETTER | _ABOUT_PLACE


def _row(state: State, moves: Row, *ignored: frozenset[Signal]) -> dict[tuple[State, Signal], Move]:
    """Write out one state's row; a signal in neither part is missing, which a test finds."""
    still = {signal: (state, Act.NOTHING) for group in ignored for signal in group}
    return {(state, signal): move for signal, move in (still | moves).items()}


MOVES: Final[dict[tuple[State, Signal], Move]] = {
    **_row(
        State.IDLE,
        _FRAME,
        _SILENT_BY_PLAN,
        _ABOUT_WANTED,
        _NO_HOLD,
        _NO_ALERT,
        _NOT_MUTED,
    ),
    **_row(
        State.ACQUIRING,
        {**_FRAME, **_WANTED, Signal.REFUSED: (State.ACQUIRING, Act.TRY_NEXT)},
        _SILENT_BY_PLAN,
        _NO_HOLD,
        _NO_ALERT,
        _NOT_MUTED,
    ),
    **_row(
        State.ON,
        {
            **_FRAME,
            **_LOSS,
            Signal.SUSPECTED: (State.SUSPECT, Act.WARN),
            # the window of a better FM bearer opened while this one was the best
            Signal.BETTER_WELL: (State.RETURNING, Act.AWAIT_PLACE),
        },
        frozenset({Signal.CLEARED, Signal.BETTER_LOST}),
        frozenset({Signal.FLAPPING}),  # on the best bearer there is nothing to return to
        _ABOUT_PLACE,
        _ABOUT_WANTED,
        _NO_HOLD,
        _NO_ALERT,
        _NOT_MUTED,
    ),
    **_row(
        State.SUSPECT,
        {**_FRAME, **_LOSS, Signal.CLEARED: (State.ON, Act.CLEAR)},
        frozenset({Signal.SUSPECTED, Signal.FLAPPING}),
        _ABOUT_BETTER,  # first this suspicion is settled
        _ABOUT_PLACE,
        _ABOUT_WANTED,
        _NO_HOLD,
        _NO_ALERT,
        _NOT_MUTED,
    ),
    **_row(
        State.SWITCHING,
        {**_FRAME, **_WANTED, Signal.REFUSED: (State.SWITCHING, Act.TRY_NEXT)},
        _SILENT_BY_PLAN,
        _NO_HOLD,
        _NO_ALERT,
        _NOT_MUTED,
    ),
    **_row(
        State.FALLBACK,
        {
            **_FRAME,
            **_LOSS,
            Signal.SUSPECTED: (State.FALLBACK, Act.WARN),
            Signal.CLEARED: (State.FALLBACK, Act.CLEAR),
            Signal.BETTER_WELL: (State.RETURNING, Act.AWAIT_PLACE),
            Signal.FLAPPING: (State.HOLDING, Act.HOLD),
        },
        frozenset({Signal.BETTER_LOST}),
        _ABOUT_PLACE,
        _ABOUT_WANTED,
        _NO_HOLD,
        _NO_ALERT,
        _NOT_MUTED,
    ),
    **_row(
        State.RETURNING,
        {
            **_FRAME,
            **_LOSS,
            Signal.SUSPECTED: (State.RETURNING, Act.WARN),
            Signal.CLEARED: (State.RETURNING, Act.CLEAR),
            Signal.BETTER_LOST: (State.FALLBACK, Act.LENGTHEN),
            Signal.DUE_BEST: (State.ON, Act.RETURN),
            Signal.DUE_OTHER: (State.FALLBACK, Act.RETURN),
            Signal.FLAPPING: (State.HOLDING, Act.HOLD),
        },
        frozenset({Signal.BETTER_WELL}),
        _ABOUT_WANTED,
        _NO_HOLD,
        _NO_ALERT,
        _NOT_MUTED,
    ),
    **_row(
        State.HOLDING,
        {
            **_FRAME,
            **_LOSS,  # a hold keeps us from going back, never from fleeing a failure
            Signal.SUSPECTED: (State.HOLDING, Act.WARN),
            Signal.CLEARED: (State.HOLDING, Act.CLEAR),
            Signal.HOLD_OVER: (State.FALLBACK, Act.UNHOLD),
        },
        frozenset({Signal.FLAPPING}),
        _ABOUT_BETTER,
        _ABOUT_PLACE,
        _ABOUT_WANTED,
        _NO_ALERT,
        _NOT_MUTED,
    ),
    **_row(
        State.MUTED,
        {**_FRAME, Signal.REVIVED: (State.SWITCHING, Act.REVIVE)},
        _SILENT_BY_PLAN,
        _ABOUT_WANTED,
        _NO_HOLD,
        _NO_ALERT,
    ),
    **_row(
        State.EMERGENCY,
        {Signal.EMERGENCY_OVER: (State.IDLE, Act.RESUME)},
        # starts and ends of items are remembered, and acted on when the alert is over
        frozenset({Signal.STARTED, Signal.ENDED, Signal.EMERGENCY_BEGAN}),
        _SILENT_BY_PLAN,
        _ABOUT_WANTED,
        _NO_HOLD,
        _NOT_MUTED,
    ),
}
