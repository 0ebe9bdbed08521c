"""The people of the village: who holds which keys, each in a home of their own."""

from __future__ import annotations

from dataclasses import dataclass

from loa_lab.village.plan import PROVINCE, STATION
from loa_lab.village.scene import Village


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A holder of keys; *name* is the folder of their home."""

    name: str
    holder: str
    roles: tuple[str, ...]
    scope: str = STATION
    level: str = "commune"


EDITOR = Person(name="editor", holder="Cán bộ văn hóa xã", roles=("editor",))
APPROVER = Person(name="approver", holder="Lãnh đạo xã", roles=("approver",))
_ON_DUTY = ("alert", "operate", "live")
WARDENS = (
    Person(name="hung", holder="Hùng, trực ban xã", roles=_ON_DUTY),
    Person(name="lan", holder="Lan, trực ban xã", roles=_ON_DUTY),
)
OFFICERS = tuple(
    Person(
        name=f"truc-{n}",
        holder=f"Trực ban tỉnh {n}",
        roles=("operate",),
        scope=PROVINCE,
        level="province",
    )
    for n in (1, 2)
)


def make_person(village: Village, person: Person) -> None:
    """Make *person*'s keys in their own home, and have the province certify them."""
    crew, own = village.crew, village.work / person.name
    for role in person.roles:
        made = crew.facts(
            "loa", "key", "make", "--home", own, "--role", role, "--holder", person.holder,
            *village.passphrase,
        )  # fmt: skip
        certificate = village.work / f"{person.name}-{role}.cert"
        crew.run(
            "loa", "key", "certify", "--home", village.province, made["request"],
            "--scope", person.scope, "--level", person.level, "-o", certificate,
            *village.passphrase,
        )  # fmt: skip
        crew.run("loa", "key", "install", "--home", own, certificate)


def hand_out_rules(village: Village, *people: Person) -> None:
    """Carry root and policy to the desks of *people*."""
    for person in people:
        desk = village.work / person.name
        village.crew.run("loa", "key", "export-public", "--home", village.province, "-o", desk)
