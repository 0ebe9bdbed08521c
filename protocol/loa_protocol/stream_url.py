"""Addresses of streams that nobody signed: one spelling each, so that a policy's host is a host.

An address is taken as it stands or not at all. Nothing is decoded, lowered or cut off here: a
lenient parser beside another lenient parser is how a host that no policy named gets asked.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from loa_protocol.errors import MessageError

MAX_URL: Final = 512
MAX_HOST: Final = 253  # RFC 1035 section 2.3.4, written with dots
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
# RFC 3986, path and query; what it leaves out is written as percent and two hexadecimal digits
_PLACE: Final = re.compile(r"/(?:[a-zA-Z0-9\-._~!$&'()*+,;=:@/?]|%[0-9a-fA-F]{2})*")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_SCHEME: Final = "https://"
_OWN_PORT: Final = 443  # of the scheme, and therefore never written
_MAX_PORT: Final = 65_535


def is_host(text: str) -> bool:
    """Tell whether *text* is a host name as it is signed: ASCII, lower case, no dot at its end.

    Names in other letters stand in their ASCII form (``xn--...``). What ends in a number is an IPv4
    address in the usual four, and nothing that a resolver only takes for one.
    """
    if len(text) > MAX_HOST or not _HOST.fullmatch(text):
        return False
    if not _NUMBER.fullmatch(text.rsplit(".", 1)[-1]):
        return True
    try:
        return str(ipaddress.IPv4Address(text)) == text
    except ValueError:
        return False


def stream_host(url: str) -> str:
    """Return the host of the address *url*.

    Raises:
        MessageError: *url* is not ``https://HOST[:PORT]/PLACE`` in its one spelling; says what of
            it is not.
    """
    if len(url) > MAX_URL:
        raise MessageError(f"an address of a stream has at most {MAX_URL} characters")
    if not url.startswith(_SCHEME):
        raise MessageError(f"a stream is fetched by https:// alone, not {url!r:.80}")
    authority, slash, place = url.removeprefix(_SCHEME).partition("/")
    if "@" in authority:
        raise MessageError("an address of a stream names no user")  # nor is it shown: a password
    host, colon, port = authority.partition(":")
    if not is_host(host):
        raise MessageError(f"not a host in lower-case ASCII: {host!r:.80}")
    if colon and not _is_port(port):
        raise MessageError(f"not a port, or the one that goes without saying: {port!r:.20}")
    if "#" in place:
        raise MessageError(f"an address of a stream has no fragment: {url!r:.80}")
    if not _PLACE.fullmatch(slash + place):
        raise MessageError(f"not a place on a server, percent-encoded: {slash + place!r:.80}")
    return host


def is_stream_url(text: str) -> bool:
    """Tell whether :func:`stream_host` finds a host in *text*."""
    try:
        stream_host(text)
    except MessageError:
        return False
    return True


def _is_port(text: str) -> bool:
    if not _PORT.fullmatch(text):
        return False
    return int(text) <= _MAX_PORT and int(text) != _OWN_PORT
