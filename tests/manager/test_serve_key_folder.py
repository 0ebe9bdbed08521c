"""The server's key folder: what is opened, what runs out, what is renewed under way."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from loa_manager.authority import Authority
from loa_manager.home import Home
from loa_manager.serve.key_folder import ServerKeys
from loa_manager.server_keys import renew_server
from loa_protocol.accept import accept
from loa_protocol.envelope import Kind
from loa_protocol.errors import ConfigError, FormatError, StoreError
from loa_protocol.objects.online import TimeAnswer
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, TrustError
from support.passphrases import cheap
from support.serve_process import PASSPHRASE, TestProvince


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TestProvince.found(tmp_path_factory.mktemp("founded") / "ls").path


@pytest.fixture
def home(founded: Path, tmp_path: Path) -> Home:
    shutil.copytree(founded, tmp_path / "ls")
    return Home.open(tmp_path / "ls")


def test_each_certificate_is_named_in_steps_before_it_ends(home: Home) -> None:
    keys, start = ServerKeys.open(home, PASSPHRASE), datetime.now(UTC)
    assert keys.running_out(start) == {}
    assert keys.running_out(start + timedelta(days=6.9)) == {}
    assert keys.running_out(start + timedelta(days=7.5)) == {"head": 7, "time": 7, "ingest": 7}
    assert "tls" in keys.running_out(start + timedelta(days=336))
    assert "enrol-ca" in keys.running_out(start + timedelta(days=701))


def test_a_renewed_chain_is_used_without_a_restart(home: Home) -> None:
    keys, later = ServerKeys.open(home, PASSPHRASE), datetime.now(UTC) + timedelta(days=13)
    body = TimeAnswer(nonce=bytes(16), time_ms=1)
    trusted = home.trusted()
    at = Now(int((later + timedelta(days=5)).timestamp()), ClockTrust.T3)
    with pytest.raises(TrustError, match="expired"):
        accept(keys.time.sign(Kind.TIME_ANSWER, body), trusted, at)
    renew_server(Authority.open(home, PASSPHRASE), PASSPHRASE, later)
    assert keys.running_out(later) == {}
    with pytest.raises(TrustError, match="nonce"):  # the chain holds; the question was another
        accept(keys.time.sign(Kind.TIME_ANSWER, body), trusted, at)


def test_what_is_missing_damaged_or_locked_is_named(home: Home) -> None:
    with pytest.raises(ConfigError, match=r"head\.key"):
        ServerKeys.open(home, cheap("not the passphrase"))
    chain = home.server_keys / "head.cert"
    keys, good = ServerKeys.open(home, PASSPHRASE), chain.read_bytes()
    chain.write_bytes(good[:100])
    os.utime(chain, ns=(1, 1))  # a copy from a backup may be older than what we read
    with pytest.raises(FormatError):
        _ = keys.head.chain
    chain.unlink()
    with pytest.raises(StoreError, match=r"head\.cert"):
        _ = keys.head.expires
    shutil.copy(home.server_keys / "tls.key", home.server_keys / "broker.key")
    with pytest.raises(ConfigError, match="Ed25519"):
        ServerKeys.open(home, PASSPHRASE)
    shutil.copy(home.server_keys / "head.key", home.server_keys / "tls.key")
    with pytest.raises(ConfigError, match="P-256"):
        ServerKeys.open(home, PASSPHRASE)


def test_no_key_shows_itself(home: Home) -> None:
    keys = ServerKeys.open(home, PASSPHRASE)
    assert "PRIVATE" not in repr(keys)
    assert "PRIVATE" not in repr(keys.tls)
