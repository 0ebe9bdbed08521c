"""Fuzz target: a schedule's text, read, laid out, composed and judged."""

from __future__ import annotations

from loa_manager.publish.drafts import prepare
from loa_manager.publish.media import Kept
from loa_manager.publish.rules import judge
from loa_manager.publish.schedule import parse_schedule
from loa_protocol.objects.playlist import Playlist
from support.province import policy
from support.schedules import facts


def fuzz(data: bytes) -> None:
    """Read *data*; faults are values, so nothing at all may come out as an exception."""
    schedule, faults = parse_schedule(data)
    assert all(fault.text and fault.place for fault in faults) or not faults
    if schedule is None:
        assert faults
        return
    kept = {
        name: Kept(facts(number % 255 + 1), None, name, "opus", False)  # type: ignore[arg-type]  # no file is read here
        for number, name in enumerate(schedule.files)
    }
    prepared = prepare(schedule, kept, policy(), position=(1, 1), now_s=0)
    if prepared.playlist is not None and not prepared.faults:
        judge(prepared.playlist, policy())
        assert Playlist.from_bytes(prepared.playlist.to_bytes()) == prepared.playlist
