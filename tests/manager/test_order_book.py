"""Orders on their way into the list of what stands: who may, what is refused, what stays."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from fuzz.fuzz_order_files import fuzz
from loa_manager import database, records, tables
from loa_manager.content_index import ContentIndex
from loa_manager.ingest import Ingest
from loa_manager.keyring import Identity
from loa_manager.orders import book
from loa_manager.orders.compose import (
    AlertAsk,
    CommandAsk,
    compose_alert,
    compose_cancel,
    compose_command,
)
from loa_manager.orders.desk import OrderDesk
from loa_manager.orders.facts import told_facts
from loa_manager.orders.giving import Known
from loa_manager.orders.paper import open_paper
from loa_manager.orders.standing import (
    MOST_ROWS,
    RELEASED_STAY_S,
    OrderList,
    SignerRow,
    parse_standing,
)
from loa_manager.orders.survey import silencing, untaken
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import ConfigError, MessageError, StoreError
from loa_protocol.objects.alert import AlertMessage
from loa_protocol.objects.command import Verb
from loa_protocol.objects.online import OrderMark
from loa_protocol.objects.playlist import Bearer, BearerKind
from loa_protocol.record import OrderState
from loa_protocol.trust import Refusal, TrustError
from support.desks import newer, set_policy
from support.order_desks import AT, CLUSTERS, Ordering, paper_of
from support.orders import SIREN, alert, cancel, command, event_id, grant
from support.province import CLUSTER, NOW, STATION, playlist, policy, province

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


# --- what is listed


def test_the_head_names_the_list_and_each_row_leads_to_an_order_a_board_takes(
    ordering: Ordering,
) -> None:
    hold, tree = ordering.command(Verb.HOLD), ordering.home.content
    standing = parse_standing(tree.object(tree.head_facts().standing_orders))
    (row,) = standing.orders
    assert (row.scope, row.until) == (STATION, hold.expires)
    accepted = accept(tree.object(row.digest), province().trusted(), NOW)
    assert accepted.body == hold
    holders = {Bundle.from_bytes(tree.object(signer.digest)).digest for signer in standing.signers}
    assert len(holders) == 3  # the warden, and the two officers who certified them


def test_a_released_hold_and_its_release_stay_for_boards_that_were_off(ordering: Ordering) -> None:
    hold = ordering.command(Verb.HOLD, expires=NOW.unix_s + 365 * 86_400)
    release = command(Verb.RELEASE, references=(hold.id,), expires=NOW.unix_s + 365 * 86_400)
    ordering.publish(release, *province().wardens)
    until = release.issued + RELEASED_STAY_S
    assert [each.until for each in ordering.listed()] == [until, until]
    book.tidy(ordering.home, until - 1)
    assert len(ordering.listed()) == 2
    book.tidy(ordering.home, until)
    assert not ordering.listed()


def test_a_release_of_one_cluster_leaves_the_commune_s_hold_standing(ordering: Ordering) -> None:
    hold = ordering.command(Verb.HOLD, expires=NOW.unix_s + 9999)
    release = command(Verb.RELEASE, references=(hold.id,), scope=CLUSTERS[0])
    ordering.publish(release, *province().wardens)
    states = {each.entry.paper.id: each.state(NOW.unix_s) for each in ordering.survey()}
    assert states == {hold.id: "in_force", release.id: "given"}
    assert ordering.listed()[0].until == hold.expires


def test_an_old_index_without_a_list_is_read_and_damage_is_named() -> None:
    index = ContentIndex()
    text = index.to_json().decode()
    assert ContentIndex.from_json(text.encode()) == index
    value = json.loads(text)
    del value["orders"]
    assert ContentIndex.from_json(json.dumps(value).encode()) == index
    broken_lists: list[object] = [{}, [], {"orders": [{}], "signers": [], "bulletins": []}]
    for broken in broken_lists:
        with pytest.raises(MessageError):
            ContentIndex.from_json(json.dumps({**value, "orders": broken}).encode())


_KEYS = st.sampled_from(
    ["id", "scope", "title", "what", "language", "expires", "mark", "cap", "orders", "signers"]
)
_DIGESTS = st.binary(min_size=32, max_size=32)
_MARKS = st.builds(
    OrderMark,
    scope=st.sampled_from(["vn/ls", STATION, CLUSTER]),
    kind=st.integers(1, 255),
    digest=_DIGESTS,
    until=st.integers(0, 2**40),
)


@given(st.lists(_MARKS, max_size=20), st.integers(0, 2**40))
def test_a_list_survives_json_and_the_wire_and_pruning_takes_only_what_is_over(
    marks: list[OrderMark], now_s: int
) -> None:
    orders = OrderList(tuple(marks))
    assert OrderList.from_json(orders.to_json()) == orders
    document = orders.document()
    assert (document is None) == (not marks)
    if document is not None:
        assert sorted(parse_standing(document).orders, key=repr) == sorted(marks, key=repr)
    kept = orders.pruned(now_s).orders
    assert set(kept) == {mark for mark in marks if mark.until > now_s}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=8),
    max_leaves=12,
)


@given(st.binary(max_size=200) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_order_a_list_or_a_named_error(data: bytes) -> None:
    fuzz(data)


@given(st.integers(0), st.binary(min_size=1, max_size=4))
def test_an_order_with_other_bytes_in_it_is_one_or_a_named_error(at: int, put: bytes) -> None:
    data = paper_of(alert(), province().wardens[0]).data
    at %= len(data)
    fuzz(data[:at] + put + data[at + len(put) :])


def test_what_a_server_tells_has_no_control_over_the_terminal(ordering: Ordering) -> None:
    ordering.alert()
    (told,) = ordering.survey()
    facts = told_facts(told, NOW.unix_s)
    assert Known.of({**facts, "title": "x\x1b[2J\u202ey"}).title == "x[2Jy"
    for name in ("id", "boards", "answers", "expires"):
        with pytest.raises(MessageError):
            Known.of({**facts, name: None})


def test_a_full_list_refuses_orders_and_keeps_the_signers_that_last_longest() -> None:
    def mark(n: int) -> OrderMark:
        return OrderMark(scope=STATION, kind=13, digest=n.to_bytes(32), until=100)

    full = OrderList(tuple(mark(n) for n in range(MOST_ROWS)))
    with pytest.raises(ConfigError):
        full.with_order(mark(MOST_ROWS), 0)
    assert len(full.with_order(mark(MOST_ROWS), 100).orders) == 1
    rows = [SignerRow(scope=STATION, digest=n.to_bytes(32), until=n) for n in range(2000)]
    kept = OrderList().with_signers(rows, 0).signers
    assert [row.until for row in kept] == list(range(2000 - MOST_ROWS, 2000))


# --- composing


def ask(**changes: object) -> AlertAsk:
    facts: dict[str, object] = {
        "scope": STATION,
        "title": "Báo động lũ",
        "reason": "Lũ",
        "language": "vi",
        "media": SIREN,
        "sound": None,
        "expires_s": 1800,
        "duration_s": None,
        "repeats": 3,
        "gap_s": 5,
        "volume": 12,
        "speech_in_s": 4,
    }
    return AlertAsk(**{**facts, **changes})  # type: ignore[arg-type]  # test convenience


@pytest.mark.requirement("MSG-3")
def test_speech_begins_at_one_signed_instant_four_seconds_after_the_order() -> None:
    body = compose_alert(ask(), event_id(), NOW.unix_s)
    assert body.speech_ms == (NOW.unix_s + 4) * 1000
    assert (body.start, body.expires) == (NOW.unix_s, NOW.unix_s + 1800)
    assert body.duration_s == 45  # three times ten seconds and the gaps


@pytest.mark.parametrize(
    "changes", [{"expires_s": 0}, {"expires_s": 90_000}, {"gap_s": 31}, {"speech_in_s": 1800}]
)
def test_an_alert_that_no_board_could_carry_out_is_not_composed(changes: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        compose_alert(ask(**changes), event_id(), NOW.unix_s)


def test_a_cancel_counts_for_as_long_as_what_it_ends() -> None:
    long, brief = alert(expires=NOW.unix_s + 3600), alert()
    body = compose_cancel([brief, long], event_id(), NOW.unix_s, reason="hết lũ")
    assert body.message is AlertMessage.CANCEL
    assert (body.expires, body.references) == (long.expires, (brief.id, long.id))
    for wrong in ([], [alert(scope="vn/ls"), brief], [alert(expires=NOW.unix_s)]):
        with pytest.raises(ConfigError):
            compose_cancel(wrong, event_id(), NOW.unix_s, reason="x")


def lasting(verb: Verb, duration_s: int = 0) -> int:
    made = compose_command(
        CommandAsk(scope=STATION, verb=verb, reason="x", duration_s=duration_s),
        event_id(),
        1,
        NOW.unix_s,
    )
    return made.expires - made.issued


@pytest.mark.requirement("SEC-8")
def test_a_hold_reaches_boards_that_are_off_and_a_lockdown_counts_while_it_lasts() -> None:
    assert lasting(Verb.HOLD) == 366 * 86_400
    assert lasting(Verb.LOCKDOWN, 7200) == 7200
    assert lasting(Verb.STOP) == lasting(Verb.REBOOT) == 600
    for wrong in (0, 86_401):
        with pytest.raises(ConfigError):
            lasting(Verb.LOCKDOWN, wrong)
    with pytest.raises(ConfigError, match="nothing stands"):
        lasting(Verb.RELEASE)


# --- answers


def test_it_is_known_which_boards_took_an_order_which_refused_and_which_are_silent(
    ordering: Ordering,
) -> None:
    body = ordering.alert()
    ordering.answer(0, body, OrderState.TAKEN)
    ordering.answer(0, body, OrderState.BEGUN)
    ordering.answer(1, body, OrderState.REFUSED, "limit")
    online = province().online
    ingest = Ingest(ordering.engine, Identity("ingest", online.signer, online.chain))
    batches = [batch for board in ordering.boards for batch in board.everything()]
    ingest.take_many(batches, 1_800_000_000_000)
    records.project(ordering.engine)
    (told,) = ordering.survey()
    assert told.counts == {"taken": 0, "begun": 1, "ended": 0, "refused": 1, "silent": 1}
    assert [answer and answer.detail for _, answer in told.boards] == ["", "limit", None]
    with database.reading(ordering.engine) as connection:
        before = connection.execute(select(tables.order_answer)).all()
    records.rebuild(ordering.engine)
    with database.reading(ordering.engine) as connection:
        assert connection.execute(select(tables.order_answer)).all() == before
    ingest.close()


def test_an_order_that_nobody_took_and_a_hold_in_force_are_found(ordering: Ordering) -> None:
    hold = ordering.command(Verb.HOLD, expires=NOW.unix_s + 9999)
    told = ordering.survey()
    assert [each.entry.paper.id for each in silencing(told, NOW.unix_s)] == [hold.id]
    assert not untaken(told, NOW.unix_s)
    assert untaken(told, NOW.unix_s + 300)
    release = command(Verb.RELEASE, references=(hold.id,))
    ordering.publish(release, *province().wardens)
    assert not silencing(ordering.survey(), NOW.unix_s)


def test_a_cancelled_alert_is_told_as_such(ordering: Ordering) -> None:
    body = ordering.alert()
    ordering.publish(cancel(body.id), province().wardens[0])
    assert [each.state(NOW.unix_s) for each in ordering.survey()] == ["cancelled", "given"]
