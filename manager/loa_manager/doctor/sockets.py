"""Tables of sockets as the kernel prints them (proc(5), ``/proc/net/tcp``), read back. Pure."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_LISTENING: Final = {"tcp": "0A", "udp": "07"}  # TCP_LISTEN; of UDP, a socket without a peer
_WORD: Final = 8  # hexadecimal digits of 32 bits, which stand in the machine's byte order


@dataclass(frozen=True, slots=True, order=True)
class Door:
    """A socket that takes what others send."""

    protocol: str  # tcp or udp
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it; a name is taken for what it says."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def reach(self) -> str:
        """The address under which this machine reaches it."""
        every = {"0.0.0.0": "127.0.0.1", "::": "::1"}
        return every.get(self.host, self.host)

    def __str__(self) -> str:
        """Return it as people write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol} {host}:{self.port}"


def read_table(text: str, protocol: str) -> Iterator[tuple[str, Door]]:
    """Yield the inode and the address of every open door in *text*; other lines are skipped.

    Args:
        text: ``/proc/<pid>/net/tcp``, ``tcp6``, ``udp`` or ``udp6``.
        protocol: ``tcp`` or ``udp``.
    """
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 10 or fields[3] != _LISTENING[protocol]:
            continue
        host, _colon, port = fields[1].partition(":")
        try:
            door = Door(protocol, _host(host), int(port, 16))
        except (ValueError, OverflowError):
            continue  # the heading, or a line of a kernel that we do not know
        if door.port:
            yield fields[9], door


def _host(digits: str) -> str:
    words = [digits[at : at + _WORD] for at in range(0, len(digits), _WORD)]
    raw = b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
