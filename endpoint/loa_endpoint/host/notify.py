"""Tell the service manager how we are (sd_notify): a datagram to the socket it names."""

from __future__ import annotations

import os
import socket


class ServiceManager:
    """The service manager, or nobody where the agent runs by hand."""

    def __init__(self, address: str | None) -> None:
        self._address = address

    @classmethod
    def from_environment(cls) -> ServiceManager:
        """Return the one that ``NOTIFY_SOCKET`` names."""
        return cls(os.environ.get("NOTIFY_SOCKET") or None)

    def say(self, state: str) -> None:
        """Send *state*, such as ``READY=1`` or ``WATCHDOG=1``; nobody listening is no fault."""
        if self._address is None:
            return
        address = self._address
        if address.startswith("@"):  # the abstract name space begins with a zero byte
            address = "\0" + address[1:]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)
            try:
                channel.sendto(state.encode(), address)
            except OSError:
                return  # a manager that went away notices by itself that we are silent


def watchdog_interval_s() -> float | None:
    """Return half of the interval the service manager asked for, None where it asked for none."""
    text = os.environ.get("WATCHDOG_USEC", "")
    return int(text) / 2e6 if text.isdigit() and int(text) > 0 else None
