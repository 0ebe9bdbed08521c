"""Streams that nobody signed: what a playlist may name, and how a policy allows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from loa_protocol.envelope import Kind
from loa_protocol.objects.playlist import Bearer, BearerKind, Stream
from loa_protocol.objects.policy import Hours
from vectors.generator import bodies
from vectors.generator.case import FORMAT, Case
from vectors.generator.odd import encode
from vectors.generator.world import APPROVER, EDITOR, OFFICERS, sign, sign_bytes

_BOTH: Final = (EDITOR, APPROVER)
_URL: Final = "https://radio.example:8443/live.ogg?q=a%20b"
_REFUSED: Final = (
    ("plain_http", "Nothing shows whose sound it is.", "http://radio.example/live"),
    ("scheme_in_capitals", "There is one spelling.", "HTTPS://radio.example/live"),
    ("of_a_file", "Not a file of the board.", "file:///etc/loa/key"),
    ("host_in_capitals", "There is one spelling.", "https://Radio.example/live"),
    ("host_in_unicode", "A host is ASCII on the wire.", "https://đài.example/live"),
    ("host_with_a_dot_at_its_end", "There is one spelling.", "https://radio.example./live"),
    ("host_empty", "There is no host.", "https:///live"),
    ("host_by_octal_numbers", "A resolver would take it for 127.0.0.1.", "https://0177.0.0.1/live"),
    ("host_by_one_number", "A resolver would take it for 127.0.0.1.", "https://2130706433/live"),
    ("user", "What stands before the @ is no host.", "https://radio.example@evil.example/live"),
    ("fragment", "It is not sent, and names nothing.", "https://radio.example/live#1"),
    ("port_that_goes_without_saying", "There is one spelling.", "https://radio.example:443/live"),
    ("port_beyond_the_last", "There is no such port.", "https://radio.example:65536/live"),
    ("backslash", "Some take it for a slash.", "https://radio.example/\\evil.example/live"),
    ("space", "It would end the request's first line.", "https://radio.example/live HTTP"),
    ("half_an_escape", "A percent has two digits.", "https://radio.example/%2"),
    ("without_a_place", "There is one spelling.", "https://radio.example"),
    ("of_513_characters", "512 are the most.", "https://radio.example/" + "a" * 491),
)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield from _playlists()
    yield from _standing()
    yield from _policies()


def _playlists() -> Iterator[Case]:
    def case(name: str, why: str, data: bytes, reason: Any = None) -> Case:
        return Case("playlist", f"stream_{name}", why, data, reason)

    def signed(value: Any) -> bytes:
        return sign_bytes(Kind.PLAYLIST, encode(value), *_BOTH)

    streams = (Stream(url=_URL), Stream(url="https://192.0.2.7/" + "a" * 494))
    items = tuple(_item(f"i{n}", n) for n in (0, 1, 2))
    body = bodies.playlist(items=items, streams=streams)
    yield case(
        "named",
        "Live under a grant, then the first and the second stream; the policy is another matter.",
        sign(Kind.PLAYLIST, body, *_BOTH),
    )
    value = dict(body.to_value())
    yield case("of_none", "The items name two streams, there is none.", _without(value, 10), FORMAT)
    yield case("beyond_the_last", "The second of one.", signed({**value, 10: [[_URL]]}), FORMAT)
    yield case("list_empty", "What is empty is left out.", signed({**_plain(), 10: []}), FORMAT)
    yield case("list_of_17", "16 are the most.", signed({**value, 10: [[_URL]] * 17}), FORMAT)
    for name, why, url in _REFUSED:
        yield case(name, why, signed({**value, 10: [[url], [_URL]]}), FORMAT)


def _standing() -> Iterator[Case]:
    value = {**bodies.standing().to_value(), 8: [_item("i1", 1).to_value()]}
    yield Case(
        "standing_programme",
        "stream",
        "What repeats for a year is signed sound: it has no streams to name.",
        sign_bytes(Kind.STANDING_PROGRAMME, encode(value), *_BOTH),
        FORMAT,
    )


def _policies() -> Iterator[Case]:
    hours = (Hours(weekdays=127, start_min=360, end_min=420),)
    body = bodies.policy(unsigned_streams=("radio.example",), unsigned_stream_hours=hours)
    yield Case(
        "policy",
        "unsigned_streams",
        "One host, from six to seven.",
        sign(Kind.POLICY, body, *OFFICERS),
        expected={"level": 2},
    )
    value = dict(body.to_value())
    for name, why, changes in (
        ("host_in_capitals", "There is one spelling.", {23: ["Radio.example"]}),
        ("host_with_a_port", "A host, not an address.", {23: ["radio.example:8443"]}),
        ("host_with_a_wildcard", "Each host is named.", {23: ["*.example"]}),
        ("hours_empty", "What is empty is left out.", {27: []}),
    ):
        data = sign_bytes(Kind.POLICY, encode({**value, **changes}), *OFFICERS)
        yield Case("policy", f"unsigned_{name}", why, data, FORMAT)


def _item(name: str, stream: int) -> Any:
    return bodies.item(
        id=name,
        offset_ms=0,
        duration_ms=1000,
        bearers=(Bearer(kind=BearerKind.STREAM, reference=stream, cost=5),),
    )


def _plain() -> dict[int, Any]:
    return dict(bodies.playlist().to_value())


def _without(value: dict[int, Any], key: int) -> bytes:
    rest = {number: content for number, content in value.items() if number != key}
    return sign_bytes(Kind.PLAYLIST, encode(rest), *_BOTH)
