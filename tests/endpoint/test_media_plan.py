"""Which media come first, and which go."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.media import Held, needed, plan, spare
from loa_protocol.objects.playlist import Bearer, BearerKind, Media
from support.content_lab import media_playlist, sha256

NOON = 1_800_000_000


def media(name: int, size: int = 100) -> Media:
    return Media(
        sha256=bytes([name]) * 32, size=size, duration_ms=1000, gain_cdb=0, loudness_clufs=-2300
    )


def held(*names: int, size: int = 100) -> dict[bytes, Held]:
    return {bytes([name]) * 32: Held(size, float(name)) for name in names}


def names(files: tuple[Media, ...]) -> list[int]:
    return [each.sha256[0] for each in files]


def test_media_are_needed_in_the_order_in_which_items_begin() -> None:
    later = media_playlist(b"c", b"a", start=NOON + 3600)
    sooner = media_playlist(b"a", b"b", start=NOON)
    found = [each.sha256 for each in needed([later, sooner], NOON)]
    assert found == [sha256(b"a"), sha256(b"b"), sha256(b"c")]


def test_what_ended_is_not_needed_and_what_sounds_is() -> None:
    playlist = media_playlist(b"a", b"b", b"c", start=NOON)
    assert [m.sha256 for m in needed([playlist], NOON + 119)] == [sha256(b"b"), sha256(b"c")]
    assert [m.sha256 for m in needed([playlist], NOON + 120)] == [sha256(b"c")]


def test_items_that_name_no_session_no_media_or_only_fm_need_nothing() -> None:
    playlist = media_playlist(b"a", start=NOON)
    item = playlist.items[0]
    strange = (
        replace(item, session=9),
        replace(item, bearers=(Bearer(kind=BearerKind.FM, reference=0, cost=1),)),
        replace(item, bearers=(Bearer(kind=BearerKind.MEDIA, reference=9, cost=1),)),
    )
    assert needed([replace(playlist, items=strange)], NOON) == []


def test_what_is_held_is_not_fetched() -> None:
    found = plan([media(1), media(2)], held(1), denied=(), budget_bytes=1000)
    assert names(found.fetch) == [2]
    assert found.drop == ()


def test_what_nothing_needs_stays_while_there_is_room() -> None:
    found = plan([media(1)], held(1, 7, 8), denied=(), budget_bytes=300)
    assert found.drop == ()


def test_what_nothing_needs_goes_oldest_first_when_there_is_none() -> None:
    found = plan([media(1), media(2)], held(1, 7, 8, 9), denied=(), budget_bytes=350)
    assert found.drop == (bytes([7]) * 32, bytes([8]) * 32)


def test_what_is_needed_last_has_no_room_first() -> None:
    found = plan([media(1), media(2), media(3, size=10)], held(), denied=(), budget_bytes=150)
    assert names(found.fetch) == [1, 3]
    assert names(found.no_room) == [2]


def test_denied_media_are_dropped_and_not_fetched() -> None:
    denied = frozenset((bytes([1]) * 32, bytes([2]) * 32))
    found = plan([media(1), media(2), media(3)], held(1), denied=denied, budget_bytes=1000)
    assert names(found.fetch) == [3]
    assert found.drop == (bytes([1]) * 32,)


def test_a_full_disk_takes_all_that_nothing_needs() -> None:
    assert spare([media(1)], held(1, 7, 8)) == [bytes([7]) * 32, bytes([8]) * 32]


files = st.dictionaries(st.integers(0, 20), st.integers(1, 100), max_size=12)


@given(files, files, st.sets(st.integers(0, 20), max_size=4), st.integers(0, 600))
def test_the_cache_never_grows_beyond_its_budget(
    wanted: dict[int, int], present: dict[int, int], denied: set[int], budget: int
) -> None:
    sizes = {**present, **wanted}
    have = {bytes([n]) * 32: Held(sizes[n], float(n)) for n in present}
    refused = frozenset(bytes([n]) * 32 for n in denied)
    found = plan([media(n, sizes[n]) for n in wanted], have, denied=refused, budget_bytes=budget)
    kept = [digest for digest in have if digest not in found.drop]
    total = sum(have[digest].size for digest in kept) + sum(m.size for m in found.fetch)
    needed_too_large = sum(have[m.sha256].size for m in found.no_room if m.sha256 in kept)
    assert total - needed_too_large <= budget
    assert not {m.sha256 for m in found.fetch} & (refused | have.keys())
    assert refused & have.keys() <= set(found.drop)
    assert len(set(found.drop)) == len(found.drop)
