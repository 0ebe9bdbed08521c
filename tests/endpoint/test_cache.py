"""Media are whole under their name, or not there."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loa_endpoint.content.cache import Cache
from loa_protocol.errors import StoreError
from support.loop_disk import loop_disk

CONTENT = random.Random(5).randbytes(200_000)
DIGEST = hashlib.sha256(CONTENT).digest()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "media")


def put(cache: Cache, content: bytes) -> bytes:
    digest = hashlib.sha256(content).digest()
    part = cache.part(digest)
    part.write(content)
    assert part.finish()
    part.close()
    return digest


def test_a_file_has_its_name_only_when_it_is_whole(cache: Cache) -> None:
    part = cache.part(DIGEST)
    part.write(CONTENT[:100_000])
    assert cache.held() == {}
    assert cache.checked(DIGEST) is None
    part.write(CONTENT[100_000:])
    assert part.finish()
    assert cache.checked(DIGEST) == cache.path_of(DIGEST)
    assert cache.held()[DIGEST].size == len(CONTENT)
    assert [each.name for each in cache.folder.iterdir()] == [DIGEST.hex()]


def test_a_part_goes_on_where_it_stopped(cache: Cache) -> None:
    part = cache.part(DIGEST)
    part.write(CONTENT[:77_777])
    part.close()
    part = cache.part(DIGEST)
    assert part.offset == 77_777
    part.write(CONTENT[77_777:])
    assert part.finish()


@given(st.lists(st.integers(0, 200_000), max_size=6))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_in_any_pieces_over_any_runs_is_the_file(cache: Cache, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(CONTENT)]
    for begin, end in pairwise(edges):
        part = cache.part(DIGEST)
        assert part.offset == begin
        part.write(CONTENT[begin:end])
        part.close()
    part = cache.part(DIGEST)
    assert part.finish()
    part.close()
    assert cache.path_of(DIGEST).read_bytes() == CONTENT
    cache.drop([DIGEST])


@pytest.mark.requirement("OFF-2", "SEC-4")
@pytest.mark.parametrize("at", [0, 100_000, 199_999])
def test_one_flipped_byte_on_the_way_is_noticed_and_the_file_dropped(cache: Cache, at: int) -> None:
    part = cache.part(DIGEST)
    part.write(CONTENT[:at] + bytes([CONTENT[at] ^ 1]) + CONTENT[at + 1 :])
    assert not part.finish()
    part.close()
    assert list(cache.folder.iterdir()) == []


@pytest.mark.requirement("OFF-2")
def test_one_flipped_byte_on_the_card_is_noticed_before_the_play(cache: Cache) -> None:
    put(cache, CONTENT)
    raw = bytearray(CONTENT)
    raw[123] ^= 4
    cache.path_of(DIGEST).write_bytes(raw)
    assert cache.checked(DIGEST) is None
    assert cache.held() == {}  # dropped: it is fetched again


def test_a_server_that_begins_anew_begins_the_part_anew(cache: Cache) -> None:
    part = cache.part(DIGEST)
    part.write(b"something else")
    part.restart()
    part.write(CONTENT)
    assert part.finish()


def test_what_is_wanted_no_more_is_dropped_with_its_part(cache: Cache) -> None:
    kept, gone = put(cache, b"kept"), put(cache, b"gone")
    cache.part(b"\1" * 32).close()
    cache.part(b"\2" * 32).close()
    cache.drop([gone, b"\1" * 32, rb"\9" * 32])
    cache.drop_parts(but=[b"\2" * 32])
    left = {each.name for each in cache.folder.iterdir()}
    assert left == {kept.hex(), f"{'02' * 32}.part"}


def test_strange_files_in_the_folder_are_no_media(cache: Cache) -> None:
    for name in ("readme.txt", "A" * 64, "g" * 64, f"{'0' * 64}.part"):
        (cache.folder / name).write_bytes(b"x")
    (cache.folder / ("0" * 64)).mkdir()
    assert cache.held() == {}


def test_a_part_that_was_given_up_is_not_written_any_more(cache: Cache) -> None:
    part = cache.part(DIGEST)
    part.close()
    part.close()
    with pytest.raises(StoreError):
        part.write(b"late")
    assert (cache.folder / f"{DIGEST.hex()}.part").stat().st_size == 0


@pytest.mark.requirement("OFF-2")
def test_killed_a_hundred_times_it_never_shows_a_partial_file(cache: Cache) -> None:
    chance = random.Random(11)
    shown = 0
    for _ in range(100):
        storing, told = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(told, b"!")
            _store_again_and_again(cache)
        assert os.read(storing, 1) == b"!"
        time.sleep(chance.random() * 0.004)  # the instant of the kill is the point, not a wait
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(storing)
        os.close(told)
        for digest in cache.held():
            content = cache.path_of(digest).read_bytes()
            assert hashlib.sha256(content).digest() == digest
        shown += any(cache.folder.iterdir())
    assert shown > 0, "no kill came while a file was there: the run showed nothing"


def _store_again_and_again(cache: Cache) -> None:
    """Store, drop and store the same file in small pieces, until killed."""
    while True:
        part = cache.part(DIGEST)
        if part.offset > len(CONTENT):
            part.restart()
        for at in range(part.offset, len(CONTENT), 10_000):
            part.write(CONTENT[at : at + 10_000])
        part.finish()
        part.close()
        cache.drop([DIGEST])


@pytest.mark.requirement("OFF-2")
@pytest.mark.needs("loop-mount")
def test_after_a_power_cut_there_is_a_whole_file_or_none(tmp_path: Path) -> None:
    chance = random.Random(3)
    with loop_disk(tmp_path) as disk:
        for _ in range(6):
            child = os.fork()
            if child == 0:
                _store_again_and_again(Cache(disk.path / "media"))
            time.sleep(0.005 + chance.random() * 0.03)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            disk.cut_power()
            cache = Cache(disk.path / "media")
            for digest in cache.held():
                assert cache.checked(digest) is not None
        cache.drop([DIGEST])
        put(cache, CONTENT)
        disk.cut_power()
        assert cache.checked(DIGEST) is not None


@pytest.mark.requirement("OFF-2")
@pytest.mark.needs("loop-mount")
def test_a_full_disk_is_named_and_the_part_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with loop_disk(tmp_path, megabytes=4) as disk:
        cache = Cache(disk.path / "media")
        filler = disk.fill()
        part = cache.part(DIGEST)
        with pytest.raises(StoreError, match="disk is full") as caught:
            part.write(CONTENT)
        part.close()
        assert str(cache.folder) in caught.value.where
        filler.unlink()
        part = cache.part(DIGEST)
        part.write(CONTENT[part.offset :])
        assert part.finish()
        part.close()


def test_a_limit_on_file_size_is_named(cache: Cache) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            cache.part(DIGEST).write(CONTENT)
        except StoreError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as told:
        assert "pass the size allowed" in told.read()
