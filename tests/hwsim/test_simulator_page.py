"""The page about the simulator shows files that can be read, and names every fault."""

from __future__ import annotations

import pathlib
import re

import pytest

from loa_hwsim.air_file import load_air
from loa_hwsim.fault_file import parse_faults
from loa_hwsim.faults import RULES, Kind
from loa_hwsim.noise import noise_dbfs
from loa_hwsim.wave_file import RATE

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
AIR, FAULTS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_the_air_on_the_page_can_be_read(tmp_path: pathlib.Path) -> None:
    import wave

    with wave.open(str(tmp_path / "morning.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(b"\0\0")
    (tmp_path / "air.toml").write_text(AIR, encoding="utf-8")
    (transmitter,) = load_air(tmp_path / "air.toml")
    assert (transmitter.pi, transmitter.ps, len(transmitter.programmes)) == (0x7301, "LANGSON", 1)


def test_the_faults_on_the_page_can_be_read() -> None:
    plan = parse_faults(FAULTS, where="page", start_ms=0)
    assert [fault.kind for fault in plan.faults] == [Kind.CARRIER_OFF, Kind.GARBAGE]
    assert (plan.faults[0].start_ms, plan.faults[0].end_ms) == (12_500, 32_500)


@pytest.mark.parametrize("kind", list(Kind))
def test_the_page_names_each_fault_with_its_places_and_numbers(kind: Kind) -> None:
    match = re.search(rf"^\| `{kind}` \| ([a-z, ]+) \| (.*?) \|", PAGE, re.MULTILINE)
    assert match, kind
    rule = RULES[kind]
    assert match[1].split(", ") == [place.value for place in rule.places]
    numbers = dict(re.findall(r"`(\w+)`(?: (-?\d+))?", match[2]))
    assert numbers == {
        name: "" if each.default is None else f"{each.default:g}"
        for name, each in rule.numbers.items()
    }


def test_the_hiss_is_as_loud_as_the_page_says() -> None:
    assert [noise_dbfs(level) for level in (26, 20, 14)] == [-40, -24, -15]
