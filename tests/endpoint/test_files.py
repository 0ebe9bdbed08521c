"""Files that are whole or not there."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from loa_endpoint.store.files import make_folder, read_whole, remove, write_atomically
from loa_protocol.errors import StoreError
from support.loop_disk import loop_disk


def test_a_written_file_is_read_back_with_the_mode_asked(tmp_path: Path) -> None:
    write_atomically(tmp_path / "key", b"secret", mode=0o600)
    assert read_whole(tmp_path / "key", limit=100) == b"secret"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_not_there_reads_as_none(tmp_path: Path) -> None:
    assert read_whole(tmp_path / "nothing", limit=100) is None


def test_a_file_longer_than_it_may_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(bytes(101))
    with pytest.raises(StoreError) as caught:
        read_whole(tmp_path / "long", limit=100)
    assert caught.value.where == str(tmp_path / "long")
    assert "fetched again" in caught.value.why


def test_a_leftover_of_a_power_cut_is_never_read_and_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "playlist.new").write_bytes(b"half")
    assert read_whole(tmp_path / "playlist", limit=100) is None
    write_atomically(tmp_path / "playlist", b"whole")
    assert [each.name for each in tmp_path.iterdir()] == ["playlist"]


def test_removing_twice_is_no_error(tmp_path: Path) -> None:
    write_atomically(tmp_path / "ldevid.pem", b"x")
    remove(tmp_path / "ldevid.pem")
    remove(tmp_path / "ldevid.pem")
    assert not (tmp_path / "ldevid.pem").exists()


def test_folders_are_made_down_to_the_last(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_that_is_a_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "trust").write_bytes(b"")
    with pytest.raises(StoreError, match="move it away"):
        write_atomically(tmp_path / "trust" / "root", b"x")


def test_a_write_that_does_not_fit_leaves_the_old_file_and_no_leftover(tmp_path: Path) -> None:
    """In a child whose files may have 1,000 bytes at most."""
    write_atomically(tmp_path / "policy", b"old")
    code = f"""
import resource
from pathlib import Path
from loa_endpoint.store.files import write_atomically
from loa_protocol.errors import StoreError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(Path({str(tmp_path)!r}) / "policy", bytes(5000))
except StoreError as error:
    print(error.where, "|", error.why)
"""
    told = _child(code)
    assert told.startswith(f"{tmp_path}/policy | the file would pass the size")
    assert (tmp_path / "policy").read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["policy"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE) != (1000, 1000)


@pytest.mark.requirement("OFF-2")
@pytest.mark.needs("loop-mount")
def test_a_full_disk_is_named_with_the_remedy_and_the_old_file_stays(tmp_path: Path) -> None:
    with loop_disk(tmp_path, megabytes=4) as disk:
        write_atomically(disk.path / "policy", b"old")
        disk.fill()
        with pytest.raises(StoreError, match="disk is full") as caught:
            write_atomically(disk.path / "policy", bytes(5000))
        assert caught.value.where == str(disk.path / "policy")
        assert (disk.path / "policy").read_bytes() == b"old"


@pytest.mark.requirement("OFF-2")
@pytest.mark.needs("loop-mount")
def test_what_was_written_before_a_power_cut_is_there_after_it(tmp_path: Path) -> None:
    with loop_disk(tmp_path) as disk:
        for version in range(5):
            write_atomically(disk.path / "playlist", b"%d" % version)
            disk.cut_power()
            assert (disk.path / "playlist").read_bytes() == b"%d" % version


def _child(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return done.stdout.strip()
