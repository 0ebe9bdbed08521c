"""Fifty virtual endpoints on a real server: held, alerted, released, locked down."""

from __future__ import annotations

from typing import Any

import pytest

from loa_lab.fleet.run import run_fleet

pytestmark = [pytest.mark.story, pytest.mark.timeout(120)]
COUNT = 50


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    told: list[str] = []
    found = run_fleet(COUNT, told.append, lambda _done, _total: None)
    print(f"the fleet took {found['seconds']} s", found)
    return found


@pytest.mark.requirement("SEC-1")
def test_every_endpoint_has_a_key_of_its_own(facts: dict[str, Any]) -> None:
    assert facts["keys"] == facts["endpoints"] == COUNT


def test_all_of_them_play_before_anybody_holds_them(facts: dict[str, Any]) -> None:
    assert facts["playing"] == COUNT
    assert facts["refused"] == {}


@pytest.mark.requirement("SEC-8")
def test_a_hold_silences_everybody_on_the_line(facts: dict[str, Any]) -> None:
    hold = facts["hold"]
    assert hold["endpoints"] == COUNT - COUNT // 10
    assert hold["silent"] == hold["endpoints"]


@pytest.mark.requirement("SEC-8")
def test_a_held_endpoint_that_lost_power_comes_back_silent(facts: dict[str, Any]) -> None:
    restarted = facts["restarted"]
    assert restarted["held_at_once"] == restarted["endpoints"] == COUNT // 10
    assert restarted["began_to_play"] == 0


@pytest.mark.requirement("SEC-8")
def test_who_was_away_obeys_before_playing_though_the_broker_withholds_the_hold(
    facts: dict[str, Any],
) -> None:
    back = facts["came_back"]
    assert back["held"] == back["endpoints"] == COUNT // 10
    assert back["from_whom_the_broker_withholds"] >= back["endpoints"] // 2
    assert back["began_to_play"] == 0


@pytest.mark.requirement("SEC-8", "MSG-3")
def test_an_alert_passes_the_hold_to_everybody_with_its_sound_inside(facts: dict[str, Any]) -> None:
    alert = facts["alert"]
    assert alert["accepted"] == alert["sounding"] == COUNT
    assert alert["wire_bytes_median"] > alert["sound_bytes"]
    assert alert["fetched_bytes_most"] < 8_000  # it came in the push, and again where one was slow


@pytest.mark.requirement("SEC-8")
def test_a_lockdown_silences_the_alert_too_and_ends_by_itself(facts: dict[str, Any]) -> None:
    lockdown = facts["lockdown"]
    assert facts["release"]["accepted"] == COUNT
    assert lockdown["sounding_before"] == COUNT
    assert lockdown["silent"] == COUNT
    assert lockdown["sounding_after_its_end"] == COUNT
