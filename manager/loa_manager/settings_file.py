"""Settings as people write them: a TOML file that names what differs from the province's own."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from loa_manager.home import Home
from loa_protocol.envelope import Bundle
from loa_protocol.errors import ConfigError, MessageError, StoreError
from loa_protocol.language import translator
from loa_protocol.local_network import is_local
from loa_protocol.objects.placement import Device, Fitting, Settings
from loa_protocol.parameters import FallbackParameters

_ = translator("loa_manager")

_LISTS: Final = ("content", "broker", "service")
_FITTING: Final = {"device", "port", "option"}


def present_settings(home: Home) -> Settings:
    """Return the province's own settings.

    Raises:
        StoreError: there are none, which `loa init` would have made.
    """
    scope = home.root.scope
    data = home.settings_for(scope)
    if data is None:
        raise StoreError(str(home.content.path), _("the province has no settings"))
    return Settings.from_bytes(Bundle.from_bytes(data).payload)


def parse_settings(text: str, base: Settings, where: str = "settings") -> Settings:
    """Return the unsigned settings that the TOML *text* describes; *base* gives the rest.

    Raises:
        ConfigError: with every fault of the file.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(where, [str(error)]) from None
    faults: list[str] = []
    facts: dict[str, Any] = {}
    for key, value in table.items():
        reader = _READERS.get(key)
        try:
            if reader is None:
                raise ValueError(_("is not known here"))
            facts.update(reader(value))
        except (ValueError, MessageError) as error:
            faults.append(f"{key}: {error}")
    if faults:
        raise ConfigError(where, faults)
    settings = dataclasses.replace(base, **facts)
    try:
        settings.to_bytes()  # the wire object's own limits
    except MessageError as error:
        raise ConfigError(where, [str(error)]) from None
    return settings


def _scope(value: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
    return {"scope": value}


def _addresses(key: str) -> Callable[[Any], dict[str, Any]]:
    def read(value: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise ValueError(_("expected a list of texts, got {value!r}").format(value=value))
        if key == "content":
            _check_content(value)
        return {key: tuple(value)}

    return read


def _check_content(addresses: list[str]) -> None:
    """Refuse plain HTTP to anywhere but a private address in digits: boards refuse it too."""
    for each in addresses:
        parts = urlsplit(each)
        if parts.scheme == "http" and not is_local(parts.hostname or ""):
            text = _("{address}: plain http is for private addresses in digits; use https")
            raise ValueError(text.format(address=each))


def _heartbeat(value: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
    if type(value) is not int:
        raise ValueError(_("expected {kind}, got {value!r}").format(kind="int", value=value))
    return {"heartbeat_s": value}


def _fallback(value: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
    numbers = {
        each.name: int(each.metadata["number"]) for each in dataclasses.fields(FallbackParameters)
    }
    if not isinstance(value, Mapping):
        raise ValueError(_("expected tables"))
    if unknown := value.keys() - numbers.keys():
        raise ValueError(_("unknown: {names}").format(names=", ".join(sorted(unknown))))
    return {
        "fallback": FallbackParameters.from_map(
            {numbers[name]: number for name, number in value.items()}
        ).to_map()
    }


def _fittings(value: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML of any shape
    names = {device.name.lower(): device for device in Device}
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise ValueError(_("expected tables"))
    fittings = []
    for row in value:
        if not {"device", "port"} <= row.keys() <= _FITTING or row["device"] not in names:
            allowed = ", ".join(names)
            raise ValueError(
                _("each needs device ({allowed}), port and perhaps option").format(allowed=allowed)
            )
        device, option = names[row["device"]], row.get("option", 0)
        if type(option) is not int:
            raise ValueError(_("expected {kind}, got {value!r}").format(kind="int", value=option))
        fittings.append(Fitting(device=device, port=row["port"], option=option))
    return {"fittings": tuple(fittings)}


_READERS: Final[dict[str, Callable[[Any], dict[str, Any]]]] = {
    "scope": _scope,
    "heartbeat_s": _heartbeat,
    "fallback": _fallback,
    "fitting": _fittings,
    **{key: _addresses(key) for key in _LISTS},
}
