"""Policies as people write them, and what a device makes of the presets."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.schedule import Block, plan
from loa_manager.policy_file import DAYS, parse_days, parse_policy, parse_time, preset_policy
from loa_manager.settings_file import parse_settings
from loa_protocol.envelope import Kind
from loa_protocol.errors import ConfigError
from loa_protocol.objects.placement import Settings
from loa_protocol.objects.playlist import Playlist, Session
from loa_protocol.objects.policy import AfterAlert, AlertLimits, Hours, Policy, VolumeCap
from support.province import playlist

NOW = datetime(2027, 1, 10, 17, 0, tzinfo=UTC)  # midnight in Vietnam, the 11th being a Monday
MONDAY = int(NOW.timestamp())
HOUR, DAY = 3600, 86_400


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_LANG", "en")


def week(*sessions: tuple[int, int]) -> Playlist:
    """Return a playlist of one item a session; *sessions* are (start, minutes)."""
    base = playlist(items=1)
    (item,) = base.items
    return replace(
        base,
        sessions=tuple(
            Session(id=f"s{n}", start=start, duration_s=60 * minutes, volume=9)
            for n, (start, minutes) in enumerate(sessions)
        ),
        items=tuple(
            replace(item, id=f"i{n}", session=n, duration_ms=60_000 * minutes)
            for n, (_start, minutes) in enumerate(sessions)
        ),
        not_before=MONDAY,
        expires=MONDAY + 7 * DAY,
    )


def blocks(policy: Policy, *sessions: tuple[int, int]) -> list[Block | None]:
    return [planned.block for planned in plan(week(*sessions), policy)]


@pytest.mark.requirement("TIM-1")
def test_the_hanoi_preset_knows_two_short_sessions_on_five_days() -> None:
    policy = preset_policy("hanoi", "vn/hn", NOW)
    morning, noon, evening = (MONDAY + hours * HOUR for hours in (6, 11, 17))
    assert blocks(policy, (morning, 15), (noon, 15)) == [None, None]
    assert blocks(policy, (morning, 15), (noon, 15), (evening, 15)) == [
        None,
        None,
        Block.SESSIONS,
    ]
    assert blocks(policy, (morning, 16)) == [Block.MINUTES]
    assert blocks(policy, (morning + 5 * DAY, 15)) == [Block.QUIET_HOURS]  # Saturday


@pytest.mark.requirement("TIM-1")
def test_the_rural_preset_takes_forty_five_minutes_and_not_forty_six() -> None:
    policy = preset_policy("rural", "vn/ls", NOW)
    assert blocks(policy, (MONDAY + 5 * HOUR, 45)) == [None]
    assert blocks(policy, (MONDAY + 5 * HOUR, 46)) == [Block.MINUTES]
    assert blocks(policy, (MONDAY + 3 * HOUR, 15)) == [Block.QUIET_HOURS]


FILE = """
scope = "vn/ls/st0137"
preset = "hanoi"
not_before = 2027-02-01
utc_offset = "+07:00"
minutes_per_session = 20
loudness_lufs = -24.5
languages = ["vi", "tyz"]
unsigned_time_days = 30
after_alert = "drop"
preapproved = ["0707070707070707070707070707070707070707070707070707070707070707"]

[[hours]]
days = ["mon-fri", "sun"]
from = "05:30"
to = "07:00"

[[volume_cap]]
from = "21:00"
to = "05:00"
level = 6

[alerts]
per_day = 3
seconds_per_day = 120

[thresholds]
playlist = 3
"""


def test_a_file_names_what_differs_from_its_preset() -> None:
    policy = parse_policy(FILE, "vn/ls", NOW)
    assert (policy.scope, policy.sessions_per_day, policy.minutes_per_session) == (
        "vn/ls/st0137",
        2,
        20,
    )
    assert policy.not_before == int(datetime(2027, 1, 31, 17, tzinfo=UTC).timestamp())
    assert policy.expires == policy.not_before + 365 * DAY
    assert policy.hours == (Hours(weekdays=0b1011111, start_min=330, end_min=420),)
    assert policy.volume_caps == (VolumeCap(start_min=1260, end_min=300, level=6),)
    assert (policy.loudness_clufs, policy.languages) == (-2450, ("vi", "tyz"))
    assert (policy.unsigned_time_s, policy.after_alert) == (30 * DAY, AfterAlert.DROP)
    assert policy.alert_limits == AlertLimits(per_day=3, seconds_per_day=120)
    assert policy.thresholds == {Kind.PLAYLIST: 3}
    assert policy.preapproved == (bytes([7]) * 32,)


def test_an_empty_file_is_the_rural_preset_of_the_province() -> None:
    assert parse_policy("", "vn/ls", NOW) == preset_policy("rural", "vn/ls", NOW)


def test_every_fault_of_a_file_is_named() -> None:
    text = """
        minutes_per_session = "20"
        utc_offset = "7"
        loudness_lufs = true
        after_alert = "shout"
        preapproved = ["xyz"]
        not_before = "today"
        tempo = 120
        volume_cap = 3
        languages = "vi"
        [[hours]]
        days = "monday"
        from = "05:00"
        to = "06:00"
        [alerts]
        per_day = 1
        [thresholds]
        plailist = 2
    """
    with pytest.raises(ConfigError) as refused:
        parse_policy(text, "vn/ls", NOW, "quy-che.toml")
    assert refused.value.where == "quy-che.toml"
    assert {fault.partition(":")[0] for fault in refused.value.faults} == {
        "minutes_per_session",
        "utc_offset",
        "loudness_lufs",
        "after_alert",
        "preapproved",
        "not_before",
        "tempo",
        "volume_cap",
        "languages",
        "hours",
        "alerts",
        "thresholds",
    }


@pytest.mark.parametrize(
    "text",
    [
        "= 1",
        'preset = "urban"',
        "minutes_per_session = 99999",
        'scope = "VN"',
        "not_before = 2027-02-01\nexpires = 2027-01-01",
        '[[hours]]\nfrom = "22:00"\nto = "05:00"',
        '[[hours]]\nfrom = "05:00"',
        '[[hours]]\nfrom = "05:00"\nto = "06:00"\ndya = "mon"',
        'preapproved = ["00"]',
    ],
)
def test_what_cannot_be_a_policy_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_policy(text, "vn/ls", NOW)


@pytest.mark.parametrize(
    ("text", "minute"), [("0:00", 0), ("05:30", 330), ("23:59", 1439), ("24:00", 1440)]
)
def test_times_of_day_are_minutes(text: str, minute: int) -> None:
    assert parse_time(text) == minute


@pytest.mark.parametrize("text", ["24:01", "12:60", "5", "5:3", "-1:00", "", 530, None])
def test_what_is_no_time_of_day_is_refused(text: object) -> None:
    with pytest.raises(ValueError):
        parse_time(text)


@pytest.mark.parametrize(
    ("value", "days"),
    [
        ("mon-sun", DAYS),
        ("sat-mon", ("sat", "sun", "mon")),
        ("wed", ("wed",)),
        (["mon", "fri-sat"], ("mon", "fri", "sat")),
        ("sun-sat", DAYS),
    ],
)
def test_days_are_spans_that_may_run_over_sunday(value: object, days: tuple[str, ...]) -> None:
    assert parse_days(value) == sum(1 << DAYS.index(day) for day in days)


toml = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
KEYS = ["hours", "alerts", "preapproved", "languages", "scope", "thresholds", "utc_offset", "x"]


@given(st.dictionaries(st.sampled_from(KEYS), toml, max_size=4), st.text(max_size=40))
def test_no_file_raises_more_than_a_named_error(values: dict[str, object], tail: str) -> None:
    lines = [f"{key} = {str(value).replace('True', 'true')}" for key, value in values.items()]
    for text in ("\n".join(lines), "\n".join([*lines, tail])):
        try:
            policy = parse_policy(text, "vn/ls", NOW)
        except ConfigError:
            continue
        assert Policy.from_bytes(policy.to_bytes()) == policy


def test_the_documented_file_is_a_policy() -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
    policies, streams, settings = re.findall(r"```toml\n(.*?)```", page, re.S)
    assert parse_policy(streams, "vn/ls", NOW).unsigned_streams == ("radio.example",)
    policy = parse_policy(policies, "vn/ls", NOW)
    assert (policy.scope, policy.minutes_per_session) == ("vn/ls/st0137", 20)
    base = Settings(
        scope="vn/ls",
        epoch=1,
        serial=1,
        content=("x",),
        broker=("x",),
        service=("x",),
        authorities=(b"ca",),
        fallback={},
        fittings=(),
        heartbeat_s=1,
    )
    assert parse_settings(settings, base).broker == ("mqtts://loa.example.vn:8883",)


STREAMS = """
unsigned_streams = ["Radio.example", "đài.example", "radio.example"]

[[unsigned_stream_hours]]
days = "mon-fri"
from = "06:00"
to = "06:30"
"""


@pytest.mark.requirement("ADM-2", "SEC-4")
def test_hosts_of_unsigned_streams_and_their_hours_are_named_or_there_are_none() -> None:
    policy = parse_policy(STREAMS, "vn/ls", NOW)
    assert policy.unsigned_streams == ("radio.example", "xn--i-rfa0m.example")
    assert policy.unsigned_stream_hours == (Hours(weekdays=31, start_min=360, end_min=390),)
    assert Policy.from_bytes(policy.to_bytes()) == policy
    plain = parse_policy("unsigned_streams = []\nunsigned_stream_hours = []", "vn/ls", NOW)
    assert (plain.unsigned_streams, plain.unsigned_stream_hours) == ((), None)
    for half in ('unsigned_streams = ["radio.example"]', STREAMS.split("]", 1)[1]):
        with pytest.raises(ConfigError, match="both unsigned_streams and unsigned_stream_hours"):
            parse_policy(half, "vn/ls", NOW)


@pytest.mark.parametrize("host", ["https://radio.example/", "*.example", "radio.example:443", ""])
def test_a_host_is_no_address_and_no_pattern(host: str) -> None:
    with pytest.raises(ConfigError, match="unsigned_streams"):
        parse_policy(f'unsigned_streams = ["{host}"]', "vn/ls", NOW)
