"""Heads: which are news, and which claim a time that has not come."""

from __future__ import annotations

import dataclasses

import pytest

from loa_protocol.heads import AHEAD_S, STALE_AFTER_S, check_follows, is_ahead, is_stale
from loa_protocol.objects.online import Head
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, Refusal, TrustError
from support.province import NOW, SCOPE, province

HEAD = Head(
    scope=SCOPE,
    time=NOW.unix_s,
    tree=bytes(32),
    leaves=0,
    standing_orders=bytes(32),
    deny_list=bytes(32),
    root_version=1,
    root=bytes(32),
    policies=(),
)


@pytest.mark.requirement("SEC-3")
def test_a_head_from_the_future_is_ahead_only_where_the_time_is_fully_trusted() -> None:
    late = dataclasses.replace(HEAD, time=NOW.unix_s + AHEAD_S + 1)
    assert is_ahead(late, NOW)
    assert not is_ahead(dataclasses.replace(late, time=late.time - 1), NOW)
    assert not is_ahead(late, Now(NOW.unix_s, ClockTrust.T2))


@pytest.mark.requirement("SEC-3", "TIM-4")
def test_a_head_from_the_future_keeps_no_true_one_out() -> None:
    root = province().root
    future = dataclasses.replace(HEAD, time=NOW.unix_s + AHEAD_S + 1)
    with pytest.raises(TrustError) as refused:
        check_follows(future, HEAD, root, NOW)
    assert refused.value.reason is Refusal.NOT_YET
    unknown = Now(NOW.unix_s, ClockTrust.T1)
    check_follows(future, HEAD, root, unknown)  # it knows the time better than we do
    with pytest.raises(TrustError) as refused:
        check_follows(HEAD, future, root, unknown)
    assert refused.value.reason is Refusal.ROLLBACK
    check_follows(HEAD, future, root, NOW)  # now we know that it lied


def test_a_head_of_an_hour_ago_is_stale() -> None:
    assert not is_stale(HEAD, Now(NOW.unix_s + STALE_AFTER_S, ClockTrust.T3))
    assert is_stale(HEAD, Now(NOW.unix_s + STALE_AFTER_S + 1, ClockTrust.T3))
