"""What the report reads from the records: windows of days, boards on their poles, ended plays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from loa_manager import database, records
from loa_manager.ingest import Ingest
from loa_manager.keyring import Identity
from loa_manager.reports.facts import Facts, day_ms
from loa_manager.reports.gather import gather
from loa_manager.reports.period import parse_period
from loa_protocol.errors import ConfigError
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.record import Segment
from support import registry
from support.province import province
from support.telling import Teller, started

OFFSET = 420
TODAY = date(2027, 3, 1)
C1, C2 = "vn/ls/st0137/c01", "vn/ls/st0137/c02"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = registry.new_database(tmp_path)
    with database.writing(engine) as connection:
        registry.load_village(connection)
    return engine


@pytest.fixture
def ingest(engine: Engine) -> Iterator[Ingest]:
    online = province().online
    ingest = Ingest(engine, Identity("ingest", online.signer, online.chain))
    yield ingest
    ingest.close()


@pytest.fixture
def board(engine: Engine) -> Teller:
    board = Teller()
    with database.writing(engine) as connection:
        board.register(connection, C1)
    board.boot(day_ms(date(2026, 7, 1), OFFSET))
    return board


def facts(engine: Engine, period: str = "2026H2", today: date = TODAY) -> Facts:
    with database.reading(engine) as connection:
        whose = database.get_province(connection)
        found = gather(connection, whose, parse_period(period), today=today)
        return Facts(
            **{
                name: getattr(found, name) for name in Facts.__dataclass_fields__ if name != "plays"
            },
            plays=tuple(found.plays),
        )


@pytest.mark.requirement("REP-4")
@pytest.mark.parametrize(
    ("day", "hour", "is_reachable"),
    [
        (date(2026, 12, 31), 23, True),
        (date(2026, 12, 25), 0, True),  # the first of the last seven days
        (date(2026, 12, 24), 23, False),
        (date(2027, 1, 1), 0, False),  # the period is over
    ],
)
def test_reachable_is_a_batch_in_the_last_seven_local_days(
    engine: Engine, ingest: Ingest, board: Teller, day: date, hour: int, is_reachable: bool
) -> None:
    ingest.take(board.batch(0, 1), day_ms(day, OFFSET) + hour * 3_600_000)
    assert facts(engine).reachable == (frozenset({"st0137/c01"}) if is_reachable else frozenset())


def test_a_batch_belongs_to_the_pole_of_its_time(
    engine: Engine, ingest: Ingest, board: Teller
) -> None:
    moved = day_ms(date(2026, 12, 30), OFFSET)
    ingest.take(board.batch(0, 1), moved - 1000)
    with database.writing(engine) as connection:
        board.register(connection, C2, at_ms=moved)
    assert facts(engine).reachable == {"st0137/c01"}
    board.beat(moved)
    ingest.take(board.batch(1, 1), moved)
    assert facts(engine).reachable == {"st0137/c01", "st0137/c02"}


def test_a_board_that_left_a_pole_no_longer_speaks_for_it(
    engine: Engine, ingest: Ingest, board: Teller
) -> None:
    moved = day_ms(date(2026, 12, 30), OFFSET)
    with database.writing(engine) as connection:
        board.register(connection, C2, at_ms=moved)
    ingest.take(board.batch(0, 1), moved)
    assert facts(engine).reachable == {"st0137/c02"}


def test_a_running_period_ends_today(engine: Engine, ingest: Ingest, board: Teller) -> None:
    today = date(2026, 9, 1)
    ingest.take(board.batch(0, 1), day_ms(today, OFFSET))
    found = facts(engine, today=today)
    assert (found.as_of, found.reachable) == (today, frozenset({"st0137/c01"}))


def test_a_period_to_come_is_refused(engine: Engine) -> None:
    with pytest.raises(ConfigError):
        facts(engine, "2027H2")


def test_plays_are_read_from_the_period_and_thirty_days_before_its_end(
    engine: Engine, ingest: Ingest, board: Teller
) -> None:
    days = {1: date(2026, 12, 8), 2: date(2026, 12, 9), 3: date(2027, 1, 7), 4: date(2027, 1, 8)}
    for number, day in days.items():
        board.play(number, day_ms(day, OFFSET))
    board.tell(started(5, day_ms(date(2027, 1, 6), OFFSET)))  # no end yet: in no figure
    ingest.take_many(board.everything(), day_ms(date(2027, 1, 9), OFFSET))
    records.project(engine)
    span = "2027-01-05..2027-01-07"
    found = facts(engine, span)
    assert [play.id[-1] for play in found.plays] == ["2", "3"]


def test_time_on_air_is_the_segments_without_their_silence(
    engine: Engine, ingest: Ingest, board: Teller
) -> None:
    at = day_ms(date(2026, 12, 1), OFFSET)
    parts = ((0, 20_000), (25_000, 60_000))
    segments = tuple(
        Segment(bearer=BearerKind.FM, start_ms=at + start, end_ms=at + end) for start, end in parts
    )
    board.play(1, at, segments=segments, silent_ms=4000, bulletin=bytes([1]) * 32)
    board.play(2, at + 100_000, segments=(), silent_ms=9000)
    ingest.take_many(board.everything(), at + 10**6)
    records.project(engine)
    first, second = facts(engine).plays
    assert (first.on_air_ms, first.has_bulletin, first.cluster) == (51_000, True, "st0137/c01")
    assert (second.on_air_ms, second.has_bulletin) == (0, False)


@pytest.mark.requirement("REP-4")
def test_a_play_with_an_unsigned_stream_in_it_has_its_host_and_proves_no_bulletin(
    engine: Engine, ingest: Ingest, board: Teller
) -> None:
    at = day_ms(date(2026, 12, 1), OFFSET)
    board.play(1, at, bulletin=bytes([1]) * 32, unsigned_host="radio.example")
    ingest.take_many(board.everything(), at + 10**6)
    records.project(engine)
    (only,) = facts(engine).plays
    assert (only.unsigned_host, only.has_bulletin) == ("radio.example", False)


@pytest.mark.requirement("INV-3")
def test_items_carry_their_days_places_and_money(engine: Engine) -> None:
    found = {item.id: item for item in facts(engine).clusters}
    third = found["st0137/c03"]
    assert (third.first_day, third.purpose, third.central_vnd, third.local_vnd) == (
        date(2026, 7, 15),
        "new",
        38_000_000,
        5_000_000,
    )
    place = third.place(TODAY)
    assert place is not None
    assert (place.commune, place.village) == ("M20101", "Thôn Pác Mẫu")
    assert third.place(date(2026, 7, 15) - timedelta(days=1)) is None
