"""What the keeper plays from, and what it judges new objects against."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from loa_endpoint.app.keeper import Keeper
from loa_endpoint.core.schedule import plan
from loa_endpoint.store.identity import STANDING, IdentityStore
from loa_endpoint.store.state import State
from loa_protocol.accept import accept
from loa_protocol.envelope import Kind
from loa_protocol.hours import DAY_S
from loa_protocol.objects.online import Head
from loa_protocol.objects.placement import Assignment, Denied, DeniedKind, DenyList
from loa_protocol.objects.playlist import Bearer, BearerKind
from loa_protocol.record import ClockTrust
from loa_protocol.replay import Seen
from loa_protocol.schema import Wire
from loa_protocol.trust import Accepted, Now
from support import orders
from support.province import CLUSTER, NOW, SCOPE, START, playlist, policy, province


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """Return the keeper of a board with a policy, a playlist and a standing programme."""
    store = IdentityStore(tmp_path, State.open(tmp_path / "state.db", create=True))
    store.keep_root(province().root_bundle)
    made = Keeper(store)
    fingerprint = province().device.public.fingerprint
    made.assignment = Assignment(
        endpoint=fingerprint, epoch=1, serial=1, scope=CLUSTER, village="Nà Lềnh"
    )
    _keep(made, Kind.POLICY, policy(preapproved=(orders.SIREN.sha256,), preapproved_holders=2))
    _keep(made, Kind.PLAYLIST, playlist())
    _keep(made, Kind.STANDING_PROGRAMME, orders.standing_programme())
    return made


def _keep(keeper: Keeper, kind: Kind, body: Wire) -> Accepted:
    people = province()
    signers = people.officers if kind is Kind.POLICY else [people.editor, people.approver]
    data = people.sign(kind, body, *signers)
    accepted = accept(data, people.trusted(), NOW)
    keeper.keep(accepted, data)
    keeper.put_into_force(accepted)
    return accepted


def at(unix_s: int, trust: ClockTrust = ClockTrust.T3) -> Now:
    return Now(unix_s, trust)


def test_a_playlist_rules_to_the_end_of_its_last_day_and_then_the_standing_programme(
    keeper: Keeper,
) -> None:
    midnight = START - START % DAY_S + DAY_S - 7 * 3600  # its only session is at 16:00 local
    assert keeper.choice(at(midnight - 1)).name == "playlist"
    assert keeper.choice(at(midnight)).name == STANDING
    programme = keeper.programme(at(midnight))
    assert programme is not None
    assert programme.digest == keeper.digest(STANDING)
    days = {planned.start_ms for planned in plan(programme.playlist, programme.policy)}
    assert days  # Monday morning is written out on Saturday


def test_an_expired_playlist_gives_way_to_the_standing_programme(keeper: Keeper) -> None:
    assert keeper.playlist is not None
    keeper.playlist = dataclasses.replace(keeper.playlist, expires=START + 7200)
    assert keeper.choice(at(START + 7199)).name == "playlist"
    assert keeper.choice(at(START + 7200)).name == STANDING


def test_a_playlist_without_sessions_is_silence_that_somebody_wanted(keeper: Keeper) -> None:
    _keep(keeper, Kind.PLAYLIST, playlist(0, serial=2, sessions=()))
    assert keeper.choice(at(START + 3 * DAY_S)).name == "playlist"


def test_while_the_time_is_unknown_the_playlist_stays(keeper: Keeper) -> None:
    assert keeper.choice(at(START + 30 * DAY_S, ClockTrust.T1)).name == "playlist"


def test_a_denied_standing_programme_does_not_play(keeper: Keeper) -> None:
    digest = keeper.digest(STANDING)
    assert digest is not None
    entry = Denied(kind=list(DeniedKind)[-1], value=digest, until=START * 2)
    keeper.deny_list = DenyList(scope=SCOPE, epoch=1, serial=1, entries=(entry,))
    assert keeper.choice(at(START + 3 * DAY_S)).name == "playlist"


def test_the_media_of_the_standing_programme_are_wanted_beside_the_playlists(
    keeper: Keeper,
) -> None:
    assert len(keeper.playlists(at(START))) == 2


@pytest.mark.requirement("MSG-4")
def test_orders_are_judged_by_the_policys_templates_and_by_what_happened_before(
    keeper: Keeper,
) -> None:
    keeper.store.state.remember(Seen(b"e" * 16, START * 2))
    trusted = keeper.trusted()
    assert trusted.preapproved == {orders.SIREN.sha256}
    assert trusted.preapproved_holders == 2
    assert trusted.seen == {b"e" * 16: START * 2}


def test_a_live_slot_of_an_accepted_playlist_is_known_by_its_span(keeper: Keeper) -> None:
    base = playlist(serial=2)
    live = (Bearer(kind=BearerKind.STREAM, reference=0, cost=1),)
    items = (base.items[0], dataclasses.replace(base.items[1], bearers=live))
    accepted = _keep(keeper, Kind.PLAYLIST, dataclasses.replace(base, items=items))
    start = base.sessions[0].start + 60
    assert keeper.trusted().live_slots == {(accepted.digest, "i1"): (start, start + 60)}


@pytest.mark.requirement("TIM-1")
def test_sessions_that_were_on_air_are_remembered_for_two_days_over_restarts(
    keeper: Keeper,
) -> None:
    for start in (START, START + 3600, START + 3 * DAY_S):
        keeper.keep_session(start)
    again = Keeper(keeper.store)
    again.assignment = keeper.assignment
    programme = again.programme(at(START))
    assert programme is not None
    assert programme.aired == {START + 3 * DAY_S}


@pytest.mark.requirement("OFF-1")
def test_a_schedule_runs_for_the_policys_days_after_the_last_head(keeper: Keeper) -> None:
    assert keeper.schedule_until_ms() == (START + 30 * DAY_S) * 1000  # from its not-before
    people, zero = province(), bytes(32)
    head = Head(
        scope=SCOPE,
        time=NOW.unix_s - 60,
        tree=zero,
        leaves=0,
        standing_orders=zero,
        deny_list=zero,
        root_version=1,
        root=zero,
        policies=(),
    )
    data = people.sign(Kind.HEAD, head, people.online)
    keeper.keep(accept(data, people.trusted(), NOW), data)
    expected = (NOW.unix_s - 60 + 30 * DAY_S) * 1000
    assert keeper.schedule_until_ms() == expected
    again = Keeper(keeper.store)
    again.assignment = keeper.assignment
    assert again.schedule_until_ms() == expected


def test_a_standing_programme_of_next_week_leaves_the_present_one_in_force_until_then(
    keeper: Keeper,
) -> None:
    present, week = keeper.digest(STANDING), START + 7 * DAY_S
    later = orders.standing_programme(serial=2, not_before=week)
    _keep(keeper, Kind.STANDING_PROGRAMME, later)
    assert keeper.digest(STANDING) == present
    assert not keeper.come_into_force(week - 1)
    again = Keeper(keeper.store)
    assert again.come_into_force(week)
    assert again.standing == later
    assert Keeper(keeper.store).standing == later
