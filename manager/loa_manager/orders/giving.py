"""Giving an order: sealed by whoever sits here, judged, and sent on its way.

From the province's own home it goes into the content tree; from a person's home to the server, or
into a file where there is none or another holder has to sign first.
"""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from loa_manager import database
from loa_manager.authority import OFFICERS
from loa_manager.content_tree import store_by_hash
from loa_manager.home import Home
from loa_manager.keyring import Identity, Secrets, has_key, load_signer
from loa_manager.orders import book, sending
from loa_manager.orders.desk import Judged, OrderDesk, roles_of
from loa_manager.orders.facts import told_facts
from loa_manager.orders.paper import SUFFIX, Paper, open_paper, read_paper, write_paper
from loa_manager.orders.survey import survey
from loa_manager.publish.desk import find_settings
from loa_manager.publish.media import OnFile, unwatched
from loa_manager.service_client import ServiceClient
from loa_protocol.envelope import Kind, open_seal, sign_bundle
from loa_protocol.errors import ConfigError, MessageError
from loa_protocol.language import translator
from loa_protocol.objects.authority import Role
from loa_protocol.objects.playlist import Mark
from loa_protocol.schema import Wire
from loa_protocol.scope import is_inside

_ = translator("loa_manager")

_OWN: Final = "orders"  # the folder of what was given from a person's home


@dataclass(frozen=True, slots=True)
class Known:
    """An order that stands, as the book or the server tells of it."""

    facts: dict[str, Any]
    id: bytes
    scope: str
    title: str
    language: str
    expires: int
    mark: Mark
    cap: str | None

    @classmethod
    def of(cls, given: object) -> Known:
        """Read one row; raise MessageError where it is none.

        A server's texts are shown to people: control characters in them are left out.
        """
        facts = _plain(given)
        if not isinstance(facts, dict) or not _has_form(facts):
            raise MessageError(f"not an order's facts: {facts!r:.80}")
        try:
            return cls(
                facts,
                bytes.fromhex(facts["id"]),
                str(facts["scope"]),
                str(facts.get("title") or facts["what"]),
                str(facts.get("language") or "vi"),
                int(datetime.fromisoformat(facts["expires"]).timestamp()),
                Mark[str(facts.get("mark") or "none").upper()],
                facts.get("cap"),
            )
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise MessageError(f"not an order's facts: {error}") from None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order: in the tree, at the server, or in a file."""

    judged: Judged
    went_to: str  # tree, server, file
    path: Path | None
    next: tuple[str, ...]  # holders known here whose seal would count


@dataclass(frozen=True, slots=True)
class Giver:
    """Somebody at a home, with what judges their orders."""

    home: Home
    desk: OrderDesk
    now: datetime
    server: str | None = None

    @property
    def now_s(self) -> int:
        """The time, unix seconds."""
        return self.desk.now.unix_s

    @property
    def is_province(self) -> bool:
        """Whether orders go straight into the content tree."""
        return book.is_province(self.home)

    def seal(self, kind: Kind, body: Wire, secrets: Secrets, role: Role | None = None) -> Judged:
        """Return *body* as an order with the seal of whoever sits here, and what a board would say.

        Raises:
            ConfigError: no key here fits, or the policy's limits.
            TrustError: a board would refuse it for more than a missing holder.
        """
        data = sign_bundle(kind, body.to_bytes(), [])
        return self.add_seal(open_paper(data), secrets, role)

    def add_seal(self, paper: Paper, secrets: Secrets, role: Role | None = None) -> Judged:
        """Return *paper* with one more seal, or two where both officers sit here; as :meth:`seal`.

        A paper that is complete already is returned as it is.
        """
        known = self._papers()
        judged = self.desk.judge(paper, known)
        for identity in self._identities(paper, secrets, role):
            if judged.is_complete:
                break
            judged = self.desk.judge(self.desk.seal(judged.paper, identity, role), known)
        return judged

    def deliver(
        self,
        judged: Judged,
        secrets: Secrets,
        *,
        output: Path | None,
        media: Iterable[Path] = (),
        on_file: OnFile = unwatched,
    ) -> Outcome:
        """Send the order on its way as far as it can go from here.

        Args:
            judged: The order.
            secrets: Opens the key that seals the request to the server.
            output: The file to write, and nothing is sent; None: see :meth:`path_for`.
            media: Files that it names and does not carry.
            on_file: Told of each file that the server lacks.

        Raises:
            LoaError: as :func:`loa_manager.orders.book.publish`, or the server refuses; outside the
                province's home the order is in its file by then.
        """
        if judged.is_complete and self.is_province:
            for file in media:
                self.home.content.put_media(file)
            book.publish(judged.paper, self.home, self.desk, at=self.now)
            return Outcome(judged, "tree", None, ())
        path = self.path_for(judged, output)
        written = write_paper(path, judged.paper.data)
        for file in media:
            store_by_hash(file, path.parent / "media")
        if not self.is_province:
            write_paper(self._own(judged.paper), judged.paper.data)
        if judged.is_complete and output is None and self._has_server():
            self.post(written, secrets, on_file)
            return Outcome(judged, "server", path, ())
        signers = book.who_may_sign(self.home, judged, roles_of(judged.paper), self.now_s)
        return Outcome(judged, "file", path, tuple(signers))

    def path_for(self, judged: Judged, output: Path | None) -> Path:
        """Return the file of an order: where it is, or named after it in the working folder.

        One that goes to the server by itself needs no file there: the home keeps it.
        """
        paper = judged.paper
        given = output or paper.path
        if given is None and judged.is_complete and not self.is_province and self._has_server():
            return self._own(paper)
        return given or Path(f"{_name(paper)}{SUFFIX}")

    def _own(self, paper: Paper) -> Path:
        return self.home.path / _OWN / f"{paper.id.hex()}{SUFFIX}"

    def post(self, paper: Paper, secrets: Secrets, on_file: OnFile = unwatched) -> None:
        """Bring the order *paper* to the server; raises as :func:`sending.post`."""
        with self._client(self.sealer(paper, secrets)) as client:
            sending.post(client, self.home, paper, on_file)

    def must_bring_sound(self, paper: Paper, secrets: Secrets) -> bool:
        """Tell whether the server lacks a sound that *paper* names, so that it has to go first."""
        if self.is_province or not paper.media or not self._has_server():
            return False
        with self._client(self.sealer(paper, secrets)) as client:
            return sending.is_lacking(client, paper)

    def sealer(self, paper: Paper, secrets: Secrets) -> Identity:
        """Return the key here that has sealed *paper*, or would; raises as :meth:`seal`."""
        return next(self._identities(paper, secrets, None))

    @contextlib.contextmanager
    def _client(self, identity: Identity) -> Iterator[ServiceClient]:
        client = ServiceClient(self.home, identity, self.server)
        try:
            yield client
        finally:
            client.close()

    def known(self, scope: str | None, secrets: Secrets | None) -> list[Known]:
        """Return what stands in *scope*, around it and below it; everything without one.

        Args:
            scope: The place; needed where the server is asked.
            secrets: Opens the key that asks the server.

        Raises:
            ConfigError: there is nobody to ask, and nothing was given from here.
            LoaError: book, database or server cannot be read.
        """
        if self.is_province:
            rows = self._own_rows()
        elif self._has_server() and scope is not None and secrets is not None:
            rows = self._remote_rows(scope, secrets)
        else:
            fault = _("only the province's home and the server know: give --scope and --server")
            raise ConfigError(str(self.home.path), [fault])
        found = [Known.of(row) for row in rows]
        return [each for each in found if scope is None or _touch(each.scope, scope)]

    def _own_rows(self) -> list[dict[str, Any]]:
        engine = database.open(self.home.database_url)
        try:
            with database.reading(engine) as connection:
                told = survey(connection, book.listed(self.home))
        finally:
            engine.dispose()
        return [told_facts(each, self.now_s) for each in told]

    def _remote_rows(self, scope: str, secrets: Secrets) -> list[dict[str, Any]]:
        roles = [role for role in Role if has_key(self.home.own_keys / role.name.lower())]
        if not roles:
            raise ConfigError(str(self.home.own_keys), [_("no key here; loa key make makes one")])
        identity = load_signer(self.home.own_keys / roles[0].name.lower(), secrets)
        with self._client(identity) as client:
            answer = client.call("GET", f"/orders/{quote(scope)}").json()
        if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
            raise MessageError("the server's answer is no list of orders")
        return answer

    def _has_server(self) -> bool:
        return self.server is not None or find_settings(self.home, self.now) is not None

    def _papers(self) -> list[Paper]:
        """Return the orders that are known here: the book's, else those given from here."""
        if self.is_province:
            return [each.paper for each in book.listed(self.home)]
        found = []
        for path in sorted((self.home.path / _OWN).glob(f"*{SUFFIX}")):
            paper = read_paper(path)
            if self.now_s < paper.body.expires:
                found.append(paper)
        return found

    def _identities(self, paper: Paper, secrets: Secrets, role: Role | None) -> Iterator[Identity]:
        """Give the keys here that may seal *paper*: one of a person, or the province's officers."""
        wanted = roles_of(paper) if role is None else (role,)
        names = [each.name.lower() for each in wanted]
        own = [name for name in names if has_key(self.home.own_keys / name)]
        if own:
            yield load_signer(self.home.own_keys / own[0], secrets)
            return
        officers = [name for name in OFFICERS if has_key(self.home.authority_keys / name)]
        if not officers or Role.OPERATE not in wanted:
            fault = _("no key for this here: {roles}; make one with loa key make --role {first}")
            text = fault.format(roles=", ".join(names), first=names[0])
            raise ConfigError(str(self.home.own_keys), [text])
        kids = {open_seal(seal).kid for seal in paper.bundle.seals}
        for name in officers:
            identity = load_signer(self.home.authority_keys / name, secrets)
            if identity.signer.public.kid not in kids:
                yield identity


_FORM: Final[dict[str, type]] = {
    **dict.fromkeys(("id", "kind", "what", "scope", "state", "expires"), str),
    **dict.fromkeys(("boards", "silent"), int),
    **dict.fromkeys(("given_by", "answers"), list),
}
_ANSWER: Final = frozenset({"cluster", "board", "state", "detail", "at"})


def _has_form(facts: dict[str, Any]) -> bool:
    return (
        all(isinstance(facts.get(name), kind) for name, kind in _FORM.items())
        and isinstance(facts.get("cap"), (str, type(None)))
        and all(isinstance(each, dict) and each.keys() >= _ANSWER for each in facts["answers"])
    )


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON of any shape
    match value:
        case str():
            return "".join(c for c in value if unicodedata.category(c) not in ("Cc", "Cs", "Cf"))
        case list():
            return [_plain(each) for each in value]
        case dict():
            return {key: _plain(each) for key, each in value.items()}
    return value


def find(known: Iterable[Known], prefix: str) -> Known:
    """Return the one of *known* whose id begins with *prefix*; raise ConfigError otherwise."""
    rows = list(known)
    found = [each for each in rows if each.id.hex().startswith(prefix.lower())]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{each.id.hex()[:8]} {each.title}" for each in found or rows)
    fault = _("name one of these: {orders}") if names else _("nothing stands there")
    raise ConfigError(prefix, [fault.format(orders=names)])


def _touch(one: str, other: str) -> bool:
    return is_inside(one, other) or is_inside(other, one)


def _name(paper: Paper) -> str:
    return f"{paper.kind.name.lower().replace('_', '-')}-{paper.id.hex()[:8]}"
