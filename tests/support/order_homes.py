"""A real province with the homes of two wardens of a station and two duty officers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from loa_manager.authority import Authority
from loa_manager.cli.main import run
from loa_manager.policy_file import preset_policy
from loa_manager.publish.editing import media_store
from support.schedules import write_tone
from support.serve_process import PASSPHRASE, TestProvince

STATION = "vn/ls/st0137"
PEOPLE = {
    "hung": ("alert", "operate"),
    "lan": ("alert", "operate"),
    "truc1": ("alert", "operate", "bulletin"),
    "truc2": ("alert", "operate"),
}


def make_homes(folder: Path, people: Mapping[str, tuple[str, ...]] = PEOPLE) -> Path:
    """Make the province ``ls`` and the homes of *people* in *folder*, and a siren that is known."""
    province = TestProvince.found(folder / "ls")
    secret = folder / "secret"
    secret.write_text(PASSPHRASE.secret)
    word = ("--passphrase-file", str(secret))
    siren = write_tone(folder / "siren.wav", 3)
    known = media_store(province.home).add(siren).facts.sha256
    now = datetime.now(UTC)
    rules = dataclasses.replace(preset_policy("rural", "vn/ls", now), preapproved=(known,))
    Authority.open(province.home, PASSPHRASE).sign_policy(rules, now)
    for name, roles in people.items():
        home = f"{folder}/{name}"
        place = ("vn/ls", "province") if name.startswith("truc") else (STATION, "commune")
        for role in roles:
            made = ("--home", home, "--role", role, "--holder", name.title(), *word)
            assert run(("key", "make", *made)) == 0
        assert run(("key", "export-public", "--home", f"{folder}/ls", "-o", home)) == 0
        for role in roles:
            asked = f"{home}/keys/own/{role}.request"
            rights = ("--scope", place[0], "--level", place[1], "-o", f"{home}/{role}.cert")
            certify = ("--home", f"{folder}/ls", asked, *rights, *word)
            assert run(("key", "certify", *certify)) == 0
            assert run(("key", "install", "--home", home, f"{home}/{role}.cert")) == 0
    return folder
