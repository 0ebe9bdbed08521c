"""The sound of an order goes to the server with it, whoever's machine it is given from."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loa_manager import media_upload
from loa_manager.cli.main import run
from loa_manager.content_tree import ContentTree
from loa_manager.home import Home
from loa_manager.keyring import Identity, load_signer
from loa_manager.mailbox.parts import OffsetError, append_portion, received
from loa_manager.orders import book
from loa_manager.orders.arrivals import Arrivals, FullError, Room
from loa_manager.orders.paper import Paper, open_paper, read_paper
from loa_manager.service_client import ServiceClient
from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.errors import RefusedError
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.playlist import Media
from support import mail_lab, orders
from support.mail_lab import MailLab
from support.order_homes import STATION, make_homes
from support.schedules import write_tone
from support.serve_process import PASSPHRASE

ALERT = ("--scope", STATION, "--title", "Báo động", "--reason", "Lũ", "--expires", "30m", "--yes")
DAY_S = 86_400


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no sound fit into an order, and every sound take several portions."""
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])
    monkeypatch.setattr("loa_manager.orders.sound.MAX_SOUND", 100)
    monkeypatch.setattr(media_upload, "PORTION", 1500)
    monkeypatch.setattr(mail_lab, "SECRET", PASSPHRASE)


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_homes(tmp_path_factory.mktemp("homes"), {"hung": ("alert",), "lan": ("alert",)})


@pytest.fixture
def homes(founded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(founded, tmp_path / "homes")
    write_tone(tmp_path / "homes" / "speech.wav", 2, level_db=-12)
    monkeypatch.chdir(tmp_path / "homes")
    return tmp_path / "homes"


@pytest.fixture
def lab(homes: Path) -> Iterator[MailLab]:
    with MailLab(homes).running() as lab:
        yield lab


@pytest.fixture
def loa(lab: MailLab, homes: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return ``loa ... --json`` at a person's home, asking the server."""

    def call(home: str, *arguments: str) -> tuple[int, Any]:
        word = ("--passphrase-file", f"{homes}/secret", "--server", lab.address, "--json")
        capsys.readouterr()
        code = run([*arguments, "--home", f"{homes}/{home}", *word])
        out, err = capsys.readouterr()
        return code, json.loads(err.splitlines()[0] if code else out)

    return call


def listed(homes: Path) -> list[Any]:
    return [each.paper.body for each in book.listed(Home(homes / "ls"))]


def place_of(homes: Path, media: Media) -> Path:
    return Home(homes / "ls").content.media_path(media.sha256)


@pytest.mark.requirement("MSG-4", "SEC-7")
def test_an_alert_from_a_warden_s_home_brings_its_sound_along(homes: Path, loa: Any) -> None:
    code, (row,) = loa("hung", "alert", "send", *ALERT, "--media", "siren.wav")
    assert (code, row["state"]) == (0, "given")
    (body,) = listed(homes)
    assert isinstance(body, Alert)
    assert body.sound is None
    assert body.media is not None
    assert place_of(homes, body.media).stat().st_size == body.media.size > 1500
    assert body.speech_ms == 0  # the instant would be over before the sound is there
    assert not list((homes / "ls" / "arrivals").glob("*/*"))
    code, (row,) = loa("hung", "alert", "send", *ALERT, "--media", "siren.wav")
    assert (code, row["state"]) == (0, "given")
    assert listed(homes)[1].speech_ms == (listed(homes)[1].start + 4) * 1000  # it is there


@pytest.mark.requirement("MSG-4")
def test_the_second_holder_brings_the_sound_that_lies_beside_the_order(
    homes: Path, loa: Any
) -> None:
    code, (row,) = loa("hung", "alert", "send", *ALERT, "--media", "speech.wav", "-o", "b.order")
    assert (code, row["state"]) == (0, "half_signed")
    (homes / "desk").mkdir()
    shutil.copy("b.order", "desk/b.order")  # and forgets the folder media
    code, error = loa("lan", "alert", "sign", "desk/b.order", "--yes")
    assert (code, error["reason"]) == (5, "media_missing")
    assert "put it beside the order file" in error["detail"]
    assert not listed(homes)
    shutil.copytree("media", "desk/media")
    code, (row,) = loa("lan", "order", "publish", "desk/b.order", "--yes")
    assert (code, row["state"]) == (0, "given")
    assert len(listed(homes)) == 1
    for sound in (homes / "ls" / "content" / "media").iterdir():
        sound.unlink()
    shutil.rmtree("desk/media")
    shutil.copytree(homes / "hung" / "media", homes / "lan" / "media")  # kept at home will do, too
    assert loa("lan", "order", "publish", "desk/b.order", "--yes")[0] == 0
    assert place_of(homes, read_paper(homes / "b.order").media[0]).is_file()


@pytest.fixture
def waiting(homes: Path, loa: Any) -> Paper:
    """Return an order that waits at the server for the sound that Hung sends."""
    loa("hung", "alert", "send", *ALERT, "--media", "siren.wav", "-o", "a.order")
    paper = read_paper(homes / "a.order")
    shutil.move("media", "away")
    shutil.rmtree(homes / "hung" / "media")
    assert loa("hung", "order", "publish", "a.order", "--yes")[1]["reason"] == "media_missing"
    return paper


def identity(homes: Path, name: str) -> Identity:
    return load_signer(Home(homes / name).own_keys / "alert", PASSPHRASE)


def client(lab: MailLab, name: str) -> ServiceClient:
    made = ServiceClient(lab.home(name), identity(lab.folder, name), lab.address)
    lab.clients.append(made)
    return made


def refused(asker: ServiceClient, target: str, body: bytes = b"") -> str:
    with pytest.raises(RefusedError) as error:
        asker.call("POST", target, body)
    return error.value.code


@pytest.mark.requirement("SEC-7")
def test_only_who_gave_the_order_sends_its_sound_and_only_what_was_signed(
    homes: Path, lab: MailLab, waiting: Paper
) -> None:
    (media,) = waiting.media
    data = (homes / "away" / media.sha256.hex()).read_bytes()
    digest, sha = waiting.bundle.digest.hex(), media.sha256.hex()
    target = f"/orders/{digest}/media/{sha}"
    hung, lan = client(lab, "hung"), client(lab, "lan")
    assert refused(lan, f"{target}/0", data) == "not_here"
    assert refused(hung, f"/orders/{digest}/media/{'0' * 64}/0", data) == "not_here"
    assert refused(hung, f"/orders/{digest}/media/{'x' * 64}/0", data) == "not_here"
    assert refused(hung, f"/orders/{'0' * 64}/media/{sha}/0", data) == "not_here"
    assert refused(hung, f"{target}/7", data) == "offset"
    assert refused(hung, f"{target}/0", data + b"x") == "offset"
    assert refused(hung, f"{target}/0", b"x" * media.size) == "media_hash"
    assert hung.call("POST", f"{target}/0").json() == {"received": 0, "size": media.size}
    hung.call("POST", f"{target}/0", data[:1000])
    assert hung.call("POST", f"{target}/0").json()["received"] == 1000
    assert refused(hung, "/orders", waiting.data) == "media_missing"  # half of it is not enough
    assert hung.call("POST", f"{target}/1000", data[1000:]).json()["received"] == media.size
    assert not listed(homes)  # only the order itself puts it into force
    hung.call("POST", "/orders", waiting.data)
    assert len(listed(homes)) == 1
    assert place_of(homes, media).read_bytes() == data


@pytest.mark.requirement("SEC-7")
def test_an_order_that_boards_would_refuse_opens_no_place_for_sound(
    homes: Path, lab: MailLab, loa: Any
) -> None:
    loa("hung", "alert", "send", *ALERT, "--media", "speech.wav", "-o", "b.order")  # half signed
    half = read_paper(homes / "b.order")
    hung = client(lab, "hung")
    assert refused(hung, "/orders", half.data) == "threshold"
    target = f"/orders/{half.bundle.digest.hex()}/media/{half.media[0].sha256.hex()}/0"
    assert refused(hung, target, b"x") == "not_here"
    assert not (homes / "ls" / "arrivals").exists()


# --- the room for what waits


def paper_of(size: int) -> Paper:
    """Return an alert whose sound has *size* bytes; nobody judges it here."""
    body = orders.alert(media=replace(orders.SIREN, size=size))
    return open_paper(sign_bundle(Kind.ALERT, body.to_bytes(), []))


def arrivals(folder: Path, **room: int) -> Arrivals:
    return Arrivals(folder / "arrivals", ContentTree(folder / "content"), Room(**room))


def test_one_key_s_orders_and_bytes_are_counted_and_another_s_are_not(tmp_path: Path) -> None:
    box, now_s = arrivals(tmp_path, orders=2, media=3000), int(time.time())
    first = paper_of(1000)
    for paper in (first, first, paper_of(1000)):  # the same one again takes no room
        box.wait(paper, b"hung", now_s)
    with pytest.raises(FullError):
        box.wait(paper_of(1), b"hung", now_s)
    box.drop(b"hung", first.bundle.digest)
    with pytest.raises(FullError):
        box.wait(paper_of(2001), b"hung", now_s)
    box.wait(paper_of(2000), b"hung", now_s)
    box.wait(paper_of(3000), b"lan", now_s)


def test_what_was_refused_for_want_of_room_leaves_nothing(tmp_path: Path) -> None:
    box, paper = arrivals(tmp_path, free=1 << 60), paper_of(10)
    with pytest.raises(FullError):
        box.wait(paper, b"hung", 0)
    assert box.find(b"hung", paper.bundle.digest) is None
    assert not list((tmp_path / "arrivals").glob("*/*"))


def test_an_order_whose_sound_never_came_is_forgotten_after_a_day(tmp_path: Path) -> None:
    box, now_s, paper = arrivals(tmp_path), int(time.time()), paper_of(10)
    box.wait(paper, b"hung", now_s)
    box.wait(paper_of(10), b"lan", now_s + DAY_S - 60)
    assert box.find(b"hung", paper.bundle.digest) is not None
    box.wait(paper_of(10), b"lan", now_s + DAY_S + 60)
    assert box.find(b"hung", paper.bundle.digest) is None


def test_what_a_crash_has_torn_is_thrown_away(tmp_path: Path) -> None:
    box, paper = arrivals(tmp_path, orders=1), paper_of(10)
    box.wait(paper, b"hung", int(time.time()))
    (torn,) = (tmp_path / "arrivals").glob("*/*/order")
    torn.write_bytes(paper.data[:50])
    box.wait(paper_of(20), b"hung", int(time.time()))
    assert not torn.exists()


@settings(max_examples=40)
@given(
    data=st.binary(min_size=1, max_size=60),
    cuts=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12),
)
def test_portions_in_any_order_make_the_file_or_nothing(
    data: bytes, cuts: list[tuple[int, int]]
) -> None:
    media = replace(orders.SIREN, sha256=hashlib.sha256(data).digest(), size=len(data))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for start, length in [*cuts, *((at, 7) for at in range(0, len(data), 7))]:
            there = received(folder, media)
            with contextlib.suppress(OffsetError):
                done = append_portion(folder, media, start, data[start : start + length], there)
                assert done >= there
        if received(folder, media) == media.size:
            assert (folder / media.sha256.hex()).read_bytes() == data
        else:
            part = folder / f"{media.sha256.hex()}.part"
            assert data.startswith(part.read_bytes())
