"""What online keys say, live sound, and media."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from loa_protocol import heads, merkle
from loa_protocol.envelope import Bundle, Kind, seal
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.online import Inclusion, Leaf
from loa_protocol.record import ClockTrust
from loa_protocol.schema import Wire
from loa_protocol.trust import Now, Refusal
from vectors.generator import bodies
from vectors.generator.case import FORMAT, UNPROVEN, Case
from vectors.generator.odd import encode
from vectors.generator.world import (
    CLUSTER,
    DAY,
    EDITOR,
    NOW,
    OFFICERS,
    ONLINE,
    ROOTS,
    SESSION,
    START,
    STATION,
    FixedSigner,
    Person,
    certify,
    person,
    sign,
)

_SECOND: Final = 1000
_END: Final = START + 14 * DAY  # of the server's certificate


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield from _heads()
    yield from _proofs()
    yield from _times()
    yield from _receipts()
    yield from _chunks()
    yield from _media()


def _heads() -> Iterator[Case]:
    def case(
        name: str,
        why: str,
        reason: Any = None,
        *,
        who: Person = ONLINE,
        before: Wire | None = None,
        now: Now = NOW,
        expected: Any = None,
        **changes: Any,
    ) -> Case:
        kept = None if before is None else before.to_bytes().hex()
        data = sign(Kind.HEAD, bodies.head(**changes), who)
        return Case("head", name, why, data, reason, {"head": kept}, now, "head", expected or {})

    fresh = bodies.head()
    yield case("first", "The first head.", expected={"stale": False})
    yield case(
        "next", "A newer one.", before=bodies.head(time=NOW.unix_s - 600), expected={"stale": False}
    )
    yield case("same_again", "The same one.", before=fresh)
    yield case(
        "rollback",
        "An older head, brought again.",
        Refusal.ROLLBACK,
        before=bodies.head(time=NOW.unix_s - 60),
    )
    yield case(
        "an_hour_old",
        "Sixty minutes are still fresh.",
        time=NOW.unix_s - 3600,
        expected={"stale": False},
    )
    yield case(
        "freeze",
        "Freeze: a second more is stale; scheduled sound then waits, and people are told.",
        time=NOW.unix_s - 3601,
        expected={"stale": True},
    )
    yield case(
        "freeze_for_two_weeks",
        "A head frozen for longer than its signer's certificate is refused.",
        Refusal.EXPIRED,
        now=Now(_END, ClockTrust.T3),
    )
    yield case(
        "later_than_its_certificate",
        "A stolen head key cannot lead beyond its certificate.",
        Refusal.EXPIRED,
        time=_END + 1,
    )
    unknown = Now(NOW.unix_s, ClockTrust.T1)
    yield case("as_late_as_its_certificate", "The last second.", now=unknown, time=_END)
    late = NOW.unix_s + heads.AHEAD_S
    yield case("a_minute_ahead", "Two clocks may be a minute apart.", time=late)
    yield case(
        "ahead",
        "By more than a minute, and the time is fully trusted: it would keep true heads out.",
        Refusal.NOT_YET,
        time=late + 1,
    )
    yield case(
        "ahead_at_t2",
        "Where no server told the time, a head knows it better.",
        now=Now(NOW.unix_s, ClockTrust.T2),
        time=late + 1,
    )
    yield case(
        "after_one_from_the_future",
        "The one before came when the time was not known: it lied, and counts for nothing.",
        before=bodies.head(time=late + 1),
    )
    yield case(
        "after_a_later_one_at_t2",
        "Where the time is not fully trusted, the later one may be true.",
        Refusal.ROLLBACK,
        now=Now(NOW.unix_s, ClockTrust.T2),
        before=bodies.head(time=late + 1),
    )
    yield case("by_an_officer", "Not role head.", Refusal.ROLE, who=OFFICERS[0])
    yield case("by_an_editor", "Nor that.", Refusal.ROLE, who=EDITOR)
    yield case(
        "of_a_part_of_the_province", "A head is the province's.", Refusal.SCOPE, scope=STATION
    )
    yield case("of_another_province", "Outside its signer's scope.", Refusal.SCOPE, scope="vn/hn")
    both_sign = sign(Kind.HEAD, fresh, ONLINE, ROOTS[0])
    yield Case(
        "head",
        "root_holder_beside_the_server",
        "A root holder's seal adds nothing and harms nothing.",
        both_sign,
        facts={"head": None},
        door="head",
    )
    local = certify(person("local server"), OFFICERS[:1], roles=(Role.HEAD,))
    yield case(
        "by_a_commune",
        "A commune's server does not speak for the province.",
        Refusal.SCOPE,
        who=local,
    )
    both = certify(
        person("x"),
        OFFICERS[:1],
        roles=(Role.HEAD, Role.EDITOR),
        scopes=("vn/ls",),
        level=Level.PROVINCE,
    )
    yield case(
        "by_one_that_may_also_speak",
        "One issuer is too few for a certificate that speaks.",
        Refusal.CHAIN,
        who=both,
    )
    playlist = sign(Kind.TIME_ANSWER, bodies.time_answer(), ONLINE)
    yield Case(
        "head",
        "that_is_a_time_answer",
        "Another object of the same key.",
        playlist,
        Refusal.KIND,
        {"head": None, "nonce": bodies.NONCE.hex()},
        door="head",
    )


def _proofs() -> Iterator[Case]:
    leaves = [
        Leaf(scope=scope, epoch=1, serial=5, digest=bodies.digest(scope))
        for scope in ("vn/ls/st0012", STATION, CLUSTER, "vn/ls/st0200", "vn/ls/st0300")
    ]
    coded = [leaf.to_bytes() for leaf in leaves]
    head = bodies.head(tree=merkle.root(coded), leaves=len(leaves))

    def case(
        name: str, why: str, reason: Any = None, *, under: Any = head, at: int = 2, **changes: Any
    ) -> Case:
        facts: dict[str, Any] = {
            "leaf": leaves[at],
            "index": at,
            "path": tuple(merkle.path(coded, at)),
        }
        data = Inclusion(**{**facts, **changes}).to_bytes()
        return Case(
            "inclusion", name, why, data, reason, {"head": under.to_bytes().hex()}, door="proof"
        )

    path = tuple(merkle.path(coded, 2))
    old = Leaf(scope=CLUSTER, epoch=1, serial=4, digest=bodies.digest("old"))
    yield case("in_the_tree", "The third of five leaves.")
    yield case(
        "of_an_older_playlist",
        "Mix and match: an older leaf under the new head.",
        UNPROVEN,
        leaf=old,
    )
    yield case(
        "under_another_head",
        "Mix and match: the proof of one head under another.",
        UNPROVEN,
        under=bodies.head(leaves=5),
    )
    yield case("of_another_scope", "A good proof, for a neighbour.", Refusal.NOT_ADDRESSED, at=3)
    yield case("at_another_index", "The right path at the wrong place.", UNPROVEN, index=3)
    yield case("beyond_the_tree", "An index that the tree does not have.", UNPROVEN, index=5)
    yield case("path_too_short", "The last step left out.", UNPROVEN, path=path[:-1])
    yield case("path_too_long", "One step more.", UNPROVEN, path=(*path, bytes(32)))
    yield case(
        "path_swapped", "Two steps change places.", UNPROVEN, path=(path[1], path[0], *path[2:])
    )
    yield case(
        "tree_of_another_size",
        "The head counts fewer leaves.",
        UNPROVEN,
        under=bodies.head(tree=head.tree, leaves=3),
    )
    alone = bodies.head(tree=merkle.root(coded[2:3]), leaves=1)
    yield case("alone_in_the_tree", "One leaf is its own tree.", under=alone, index=0, path=())
    inner = bodies.head(tree=merkle.root(coded), leaves=1)
    yield case(
        "node_as_a_leaf",
        "A node is no leaf: their hashes begin differently (RFC 9162).",
        UNPROVEN,
        under=inner,
        index=0,
        path=(),
    )


def _times() -> Iterator[Case]:
    def case(
        name: str,
        why: str,
        reason: Any = None,
        *,
        who: Person = ONLINE,
        nonce: str = bodies.NONCE.hex(),
        now: Now = NOW,
        **changes: Any,
    ) -> Case:
        data = sign(Kind.TIME_ANSWER, bodies.time_answer(**changes), who)
        return Case("time_answer", name, why, data, reason, {"nonce": nonce}, now)

    yield case("over_our_nonce", "The answer to our own question.")
    yield case(
        "over_our_nonce_in_1970",
        "A board that knows nothing asks for the time.",
        now=Now(0, ClockTrust.T0),
    )
    yield case(
        "over_another_nonce",
        "Replayed: the answer to another question.",
        Refusal.NONCE,
        nonce=bodies.digest("n")[:16].hex(),
    )
    yield case("unasked", "We asked nothing.", Refusal.NONCE, nonce="")
    yield case(
        "later_than_its_certificate",
        "A stolen time key cannot lead beyond its certificate.",
        Refusal.EXPIRED,
        time_ms=(_END + 1) * _SECOND,
    )
    yield case("as_late_as_its_certificate", "The last second.", time_ms=_END * _SECOND)
    unknown = Now(0, ClockTrust.T0)
    yield case(
        "earlier_than_its_certificate",
        "Nor does it lead a board that knows nothing back before it.",
        Refusal.NOT_YET,
        now=unknown,
        time_ms=START * _SECOND - 1,
    )
    yield case(
        "as_early_as_its_certificate", "The first instant.", now=unknown, time_ms=START * _SECOND
    )
    early = bodies.time_answer(time_ms=1000).to_bytes()
    attached = seal(early, Kind.TIME_ANSWER.label(), ONLINE.signer, detached=False)
    yield Case(
        "time_answer",
        "seal_with_its_payload",
        "A good seal over the very payload, but attached: in a bundle seals are detached.",
        Bundle(
            kind=Kind.TIME_ANSWER,
            version=1,
            payload=early,
            seals=(attached,),
            certificates=ONLINE.chain,
        ).to_bytes(),
        Refusal.SIGNATURE,
        {"nonce": bodies.NONCE.hex()},
    )
    only = certify(person("head server"), OFFICERS[:1], roles=(Role.HEAD,))
    yield case("by_a_head_key", "Not role time.", Refusal.ROLE, who=only)
    yield case(
        "by_an_expired_certificate",
        "By the floor, the server's certificate has ended.",
        Refusal.EXPIRED,
        now=Now(_END, ClockTrust.T1),
    )


def _receipts() -> Iterator[Case]:
    def case(
        name: str, why: str, reason: Any = None, *, who: Person = ONLINE, **changes: Any
    ) -> Case:
        return Case(
            "receipt", name, why, sign(Kind.RECEIPT, bodies.receipt(**changes), who), reason
        )

    yield case("for_this_endpoint", "By the ingest key, for us.")
    yield case(
        "for_another_endpoint",
        "Replayed to another device.",
        Refusal.NOT_ADDRESSED,
        endpoint=bytes(16),
    )
    yield case("by_an_editor", "Not role ingest.", Refusal.ROLE, who=EDITOR)
    yield case("as_late_as_its_certificate", "The last second.", time_ms=_END * _SECOND)
    yield case(
        "later_than_its_certificate",
        "The newest counts: a stolen key's must not outdo every true one for ever.",
        Refusal.EXPIRED,
        time_ms=(_END + 1) * _SECOND,
    )


def _chunks() -> Iterator[Case]:
    grant = bodies.grant()
    now_ms, start_ms, end_ms = NOW.unix_s * _SECOND, grant.start * _SECOND, grant.end * _SECOND

    def sealed(
        body: Wire, signer: FixedSigner = SESSION.signer, label: str = Kind.LIVE_CHUNK.label()
    ) -> bytes:
        return seal(body.to_bytes(), label, signer, detached=False)

    def case(
        name: str,
        why: str,
        data: bytes,
        reason: Any = None,
        *,
        now: Now = NOW,
        before: tuple[bytes, ...] = (),
        under: Any = grant,
    ) -> Case:
        facts = {"grant": under.to_bytes().hex(), "before": [each.hex() for each in before]}
        return Case("live_chunk", name, why, data, reason, facts, now, "chunk")

    def at(at_ms: int) -> bytes:
        return sealed(bodies.chunk(at_ms=at_ms))

    good = sealed(bodies.chunk())
    early = bodies.grant(start=grant.start - 3000)
    yield case("in_time", "A second of sound, sealed by the session's key.", good)
    yield case(
        "forged",
        "By another key.",
        sealed(bodies.chunk(), person("relay").signer),
        Refusal.UNKNOWN_SIGNER,
    )
    yield case(
        "forged_under_its_kid",
        "Another's signature under the session's key id.",
        good[:-64] + sealed(bodies.chunk(), person("relay").signer)[-64:],
        Refusal.SIGNATURE,
    )
    yield case(
        "sound_changed",
        "One bit of the sound.",
        good.replace(b"\xfc", b"\xfd", 1),
        Refusal.SIGNATURE,
    )
    yield case(
        "sealed_as_another_type",
        "Sealed by the session's key as an alert.",
        sealed(bodies.chunk(), label=Kind.ALERT.label()),
        Refusal.SIGNATURE,
    )
    yield case(
        "of_another_session",
        "It names another grant.",
        sealed(bodies.chunk(grant=bodies.event("other"))),
        Refusal.NOT_ADDRESSED,
    )
    yield case("seen_before", "Its number came already.", good, Refusal.REPLAYED, before=(good,))
    yield case(
        "number_seen_with_other_sound",
        "So did that of another second.",
        sealed(bodies.chunk(at_ms=now_ms + 3000)),
        Refusal.REPLAYED,
        before=(good,),
    )
    yield case(
        "out_of_order",
        "An earlier number after a later one is merely late.",
        sealed(bodies.chunk(number=6)),
        before=(good,),
    )
    yield case("30_seconds_late", "Thirty seconds are the most.", at(now_ms - 30_000), under=early)
    yield case(
        "31_seconds_late", "More is refused.", at(now_ms - 30_001), Refusal.EXPIRED, under=early
    )
    yield case("30_seconds_early", "Thirty seconds ahead.", at(now_ms + 30_000))
    yield case("31_seconds_early", "More is refused.", at(now_ms + 30_001), Refusal.NOT_YET)
    yield case(
        "before_the_session",
        "For an instant before the grant's start.",
        at(start_ms - 1),
        Refusal.NOT_YET,
    )
    yield case(
        "for_after_the_session",
        "For the instant of its end.",
        at(end_ms),
        Refusal.EXPIRED,
        now=Now(grant.end - 5, ClockTrust.T3),
    )
    yield case(
        "after_the_session",
        "The session is over.",
        at(end_ms - 1),
        Refusal.EXPIRED,
        now=Now(grant.end, ClockTrust.T3),
    )
    yield case(
        "clock_unknown",
        "By a clock that is only a floor nothing is in time.",
        good,
        Refusal.NOT_YET,
        now=Now(NOW.unix_s, ClockTrust.T1),
    )
    first = sealed(bodies.chunk(number=0))
    yield case(
        "first_number_again", "Also number 0 comes once.", first, Refusal.REPLAYED, before=(first,)
    )
    yield case(
        "number_after_the_first",
        "1 after 0.",
        sealed(bodies.chunk(number=1)),
        before=(first,),
    )
    yield case("first_instant", "The instant of the grant's start.", at(start_ms))
    text = good.replace(b"\xa0\x58", b"\xa0\x78", 1)
    yield case("payload_as_text", "The payload under the major type of text.", text, FORMAT)
    body = bodies.chunk().to_bytes()
    yield case(
        "detached",
        "A chunk carries its payload.",
        seal(body, Kind.LIVE_CHUNK.label(), SESSION.signer),
        FORMAT,
    )
    value = dict(bodies.chunk().to_value())
    for name, why, raw in (
        ("packet_too_long", "An Opus packet has 1275 bytes at most.", {**value, 4: [bytes(1276)]}),
        ("without_packets", "A chunk has sound.", {**value, 4: []}),
        ("unknown_key", "A fifth field.", {**value, 5: 0}),
    ):
        wire = seal(encode(raw), Kind.LIVE_CHUNK.label(), SESSION.signer, detached=False)
        yield case(name, why, wire, FORMAT)


def _media() -> Iterator[Case]:
    named = {"media": bodies.media_of(bodies.SIREN).sha256.hex()}
    flipped = bytes([bodies.SIREN[0] ^ 1]) + bodies.SIREN[1:]
    for name, why, content, reason in (
        ("as_signed", "The bytes that were named.", bodies.SIREN, None),
        ("one_bit", "One bit of the file.", flipped, Refusal.MEDIA_HASH),
        ("cut_off", "Its last byte is missing.", bodies.SIREN[:-1], Refusal.MEDIA_HASH),
        ("one_byte_more", "A byte after its end.", bodies.SIREN + b"\x00", Refusal.MEDIA_HASH),
        ("empty", "Nothing came.", b"", Refusal.MEDIA_HASH),
    ):
        yield Case("media", name, why, content, reason, named, door="media")
