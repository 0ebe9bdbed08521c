"""Chains: who may certify whom, where, for what, until when."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Final

from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.keys import Algorithm
from loa_protocol.objects.authority import EPOCH_LEAD, ONLINE_LIFE_S, Level, Role
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, Refusal
from vectors.generator import bodies
from vectors.generator.case import FORMAT, Case
from vectors.generator.odd import encode
from vectors.generator.world import (
    APPROVER,
    DAY,
    EDITOR,
    NOW,
    OFFICERS,
    ROOTS,
    SCOPE,
    START,
    STATION,
    Person,
    certificate_of,
    certify,
    person,
    root_of,
    sign,
    with_chain,
)

_ISSUE: Final[dict[str, Any]] = {"roles": (), "may_issue": (Role.EDITOR,)}


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield from _issuers()
    yield from _bounds()
    yield from _depth()
    yield from _dates()
    yield from _online()
    yield from _denials()
    yield from _names()
    yield from _layout()


def _by(editor: Person, **facts: Any) -> bytes:
    return sign(Kind.PLAYLIST, bodies.playlist(**facts), editor, APPROVER)


def _case(name: str, why: str, editor: Person, reason: Any = Refusal.CHAIN, **more: Any) -> Case:
    return Case("certificate", name, why, _by(editor), reason, **more)


def _issuers() -> Iterator[Case]:
    yield _case("two_issuers", "A speaking role, by two officers of the province.", EDITOR, None)
    yield _case(
        "one_issuer",
        "A speaking role needs two issuing holders.",
        certify(person("x"), OFFICERS[:1]),
    )
    yield _case(
        "one_issuer_twice",
        "One officer who signs twice is one.",
        certify(person("x"), [OFFICERS[0], OFFICERS[0]]),
    )
    second = certify(
        person("officer-1 second", holder="officer-1"),
        ROOTS[:2],
        scopes=(SCOPE,),
        roles=(),
        may_issue=tuple(Role),
        level=Level.PROVINCE,
    )
    yield _case(
        "one_issuer_with_two_keys",
        "Two keys of one holder are one holder.",
        certify(person("x"), [OFFICERS[0], second]),
    )
    foreign = [person("foreign 1"), person("foreign 2")]
    yield _case("foreign_issuers", "Issuers that no root knows.", certify(person("x"), foreign))
    yield _case("self_signed", "A key that certifies itself.", certify(person("x"), [person("x")]))
    yield _case("without_seals", "A certificate that nobody signed.", certify(person("x"), []))
    yield _case(
        "by_the_root_itself",
        "Two root holders may certify an editor directly.",
        certify(person("x"), ROOTS[3:]),
        None,
    )
    yield _case("by_one_root_holder", "One of them may not.", certify(person("x"), ROOTS[3:4]))
    own = certificate_of(person("x")).to_bytes()
    as_policy = sign_bundle(Kind.POLICY, own, [each.signer for each in OFFICERS])
    wrong = dataclasses.replace(Bundle.from_bytes(as_policy), kind=Kind.CERTIFICATE).to_bytes()
    yield _case(
        "seals_of_another_type",
        "The officers signed these bytes as a policy.",
        with_chain(person("x"), wrong, OFFICERS),
    )
    seals = Bundle.from_bytes(EDITOR.chain[-1]).seals
    mixed = dataclasses.replace(
        Bundle.from_bytes(certify(person("x"), OFFICERS).chain[-1]), seals=seals
    ).to_bytes()
    yield _case(
        "seals_of_another_certificate",
        "Mix and match: the seals under the editor's certificate, moved to a stranger's.",
        with_chain(person("x"), mixed, OFFICERS),
    )
    missing = dataclasses.replace(EDITOR, chain=EDITOR.chain[-1:])
    alone = dataclasses.replace(APPROVER, chain=APPROVER.chain[-1:])
    yield Case(
        "certificate",
        "without_the_issuers",
        "The officers' certificates were left out: nothing leads to the root.",
        sign(Kind.PLAYLIST, bodies.playlist(), missing, alone),
        Refusal.CHAIN,
    )
    extra = dataclasses.replace(
        EDITOR, chain=(*EDITOR.chain, *certify(person("z"), OFFICERS).chain[-1:])
    )
    yield _case(
        "one_more_than_needed", "A good certificate that signed nothing does no harm.", extra, None
    )
    bad = dataclasses.replace(
        EDITOR, chain=(*EDITOR.chain, *certify(person("z"), foreign).chain[-1:])
    )
    yield _case(
        "one_more_that_is_bad", "Every certificate must lead to the root, needed or not.", bad
    )


def _bounds() -> Iterator[Case]:
    narrow = [certify(person(f"issuer {n}"), OFFICERS, **_ISSUE) for n in "ab"]
    yield _case(
        "within_its_issuers",
        "A commune's own issuers certify an editor.",
        certify(person("x"), narrow),
        None,
    )
    for name, why, changes in (
        ("scope_above_its_issuers", "Scope escape upwards: the province.", {"scopes": (SCOPE,)}),
        (
            "scope_beside_its_issuers",
            "Scope escape sideways: another station.",
            {"scopes": ("vn/ls/st0200",)},
        ),
        (
            "scope_that_looks_like_its_issuers",
            "st01370 begins like st0137 and is another station.",
            {"scopes": ("vn/ls/st01370",)},
        ),
        (
            "scope_half_outside",
            "One scope inside, one outside.",
            {"scopes": (STATION, "vn/ls/st0200")},
        ),
        ("role_beyond_its_issuers", "Its issuers may not issue alerts.", {"roles": (Role.ALERT,)}),
        (
            "right_to_issue_beyond_its_issuers",
            "A right to issue what its issuers cannot.",
            {"roles": (Role.EDITOR,), "may_issue": (Role.APPROVER,)},
        ),
        (
            "level_above_its_issuers",
            "A commune's issuers make no province.",
            {"level": Level.PROVINCE},
        ),
    ):
        yield _case(name, why, certify(person("x"), narrow, **changes))
    mixed = [narrow[0], OFFICERS[1]]
    yield _case(
        "one_issuer_may_not",
        "Both issuers must be allowed to: one of them may not issue alerts.",
        certify(person("x"), mixed, roles=(Role.EDITOR, Role.ALERT)),
    )
    for name, why, epoch, reason in (
        ("epoch_that_leads", "An epoch may lead its issuers' by so many.", 1 + EPOCH_LEAD, None),
        (
            "epoch_that_leaps",
            "One more: or an issuer's thief could use up the epochs, and nothing would cure it.",
            2 + EPOCH_LEAD,
            Refusal.CHAIN,
        ),
    ):
        yield _case(name, why, certify(person("x"), OFFICERS, epoch=epoch), reason)
    pair = [EDITOR, certify(person("editor 2"), OFFICERS)]
    yield _case("by_editors", "Editors issue nothing.", certify(person("x"), pair))
    yield _case(
        "by_editors_without_roles",
        "Not even what says nothing.",
        certify(person("x"), pair, roles=()),
    )
    only_ed = root_of(ROOTS, algorithms=(Algorithm.EDDSA,))
    yield _case(
        "algorithm_not_allowed",
        "The root allows Ed25519 only; the approver has P-256.",
        EDITOR,
        facts={"root": sign(Kind.ROOT, only_ed, *ROOTS[:2]).hex()},
    )


def _depth() -> Iterator[Case]:
    first = [certify(person(f"middle {n}"), OFFICERS, **_ISSUE) for n in "ab"]
    second = [certify(person(f"lower {n}"), first, **_ISSUE) for n in "ab"]
    yield _case(
        "three_steps", "Root, province, commune, editor.", certify(person("x"), first), None
    )
    yield _case("four_steps", "One step more than three.", certify(person("x"), second))


def _dates() -> Iterator[Case]:
    late = [
        dataclasses.replace(
            each,
            chain=certify(
                each,
                ROOTS[:2],
                scopes=(SCOPE,),
                roles=(),
                may_issue=tuple(Role),
                level=Level.PROVINCE,
                expires=START,
            ).chain,
        )
        for each in (person("officer-1"), person("officer-2"))
    ]
    yield Case(
        "certificate",
        "expired_at_the_province",
        "The officers' own certificates ran out; the editor's and the approver's did not.",
        sign(
            Kind.PLAYLIST,
            bodies.playlist(),
            certify(person("x"), late),
            certify(person("y"), late, roles=(Role.APPROVER,)),
        ),
        Refusal.EXPIRED,
    )
    brief = certify(person("x"), OFFICERS, expires=NOW.unix_s)
    yield _case(
        "expired_this_second",
        "The last second is the one before 'expires'.",
        brief,
        Refusal.EXPIRED,
    )
    yield _case(
        "expires_next_second",
        "One second before, it is good.",
        certify(person("x"), OFFICERS, expires=NOW.unix_s + 1),
        None,
    )
    yield _case(
        "expired_by_the_floor",
        "Also a mere floor (T1) shows that it ran out.",
        brief,
        Refusal.EXPIRED,
        now=Now(NOW.unix_s, ClockTrust.T1),
    )
    future = certify(person("x"), OFFICERS, not_before=NOW.unix_s + 60)
    now = certify(person("x"), OFFICERS, not_before=NOW.unix_s)
    yield _case("begins_this_second", "The first second counts.", now, None)
    yield _case("not_yet_valid", "It begins in a minute.", future, Refusal.NOT_YET)
    yield _case(
        "not_yet_valid_by_an_unknown_clock",
        "A clock that is only a floor refuses nothing as too early.",
        future,
        None,
        now=Now(NOW.unix_s, ClockTrust.T1),
        expected={"pending": False},
    )


def _online() -> Iterator[Case]:
    """Yield what binds keys that lie on a server: the head's signer stands for all three."""
    facts: dict[str, Any] = {"scopes": (SCOPE,), "level": Level.PROVINCE}
    ends = START + 100 * DAY
    brief = certify(
        person("officer-3"), ROOTS[:2], roles=(), may_issue=tuple(Role), expires=ends, **facts
    )
    unknown = Now(NOW.unix_s, ClockTrust.T1)
    for role in (Role.HEAD, Role.TIME, Role.INGEST):
        mixed = certify(
            person("x"),
            OFFICERS,
            roles=(Role.EDITOR, role),
            not_before=START,
            expires=START + ONLINE_LIFE_S + 1,
        )
        name = f"role_{role.name.lower()}_for_over_two_weeks"
        yield _case(name, "Whatever else it may: what lies on a server ends in two weeks.", mixed)
    for name, why, issuers, begins, life_s, reason in (
        ("two_weeks", "A server's key for two weeks.", OFFICERS[:1], START, 0, None),
        ("over_two_weeks", "A second more.", OFFICERS[:1], START, 1, Refusal.CHAIN),
        (
            "over_two_weeks_by_the_root_itself",
            "Nor do root holders give more.",
            ROOTS[:1],
            START,
            1,
            Refusal.CHAIN,
        ),
        (
            "over_two_weeks_counted_from_its_beginning",
            "What is dated back counts.",
            OFFICERS[:1],
            START - 300,
            300,
            Refusal.CHAIN,
        ),
        (
            "as_late_as_its_issuer",
            "Where the time is not known, its beginning refuses nothing.",
            [brief],
            ends - ONLINE_LIFE_S,
            0,
            None,
        ),
        (
            "outlives_its_issuer",
            "It would tell a board that does not know the time one of years ahead.",
            [brief],
            ends - ONLINE_LIFE_S + 1,
            0,
            Refusal.CHAIN,
        ),
    ):
        who = certify(
            person("server 2"),
            issuers,
            roles=(Role.HEAD,),
            not_before=begins,
            expires=begins + ONLINE_LIFE_S + life_s,
            **facts,
        )
        data = sign(Kind.HEAD, bodies.head(), who)
        yield Case("certificate", f"online_{name}", why, data, reason, now=unknown)


def _denials() -> Iterator[Case]:
    for name, why, value, reason in (
        ("key_denied", "The editor's key is on the deny list.", EDITOR.kid, Refusal.DENIED),
        (
            "digest_denied",
            "The editor's certificate is, by its hash.",
            Bundle.from_bytes(EDITOR.chain[-1]).digest,
            Refusal.DENIED,
        ),
        ("issuer_denied", "One of its issuers is.", OFFICERS[0].kid, Refusal.DENIED),
        ("root_key_denied", "A root key under the issuers is.", ROOTS[0].kid, Refusal.CHAIN),
    ):
        yield _case(name, why, EDITOR, reason, facts={"denied": [value.hex()]})
    yield _case(
        "another_key_denied",
        "Somebody else's denial.",
        EDITOR,
        None,
        facts={"denied": [person("x").kid.hex()]},
    )


def _raw(**fields: Any) -> Person:
    """Return a person whose certificate has *fields* (by number) that no builder would write."""
    value = dict(certificate_of(person("x")).to_value())
    value.update({int(name[1:]): content for name, content in fields.items()})
    signers = [each.signer for each in OFFICERS]
    own = sign_bundle(Kind.CERTIFICATE, encode(value), signers)
    return with_chain(person("x"), own, OFFICERS)


def _names() -> Iterator[Case]:
    merged = certify(person("x"), OFFICERS, scopes=("vn/ls/st0200", STATION))
    yield _case("two_scopes", "A merged commune has several stations.", merged, None)
    deep = "/".join(["vn", "ls", "a", "b", "c", "d", "e", "f"])
    holder = certify(person("x", holder="Nguyễn Thị Ánh Ngọc (phó chủ tịch)"), OFFICERS)
    yield _case("holder_with_marks", "Holders are opaque text in NFC.", holder, None)
    long = certify(person("x", holder="ạ" * 64), OFFICERS)
    yield _case("holder_of_64_letters", "64 characters, not bytes.", long, None)
    eight = certify(person("x"), OFFICERS, scopes=(deep, STATION))
    yield _case("scope_of_eight_parts", "Eight parts are the most.", eight, None)
    for name, scope in {
        "upper_case": "vn/ls/ST0137",
        "dot_dot": "vn/ls/st0137/..",
        "empty_part": "vn/ls//st0137",
        "trailing_slash": "vn/ls/st0137/",
        "leading_slash": "/vn/ls/st0137",
        "space": "vn/ls/st0137 ",
        "percent": "vn/ls/st0137%2fc04",
        "backslash": "vn\\ls\\st0137",
        "wildcard": "vn/ls/+",
        "look_alike_letter": "vn/ls/ѕt0137",
        "fullwidth_digit": "vn/ls/st013７",
        "leading_hyphen": "vn/ls/-st0137",
        "empty": "",
        "nine_parts": f"{deep}/g",
        "part_of_33_letters": f"vn/ls/{'s' * 33}",
        "line_end": "vn/ls/st0137\n",
    }.items():
        yield _case(
            f"scope_unusual_{name}",
            f"Scopes are 1 to 8 ids of a-z, 0-9 and hyphens; this is not: {scope!r}.",
            _raw(f4=[scope]),
            FORMAT,
        )
    yield _case("holder_of_65_letters", "One character too many.", _raw(f3="a" * 65), FORMAT)
    yield _case("holder_decomposed", "'Á' as a letter and an accent.", _raw(f3="A\u0301nh"), FORMAT)
    yield _case("holder_empty", "Nobody.", _raw(f3=""), FORMAT)
    yield _case("holder_with_a_tab", "Control characters.", _raw(f3="a\tb"), FORMAT)


def _layout() -> Iterator[Case]:
    yield _case("unknown_key", "A twelfth field.", _raw(f12=1), FORMAT)
    yield _case("unknown_role", "Role 12 has no name.", _raw(f5=[12]), FORMAT)
    yield _case("no_scope", "A certificate has a scope at least.", _raw(f4=[]), FORMAT)
    yield _case("key_of_31_bytes", "No public key has 31 bytes.", _raw(f2=bytes(31)), FORMAT)
    nested = dataclasses.replace(
        Bundle.from_bytes(EDITOR.chain[-1]), certificates=OFFICERS[0].chain
    )
    yield _case(
        "with_certificates_inside",
        "Certificates carry none themselves.",
        with_chain(person("editor"), nested.to_bytes(), OFFICERS),
        FORMAT,
    )
    version = dataclasses.replace(Bundle.from_bytes(EDITOR.chain[-1]), version=2)
    yield _case(
        "of_version_2",
        "A certificate of another version is none.",
        with_chain(person("editor"), version.to_bytes(), OFFICERS),
        FORMAT,
    )
    relabelled = dataclasses.replace(Bundle.from_bytes(EDITOR.chain[-1]), kind=int(Kind.POLICY))
    yield _case(
        "labelled_as_a_policy",
        "Its seals are good, its bundle says another kind.",
        with_chain(person("editor"), relabelled.to_bytes(), OFFICERS),
        FORMAT,
    )
    yield _case(
        "that_is_a_playlist",
        "Another object among the certificates.",
        dataclasses.replace(
            EDITOR, chain=(*OFFICERS[0].chain, sign(Kind.PLAYLIST, bodies.playlist()))
        ),
        FORMAT,
    )
    yield Case(
        "certificate",
        "as_an_object",
        "A certificate by itself is nothing to accept.",
        EDITOR.chain[-1],
        Refusal.KIND,
    )
    old = certify(person("editor"), OFFICERS, expires=START + DAY)
    both = dataclasses.replace(EDITOR, chain=(*EDITOR.chain, old.chain[-1]))
    yield _case(
        "renewed_with_the_old_one",
        "A renewed certificate beside the old one of the same key.",
        both,
        None,
    )
    other = certify(person("editor"), OFFICERS, roles=(Role.LIVE,)).chain[-1]
    above, own = EDITOR.chain[:-1], EDITOR.chain[-1]
    for name, why, chain, reason in (
        ("of_one_key_the_last_counts", "Of two for one key the last counts.", (other, own), None),
        (
            "of_one_key_the_first_is_passed_over",
            "The last of two for one key has another role: the other signer is alone.",
            (own, other),
            Refusal.THRESHOLD,
        ),
    ):
        yield _case(name, why, dataclasses.replace(EDITOR, chain=(*above, *chain)), reason)
