"""The province's book of orders: what stands in its content tree, and how an order gets in.

An order that a board would refuse never gets in. Media and certificates first, the order next, its
row in the list last: what the head names is there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from loa_manager.account import note
from loa_manager.content_tree import ContentTree
from loa_manager.durable import locked
from loa_manager.home import Home, read_bytes
from loa_manager.issued import Issued, in_force, list_issued
from loa_manager.keyring import read_chain
from loa_manager.orders.compose import is_stillness, stands_until
from loa_manager.orders.desk import Judged, OrderDesk
from loa_manager.orders.paper import Paper, media_beside, open_paper
from loa_manager.orders.signers import list_signers
from loa_manager.rechain import renew_arrived
from loa_protocol.envelope import open_seal
from loa_protocol.errors import ConfigError, FormatError, StoreError
from loa_protocol.language import translator
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.bulletin import Bulletin
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.online import OrderMark
from loa_protocol.objects.standing import StandingProgramme
from loa_protocol.replay import judge_state
from loa_protocol.scope import is_inside
from loa_protocol.trust import Accepted, Refusal, TrustError, position_of

_ = translator("loa_manager")

MOST_OF_HOLDER: Final = 64  # of the list's 1,024 rows
LOCK: Final = "orders.lock"
STANDING: Final = "standing"  # the state file of the standing programme


class MissingSoundError(StoreError):
    """An order names a sound that is nowhere to be found."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A listed order, and whoever has signed it; judged when it came in."""

    paper: Paper
    until: int
    holders: tuple[str, ...]

    @property
    def references(self) -> tuple[bytes, ...]:
        """The ids of what it ends or replaces."""
        body = self.paper.body
        return body.references if isinstance(body, (Alert, Command)) else ()


def is_province(home: Home) -> bool:
    """Tell whether *home* has a content tree of its own, into which orders can be put."""
    return home.root_path.is_file() and home.content.index().root is not None


def listed(home: Home) -> list[Entry]:
    """Return the orders in the list of *home*, oldest first.

    Raises:
        StoreError: an object cannot be read.
        FormatError: one is damaged.
    """
    rows = home.content.index().orders.orders
    return sorted((_entry(home.content, row) for row in rows), key=_begun)


def offered(home: Home) -> list[Entry]:
    """Return the bulletins on offer in *home*; raises as :func:`listed`."""
    rows = home.content.index().orders.bulletins
    return sorted((_entry(home.content, row) for row in rows), key=_begun)


def publish(paper: Paper, home: Home, desk: OrderDesk, *, at: datetime) -> Accepted:
    """Put *paper* with its media into the content tree of *home*, and a row into its account.

    The same order again changes nothing, unless its seals weigh more than those that are there:
    nobody takes a higher level's seal off an order. Boards learn of it from whoever serves the
    tree. One order at a time: what was counted before still holds when it is listed.

    Raises:
        TrustError: a board would refuse it, or the order that it ends stands at a higher level.
        ConfigError: the policy's limits, or the list is full.
        StoreError: its media are nowhere, or tree or database is not writable.
    """
    with locked(home.path / LOCK):
        return _publish(paper, home, desk, at)


def _publish(paper: Paper, home: Home, desk: OrderDesk, at: datetime) -> Accepted:
    paper = open_paper(renew_arrived(home, paper.data), paper.path)
    entries = _readable(home)
    try:
        accepted = _accepted(desk.judge(paper, [each.paper for each in entries]))
        _check_ends(paper, accepted, entries, desk)
        _check_position(paper, home)
        _check_share(paper, accepted, entries)
    except TrustError as error:
        facts = {**_facts(paper), "reason": str(error.reason), "why": error.detail}
        note(home, "order_refused", facts, at, "loa")
        raise
    _keep_media(paper, home.content)
    stands = any(each.paper.bundle.digest == paper.bundle.digest for each in entries)
    if stands and not _weighs_more(paper, accepted, entries, desk):
        return accepted
    holders = " + ".join(signer.holder for signer in accepted.signers)
    if stands or not home.content.index().orders.digests & {paper.bundle.digest}:
        # the row comes first: a crash may leave a row too many, never an order without a row
        note(home, "order_given", _facts(paper), at, holders)
    _list(paper, home, entries, accepted.level, int(at.timestamp()))
    return accepted


def tidy(home: Home, now_s: int) -> None:
    """Take off the list what is over."""
    home.content.change_orders(lambda orders: orders.pruned(now_s))


def released_by(paper: Paper, entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries that *paper* releases or ends wherever they hold."""
    body = paper.body
    if not isinstance(body, (Alert, Command)):
        return []
    return [
        each
        for each in entries
        if each.paper.id in body.references
        and isinstance(each.paper.body, type(body))
        and is_inside(each.paper.body.scope, body.scope)
        and (isinstance(body, Alert) or _same_board(body, each.paper.body))
    ]


def who_may_sign(home: Home, judged: Judged, roles: Iterable[Role], now_s: int) -> list[str]:
    """Return the holders, as far as *home* knows them, whose seal would count next."""
    wanted, scope = set(roles), judged.paper.body.scope
    signed = {signer.holder for signer in judged.signers}
    lowest = max((signer.level for signer in judged.signers), default=0)

    def fits(each: Issued) -> bool:
        certificate = each.certificate
        return (
            bool(wanted & set(certificate.roles))
            and certificate.level >= lowest
            and any(is_inside(scope, prefix) for prefix in certificate.scopes)
        )

    holders = {each.certificate.holder for each in in_force(list_issued(home), now_s) if fits(each)}
    return sorted(holders - signed)


def _entry(tree: ContentTree, row: OrderMark) -> Entry:
    paper = open_paper(tree.object(row.digest))
    names = {each.key.kid: each.holder for each in read_chain(paper.bundle.certificates)}
    holders = tuple(names.get(open_seal(seal).kid, "?") for seal in paper.bundle.seals)
    return Entry(paper, row.until, holders)


def _readable(home: Home) -> list[Entry]:
    """Return what of the list can be read, oldest first.

    A damaged file is told of by the courier and by whoever lists orders. It must not keep the next
    warning from being given: the boards know what it said, and judge for themselves.
    """
    found = []
    for row in home.content.index().orders.orders:
        with contextlib.suppress(StoreError, FormatError):
            found.append(_entry(home.content, row))
    return sorted(found, key=_begun)


def _begun(entry: Entry) -> int:
    body = entry.paper.body
    begun: int = getattr(body, "issued", getattr(body, "start", getattr(body, "not_before", 0)))
    return begun  # of one second, the list's own order stays


def _accepted(judged: Judged) -> Accepted:
    if judged.accepted is None:
        detail = _("{count} have signed so far").format(count=len(judged.signers))
        raise TrustError(Refusal.THRESHOLD, detail)
    return judged.accepted


def _check_ends(
    paper: Paper, accepted: Accepted, entries: Iterable[Entry], desk: OrderDesk
) -> None:
    """Refuse the end of an order by a lower level: a commune cannot release a province's hold."""
    body = paper.body
    if not isinstance(body, (Alert, Command)):
        return
    for each in entries:
        if each.paper.id in body.references:
            level = desk.level_of(each.paper)
            if level is not None and accepted.level < level:
                text = _("{id} was given by a {level}, and is not ended from below")
                names = {"id": each.paper.id.hex()[:8], "level": level.name.lower()}
                raise TrustError(Refusal.LEVEL, text.format(**names))


def _weighs_more(
    paper: Paper, accepted: Accepted, entries: Iterable[Entry], desk: OrderDesk
) -> bool:
    """Tell whether *paper*, which stands, does so at a higher level than its seals of before."""
    for each in entries:
        if each.paper.bundle.digest == paper.bundle.digest:
            level = desk.level_of(each.paper)
            return level is None or accepted.level > level
    return True


def _check_share(paper: Paper, accepted: Accepted, entries: Iterable[Entry]) -> None:
    """Refuse more rows than a commune's holder needs: one stolen key must not fill the list."""
    if accepted.level > Level.COMMUNE:
        return
    others = [each for each in entries if each.paper.bundle.digest != paper.bundle.digest]
    for holder in {signer.holder for signer in accepted.signers}:
        if sum(holder in each.holders for each in others) >= MOST_OF_HOLDER:
            fault = _("{holder} has {count} orders standing; more are the province's to give")
            text = fault.format(holder=holder, count=MOST_OF_HOLDER)
            raise ConfigError(_("standing orders"), [text])


def _check_position(paper: Paper, home: Home) -> None:
    """Refuse a standing programme that does not rise above the one in the tree."""
    body = paper.body
    file = home.content.path / "state" / body.scope / STANDING
    if isinstance(body, StandingProgramme) and file.is_file():
        before = open_paper(read_bytes(file))
        assert isinstance(before.body, StandingProgramme)  # nothing else is put there
        reached = position_of(before.body, before.bundle.digest)
        new = position_of(body, paper.bundle.digest)
        assert new is not None  # it is state
        judge_state(new, reached)


def _keep_media(paper: Paper, tree: ContentTree) -> None:
    beside = media_beside(paper)
    for media in paper.media:
        place = tree.media_path(media.sha256)
        if place.is_file() and place.stat().st_size == media.size:
            continue
        if media.sha256 not in beside:
            why = _("the sound {hash} is neither in the content tree nor beside the order")
            raise MissingSoundError(str(place), why.format(hash=media.sha256.hex()[:8]))
        if tree.put_media(beside[media.sha256]) != media.sha256:  # it changed since it was hashed
            raise TrustError(Refusal.MEDIA_HASH, str(beside[media.sha256]))


def _list(paper: Paper, home: Home, entries: list[Entry], level: Level, now_s: int) -> None:
    tree, body = home.content, paper.body
    if isinstance(body, StandingProgramme):
        tree.put_object(paper.data)
        tree.put_state(body.scope, STANDING, paper.data)
        return
    mark = OrderMark(
        scope=body.scope,
        kind=paper.kind,
        digest=tree.put_object(paper.data),
        until=stands_until(body),
        level=level,
    )
    if isinstance(body, Bulletin):
        tree.change_orders(lambda orders: orders.with_bulletin(mark, now_s))
        return
    list_signers(home, paper.bundle.certificates, now_s)
    is_release = isinstance(body, Command) and body.verb is Verb.RELEASE
    ended = released_by(paper, entries) if is_release else []
    released = {each.paper.bundle.digest for each in ended if is_stillness(each.paper.body)}
    tree.change_orders(lambda orders: orders.with_order(mark, now_s, released))


def _same_board(body: Command, other: object) -> bool:
    return body.endpoint is None or (isinstance(other, Command) and other.endpoint == body.endpoint)


def _facts(paper: Paper) -> dict[str, object]:
    body = paper.body
    facts: dict[str, object] = {
        "kind": paper.kind.name.lower(),
        "id": paper.id.hex(),
        "scope": body.scope,
        "digest": paper.bundle.digest.hex(),
    }
    match body:
        case Command():
            facts |= {"verb": body.verb.name.lower(), "reason": body.reason}
        case Alert():
            facts |= {"message": body.message.name.lower(), "reason": body.reason}
            facts |= {"title": body.title, "mark": body.mark.name.lower()}
        case Bulletin():
            facts |= {"title": body.title}
        case _:
            pass
    return facts
