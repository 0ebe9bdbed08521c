"""Addresses of the signed settings: https and mqtts, host and port, nothing else.

A content address may end in ``#system-roots``: its server proves itself to the CAs of the operating
system, as a public CDN does. Without that only the CAs of the settings count.

A content address may also be plain ``http``, for a mirror in the same building or village, and then
names a private address in digits: TLS would add nothing to what is signed, and nobody outside the
local network can stand there (see the decision record on mirrors).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from loa_protocol.errors import ConfigError
from loa_protocol.local_network import is_local

DEFAULT_PORTS: Final = {"https": 443, "http": 80}
SYSTEM_ROOTS: Final = "system-roots"
_LABEL: Final = r"[\w-]{1,63}"
_HOST: Final = re.compile(rf"[0-9a-fA-F]*:[0-9a-fA-F:.]+|{_LABEL}(\.{_LABEL}){{0,8}}", re.ASCII)
_PATH: Final = re.compile(r"(/[\w.~-]+)*/?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server is; *path* is empty or begins with a slash and ends without one."""

    scheme: str
    host: str
    port: int
    path: str = ""
    uses_system_roots: bool = False

    @property
    def origin(self) -> str:
        """Scheme, host and port, as in an URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_address(text: str, scheme: str, default_port: int) -> Address:
    """Return the parts of an address such as ``https://content.example:8443/ls``.

    Raises:
        ConfigError: it has another scheme, no host, no port number, or a strange path.
    """
    found, _, rest = text.partition("://")
    rest, _, fragment = rest.partition("#")
    authority, slash, path = rest.partition("/")
    host, separator, port = authority.rpartition(":")
    if authority.endswith("]") or not separator:  # an IPv6 address may end without a port
        host, port = authority, str(default_port)
    host = host.removeprefix("[").removesuffix("]")
    is_port = port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65_536
    if (
        found != scheme
        or not is_port
        or _HOST.fullmatch(host) is None
        or _PATH.fullmatch(slash + path) is None
        or fragment not in ("", SYSTEM_ROOTS)
    ):
        raise ConfigError(text, [f"expected {scheme}://host:port"])
    return Address(
        scheme=scheme,
        host=host,
        port=int(port),
        path=(slash + path).rstrip("/"),
        uses_system_roots=fragment == SYSTEM_ROOTS,
    )


def parse_content_address(text: str) -> Address:
    """Return the parts of the address of a content tree.

    Raises:
        ConfigError: as `parse_address`, or plain http to anywhere but a private address in digits.
    """
    scheme = text.partition("://")[0]
    if scheme not in DEFAULT_PORTS:
        scheme = "https"
    address = parse_address(text, scheme, DEFAULT_PORTS[scheme])
    if scheme == "http" and not is_local(address.host):
        raise ConfigError(text, ["plain http is for private addresses in digits; use https"])
    return address
