"""Addresses of streams that nobody signed."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.fuzz_stream_url import fuzz
from loa_protocol.errors import MessageError
from loa_protocol.objects.playlist import Stream
from loa_protocol.stream_url import is_host, is_stream_url, stream_host

HOSTS = ("radio.example", "Radio", "127.0.0.1", "0x7f.1", "[::1]", "xn--i-4ga", "é", "ſ")
MARKS = ("http://", ":", "8443", "443", "/", "\\", "@", "#", "?", "%20", "%2", ".", " ", "\t", "\n")
PIECES = st.sampled_from(("https://", *HOSTS, *MARKS))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://radio.example/", "radio.example"),
        ("https://radio.example:8443/live.ogg?q=1&b=%c3%a9", "radio.example"),
        ("https://xn--i-4ga.example/live/../a;b=@c", "xn--i-4ga.example"),
        ("https://192.0.2.7/live", "192.0.2.7"),
        ("https://localhost/live", "localhost"),
        ("https://3fm.example/live", "3fm.example"),
    ],
)
def test_an_address_in_its_one_spelling_has_a_host(url: str, host: str) -> None:
    assert stream_host(url) == host
    assert Stream(url=url).host == host


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("http://radio.example/", "https:// alone"),
        ("//radio.example/", "https:// alone"),
        ("https://Radio.example/", "lower-case"),
        ("https://đài.example/", "lower-case"),
        ("https://radio..example/", "lower-case"),
        ("https://-radio.example/", "lower-case"),
        (f"https://{'a' * 64}.example/", "lower-case"),
        ("https://127.1/", "lower-case"),
        ("https://0x7f000001/", "lower-case"),
        ("https://1.2.3.256/", "lower-case"),
        ("https://[::1]/", "lower-case"),
        ("https://radio.example@evil.example/", "no user"),
        ("https://radio.example:0443/", "not a port"),
        ("https://radio.example:/", "not a port"),
        ("https://radio.example/#", "fragment"),
        ("https://radio.example", "not a place"),
        ("https://radio.example/\n", "not a place"),
        ("https://radio.example?a", "lower-case"),
        ("https://radio.example/" + "a" * 491, "at most 512"),
    ],
)
def test_any_other_is_refused_by_what_is_wrong_with_it(url: str, named: str) -> None:
    assert not is_stream_url(url)
    with pytest.raises(MessageError, match=named):
        stream_host(url)
    with pytest.raises(MessageError):
        Stream.from_value({1: url})


def test_what_is_wrong_is_told_without_the_password() -> None:
    with pytest.raises(MessageError) as told:
        stream_host("https://loa:secret@radio.example/")
    assert "secret" not in str(told.value)


@given(st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=8).map("".join)))
@example("https://radio.example:8443/live?a=b")
def test_the_fetching_library_asks_the_host_that_the_policy_was_asked_about(url: str) -> None:
    fuzz(url.encode("utf-8", "replace"))
    fuzz(("https://radio.example/" + url).encode("utf-8", "replace"))


@given(st.text("abz09-.", max_size=70))
def test_a_host_is_one_wherever_it_stands(text: str) -> None:
    assert is_stream_url(f"https://{text}/") == is_host(text)
