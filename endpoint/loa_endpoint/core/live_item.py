"""A grant without a slot as an item of its own: what is on the air, from when to when.

The schedule makes room for it, and the policy judges it as it judges everything scheduled; an
emergency spoken live is bound by no hours, as an alert is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from loa_endpoint.core.orders import Kept
from loa_endpoint.core.schedule import Block, Planned
from loa_endpoint.core.signed_bearer import LIVE
from loa_protocol.hours import MINUTE_S, is_allowed
from loa_protocol.objects.live import Grant
from loa_protocol.objects.playlist import Bearer, BearerKind, BulletinKind, Item, Session
from loa_protocol.objects.policy import Policy

RANK: Final = 1  # over what is scheduled
_SESSION: Final = "live"  # in play records


def live_items(grants: Iterable[Kept], policy: Policy | None) -> list[Planned]:
    """Return an item for each grant that fills no slot; none without a policy to judge them by."""
    if policy is None:
        return []
    return [
        _item(kept, kept.body, policy)
        for kept in grants
        if isinstance(kept.body, Grant) and kept.body.slot is None
    ]


def _item(kept: Kept, grant: Grant, policy: Policy) -> Planned:
    length_s = grant.end - grant.start
    item = Item(
        id=kept.event.hex(),
        session=0,
        title=grant.title,
        kind=grant.kind,
        level=kept.level,
        language=grant.language,
        category=grant.category,
        offset_ms=0,
        duration_ms=length_s * 1000,
        bearers=(Bearer(kind=BearerKind.STREAM, reference=LIVE, cost=0),),
        expected_silence=(),
    )
    return Planned(
        item=item,
        session=Session(id=_SESSION, start=grant.start, duration_s=length_s, volume=grant.volume),
        start_ms=grant.start * 1000,
        end_ms=grant.end * 1000,
        block=_block(grant, policy),
        source=kept.digest,
        rank=RANK,
    )


def _block(grant: Grant, policy: Policy) -> Block | None:
    if grant.kind is BulletinKind.EMERGENCY:
        return None
    rules = (
        (grant.category in policy.refused_categories, Block.CATEGORY),
        (bool(policy.languages) and grant.language not in policy.languages, Block.LANGUAGE),
        (grant.end - grant.start > policy.minutes_per_session * MINUTE_S, Block.MINUTES),
        (not is_allowed(policy, grant.start, grant.end), Block.QUIET_HOURS),
    )
    return next((block for holds, block in rules if holds), None)
