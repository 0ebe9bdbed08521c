"""A key file gives its key to the passphrase alone, and eats no memory for a stranger."""

from __future__ import annotations

import dataclasses
import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_key_file import fuzz
from loa_manager import key_file
from loa_manager.armour import armour, unarmour
from loa_manager.key_file import (
    MAX_MEMORY,
    STRONG,
    Cost,
    KeyHeader,
    LockedError,
    LockedKey,
    PrivateKey,
    lock_key,
    read_public,
    unlock_key,
)
from loa_manager.keyring import (
    Identity,
    Passphrase,
    PassphraseError,
    load_key,
    load_signer,
    make_key,
    public_of,
)
from loa_protocol.errors import ConfigError, FormatError
from loa_protocol.keys import PublicKey
from support.passphrases import CHEAP, cheap

SECRET = "mật khẩu để thử"
RAW = SECRET.encode()
TITLE = "LOA PRIVATE KEY"
KEYS: list[PrivateKey] = [
    ed25519.Ed25519PrivateKey.generate(),
    ec.generate_private_key(ec.SECP256R1()),
]


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


def parts(data: bytes) -> LockedKey:
    return LockedKey.from_bytes(unarmour(TITLE, data))


def changed(data: bytes, **header: object) -> bytes:
    """Return the file with another header around the same sealed bytes."""
    old = parts(data)
    new = dataclasses.replace(old.header, **header)  # type: ignore[arg-type]  # test convenience
    return armour(TITLE, LockedKey(header=new, sealed=old.sealed).to_bytes())


@pytest.mark.parametrize("key", KEYS)
def test_the_passphrase_opens_the_file_and_no_other_does(key: PrivateKey) -> None:
    data = lock_key(key, RAW, CHEAP)
    public = PublicKey.of(key.public_key())
    assert PublicKey.of(unlock_key(data, RAW).public_key()) == public
    assert read_public(data) == public
    for wrong in (b"", RAW + b" ", RAW[:-1], b"another one"):
        with pytest.raises(LockedError):
            unlock_key(data, wrong)


def test_real_files_cost_a_thief_32_mib_a_guess_and_each_has_its_own_salt() -> None:
    assert STRONG.memory == 32 * 2**20
    assert STRONG.log_n >= 15
    assert Passphrase(SECRET).cost == STRONG
    one, two = (parts(lock_key(KEYS[0], RAW, CHEAP)).header for _ in range(2))
    assert one.salt != two.salt
    assert one.nonce != two.nonce


def test_a_key_made_with_a_plain_passphrase_is_locked_at_full_cost(tmp_path: Path) -> None:
    make_key(tmp_path / "editor.key", Passphrase(SECRET))
    assert parts((tmp_path / "editor.key").read_bytes()).header.cost == STRONG


@given(st.integers(0, 2), st.binary(min_size=1, max_size=12))
def test_no_byte_of_the_header_can_be_changed(field: int, other: bytes) -> None:
    data = lock_key(KEYS[0], RAW, CHEAP)
    header = parts(data).header
    name = ("salt", "nonce", "raw")[field]
    old = getattr(header, name)
    new = (other + old)[: len(old)]
    if new != old:
        with pytest.raises(LockedError):
            unlock_key(changed(data, **{name: new}), RAW)


def test_a_thief_cannot_make_guessing_cheaper() -> None:
    data = lock_key(KEYS[0], RAW, Cost(6))
    for header in ({"log_n": 4}, {"r": 1}, {"p": 2}):
        with pytest.raises(LockedError):
            unlock_key(changed(data, **header), RAW)


@pytest.mark.parametrize(("log_n", "r"), [(20, 8), (18, 8), (15, 32), (20, 32)])
def test_a_file_that_asks_for_much_memory_is_refused_before_it_gets_any(
    monkeypatch: pytest.MonkeyPatch, log_n: int, r: int
) -> None:
    data = changed(lock_key(KEYS[0], RAW, CHEAP), log_n=log_n, r=r)
    assert Cost(log_n, r).memory >= MAX_MEMORY
    asked = Cost(log_n, r).memory
    monkeypatch.setattr(key_file, "MAX_MEMORY", min(MAX_MEMORY, asked - 1))
    monkeypatch.setattr("hashlib.scrypt", lambda *_a, **_k: pytest.fail("scrypt ran"))
    with pytest.raises(FormatError, match="bytes of memory"):
        unlock_key(data, RAW)


@pytest.mark.parametrize("log_n", [3, 21, 63, 2**31])
def test_parameters_outside_the_format_are_refused(log_n: int) -> None:
    header = parts(lock_key(KEYS[0], RAW, CHEAP)).header
    fields = header.to_value()
    fields[2] = log_n
    with pytest.raises(FormatError):
        KeyHeader.from_value(fields)


def test_a_file_that_names_another_key_than_it_holds_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = PublicKey.of(ed25519.Ed25519PrivateKey.generate().public_key())
    with monkeypatch.context() as lie:
        lie.setattr(PublicKey, "of", lambda _key: other)
        data = lock_key(KEYS[0], RAW, CHEAP)
    with pytest.raises(FormatError, match="another key"):
        unlock_key(data, RAW)


@given(st.binary(max_size=400))
def test_bytes_from_anywhere_are_refused_with_a_named_error(data: bytes) -> None:
    fuzz(data)


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_a_flipped_bit_is_refused_with_a_named_error(at: int, bit: int) -> None:
    data = bytearray(lock_key(KEYS[1], RAW, CHEAP))
    data[at % len(data)] ^= 1 << bit
    try:
        key = unlock_key(bytes(data), RAW)
    except FormatError:
        return
    # white space and the like: then it is the very same key
    assert PublicKey.of(key.public_key()) == PublicKey.of(KEYS[1].public_key())


@pytest.mark.requirement("SEC-1")
def test_files_are_their_owners_alone_and_a_wrong_passphrase_is_named(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "own" / "editor.key"
    made = make_key(path, cheap(SECRET))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert public_of(path) == PublicKey.of(made.public_key())
    with pytest.raises(PassphraseError, match=r"editor\.key"):
        load_key(path, cheap("a wrong one"))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(FormatError, match=r"editor\.key"):
        load_key(path, cheap(SECRET))
    with pytest.raises(ConfigError, match="never overwritten"):
        make_key(path, cheap(SECRET))


def test_a_short_passphrase_locks_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="8 characters"):
        make_key(tmp_path / "editor.key", cheap("1234567"))
    assert not (tmp_path / "editor.key").exists()


@pytest.mark.requirement("SEC-1")
def test_nothing_secret_is_in_a_file_a_repr_a_log_or_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "editor.key"
    key = make_key(path, cheap(SECRET))
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    private = key.private_bytes_raw()
    identity: Identity = load_signer(path, cheap(SECRET))
    with pytest.raises(PassphraseError) as refused:
        load_key(path, cheap("still another"))
    texts = [repr(identity), str(identity), repr(cheap(SECRET)), caplog.text, str(refused.value)]
    told = "".join(texts) + path.read_text()
    assert private not in unarmour(TITLE, path.read_bytes())
    for secret in (SECRET, "still another", private.hex(), repr(private)):
        assert secret not in told


@pytest.mark.requirement("SEC-1")
def test_no_passphrase_is_in_the_list_of_processes(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text(SECRET + "\n")
    words = ["key", "make", "--role", "editor", "--holder", "Nga", "--json"]
    look = "import sys, loa_manager.keyring as k; made = k.make_key\n"
    look += "def peek(*a, **o):\n"
    look += "    print(open('/proc/self/cmdline').read(), open('/proc/self/environ').read())\n"
    look += "    return made(*a, **o)\n"
    look += "import loa_manager.people as p; p.make_key = peek\n"
    look += "from loa_manager.cli.main import main; main()"
    command = [sys.executable, "-c", look, *words, "--home", str(tmp_path / "nga")]
    done = subprocess.run(
        [*command, "--passphrase-file", str(file)],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"editor" in done.stdout
    assert SECRET.encode() not in done.stdout + done.stderr
