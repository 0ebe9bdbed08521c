"""What the machine has, and by name what could not run because it has not."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from loa_protocol import language
from support.wall_clock import libfaketime

pytest_plugins = ("requirement_table",)

NEEDS: dict[str, Callable[[], bool]] = {
    "ffmpeg": lambda: shutil.which("ffmpeg") is not None,
    "openssl": lambda: shutil.which("openssl") is not None,
    "icecast2": lambda: shutil.which("icecast2") is not None,
    "espeak-ng": lambda: shutil.which("espeak-ng") is not None,
    "portaudio": lambda: importlib.util.find_spec("pyaudio") is not None,
    "sound-card": lambda: (
        shutil.which("gcc") is not None and Path("/usr/include/alsa/pcm_external.h").exists()
    ),
    "pulseaudio": lambda: (
        shutil.which("pulseaudio") is not None and shutil.which("pactl") is not None
    ),
    "softhsm": lambda: (
        shutil.which("softhsm2-util") is not None and importlib.util.find_spec("pkcs11") is not None
    ),
    "systemd": lambda: shutil.which("systemd-analyze") is not None,
    "faketime": lambda: libfaketime() is not None,
    "root": lambda: os.geteuid() == 0,
    "loop-mount": lambda: os.geteuid() == 0 and shutil.which("losetup") is not None,
}

# One profile for every run: no time limit a loaded machine could miss, the seed printed on failure.
settings.register_profile("loa", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("loa")


@pytest.fixture(autouse=True)
def language_of_one_test() -> Iterator[None]:
    """Leave no language that a test chose to the next one in the same process."""
    before = [*language._chosen]
    yield
    language._chosen[:] = before


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--on-request", action="store_true", help="run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--on-request"):
        late = [item for item in items if item.get_closest_marker("on_request")]
        config.hook.pytest_deselected(items=late)
        items[:] = [item for item in items if item not in late]
    for item in items:
        for marker in item.iter_markers("needs"):
            missing = [what for what in marker.args if not NEEDS[what]()]
            if missing:
                item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(missing)}"))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("not run on this machine")
        for report in skipped:
            why = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            terminalreporter.write_line(f"not run: {report.nodeid}: {why}")
    if skipped and os.environ.get("CI"):
        terminalreporter.write_line("in CI nothing may be left out", red=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
