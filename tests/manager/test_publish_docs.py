"""docs/schedule.md: its example is a schedule, and it names every key there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loa_manager.publish.drafts import prepare
from loa_manager.publish.media import Kept
from loa_manager.publish.rules import Reason, judge
from loa_manager.publish.schedule import load_schedule
from loa_protocol.objects.playlist import BearerKind
from support.province import policy
from support.schedules import MONDAY, facts

PAGE = Path(__file__).parents[2] / "docs" / "schedule.md"


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


def example() -> bytes:
    found = re.search(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1].encode()


def test_the_example_of_the_page_is_a_week_that_the_policy_allows() -> None:
    week = load_schedule(example(), "docs/schedule.md")
    kept = {
        name: Kept(facts(number), Path(name), name, "opus", False)
        for number, name in enumerate(week.files, start=1)
    }
    ready = prepare(week, kept, policy(), position=(1, 1), now_s=MONDAY)
    assert ready.faults == []
    assert ready.playlist is not None
    assert judge(ready.playlist, policy()) == []
    assert len(ready.playlist.sessions) == 10
    morning = [each for each in ready.playlist.items if each.session == 0]
    titles = ["Nhạc hiệu", "Phòng chống rét cho trâu bò", "Bản tin của xã"]
    assert [each.title for each in morning][:3] == titles
    relay = next(each for each in ready.playlist.items if each.title == "Tiếp sóng đài tỉnh")
    assert [bearer.kind for bearer in relay.bearers] == [BearerKind.FM]


def test_the_page_names_every_key_and_every_reason() -> None:
    page = PAGE.read_text()
    source = (PAGE.parents[1] / "manager/loa_manager/publish/reading.py").read_text()
    keys = set(re.findall(r'(?:read|need|_inherited)\((?:fields, )?"(\w+)"', source))
    assert len(keys) > 15
    missing = {
        key for key in keys if f"`{key}`" not in page and f"\n{key} =" not in page.replace("  ", "")
    }
    assert missing <= {"schedule", "session", "item"}, missing
    assert all(str(reason) in page for reason in Reason if reason.is_forbidden)
