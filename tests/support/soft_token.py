"""A token in software (SoftHSM), initialised in a folder of the test's own."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from loa_manager.key_token import TokenPlace

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
)
PIN = "4711"


def module() -> str:
    """Return the path of SoftHSM's PKCS#11 module."""
    return next(path for path in MODULES if Path(path).exists())


@dataclass
class SoftTokens:
    """Tokens below one folder. The module reads its configuration once a process."""

    folder: Path

    def __post_init__(self) -> None:
        (self.folder / "tokens").mkdir(parents=True)
        configuration = self.folder / "softhsm2.conf"
        configuration.write_text(
            f"directories.tokendir = {self.folder / 'tokens'}\nlog.level = ERROR\n"
        )
        os.environ["SOFTHSM2_CONF"] = str(configuration)

    def plug_in(self, label: str) -> TokenPlace:
        """Make a token called *label* with our PIN."""
        command = ["softhsm2-util", "--init-token", "--free", "--label", label]
        subprocess.run(
            [*command, "--so-pin", "12345678", "--pin", PIN], check=True, capture_output=True
        )
        return TokenPlace(module=module(), label=label)
