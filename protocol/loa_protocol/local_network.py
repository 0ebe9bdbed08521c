"""Which addresses nobody outside the local network can have."""

from __future__ import annotations

import ipaddress
from typing import Final

_LOCAL: Final = tuple(
    ipaddress.ip_network(each)
    for each in (
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",  # RFC 3927: link-local
        "127.0.0.0/8",
        "fc00::/7",  # RFC 4193: unique local
        "::1/128",
    )
)


def is_local(host: str) -> bool:
    """Tell whether *host* is a private, link-local or loopback address in digits.

    A name is none: whoever owns DNS says what it means.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _LOCAL if network.version == address.version)
