"""The devices of a cluster on lines of their own: made from the settings, opened, closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loa_endpoint.app.options import Hardware
from loa_endpoint.core import amplifier_bus, line_monitor, xdr
from loa_endpoint.link.amplifier import AmplifierLink
from loa_endpoint.link.line_monitor import LineBoardLink
from loa_endpoint.link.tuner import XdrTuner
from loa_protocol.parameters import FallbackParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Who hears what the devices say."""

    tuner: Callable[[xdr.Event], None]
    line: Callable[[line_monitor.Event], None]
    amplifier: Callable[[amplifier_bus.Event], None]


class Devices:
    """The tuner, the line board and the amplifier; None for what the cluster does not have."""

    def __init__(self, hardware: Hardware, parameters: FallbackParameters, heard: Heard) -> None:
        self.tuner: XdrTuner | None = None
        if hardware.tuner is not None:
            self.tuner = XdrTuner(hardware.tuner, heard.tuner, is_patient=True)
        self.line_board: LineBoardLink | None = None
        if (board := hardware.line_board) is not None:
            self.line_board = LineBoardLink(
                board.port, board.option, on_event=heard.line, is_patient=True
            )
        self.amplifier: AmplifierLink | None = None
        if (fitting := hardware.amplifier) is not None:
            idle_ms = parameters.amplifier_idle_ms
            self.amplifier = AmplifierLink(
                fitting.port, fitting.option, idle_ms, on_event=heard.amplifier, is_patient=True
            )

        made = (self.tuner, self.line_board, self.amplifier)
        self._made = [device for device in made if device is not None]

    def start(self) -> None:
        """Open every port, or wait for it to be there."""
        for device in self._made:
            device.start()

    def look(self) -> None:
        """Hear what they said since the last round."""
        for device in self._made:
            device.look()

    def close(self) -> None:
        """Let go of every port."""
        for device in self._made:
            device.close()
