"""Orders on their way into the list of what stands: who may, and what is refused."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from loa_manager.keyring import Identity
from loa_manager.orders import book
from loa_manager.orders.desk import OrderDesk
from loa_manager.orders.paper import open_paper
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import ConfigError, StoreError
from loa_protocol.objects.command import Verb
from loa_protocol.objects.playlist import Bearer, BearerKind
from loa_protocol.trust import Refusal, TrustError
from support.desks import newer, set_policy
from support.order_desks import AT, Ordering, paper_of
from support.orders import SIREN, alert, command, grant
from support.province import NOW, STATION, playlist, policy, province

FREE = dataclasses.replace(SIREN, sha256=bytes([7]) * 32)


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture
def ordering(tmp_path: Path) -> Ordering:
    return Ordering(tmp_path)


# --- who may


@pytest.mark.requirement("MSG-4")
def test_one_warden_may_sound_what_is_pre_approved_and_no_more(ordering: Ordering) -> None:
    warden, other = province().wardens
    assert ordering.publish(alert(), warden).signers[0].holder == "warden-1"
    free = alert(media=FREE)
    assert not ordering.desk.judge(paper_of(free, warden)).is_complete
    with pytest.raises(TrustError) as refused:
        ordering.publish(free, warden)
    assert refused.value.reason is Refusal.THRESHOLD
    assert ordering.desk.judge(paper_of(free, warden, other)).is_complete


@pytest.mark.requirement("MSG-4")
def test_a_province_speaks_over_a_commune_with_two_of_its_three(ordering: Ordering) -> None:
    first, second, _third = province().duty
    body = alert(scope="vn/ls", media=FREE)
    assert not ordering.desk.judge(paper_of(body, first)).is_complete
    assert ordering.desk.judge(paper_of(body, first, second)).is_complete


def test_whoever_has_no_role_or_another_place_is_refused_at_the_desk(ordering: Ordering) -> None:
    desk, warden = ordering.desk, province().wardens[0]
    identity = Identity("warden", warden.signer, warden.chain)
    editor = province().editor
    with pytest.raises(TrustError, match="role"):
        desk.seal(paper_of(alert()), Identity("editor", editor.signer, editor.chain))
    with pytest.raises(TrustError, match="scope"):
        desk.seal(paper_of(alert(scope="vn/ls")), identity)
    once = desk.seal(paper_of(alert()), identity)
    with pytest.raises(TrustError, match="signed already"):
        desk.seal(once, identity)


@pytest.mark.requirement("SEC-8")
def test_a_commune_cannot_begin_a_lockdown_and_is_told_before_a_second_signs(
    ordering: Ordering,
) -> None:
    with pytest.raises(TrustError) as refused:
        ordering.desk.judge(paper_of(command(Verb.LOCKDOWN), province().wardens[0]))
    assert refused.value.reason is Refusal.LEVEL


@pytest.mark.requirement("SEC-8")
def test_one_holds_and_two_release_and_never_what_stands_above_them(ordering: Ordering) -> None:
    hold = ordering.command(Verb.HOLD, province().duty[0])
    release = command(Verb.RELEASE, references=(hold.id,))
    assert not ordering.desk.judge(paper_of(release, province().duty[0])).is_complete
    with pytest.raises(TrustError) as refused:
        ordering.publish(release, *province().wardens)
    assert refused.value.reason is Refusal.LEVEL
    ordering.publish(release, *province().duty[:2])


@pytest.mark.requirement("SEC-8")
def test_a_place_can_be_silenced_when_the_policy_has_run_out(ordering: Ordering) -> None:
    late = AT + timedelta(days=364)
    set_policy(ordering.home, newer(policy(), expires=NOW.unix_s + 60))
    desk = OrderDesk.open(ordering.home, late)
    body = command(Verb.HOLD, issued=int(late.timestamp()), expires=int(late.timestamp()) + 600)
    assert desk.judge(paper_of(body, province().wardens[0])).is_complete
    with pytest.raises(ConfigError, match="no policy is in force"):
        desk.judge(paper_of(alert(), province().wardens[0]))


@pytest.mark.requirement("MSG-4")
def test_over_the_day_s_limits_the_desk_says_so_as_the_boards_would(ordering: Ordering) -> None:
    limits = ordering.desk.policy_for(STATION).alert_limits
    for _ in range(limits.per_day):
        ordering.alert()
    with pytest.raises(ConfigError, match=f"allows a holder {limits.per_day} alerts"):
        ordering.publish(alert(), province().wardens[0])


def test_what_two_stand_behind_is_refused_only_when_both_are_over(ordering: Ordering) -> None:
    limits = ordering.desk.policy_for(STATION).alert_limits
    for _ in range(limits.per_day):
        ordering.alert()
    ordering.publish(alert(), *province().wardens)


def test_one_holder_may_fill_a_live_slot_that_two_have_approved(ordering: Ordering) -> None:
    here, base = province(), playlist()
    slot = dataclasses.replace(
        base.items[0], bearers=(Bearer(kind=BearerKind.STREAM, reference=0, cost=0),)
    )
    planned = dataclasses.replace(base, items=(slot, *base.items[1:]))
    tree = ordering.home.content
    data = here.sign(Kind.PLAYLIST, planned, here.editor, here.approver)
    tree.set_playlist(planned.scope, planned.epoch, planned.serial, tree.put_object(data))
    start = planned.sessions[slot.session].start + slot.offset_ms // 1000
    digest = Bundle.from_bytes(data).digest

    def is_complete(**changes: Any) -> bool:
        facts: dict[str, Any] = {
            "slot": slot.id,
            "playlist": digest,
            "start": start,
            "end": start + 1,
            **changes,
        }
        body = grant(**facts)
        return ordering.desk.judge(
            open_paper(here.sign(Kind.GRANT, body, here.wardens[0]))
        ).is_complete

    assert is_complete()
    assert not is_complete(slot="another")
    assert not is_complete(playlist=bytes(32))
    assert not is_complete(end=start + 3000)


def test_one_stolen_key_cannot_fill_the_list(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "MOST_OF_HOLDER", 3)
    for _ in range(3):
        ordering.command(Verb.HOLD)
    with pytest.raises(ConfigError, match="warden-1 has 3 orders standing"):
        ordering.publish(command(Verb.HOLD), province().wardens[0])
    ordering.publish(command(Verb.HOLD), province().wardens[1])
    ordering.publish(command(Verb.LOCKDOWN), *province().duty[:2])


def test_an_id_that_was_used_is_refused_and_the_same_order_again_changes_nothing(
    ordering: Ordering,
) -> None:
    body = ordering.alert()
    ordering.publish(body, province().wardens[0])
    assert len(ordering.listed()) == 1
    with pytest.raises(TrustError) as refused:
        ordering.publish(alert(id=body.id, title="Khác"), province().wardens[0])
    assert refused.value.reason is Refusal.REPLAYED


def test_a_sound_that_is_nowhere_is_asked_for_before_anything_is_listed(ordering: Ordering) -> None:
    with pytest.raises(StoreError, match="neither in the content tree nor beside"):
        ordering.publish(alert(media=FREE), *province().wardens)
    assert not ordering.listed()
