"""Orders as they are composed, and what boards have answered to them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from loa_manager import database, records, tables
from loa_manager.ingest import Ingest
from loa_manager.keyring import Identity
from loa_manager.orders.compose import (
    AlertAsk,
    CommandAsk,
    compose_alert,
    compose_cancel,
    compose_command,
)
from loa_manager.orders.survey import silencing, untaken
from loa_protocol.errors import ConfigError
from loa_protocol.objects.alert import AlertMessage
from loa_protocol.objects.command import Verb
from loa_protocol.record import OrderState
from support.order_desks import Ordering
from support.orders import SIREN, alert, cancel, command, event_id
from support.province import NOW, STATION, province


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture
def ordering(tmp_path: Path) -> Ordering:
    return Ordering(tmp_path)


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
