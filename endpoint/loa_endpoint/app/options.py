"""What a person may say when starting the agent; the rest is in signed settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loa_endpoint.content.stick import PLACES
from loa_protocol.objects.placement import Device, Fitting, Settings

NULL_SINK = "null:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the agent lives, and hardware that differs from the settings."""

    home: Path
    sink: str | None = None
    line_in: str | None = None
    ear: str | None = None
    rtc: str | None = None  # the battery clock: /dev/rtc0, file:PATH
    sticks: tuple[str, ...] = PLACES  # where memory sticks are looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """The ports of one cluster; None for what it does not have."""

    sink: str
    line_in: str | None
    ear: str | None
    tuner: str | None
    line_board: Fitting | None
    modem: str | None
    amplifier: Fitting | None = None

    @classmethod
    def of(cls, options: Options, settings: Settings) -> Hardware:
        """Return the fittings of the signed settings, with what *options* put in their place."""
        fitted = {fitting.device: fitting for fitting in settings.fittings}

        def port(device: Device) -> str | None:
            return fitted[device].port if device in fitted else None

        return cls(
            sink=options.sink or port(Device.SOUND_OUT) or NULL_SINK,
            line_in=options.line_in or port(Device.LINE_IN),
            ear=options.ear or port(Device.MICROPHONE),
            tuner=port(Device.TUNER),
            line_board=fitted.get(Device.LINE_BOARD),
            modem=port(Device.MODEM),
            amplifier=fitted.get(Device.AMPLIFIER),
        )
