"""Which monitors each kind of bearer has, with the numbers from the signed parameters."""

from __future__ import annotations

from typing import Final

from loa_endpoint.core.monitor import Limits
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.parameters import FallbackParameters

YES: Final = 1
NO: Final = 0


def base_ok_ms(kind: BearerKind, parameters: FallbackParameters) -> int:
    """Return how long a failed bearer of *kind* must be good before it counts as well."""
    return parameters.ok_fm_ms if kind is BearerKind.FM else parameters.ok_ip_ms


def limits_for(kind: BearerKind, parameters: FallbackParameters) -> dict[str, Limits]:
    """Return the limits of the monitors of *kind*, the gravest first."""
    ok_ms = base_ok_ms(kind, parameters)

    def boolean(fail_ms: int) -> Limits:
        return Limits(low=YES, high=YES, fail_ms=fail_ms, ok_ms=ok_ms)

    limits = {"open": boolean(0)}
    if kind is BearerKind.FM:
        limits["tuner"] = boolean(parameters.tuner_fail_ms - parameters.tuner_reopen_ms)
        limits["lost"] = boolean(parameters.fm_lost_ms)
        low, high = parameters.fm_lo_cdbuv, parameters.fm_hi_cdbuv
        limits["carrier"] = Limits(low=low, high=high, fail_ms=parameters.fm_fail_ms, ok_ms=ok_ms)
        limits["pi"] = boolean(0)
        limits["noise"] = boolean(parameters.noise_fail_ms)
        limits["cci"] = boolean(parameters.fm_cci_fail_ms)
    else:
        limits["starved"] = boolean(parameters.ip_starved_ms)
    if kind is BearerKind.STREAM:
        limits["bytes"] = boolean(parameters.ip_no_bytes_ms)
    if kind is not BearerKind.MEDIA:
        limits["silence"] = boolean(0)  # its patience comes with the item
    return limits
