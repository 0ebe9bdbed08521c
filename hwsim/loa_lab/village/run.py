"""Run the village from a blank board to a line in the report, and leave the evidence behind."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from loa_lab.village import plan as script
from loa_lab.village import story
from loa_lab.village.alarm import Alarm, Given
from loa_lab.village.crew import crew
from loa_lab.village.narrator import Narrator
from loa_lab.village.obeyed import orders_summary
from loa_lab.village.outcome import SWITCHES, Cluster, read_clusters
from loa_lab.village.scene import Village
from loa_lab.village.timeline import page
from loa_lab.village.watch import prepare, siren_file
from loa_manager.home import Home
from loa_protocol.errors import ConfigError
from loa_protocol.language import language, translator

_ = translator("loa_lab")

ALERT_MS = 4_000  # after the first sound: the tone then begins in the bulletin
_TAIL_MS = 2_000


def run_village(out: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Tell the whole story in *out* and return what ``summary.json`` says.

    Raises:
        ConfigError: *out* holds something else than an earlier village.
        PeerError: a command of the story failed, or something did not come in time.
    """
    began = time.monotonic()
    _clear(out)
    (out / "loudspeakers").mkdir(parents=True)
    with crew(out / "village" / "logs", language()) as people:
        village = Village(out=out, crew=people, say=say)
        given = _play(village)
        statuses = story.wait_until_everything_arrived(village)
        reports = story.write_reports(village)
        say(_("the agents end in order"))
        people.send_home(list(village.agents.values()))
    clusters = _read(village, statuses)
    seconds = round(time.monotonic() - began, 1)
    return _write(village, clusters, reports, given, seconds=seconds)


def _play(village: Village) -> Given:
    story.found_province(village)
    evening = story.pieces()
    with ThreadPoolExecutor(1) as helper:
        watching = helper.submit(prepare, village)  # beside the boards, which wait for wires
        story.open_server(village)
        story.provision(village)
        earlier = story.publish_earlier(village, evening)
        unapproved = story.draft_unapproved(village, evening)
        watch = watching.result()
    with story.altered_media(village, evening[-1]):
        story.publish_evening(village, evening, watch.siren)
    story.raise_poles(village)
    plan = village.plan
    assert plan is not None  # it was published just now
    narrator = Narrator(Home.open(village.province).database_url, village.say, _titles(evening))
    attacker = story.open_attacker(village)
    alarm = Alarm(village=village, watch=watch, attacker=attacker, narrator=narrator)
    narrator.until((plan.start_ms + ALERT_MS) / 1000)
    alarm.sound()
    story.attack(village, attacker, unapproved, earlier, narrator)
    alarm.follow()
    alarm.forge()
    narrator.until((plan.fm_piece_ms + script.HOLD_MS) / 1000)
    alarm.silence()
    narrator.until((plan.allowed_end_ms + _TAIL_MS) / 1000)
    return alarm.given


def _clear(out: Path) -> None:
    """Make room for a new village; never remove what is none."""
    if out.exists() and any(out.iterdir()):
        if not (out / "village").is_dir():
            raise ConfigError(
                str(out), [_("is not empty, and no earlier village; name another folder")]
            )
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)


def _read(village: Village, statuses: dict[str, dict[str, Any]]) -> list[Cluster]:
    recordings, counts = {}, {}
    for cluster, status in statuses.items():
        scope = f"{script.STATION}/{cluster}"
        recordings[scope] = (village.recording(cluster), status["sound"]["epoch_unix_ms"])
        made = status["records"]["made"]
        counts[scope] = (made, made - status["records"]["unsent"])
    return read_clusters(Home.open(village.province).database_url, recordings, counts)


def _write(
    village: Village,
    clusters: list[Cluster],
    report: dict[str, int],
    given: Given,
    *,
    seconds: float,
) -> dict[str, Any]:
    plan = village.plan
    assert plan is not None  # the story is over
    summary = {
        "endpoints": [cluster.summary() for cluster in clusters],
        "refused": [
            {"cluster": cluster.cluster, **{key: each[key] for key in ("what", "reason")}}
            for cluster in clusters
            for each in cluster.refused
        ],
        "orders": orders_summary(
            given, clusters, siren_file(village), from_ms=plan.start_ms, to_ms=plan.allowed_end_ms
        ),
        "report": report,
        "seconds": seconds,
    }
    text = json.dumps(summary, ensure_ascii=False, indent=1)
    (village.out / "summary.json").write_text(text + "\n", encoding="utf-8")
    lines = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in _switches(clusters))
    (village.out / "switches.jsonl").write_text(lines, encoding="utf-8")
    lost = plan.fm_piece_ms + script.CARRIER_LOST_MS
    html = page(
        clusters,
        from_ms=plan.start_ms - 3000,
        to_ms=plan.allowed_end_ms + _TAIL_MS,
        lost=(lost, lost + script.CARRIER_AWAY_MS),
        titles={
            play["item"]: title
            for cluster in clusters
            for play in cluster.plays
            for name, title in _titles(plan.pieces).items()
            if play["item"].endswith(name)
        }
        | {given.alert: _("siren")},
    )
    (village.out / "timeline.html").write_text(html, encoding="utf-8")
    return summary


def _switches(clusters: Iterable[Cluster]) -> list[dict[str, Any]]:
    found = [
        {"cluster": cluster.cluster, **event}
        for cluster in clusters
        for event in cluster.events
        if event["name"] in SWITCHES
    ]
    return sorted(found, key=lambda each: int(each["at"]))


def _titles(pieces: Iterable[script.Piece]) -> dict[str, str]:
    return {piece.file: piece.title for piece in pieces}
