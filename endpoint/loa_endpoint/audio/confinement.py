"""What a process may still reach that decodes what strangers send: the kernel's Landlock.

Once confined, a process reads the programs it runs and the certificates it believes, and no other
file: not the board's key, which belongs to the same user. It starts no program, connects to the
ports it was given, and signals nobody outside. There is no way back. Numbers and layouts are those
of linux/landlock.h, whose ABI 1 came with Linux 5.13; what a kernel does not know is left out.
"""

from __future__ import annotations

import ctypes
import os
import ssl
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on x86-64, arm and aarch64
_VERSION: Final = 1  # a flag: which ABI there is
_PATH_BENEATH, _NET_PORT = 1, 2
_READ: Final = 1 << 2 | 1 << 3  # files, folders
_OF_FILES: Final = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
_OF_NETWORK: Final = {4: 1 << 0 | 1 << 1}  # bind and connect, TCP
_CONNECT: Final = 1 << 1
_SCOPES: Final = {6: 1 << 0 | 1 << 1}  # abstract sockets, signals
_NO_NEW_PRIVILEGES: Final = 38
_DNS: Final = 53
_KNOWN: Final = (
    "/etc/gai.conf", "/etc/host.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf",
    "/etc/ssl", "/etc/ca-certificates", "/etc/pki", "/lib", "/usr/lib",
    "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
    "/run/NetworkManager", "/run/resolvconf", "/run/systemd/resolve",
)  # fmt: skip


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    )


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


class _Port(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


def landlock_version() -> int:
    """Return which ABI the kernel has; 0 for none."""
    return max(0, _call(_CREATE, None, 0, _VERSION))


def may_read() -> list[Path]:
    """Return the files and folders that Python, its packages, TLS and name lookups read."""
    trust = ssl.get_default_verify_paths()
    chosen = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    packages = Path(__file__).parents[1], Path(sysconfig.__file__).parent
    code = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    paths = (*_KNOWN, *chosen, trust.cafile, trust.capath, *code, *packages)
    return [Path(each) for each in paths if each]


def confine(files: Iterable[Path], ports: Iterable[int]) -> bool:
    """Leave this thread, and those it starts, *files* to read and *ports* to connect to.

    Returns:
        Whether the kernel could do so; where it has no Landlock, nothing has changed.

    Raises:
        OSError: It has, and refused.
    """
    version = landlock_version()
    if not version:
        return False
    wanted = _Ruleset(*(_known(each, version) for each in (_OF_FILES, _OF_NETWORK, _SCOPES)))
    rules = _must(_CREATE, ctypes.byref(wanted), ctypes.sizeof(wanted), 0)
    try:
        for path in files:
            _allow_reading(rules, path)
        for port in (*ports, _DNS) if wanted.network else ():
            rule = _Port(_CONNECT, port)
            _must(_ADD, rules, _NET_PORT, ctypes.byref(rule), 0)
        if ctypes.CDLL(None, use_errno=True).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "no_new_privs")
        _must(_RESTRICT, rules, 0)
    finally:
        os.close(rules)
    return True


def _allow_reading(rules: int, path: Path) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there is read by nobody
    try:
        rule = _Beneath(_READ if path.is_dir() else 1 << 2, folder)
        _must(_ADD, rules, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(folder)


def _known(rights: dict[int, int], version: int) -> int:
    return sum(bits for since, bits in rights.items() if since <= version)


def _must(number: int, *arguments: object) -> int:
    result = _call(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"landlock: {os.strerror(ctypes.get_errno())}")
    return result


def _call(number: int, *arguments: object) -> int:
    return int(ctypes.CDLL(None, use_errno=True).syscall(number, *arguments))
