"""Where a draft in the mailbox stands, and whose turn it is. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from loa_protocol.objects.authority import Role


class State(enum.StrEnum):
    """What has become of a draft; stable words of the interface."""

    DRAFT = "draft"  # no editor's seal yet, or media still on their way
    NEEDS_ORDER = "needs_order"  # two priorities meet, and the commune has not chosen
    WAITING = "waiting"  # for an approver
    REJECTED = "rejected"  # by an approver, with a reason
    APPROVED = "approved"  # sealed by both, and refused by the rule of the devices
    PUBLISHED = "published"
    OUTDATED = "outdated"  # over, or something newer stands in the tree

    @property
    def is_open(self) -> bool:
        """Whether anything can still become of it."""
        return self not in (State.REJECTED, State.PUBLISHED, State.OUTDATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of one draft."""

    is_published: bool
    is_rejected: bool
    is_outdated: bool
    is_whole: bool  # every media file is there
    is_decided: bool  # no priorities wait for an order
    has_editor: bool
    is_signed: bool  # by editor and approver, two holders
    is_refused: bool  # the devices' rule said no, and more seals will not help


def state_of(standing: Standing) -> State:
    """Return the state; what is final comes first."""
    rules = (
        (standing.is_published, State.PUBLISHED),
        (standing.is_rejected, State.REJECTED),
        (standing.is_outdated, State.OUTDATED),
        (not standing.is_decided, State.NEEDS_ORDER),
        (not (standing.is_whole and standing.has_editor), State.DRAFT),
        (standing.is_signed and standing.is_refused, State.APPROVED),
    )
    return next((state for holds, state in rules if holds), State.WAITING)


def waits_for(state: State) -> Role | None:
    """Return in which role somebody has to act next; None where nobody has."""
    return {
        State.DRAFT: Role.EDITOR,
        State.NEEDS_ORDER: Role.EDITOR,
        State.REJECTED: Role.EDITOR,
        State.WAITING: Role.APPROVER,
        State.APPROVED: Role.EDITOR,
    }.get(state)
