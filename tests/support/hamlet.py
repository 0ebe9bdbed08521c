"""A province small enough for a test: a real server, and poles with real agents, all processes.

What people do at desks (founding, signing, provisioning) is called, not typed: the village types
it. What runs on poles and servers runs here as it does there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import hashlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Table, select

from loa_endpoint.host.status_socket import ask
from loa_lab.village.crew import Crew, crew
from loa_lab.village.heard import Recording
from loa_lab.village.ports import free_port
from loa_manager import audit, database, tables
from loa_manager.authority import Authority, Grant, open_device_ca
from loa_manager.bench import Place
from loa_manager.bench_desk import ProvinceDesk
from loa_manager.founding import Plan, found_province
from loa_manager.home import Home
from loa_manager.keyring import Passphrase
from loa_manager.policy_file import preset_policy
from loa_manager.registry.stations import import_stations
from loa_manager.registry.units import import_units
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import PeerError
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.placement import Device, Fitting, Settings
from loa_protocol.objects.playlist import (
    Bearer,
    BearerKind,
    BulletinKind,
    FmWindow,
    Item,
    Media,
    Playlist,
    Session,
    Stream,
)
from loa_protocol.objects.policy import Hours, Policy
from support.bench_lab import Board, provision
from support.passphrases import cheap
from support.province import Person, person
from support.registry import add_clusters, cluster, shipped, source
from support.sound_files import noise, write
from support.waiting import soon

PROVINCE, STATION = "vn/ls", "vn/ls/st0137"
ALWAYS = (Hours(weekdays=127, start_min=0, end_min=1440),)
HEARTBEAT_S = 1
_SMOOTH = 32  # samples: little is left above 1.5 kHz
WITHIN_S = 40.0  # for what takes two seconds on a machine that has nothing else to do
_SECRET = cheap("một hai ba bốn")
_FILE = "passphrase"
_VOICE = Bearer(kind=BearerKind.STREAM, reference=0, cost=1)


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of *length_ms* that sounds *at_ms* after its session's start."""

    id: str
    file: Path
    length_ms: int
    at_ms: int = 0

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.file.read_bytes()).digest()


@dataclass(slots=True)
class Pole:
    """A provisioned board and its agent."""

    scope: str
    home: Path
    wav: Path
    endpoint: bytes
    crew: Crew
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self.scope.rsplit("/", 1)[-1]

    def start(self) -> None:
        """Start the agent and wait until it answers."""
        self.process = self.crew.start(self.name, "loa-endpoint", "run", "--home", self.home)
        soon(self.answers, within_s=WITHIN_S)

    def kill(self) -> None:
        """Take the agent away without a word."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.crew.send_home([self.process])

    def stop(self) -> None:
        """End the agent in order."""
        assert self.process is not None
        self.crew.send_home([self.process])

    def answers(self) -> bool:
        try:
            self.status()
        except PeerError:
            return False
        return True

    def status(self) -> Any:
        return ask(self.home)

    def is_playing(self, piece: Piece) -> bool:
        return bool(self.status()["item"] == piece.id)

    def knows_the_time(self) -> bool:
        return bool(self.status()["time"]["trust"] == "T3")

    def cached(self, piece: Piece) -> Path:
        return self.home / "media" / piece.digest.hex()

    def events(self) -> list[dict[str, Any]]:
        """Return the log of all its runs."""
        lines = self.crew.log(self.name).splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def said(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.events() if each["event"] == event]

    def recording(self) -> Recording:
        """Return what the horn has played so far."""
        note = json.loads(self.wav.with_name(self.wav.name + ".epoch").read_text())
        return Recording.read(self.wav, note["unix_ns"] // 1_000_000)


@dataclass(slots=True)
class Hamlet:
    """The province, its people and its server."""

    folder: Path
    crew: Crew
    poles: int  # registered as c01, c02, ...
    secret: Passphrase = _SECRET
    https: int = field(default_factory=free_port)
    mqtt: int = field(default_factory=free_port)
    authority: Authority = field(init=False)
    people: tuple[Person, Person] = field(init=False)
    server: subprocess.Popen[bytes] | None = None
    _serials: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        now = datetime.now(UTC)
        hosts = ("127.0.0.1",)
        plan = Plan(scope=PROVINCE, is_test=True, hosts=hosts, port=self.https, mqtt_port=self.mqtt)
        found_province(self.home, plan, _SECRET, now)
        (self.folder / _FILE).write_text(_SECRET.secret)
        self.authority = Authority.open(self.home, _SECRET)
        self.people = (
            self.certified("biên tập", Role.EDITOR),
            self.certified("duyệt", Role.APPROVER),
        )
        self.sign_policy(hours=ALWAYS, start_wait_s=3)
        poles = [cluster(f"st0137/c{n:02}", "M20101") for n in range(1, self.poles + 1)]
        with self._engine() as engine, database.writing(engine) as connection:
            import_units(connection, source(shipped("units.csv")))
            import_stations(connection, source(shipped("stations.csv")), province=PROVINCE)
            add_clusters(connection, *poles)

    @property
    def home(self) -> Home:
        return Home(self.folder / "province")

    # --- the server

    def open_server(self) -> None:
        """Start ``loa serve`` and wait until everything answers."""
        seen = self._times_ready()
        self.server = self.crew.start(
            "server", "loa", "serve", "--home", self.home.path, "--host", "127.0.0.1", "--json",
            "--passphrase-file", self.folder / _FILE,
        )  # fmt: skip
        soon(lambda: self._times_ready() > seen, within_s=WITHIN_S)

    def kill_server(self) -> None:
        """Take server and broker away without a word."""
        assert self.server is not None
        self.server.send_signal(signal.SIGKILL)
        self.crew.send_home([self.server])

    def _times_ready(self) -> int:
        log = self.crew.logs / "server.log"
        return log.read_text().count('"event": "ready"') if log.exists() else 0

    # --- the desks

    def sign_policy(self, scope: str = PROVINCE, **changes: Any) -> None:
        """Sign the province's policy, or one of a smaller scope, with *changes*."""
        now = datetime.now(UTC)
        usual = {"sessions_per_day": 24, "minutes_per_session": 60, "hours": ALWAYS}
        policy: Policy = dataclasses.replace(
            preset_policy("rural", scope, now), **{**usual, **changes}
        )
        self.authority.sign_policy(policy, now)

    def pole(self, cluster: str, *fittings: Fitting) -> Pole:
        """Provision a blank board for *cluster* (``c01``); its agent does not run yet."""
        scope, home = f"{STATION}/{cluster}", self.folder / cluster
        wav = self.folder / f"{cluster}.wav"
        sound = Fitting(device=Device.SOUND_OUT, port=f"wav:{wav}", option=0)
        self.sign_settings(scope, fittings=(sound, *fittings), heartbeat_s=HEARTBEAT_S)
        home.mkdir()
        board = Board(home)
        with self._engine() as engine:
            desk = ProvinceDesk(
                home=self.home,
                signing=self.authority,
                ca=open_device_ca(self.home, self.secret),
                engine=engine,
                who=getpass.getuser(),
                port="bench",
                clock=lambda: datetime.now(UTC),
            )
            done, _steps = provision(board.ask, desk, Place(cluster=scope, village="Bản Thử"))
        board.close()
        return Pole(scope, home, wav, bytes.fromhex(done.endpoint), self.crew)

    def sign_settings(self, scope: str, **changes: Any) -> None:
        data = self.home.settings_for(scope)
        assert data is not None
        settings = Settings.from_bytes(Bundle.from_bytes(data).payload)
        draft = dataclasses.replace(settings, scope=scope, **changes)
        self.authority.sign_settings(draft, datetime.now(UTC))

    def publish(
        self,
        pole: Pole,
        pieces: Sequence[Piece],
        *,
        start_s: int,
        fm_windows: tuple[FmWindow, ...] = (),
        is_live: bool = False,
        stream: str | None = None,
    ) -> Playlist:
        """Sign a session of *pieces* at *start_s* by two people and put it into the tree.

        What *is_live* are live slots, behind whose voice the pieces stand; or they stand behind an
        unsigned *stream*.
        """
        serial = self._serials[pole.scope] = self._serials.get(pole.scope, 0) + 1
        schedule = dataclasses.replace(
            _playlist(pole.scope, serial, pieces, start_s), fm_windows=fm_windows
        )
        if is_live or stream is not None:
            first = _VOICE if is_live else dataclasses.replace(_VOICE, reference=1)
            slots = tuple(
                dataclasses.replace(each, bearers=(first, *each.bearers)) for each in schedule.items
            )
            streams = None if stream is None else (Stream(url=stream),)
            schedule = dataclasses.replace(schedule, items=slots, streams=streams)
        chains = [certificate for each in self.people for certificate in each.chain]
        signers = [each.signer for each in self.people]
        data = sign_bundle(Kind.PLAYLIST, schedule.to_bytes(), signers, certificates=chains)
        tree = self.home.content
        for piece in pieces:
            tree.put_media(piece.file)
        tree.set_playlist(pole.scope, schedule.epoch, serial, tree.put_object(data))
        return schedule

    # --- the books

    def rows(self, table: Table, pole: Pole) -> list[Any]:
        """Return what *pole* has told, oldest first."""
        query = select(table).where(table.c.endpoint == pole.endpoint.hex())
        with self._engine() as engine, database.reading(engine) as connection:
            return list(connection.execute(query.order_by(table.c.epoch, table.c.sequence)))

    def plays(self, pole: Pole) -> list[Any]:
        return self.rows(tables.play, pole)

    def ended(self, pole: Pole, count: int, *, within_s: float = WITHIN_S) -> list[Any]:
        """Wait until *count* plays of *pole* have come to the books with their ends."""

        def is_told() -> bool:
            plays = self.plays(pole)
            return len(plays) >= count and all(play.outcome is not None for play in plays)

        soon(is_told, within_s=within_s)
        return self.plays(pole)

    def happenings(self, pole: Pole) -> list[str]:
        return [row.name for row in self.rows(tables.event, pole)]

    def refusals(self, pole: Pole) -> list[tuple[str, str]]:
        return [(row.what, row.reason) for row in self.rows(tables.refusal, pole)]

    def is_chain_whole(self) -> bool:
        """Tell whether every record that was ever taken follows on the one before."""
        with self._engine() as engine, database.reading(engine) as connection:
            gaps = select(tables.audit).where(tables.audit.c.what.like("chain%"))
            lost = connection.execute(gaps).all(), connection.execute(select(tables.unplaced)).all()
            return not any(lost) and audit.verify(connection).broken is None

    @contextlib.contextmanager
    def _engine(self) -> Iterator[Any]:
        engine = database.open(self.home.database_url)
        try:
            yield engine
        finally:
            engine.dispose()

    def certified(self, holder: str, role: Role) -> Person:
        who = person(holder)
        grant = Grant(scopes=(STATION,), roles=(role,), level=Level.COMMUNE)
        own = self.authority.issue(who.signer.public, holder, grant, datetime.now(UTC))
        above = [each for officer in self.authority.officers for each in officer.chain]
        who.chain = (*dict.fromkeys(above), own)
        return who


@contextlib.contextmanager
def hamlet(folder: Path, *, poles: int = 10) -> Iterator[Hamlet]:
    """Give a hamlet with its server; every process ends with the block."""
    with crew(folder / "logs", "en") as people:
        here = Hamlet(folder, people, poles)
        here.open_server()
        yield here


def make_piece(folder: Path, id_: str, seconds: int, *, at_ms: int = 0) -> Piece:
    """Make a file of rumble, in which every place differs from every other and none is silent.

    White noise would be hiss to the pole's own ears.
    """
    seed = int.from_bytes(hashlib.sha256(id_.encode()).digest()[:4])
    rough = noise(seconds, seed=seed)
    smooth = np.convolve(rough, np.full(_SMOOTH, 4 / _SMOOTH), mode="same").astype(np.float32)
    file = write(folder / f"{id_}.flac", smooth)
    return Piece(id_, file, seconds * 1000, at_ms)


def soon_s(lead_s: float = 4.0) -> int:
    """Return the first whole second that leaves *lead_s* to fetch what is published now."""
    return int(time.time() + lead_s) + 1


def _playlist(scope: str, serial: int, pieces: Sequence[Piece], start_s: int) -> Playlist:
    media: dict[bytes, Media] = {}
    for piece in pieces:
        media[piece.digest] = Media(
            sha256=piece.digest,
            size=piece.file.stat().st_size,
            duration_ms=piece.length_ms,
            gain_cdb=0,
            loudness_clufs=-2300,
        )
    references = {digest: number for number, digest in enumerate(media)}
    length_s = -(-max(piece.at_ms + piece.length_ms for piece in pieces) // 1000)
    return Playlist(
        scope=scope,
        epoch=1,
        serial=serial,
        not_before=start_s - 3600,
        expires=start_s + 86_400,
        media=tuple(media.values()),
        sessions=(Session(id=f"s{serial}", start=start_s, duration_s=length_s, volume=15),),
        items=tuple(
            Item(
                id=piece.id,
                session=0,
                title=piece.id,
                kind=BulletinKind.NORMAL,
                level=Level.COMMUNE,
                language="vi",
                category="thông báo",
                offset_ms=piece.at_ms,
                duration_ms=piece.length_ms,
                bearers=(
                    Bearer(kind=BearerKind.MEDIA, reference=references[piece.digest], cost=10),
                ),
                expected_silence=(),
            )
            for piece in pieces
        ),
        fm_windows=(),
    )
