"""Three homes with three sets of keys: an editor's, an approver's, and the server's."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from loa_manager import database
from loa_manager.content_tree import write_durably
from loa_manager.home import Home
from loa_manager.keyring import Identity
from loa_manager.publish.desk import Desk, export_rules
from loa_manager.publish.drafts import Draft, read_draft
from loa_manager.publish.editing import make_draft, seal_draft
from loa_protocol.envelope import Kind
from loa_protocol.objects.authority import Role
from loa_protocol.objects.policy import Policy
from support.province import Person, policy, province
from support.schedules import MONDAY, text, write_tone

NOW = datetime.fromtimestamp(MONDAY + 4 * 3600, UTC)  # 04:00 on the schedule's first morning
LATER = datetime.fromtimestamp(MONDAY + 5 * 3600, UTC)


@dataclass(frozen=True)
class Desks:
    """The homes, the schedule in the editor's folder, and what people do at them."""

    editor: Home
    approver: Home
    server: Home
    week: Path

    def desk(self, home: Home, now: datetime = NOW) -> Desk:
        return Desk.open(home, now)

    def draft(self, *, serial: int | None = None, name: str = "tuan.draft") -> Draft:
        target = self.week.parent / "out" / name
        make_draft(self.week, target, self.editor, self.desk(self.editor), serial=serial)
        return read_draft(target)

    def seal(self, draft: Draft, person: Person, role: Role) -> Draft:
        home = self.editor if role is Role.EDITOR else self.approver
        seal_draft(draft, identity(person), role, self.desk(home))
        return read_draft(draft.path)

    def signed(self, **changes: int) -> Draft:
        draft = self.seal(self.draft(**changes), province().editor, Role.EDITOR)  # type: ignore[arg-type]  # serial only
        return self.seal(draft, province().approver, Role.APPROVER)


def identity(person: Person) -> Identity:
    return Identity(person.holder, person.signer, person.chain)


def make_desks(folder: Path, schedule: bytes | None = None, rules: Policy | None = None) -> Desks:
    """Make the homes under *folder*, with a policy that everybody holds."""
    server, editor, approver = (Home(folder / name) for name in ("ls", "nga", "hung"))
    here = province()
    for home in (server, editor, approver):
        write_durably(home.root_path, here.root_bundle)
    tree = server.content
    tree.set_root("vn/ls", 1, tree.put_object(here.root_bundle))
    set_policy(server, rules or policy())
    for home in (editor, approver):
        export_rules(server, home)
    engine = database.create(server.database_url)
    engine.dispose()
    week = folder / "week" / "tuan.toml"
    write_tone(week.parent / "gia-lua.wav")
    write_durably(week, schedule or text().replace(b"gia-lua.opus", b"gia-lua.wav"))
    return Desks(editor, approver, server, week)


def set_policy(server: Home, rules: Policy) -> None:
    here = province()
    data = here.sign(Kind.POLICY, rules, *here.officers)
    tree = server.content
    tree.set_policy(rules.scope, rules.epoch, rules.serial, tree.put_object(data))


def newer(rules: Policy, **changes: object) -> Policy:
    return dataclasses.replace(rules, serial=rules.serial + 1, **changes)  # type: ignore[arg-type]  # test convenience
