"""Where an endpoint hangs, how it is set up, and what is denied."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from loa_protocol.objects.authority import SECONDS
from loa_protocol.schema import Bytes, Choice, Int, ListOf, MapOf, Nested, Text, Wire, wire
from loa_protocol.scope import SCOPE

ADDRESS = Text(300)


class Device(enum.IntEnum):
    """Hardware of a cluster that has a line of its own."""

    TUNER = 1
    LINE_BOARD = 2
    LINE_IN = 3
    SOUND_OUT = 4
    MODEM = 5  # for its messages and its clock
    MICROPHONE = 6  # at the pole, or a tap on the line; what it hears never leaves the player
    AMPLIFIER = 7  # its standby and mute; the option is its wake time in ms, 0 where unmeasured


class DeniedKind(enum.IntEnum):
    """What an entry of the deny list names."""

    KEY = 1  # a key id, 16 bytes
    DIGEST = 2  # the hash of an object or of media, 32 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment(Wire):
    """Which cluster a board is: no server or broker says where an endpoint hangs."""

    endpoint: bytes = wire(1, Bytes(32, 32))  # fingerprint of the device key
    epoch: int = wire(2, Int(0, 2**31))
    serial: int = wire(3, Int())
    scope: str = wire(4, SCOPE)
    village: str = wire(5, Text(64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting(Wire):
    """One piece of hardware: which device, behind which port."""

    device: Device = wire(1, Choice(Device))
    port: str = wire(2, ADDRESS)
    option: int = wire(3, Int(0, 65_535))  # Modbus address, dialect number; 0 where it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Wire):
    """Addresses, trust for TLS, fallback parameters and hardware of the clusters in a scope."""

    scope: str = wire(1, SCOPE)
    epoch: int = wire(2, Int(0, 2**31))
    serial: int = wire(3, Int())
    content: tuple[str, ...] = wire(4, ListOf(ADDRESS, 8, 1))  # https addresses of content trees
    broker: tuple[str, ...] = wire(5, ListOf(ADDRESS, 8, 1))  # mqtts://host:port
    service: tuple[str, ...] = wire(6, ListOf(ADDRESS, 8, 1))  # https: enrolment and time
    authorities: tuple[bytes, ...] = wire(7, ListOf(Bytes(1, 4096), 8, 1))  # X.509 CAs, DER
    fallback: dict[int, int] = wire(8, MapOf(Int(-(2**31), 2**31), 64))  # see parameters.py
    fittings: tuple[Fitting, ...] = wire(9, ListOf(Nested(Fitting, row=True), 32))
    heartbeat_s: int = wire(10, Int(1, 86_400))


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied(Wire):
    """One denied key or digest, and until when the entry must stay."""

    kind: DeniedKind = wire(1, Choice(DeniedKind))
    value: bytes = wire(2, Bytes(16, 32))
    until: int = wire(3, SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class DenyList(Wire):
    """Keys and hashes that are refused whatever else holds."""

    scope: str = wire(1, SCOPE)
    epoch: int = wire(2, Int(0, 2**31))
    serial: int = wire(3, Int())
    entries: tuple[Denied, ...] = wire(4, ListOf(Nested(Denied, row=True), 4096))
