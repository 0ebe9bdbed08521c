"""Addresses of the settings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.address import Address, parse_address
from loa_protocol.errors import ConfigError


def address(host: str, port: int, path: str = "") -> Address:
    return Address(scheme="https", host=host, port=port, path=path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://content.example:8443", address("content.example", 8443)),
        ("https://content.example", address("content.example", 443)),
        ("https://10.0.0.7:9/", address("10.0.0.7", 9)),
        ("https://c.example/ls/content/", address("c.example", 443, "/ls/content")),
        ("https://[fd00::7]:9/ls", address("fd00::7", 9, "/ls")),
        ("https://[::1]", address("::1", 443)),
    ],
)
def test_addresses_are_taken_apart(text: str, expected: Address) -> None:
    assert parse_address(text, "https", 443) == expected


def test_an_origin_names_an_ipv6_host_in_brackets() -> None:
    assert address("::1", 9).origin == "https://[::1]:9"
    assert address("c.example", 9, "/ls").origin == "https://c.example:9"


def test_only_an_address_that_says_so_uses_the_roots_of_the_system() -> None:
    assert parse_address("https://cdn.example#system-roots", "https", 443).uses_system_roots
    assert not parse_address("https://cdn.example", "https", 443).uses_system_roots


@pytest.mark.requirement("SEC-2", "SEC-4")
@pytest.mark.parametrize(
    "text",
    [
        "http://h:1",  # plain text does not exist
        "h:1",
        "",
        "https://",
        "https://:1",
        "https://h:0",
        "https://h:x",
        "https://h:65536",
        "https://h:-1",
        "https://a..b:1",
        "https://é:1",
        f"https://{'a' * 64}:1",
        "https://a b:1",
        "https://user@h:1",
        "https://h:1/a?b=c",
        "https://h:1/a//b",
        "https://h:1#any-roots",
    ],
)
def test_other_addresses_are_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(text, "https", 443)
    assert caught.value.where == text


@given(st.text(max_size=60))
def test_an_address_of_any_text_gives_a_place_or_one_error(text: str) -> None:
    try:
        found = parse_address(f"https://{text}", "https", 443)
    except ConfigError:
        return
    assert found.host.isascii()
    assert 0 < found.port < 65_536
    assert found.path == "" or found.path[0] == "/" != found.path[-1]
