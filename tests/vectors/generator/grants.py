"""Grants, and bulletins: who may lend a voice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loa_protocol.envelope import Kind
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.playlist import BulletinKind
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, Refusal
from vectors.generator import bodies
from vectors.generator.case import FORMAT, Case
from vectors.generator.odd import encode
from vectors.generator.world import (
    APPROVER,
    DUTY,
    EDITOR,
    NOW,
    OFFICERS,
    SCOPE,
    START,
    STATION,
    Person,
    certify,
    person,
    sign,
    sign_bytes,
)
from vectors.generator.world import WARDENS as W


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield from _grants()
    yield from _bulletins()


def _grants() -> Iterator[Case]:
    two, playlist = (W[0], W[1]), bodies.digest("playlist")

    def case(
        name: str,
        why: str,
        people: tuple[Person, ...],
        reason: Any = None,
        *,
        facts: Any = None,
        now: Now = NOW,
        expected: Any = None,
        **changes: Any,
    ) -> Case:
        data = sign(Kind.GRANT, bodies.grant(**changes), *people)
        return Case("grant", name, why, data, reason, facts or {}, now, expected=expected or {})

    def slots(start: int, end: int) -> dict[str, Any]:
        row = {"playlist": playlist.hex(), "item": "live", "start": start, "end": end}
        return {"live_slots": [row]}

    slot: dict[str, Any] = {"slot": "live", "playlist": playlist}
    fits = slots(NOW.unix_s, NOW.unix_s + 600)
    yield case("by_two", "Two holders with role live.", two, expected={"level": 1})
    yield case("by_one", "One is too few.", two[:1], Refusal.THRESHOLD)
    yield case(
        "by_one_in_a_slot", "The slot was approved by two already.", two[:1], facts=fits, **slot
    )
    yield case(
        "slot_of_an_unknown_playlist",
        "No accepted playlist has that slot.",
        two[:1],
        Refusal.THRESHOLD,
        **slot,
    )
    yield case(
        "slot_of_another_item",
        "The playlist has another live slot.",
        two[:1],
        Refusal.THRESHOLD,
        facts=fits,
        slot="news",
        playlist=playlist,
    )
    yield case(
        "longer_than_its_slot",
        "A second longer than was approved.",
        two[:1],
        Refusal.THRESHOLD,
        facts=slots(NOW.unix_s, NOW.unix_s + 599),
        **slot,
    )
    yield case(
        "earlier_than_its_slot",
        "A second earlier.",
        two[:1],
        Refusal.THRESHOLD,
        facts=slots(NOW.unix_s + 1, NOW.unix_s + 600),
        **slot,
    )
    voice: dict[str, Any] = {"kind": BulletinKind.EMERGENCY}
    yield case(
        "emergency_by_two", "Live and alert, two holders.", two, expected={"level": 1}, **voice
    )
    yield case(
        "emergency_in_a_slot_by_one",
        "No slot is approved for an emergency.",
        two[:1],
        Refusal.THRESHOLD,
        facts=fits,
        **voice,
        **slot,
    )
    speakers = tuple(certify(person(f"speaker {n}"), OFFICERS, roles=(Role.LIVE,)) for n in "ab")
    yield case(
        "emergency_without_alert",
        "Two voices, and nobody who may alert.",
        speakers,
        Refusal.ROLE,
        **voice,
    )
    high = tuple(
        certify(
            person(f"high speaker {n}"),
            OFFICERS,
            roles=(Role.LIVE,),
            scopes=(SCOPE,),
            level=Level.PROVINCE,
        )
        for n in "ab"
    )
    siren = certify(person("siren"), OFFICERS, roles=(Role.ALERT,))
    yield case(
        "emergency_level_by_its_alert_holder",
        "Two voices of the province, and only the commune's leave to alert: the commune's level.",
        (*high, siren),
        expected={"level": 1},
        **voice,
    )
    yield case("by_editors", "Other roles.", (EDITOR, APPROVER), Refusal.ROLE)
    yield case("other_cluster", "For c05.", two, Refusal.NOT_ADDRESSED, scope=f"{STATION}/c05")
    yield case("other_station", "Outside their scope.", two, Refusal.SCOPE, scope="vn/ls/st0200")
    seen = bodies.seen(bodies.grant())
    yield case("seen_before", "An event happens once.", two, Refusal.REPLAYED, facts=seen)
    yield case(
        "ended",
        "Its session is over.",
        two,
        Refusal.EXPIRED,
        now=Now(NOW.unix_s + 600, ClockTrust.T2),
    )
    yield case("an_hour_long", "An hour is the most.", two, end=NOW.unix_s + 3600)
    value = dict(bodies.grant().to_value())
    for name, why, raw in (
        ("over_an_hour", "A second more is too long.", {**value, 8: NOW.unix_s + 3601}),
        ("ends_as_it_starts", "No time at all.", {**value, 8: NOW.unix_s}),
        (
            "slot_without_playlist",
            "A slot is named together with its playlist.",
            {**value, 14: "live"},
        ),
        ("playlist_without_slot", "And the playlist with its slot.", {**value, 15: playlist}),
    ):
        yield Case("grant", name, why, sign_bytes(Kind.GRANT, encode(raw), *two), FORMAT)


def _bulletins() -> Iterator[Case]:
    local = certify(person("x"), OFFICERS, roles=(Role.BULLETIN,))

    def case(
        name: str,
        why: str,
        who: Person,
        reason: Any = None,
        *,
        facts: Any = None,
        now: Now = NOW,
        expected: Any = None,
        **changes: Any,
    ) -> Case:
        data = sign(Kind.BULLETIN, bodies.bulletin(**changes), who)
        return Case("bulletin", name, why, data, reason, facts or {}, now, expected=expected or {})

    yield case("by_the_province", "One holder with role bulletin.", DUTY[0], expected={"level": 2})
    yield case(
        "by_the_commune",
        "Communes offer themselves nothing: the level is too low.",
        local,
        Refusal.LEVEL,
    )
    yield case("by_an_officer_without_the_role", "Another role.", OFFICERS[0], Refusal.ROLE)
    yield case(
        "expired",
        "The offer is over.",
        DUTY[0],
        Refusal.EXPIRED,
        now=Now(START + 8 * 86_400, ClockTrust.T3),
    )
    yield case(
        "not_yet", "The offer has not begun.", DUTY[0], Refusal.NOT_YET, not_before=NOW.unix_s + 60
    )
    seen = bodies.seen(bodies.bulletin(), START + 9 * 86_400)
    yield case("seen_before", "An event happens once.", DUTY[0], Refusal.REPLAYED, facts=seen)
    value = dict(bodies.bulletin().to_value())
    for name, why, raw in (
        ("emergency", "Emergencies come as alerts.", {**value, 3: 3}),
        ("ends_as_it_begins", "No time at all.", {**value, 8: START}),
    ):
        yield Case("bulletin", name, why, sign_bytes(Kind.BULLETIN, encode(raw), DUTY[0]), FORMAT)
