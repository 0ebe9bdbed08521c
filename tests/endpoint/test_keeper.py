"""The keeper: what waits, what rules, and what a deny list takes away."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from loa_endpoint.app.keeper import Keeper
from loa_endpoint.store.identity import NEXT_PLAYLIST, IdentityStore
from loa_endpoint.store.state import State
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.objects.placement import Assignment, Denied, DeniedKind, DenyList
from loa_protocol.objects.policy import Policy
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, TrustError
from support.province import CLUSTER, NOW, SCOPE, START, STATION, playlist, policy, province


@pytest.mark.requirement("SEC-3")
def test_a_playlist_denied_while_it_waits_leaves_the_present_one_in_force(tmp_path: Path) -> None:
    people = province()
    store = IdentityStore(tmp_path, State.open(tmp_path / "state.db", create=True))
    keeper = Keeper(store)
    now, later = playlist(), playlist(serial=2, not_before=START + 86_400)
    bundles = [people.sign(Kind.PLAYLIST, b, people.editor, people.approver) for b in (now, later)]
    for bundle in bundles:
        accepted = accept(bundle, people.trusted(), NOW)
        keeper.keep(accepted, bundle)
        keeper.put_into_force(accepted)
    entry = Denied(
        kind=list(DeniedKind)[-1], value=Bundle.from_bytes(bundles[1]).digest, until=START * 2
    )
    keeper.deny_list = DenyList(scope=SCOPE, epoch=1, serial=1, entries=(entry,))
    assert not keeper.come_into_force(START + 2 * 86_400)
    assert dataclasses.asdict(keeper.playlist or later) == dataclasses.asdict(now)
    assert not keeper.is_denied()
    assert store.bundle(NEXT_PLAYLIST) is None
    store.state.close()


@pytest.mark.requirement("TIM-1")
def test_the_stations_and_the_clusters_policies_both_tighten_the_provinces(tmp_path: Path) -> None:
    keeper = _keeper(tmp_path)
    _keep_policies(keeper, policy(), policy(scope=STATION, minutes_per_session=30))
    _keep_policies(keeper, policy(scope=CLUSTER, sessions_per_day=1))
    effective = keeper.effective_policy()
    assert effective is not None
    assert (effective.minutes_per_session, effective.sessions_per_day) == (30, 1)
    again = Keeper(keeper.store).effective_policy()  # and after a restart
    assert again == effective
    keeper.store.state.close()


@pytest.mark.requirement("SEC-2")
def test_a_stations_policy_cannot_shut_out_the_provinces_denials(tmp_path: Path) -> None:
    keeper = _keeper(tmp_path)
    closed = dict.fromkeys((Kind.DENY_LIST, Kind.POLICY, Kind.ALERT), 16)
    _keep_policies(keeper, policy(), policy(scope=STATION, thresholds=closed))
    people = province()
    denials = DenyList(scope=SCOPE, epoch=1, serial=1, entries=())
    data = people.sign(Kind.DENY_LIST, denials, *people.officers)
    assert accept(data, keeper.trusted(), NOW).body == denials
    keeper.store.state.close()


@pytest.mark.requirement("SEC-6")
def test_a_newer_deny_list_takes_back_no_denial_also_after_a_restart(tmp_path: Path) -> None:
    keeper, people = _keeper(tmp_path), province()
    entry = Denied(kind=DeniedKind.KEY, value=bytes(16), until=NOW.unix_s + 60)
    first = DenyList(scope=SCOPE, epoch=1, serial=1, entries=(entry,))
    bundle = people.sign(Kind.DENY_LIST, first, *people.officers)
    accepted = accept(bundle, keeper.trusted(), NOW)
    keeper.keep(accepted, bundle)
    keeper.put_into_force(accepted)
    empty = dataclasses.replace(first, serial=2, entries=())
    data = people.sign(Kind.DENY_LIST, empty, *people.officers)
    for each in (keeper, Keeper(keeper.store)):
        with pytest.raises(TrustError, match="rollback"):
            accept(data, each.trusted(), NOW)
        assert accept(data, each.trusted(), Now(entry.until, NOW.trust)).body == empty
    keeper.store.state.close()


@pytest.mark.requirement("TIM-4")
def test_a_policy_rules_at_once_where_only_the_floor_is_before_it(tmp_path: Path) -> None:
    keeper, people = _keeper(tmp_path), province()
    _keep_policies(keeper, policy())
    later = policy(serial=2, not_before=START + 86_400, sessions_per_day=1)
    data = people.sign(Kind.POLICY, later, *people.officers)
    with pytest.raises(TrustError, match="not_yet"):
        accept(data, keeper.trusted(), NOW)
    accepted = accept(data, keeper.trusted(), Now(START, ClockTrust.T1))
    keeper.keep(accepted, data)
    assert keeper.put_into_force(accepted)
    for each in (keeper, Keeper(keeper.store)):
        assert each.effective_policy() == later
    assert not keeper.come_into_force(START)  # nothing waits
    keeper.store.state.close()


def test_the_policy_of_a_station_where_the_board_hung_before_rules_nothing(tmp_path: Path) -> None:
    keeper = _keeper(tmp_path)
    _keep_policies(keeper, policy(), policy(scope=STATION, sessions_per_day=1))
    keeper.assignment = _assignment("vn/ls/st0200/c01")
    effective = keeper.effective_policy()
    assert effective is not None
    assert effective.sessions_per_day == policy().sessions_per_day
    keeper.store.state.close()


def _keeper(home: Path) -> Keeper:
    store = IdentityStore(home, State.open(home / "state.db", create=True))
    store.keep_root(province().root_bundle)
    keeper = Keeper(store)
    keeper.assignment = _assignment(CLUSTER)
    people = province()
    assigned = people.sign(Kind.ASSIGNMENT, keeper.assignment, *people.officers)
    accepted = accept(assigned, people.trusted(), NOW)
    keeper.keep(accepted, assigned)
    keeper.put_into_force(accepted)
    return keeper


def _keep_policies(keeper: Keeper, *bodies: Policy) -> None:
    people = province()
    for body in bodies:
        bundle = people.sign(Kind.POLICY, body, *people.officers)
        accepted = accept(bundle, people.trusted(), NOW)
        keeper.keep(accepted, bundle)
        keeper.put_into_force(accepted)


def _assignment(scope: str) -> Assignment:
    fingerprint = province().device.public.fingerprint
    return Assignment(endpoint=fingerprint, epoch=1, serial=1, scope=scope, village="Nà Lềnh")
