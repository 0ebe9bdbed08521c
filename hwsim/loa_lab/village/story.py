"""The story of the village: every step a command that a person could type."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from loa_lab.village import plan as script
from loa_lab.village.attacker import Attacker
from loa_lab.village.crew import wait_for
from loa_lab.village.narrator import Narrator
from loa_lab.village.people import APPROVER, EDITOR, hand_out_rules, make_person
from loa_lab.village.plan import CLUSTERS, Piece, Plan
from loa_lab.village.scene import PASSPHRASE, Village
from loa_manager.content_tree import ContentTree
from loa_manager.home import Home
from loa_manager.keyring import Passphrase
from loa_manager.serve.key_folder import ServerKeys
from loa_protocol.envelope import Bundle
from loa_protocol.language import translator
from loa_protocol.objects.playlist import Playlist
from loa_sound.decoder import decode
from loa_sound.measure import measure_file

_ = translator("loa_lab")

_LEAD_S = 8.0  # from the published schedule to its first sound, for the boards to fetch it
_SETTLE_S = 20.0
ATTACK_MOST_S = 12.0  # the boards look within two seconds of a new head


def found_province(village: Village) -> None:
    """Make the province, its people's keys, its registry and policy."""
    crew, home = village.crew, village.province
    village.work.mkdir(parents=True, exist_ok=True)
    (village.work / "passphrase").write_text(PASSPHRASE + "\n", encoding="utf-8")
    address = (
        "--host",
        "127.0.0.1",
        "--port",
        str(village.https),
        "--mqtt-port",
        str(village.mqtt),
    )
    made = crew.facts(
        "loa", "init", "--home", home, "--province", script.PROVINCE, "--test", *address,
        *village.passphrase,
    )  # fmt: skip
    village.say(_("province {scope} made, root {root}").format(
        scope=script.PROVINCE, root=made["root"]))  # fmt: skip
    with ThreadPoolExecutor(2) as pool:  # most of each command is its start
        list(pool.map(lambda each: make_person(village, each), (EDITOR, APPROVER)))
    village.say(_("editor and approver have keys of their own, certified by two officers"))
    registry = resources.files("loa_lab") / "material" / "registry"
    with resources.as_file(registry) as folder:
        for kind in ("unit", "station", "cluster"):
            crew.run("loa", kind, "import", "--home", home, folder / f"{kind}s.csv")
    village.say(_("registry: one station, two villages, three clusters"))


def open_server(village: Village) -> None:
    """Start the server and wait until everything answers."""
    process = village.crew.start(
        "server", "captured", "serve", "--home", village.province, "--host", "127.0.0.1", "--json",
        *village.passphrase,
    )  # fmt: skip

    def answers() -> bool:
        village.crew.check("server", process)
        return '"event": "ready"' in village.crew.log("server")

    wait_for("loa serve", answers, 30)
    village.say(_("server: broker, content, enrolment and ingest answer, TLS 1.3"))


def provision(village: Village) -> None:
    """Sign each cluster's settings, put three blank boards on the bench, provision them."""
    for cluster in CLUSTERS:
        board, heard = village.work / "boards" / cluster, village.recording(cluster)
        settings = village.work / f"{cluster}.toml"
        settings.write_text(script.settings_toml(cluster, board, heard), encoding="utf-8")
        village.crew.run(
            "loa", "settings", "sign", "--home", village.province, settings, *village.passphrase
        )
        bench = village.work / "bench" / cluster
        village.crew.start(f"cable-{cluster}", "loa-sim", "cable", "--dir", bench)
        village.start_agent(cluster)
    for cluster in CLUSTERS:
        port = village.work / "bench" / cluster / "technician"
        wait_for(str(port), port.exists, 10)
        facts = village.crew.facts(
            "loa", "provision", "--home", village.province, "--port", port, "--cluster",
            f"st0137/{cluster}", "--yes", *village.passphrase,
        )  # fmt: skip
        village.endpoints[cluster] = bytes.fromhex(facts["endpoint"])
        village.say(_("{cluster}: board provisioned over the serial line").format(cluster=cluster))


def pieces() -> tuple[Piece, ...]:
    """Return the evening's items with the lengths of their files."""
    table = (
        Piece(file="nhac-hieu", title="Nhạc hiệu", length_ms=0),
        Piece(file="thong-bao", title="Thông báo vệ sinh đường làng", length_ms=0),
        Piece(file="thoi-tiet", title="Thời tiết và mùa vụ", length_ms=0, by_fm=True),
        Piece(file="dan-ca", title="Dân ca", length_ms=0, by_fm=True, language="tyz"),
        Piece(file=script.FORBIDDEN, title="Nhạc đêm (quy chế cấm)", length_ms=0),
    )
    return tuple(_with_length(piece) for piece in table)


def _with_length(piece: Piece) -> Piece:
    with resources.as_file(_sound(piece)) as path:
        length = measure_file(path).duration_ms
    return Piece(**{**_fields(piece), "length_ms": length})


def _fields(piece: Piece) -> dict[str, Any]:
    return {name: getattr(piece, name) for name in Piece.__slots__}


def _sound(piece: Piece) -> Any:  # noqa: ANN401 - a Traversable
    return resources.files("loa_lab") / "material" / "sound" / f"{piece.file}.opus"


def publish_earlier(village: Village, evening: tuple[Piece, ...]) -> bytes:
    """Publish the week before's playlist; return it, for the attacker remembers it."""
    began = time.monotonic()
    hand_out_rules(village, EDITOR, APPROVER)
    text = script.earlier_toml(datetime.now(UTC), evening[0])
    draft = _draft(village, "earlier", text, evening[:1])
    _sign(village, draft, "editor")
    _sign(village, draft, "approver")
    village.crew.run("loa", "playlist", "publish", "--home", village.province, draft, "--yes")
    village.publishing_s = time.monotonic() - began
    return draft.read_bytes()


def draft_unapproved(village: Village, evening: tuple[Piece, ...]) -> bytes:
    """Return what the editor signed and nobody approved, as it lies on the editor's desk."""
    text = script.earlier_toml(datetime.now(UTC), evening[1])
    draft = _draft(village, "unapproved", text, evening[1:2])
    _sign(village, draft, "editor")
    return draft.read_bytes()


def publish_evening(village: Village, evening: tuple[Piece, ...], siren: bytes) -> None:
    """Choose the start, write the schedule, have it signed by two people, publish it.

    The policy of the evening still lists the hash *siren*.
    """
    lead_s = _LEAD_S + 1.5 * village.publishing_s
    plan = Plan(start_ms=int(time.time() + lead_s) * 1000, pieces=evening)
    village.plan = plan
    policy = village.work / "policy.toml"
    policy.write_text(script.policy_toml(plan, siren), encoding="utf-8")
    village.crew.run(
        "loa", "policy", "sign", "--home", village.province, policy, *village.passphrase
    )
    hand_out_rules(village, EDITOR, APPROVER)
    draft = _draft(village, "evening", script.schedule_toml(plan), evening)
    _sign(village, draft, "editor")
    _sign(village, draft, "approver")
    village.crew.run("loa", "playlist", "publish", "--home", village.province, draft, "--yes")
    village.say(_("the evening's schedule is signed by two people and published"))


def _draft(village: Village, name: str, text: str, used: tuple[Piece, ...]) -> Path:
    folder = village.work / name
    folder.mkdir()
    for piece in used:
        with resources.as_file(_sound(piece)) as path:
            shutil.copy(path, folder)
    (folder / "week.toml").write_text(text, encoding="utf-8")
    draft = folder / "week.draft"
    home = village.work / "editor"
    village.crew.run("loa", "playlist", "draft", "--home", home, folder / "week.toml", "-o", draft)
    return draft


def _sign(village: Village, draft: Path, role: str) -> None:
    village.crew.run(
        "loa", "playlist", "sign", "--home", village.work / role, draft, "--as", role, "--yes",
        "--allow-forbidden", *village.passphrase,
    )  # fmt: skip


def raise_poles(village: Village) -> None:
    """Put amplifier, tuner, line board and the air around each board."""
    plan = village.plan
    assert plan is not None
    air = village.work / "air"
    air.mkdir()
    for piece in plan.pieces:
        if piece.by_fm:
            _write_air(piece, air / f"{piece.file}.wav")
    (air / "air.toml").write_text(script.air_toml(plan, air), encoding="utf-8")
    for cluster in CLUSTERS:
        faults = village.work / f"{cluster}.faults.toml"
        faults.write_text(script.faults_toml(plan, cluster), encoding="utf-8")
        village.crew.start(
            f"board-{cluster}", "loa-sim", "board", "--dir", village.work / "boards" / cluster,
            "--air", air / "air.toml", "--hears", village.recording(cluster), "--faults", faults,
        )  # fmt: skip


def _write_air(piece: Piece, path: Path) -> None:
    """Write what the transmitter sends: the item at -23 LUFS, as the studio feeds it."""
    with resources.as_file(_sound(piece)) as source:
        gain = 10 ** ((-23.0 - (measure_file(source).integrated_lufs or -23.0)) / 20)
        sound = np.concatenate(list(decode(source)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes((np.clip(sound * gain, -1, 1) * 32_767).astype("<i2").tobytes())


@contextmanager
def altered_media(village: Village, piece: Piece) -> Iterator[None]:
    """Let the attacker change one media file of the evening while it is being published."""
    stop = threading.Event()
    attacker = open_attacker(village)
    with ThreadPoolExecutor(1) as pool:
        # the file is published as it is: Opus needs no transcoding
        future = pool.submit(attacker.alter_as_it_appears, _sha256(piece), stop)
        try:
            yield
        finally:
            stop.set()
            future.result()


def attack(
    village: Village,
    attacker: Attacker,
    unapproved: bytes,
    earlier: bytes,
    narrator: Narrator,
) -> None:
    """Try to make a loudspeaker speak by a schedule that nobody approved."""
    genuine = _genuine(village)
    offers = (
        (_("a playlist with one signature"), unapproved),
        (_("last week's playlist"), earlier),
        (_("a playlist by certificates of no province"), attacker.forger.playlist(genuine)),
    )
    undo: Callable[[], None] | None = None
    for number, (what, bundle) in enumerate(offers, start=1):
        village.say(_("attacker, who owns the server: {what}").format(what=what))
        again = attacker.offer(bundle, serial=genuine.serial + number)
        undo = undo or again
        digest = Bundle.from_bytes(bundle).digest
        narrator.until_refused(len(village.endpoints), digest, within_s=ATTACK_MOST_S)
    if undo is not None:
        undo()


def open_attacker(village: Village) -> Attacker:
    """Give somebody everything that the server has."""
    home = Home.open(village.province)
    keys = ServerKeys.open(home, Passphrase(PASSPHRASE))
    return Attacker(ContentTree(village.province / "content"), keys, village.mqtt)


def _genuine(village: Village) -> Playlist:
    tree = ContentTree(village.province / "content")
    leaf = next(leaf for leaf in tree.leaves() if leaf.scope == script.STATION)
    return Playlist.from_bytes(Bundle.from_bytes(tree.object(leaf.digest)).payload)


def _sha256(piece: Piece) -> bytes:
    with resources.as_file(_sound(piece)) as path:
        return hashlib.sha256(path.read_bytes()).digest()


def statuses(village: Village) -> dict[str, dict[str, Any]]:
    """Ask each agent how it is."""
    return {
        cluster: json.loads(
            village.crew.run("loa-endpoint", "status", "--home", village.work / cluster, "--json")
        )
        for cluster in CLUSTERS
    }


def wait_until_everything_arrived(village: Village) -> dict[str, dict[str, Any]]:
    """Wait until the server has receipted every record; return the last statuses."""
    last: dict[str, dict[str, Any]] = {}

    def is_empty() -> bool:
        last.update(statuses(village))
        return all(each["records"]["unsent"] == 0 for each in last.values())

    wait_for(_("records on their way"), is_empty, _SETTLE_S)
    return last


def write_reports(village: Village) -> dict[str, int]:
    """Ask what the province asks: status, health, and the programme's report."""
    home = ("--home", village.province)
    village.say(village.crew.run("loa", "status", *home).rstrip())
    year = datetime.now(script.ZONE).year  # the programme of 2026-2035 has a template
    period = ("--period", f"2026-01-01..{year}-12-31")
    figures: dict[str, int] = {}
    for form in ("xlsx", "csv", "json"):
        output = village.out / f"report.{form}"
        village.crew.run(
            "loa", "report", "station-status", *home, *period, "--format", form, "--explain",
            "--output", output,
        )  # fmt: skip
        if form == "json":
            found = json.loads(output.read_text(encoding="utf-8-sig"))["figures"]
            figures = {key: found[key] for key in ("installed", "reachable", "verified_sounding")}
            output.unlink()
    text = _("report: {installed} installed, {reachable} reachable, {verified_sounding} verified")
    village.say(text.format(**figures))
    return figures
