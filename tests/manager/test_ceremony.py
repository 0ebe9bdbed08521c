"""The founding ceremony: five people and five sticks, at a terminal and by options."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from loa_manager.ceremony import certify_officers
from loa_manager.cli.main import run
from loa_manager.home import UNFINISHED, Home
from loa_manager.key_file import Cost, PrivateKey, lock_key
from loa_manager.keyring import Passphrase, load_signer
from loa_manager.root_holders import parse_card
from loa_protocol import language
from loa_protocol.errors import StoreError
from loa_protocol.record import ClockTrust
from loa_protocol.succession import accept_root
from loa_protocol.trust import Now
from support.bench_lab import NOW
from support.passphrases import CHEAP
from support.typist import Typist, typing

LOA = (sys.executable, "-m", "loa_manager")
T3 = Now(2**33, ClockTrust.T3)
PEOPLE = ("Trần Thị Nga", "Lương Văn Sơn", "Hoàng Văn Lâm", "Nông Thị Mai", "Lò Văn Tình")


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_LANG", "en")
    monkeypatch.setattr(language, "_chosen", [])


@pytest.fixture
def sticks(tmp_path: Path) -> list[Path]:
    folders = [tmp_path / f"stick-{n}" for n in range(1, 6)]
    for folder in folders:
        folder.mkdir()
    return folders


def take(person: Typist, name: str, stick: Path) -> None:
    """Sit down, put in the stick, and type one's passphrase."""
    person.answer("Name of the holder", name)
    person.answer("Folder of the stick", str(stick))
    person.answer("New passphrase", f"mật khẩu của {name}")
    person.answer("Repeat", f"mật khẩu của {name}")


@pytest.mark.requirement("SEC-6")
def test_an_interrupted_ceremony_goes_on_and_leaves_no_root_key_at_home(
    tmp_path: Path, sticks: list[Path]
) -> None:
    init = (*LOA, "init", "--home", tmp_path / "ls")
    with typing(init, {"LOA_LANG": "en"}) as person:
        person.answer("Province: ", "VN LS")
        person.answer("Province: ", "vn/ls")
        person.answer("Server: ", "loa.example.vn")
        person.answer("Name of the holder", PEOPLE[0])
        person.answer("Folder of the stick", "/nowhere")
        person.answer("no such folder; is the stick in?\nFolder of the stick", str(sticks[0]))
        person.answer("New passphrase", "ngắn")
        person.answer("Repeat", "ngắn")
        person.answer("at least 8 characters, please\nNew passphrase", "mật khẩu của tôi")
        person.answer("Repeat", "mật khẩu của tôi")
        person.answer("Name of the holder", PEOPLE[0])
        person.wait_for("has a key already")
        person.answer("Name of the holder", PEOPLE[1])
        person.answer("Folder of the stick", str(sticks[0]))
        person.wait_for("root-1.key lies here already")
        person.interrupt("Folder of the stick", "the same command goes on from here")
        assert person.ends() == 130
    assert (tmp_path / "ls" / UNFINISHED).exists()
    first = (sticks[0] / "root-1.key").read_bytes()
    with typing(init, {"LOA_LANG": "en"}) as person:
        person.answer("Province: ", "vn/ls")
        person.answer("Server: ", "loa.example.vn")
        person.wait_for("1 of 5 keys were made")
        person.answer("Folder of the stick", "")
        person.answer("Passphrase", "a wrong one")
        person.wait_for("does not open")
        person.answer("Passphrase of", "mật khẩu của tôi")
        for name, stick in zip(PEOPLE[1:], sticks[1:], strict=True):
            take(person, name, stick)
        person.answer("Passphrase: ", "của văn phòng")
        person.answer("Repeat", "của văn phòng")
        assert person.ends() == 0, person.seen
    assert (sticks[0] / "root-1.key").read_bytes() == first
    home = Home.open(tmp_path / "ls")
    root = accept_root(home.root_bundle, None, T3)
    assert [key.holder for key in root.keys] == list(PEOPLE)
    assert not root.test
    assert not list(home.path.rglob("root-*"))
    for number, stick in enumerate(sticks, 1):
        assert stat.S_IMODE((stick / f"root-{number}.key").stat().st_mode) == 0o600
        card = parse_card((stick / f"root-{number}.public").read_bytes())
        assert card == root.keys[number - 1]
    with pytest.raises(StoreError, match="--root-key FILE"):
        certify_officers(home, root, Passphrase("của văn phòng"), NOW)


def loa(*words: object) -> int:
    return run([str(word) for word in words])


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a passphrase file; keys made in this process cost no time."""
    monkeypatch.setattr("loa_manager.keyring.lock_key", _lock_cheaply)
    file = tmp_path / "secret"
    file.write_text("một mật khẩu dài\n")
    return file


def _lock_cheaply(key: PrivateKey, secret: bytes, _cost: Cost) -> bytes:
    return lock_key(key, secret, CHEAP)


@pytest.mark.requirement("SEC-6")
def test_a_script_founds_a_real_province_on_five_folders(
    tmp_path: Path, sticks: list[Path], secret: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [word for stick in sticks for word in ("--root-key-dir", stick)]
    names = [word for name in PEOPLE for word in ("--root-holder", name)]
    own = tmp_path / "own"
    own.write_text("của tất cả mọi người\n")
    init = ("init", "--home", tmp_path / "ls", "--province", "vn/ls", "--json", *folders, *names)
    opened = ("--passphrase-file", secret, "--root-passphrase-file", own)
    assert loa(*init, *opened) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["holder"] for each in told["root_keys"]] == list(PEOPLE)
    home = Home.open(tmp_path / "ls")
    assert not home.root_keys.exists()
    signer = load_signer(sticks[3] / "root-4.key", Passphrase("của tất cả mọi người")).signer
    assert signer.public == home.root.keys[3].key
    sticks_here = ("--root-key", sticks[4] / "root-5.key", "--root-key", sticks[1] / "root-2.key")
    assert loa("key", "renew-officers", "--home", home.path, *opened[:2], *sticks_here) == 2
    assert loa("key", "renew-officers", "--home", home.path, *opened, *sticks_here) == 0
    assert loa("key", "renew-officers", "--home", home.path, *opened) == 6  # none in the home


def test_a_real_province_asks_where_its_root_keys_shall_lie(
    tmp_path: Path, secret: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init = ("init", "--home", tmp_path / "ls", "--province", "vn/ls", "--passphrase-file", secret)
    assert loa(*init) == 2
    assert "--root-key-dir" in capsys.readouterr().err
    assert not (tmp_path / "ls").exists()
    assert loa(*init, "--root-keys-in-home") == 0
    assert len(list((tmp_path / "ls" / "keys" / "root").iterdir())) == 5


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--root-holder", "Nga"), "once for each --root-key-dir"),
        (("--threshold", "5"), "from 2 to 4"),
        (("--threshold", "1"), "from 2 to 4"),
    ],
)
def test_a_plan_that_cannot_hold_writes_no_key(
    tmp_path: Path,
    sticks: list[Path],
    secret: Path,
    words: tuple[str, ...],
    fault: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folders = [word for stick in sticks for word in ("--root-key-dir", stick)]
    opened = ("--passphrase-file", secret, "--root-passphrase-file", secret)
    init = ("init", "--home", tmp_path / "ls", "--province", "vn/ls", *folders, *opened)
    assert loa(*init, *words) == 2
    assert fault in capsys.readouterr().err
    assert not [key for stick in sticks for key in stick.iterdir()]


def test_a_folder_is_never_taken_twice_nor_inside_the_home(
    tmp_path: Path, sticks: list[Path], secret: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = ("--passphrase-file", secret, "--root-passphrase-file", secret)
    init = ("init", "--home", tmp_path / "ls", "--province", "vn/ls", *opened)
    twice = [word for stick in (*sticks[:4], sticks[0]) for word in ("--root-key-dir", stick)]
    assert loa(*init, *twice) == 2
    assert "root-1.key lies here already" in capsys.readouterr().err
    again = [word for stick in sticks for word in ("--root-key-dir", stick)]
    assert loa(*init, *again) == 0  # goes on with the four that were made
    inside = tmp_path / "cb" / "keys"
    inside.mkdir(parents=True)
    (tmp_path / "cb" / UNFINISHED).write_bytes(b"{}")
    words = [word for _ in range(5) for word in ("--root-key-dir", inside)]
    other = ("init", "--home", tmp_path / "cb", "--province", "vn/cb", *opened)
    assert loa(*other, *words) == 2
