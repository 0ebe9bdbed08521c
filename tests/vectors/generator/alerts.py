"""Alerts: who may wake a village, and with what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from loa_protocol.envelope import Kind
from loa_protocol.objects.authority import Role
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
    ONLINE,
    ROOTS,
    SCOPE,
    STATION,
    Person,
    certify,
    person,
    root_of,
    sign,
    sign_bytes,
)
from vectors.generator.world import WARDENS as W

_SIREN: Final = bodies.media_of(bodies.SIREN)
_APPROVED: Final = {"preapproved": [_SIREN.sha256.hex()]}
_SAME: Final = certify(
    person("warden-1 second", holder="warden-1"),
    OFFICERS,
    roles=(Role.ALERT, Role.LIVE, Role.OPERATE),
)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield from _alerts()
    yield from _alert_fields()


def _alert(
    name: str, why: str, people: tuple[Person, ...], reason: Any = None, **more: Any
) -> Case:
    body = more.pop("body", None) or bodies.alert()
    return Case("alert", name, why, sign(Kind.ALERT, body, *people), reason, **more)


def _alerts() -> Iterator[Case]:
    one, two = (W[0],), (W[0], W[1])
    mixed = (W[0], DUTY[0])
    yield _alert(
        "free_by_two", "Free speech of a commune, by two holders.", two, expected={"level": 1}
    )
    yield _alert("free_by_one", "Free speech needs a second holder.", one, Refusal.THRESHOLD)
    yield _alert(
        "free_by_one_twice", "One key with two signatures is one.", (W[0], W[0]), Refusal.THRESHOLD
    )
    yield _alert(
        "free_by_one_holder_with_two_keys",
        "Two keys of one holder are one.",
        (W[0], _SAME),
        Refusal.THRESHOLD,
    )
    yield _alert(
        "preapproved_by_one",
        "Media that policy lists: one holder.",
        one,
        facts=_APPROVED,
        expected={"level": 1},
    )
    yield _alert(
        "preapproved_where_policy_wants_two",
        "Policy may want two for those as well.",
        one,
        Refusal.THRESHOLD,
        facts={**_APPROVED, "preapproved_holders": 2},
    )
    yield _alert(
        "preapproved_by_province_and_commune",
        "With the province in it two are needed, and the lower level counts.",
        mixed,
        facts=_APPROVED,
        expected={"level": 1},
    )
    other = {"preapproved": [bodies.digest("another siren").hex()]}
    yield _alert(
        "other_media_preapproved",
        "What counts is the media's hash.",
        one,
        Refusal.THRESHOLD,
        facts=other,
    )
    yield _alert(
        "province_by_two",
        "The province pre-empts, by two.",
        (DUTY[0], DUTY[1]),
        expected={"level": 2},
    )
    yield _alert("province_by_one", "By one it does not.", (DUTY[0],), Refusal.THRESHOLD)
    yield _alert(
        "province_preapproved_by_one",
        "Nor with pre-approved media: those are for communes.",
        (DUTY[0],),
        Refusal.THRESHOLD,
        facts=_APPROVED,
    )
    yield _alert(
        "province_and_commune",
        "One of each: two holders, and the lower level.",
        mixed,
        expected={"level": 1},
    )
    yield _alert("province_by_three", "Three of the province.", tuple(DUTY), expected={"level": 2})
    three = {"thresholds": {"10": 3}}
    yield _alert(
        "policy_asks_for_three",
        "Policy wants three.",
        (DUTY[0], DUTY[1]),
        Refusal.THRESHOLD,
        facts=three,
    )
    risen = root_of(ROOTS, floors={int(Kind.ALERT): 3})
    floor = {"root": sign(Kind.ROOT, risen, *ROOTS[:3]).hex(), "thresholds": {"10": 1}}
    yield _alert(
        "root_asks_for_three",
        "The root's floor, which policy cannot lower.",
        two,
        Refusal.THRESHOLD,
        facts=floor,
    )
    own = {**three, "widest_thresholds": {}}
    yield _alert(
        "station_asks_for_three_of_the_province",
        "A station's own policy binds its own people, not the province's.",
        (DUTY[0], DUTY[1]),
        facts=own,
        expected={"level": 2},
    )
    yield _alert(
        "station_asks_for_three_of_its_own",
        "One of the province among them lowers nothing.",
        mixed,
        Refusal.THRESHOLD,
        facts=own,
    )
    yield _alert(
        "denied_media",
        "What is denied by its hash sounds in no alert.",
        two,
        Refusal.DENIED,
        facts={"denied": [_SIREN.sha256.hex()]},
    )
    ahead = NOW.unix_s + 7 * 86_400 + 1
    yield _alert(
        "starts_in_eight_days",
        "None is laid in store: nobody gives one more than 7 days before.",
        two,
        Refusal.NOT_YET,
        body=bodies.alert(start=ahead, expires=ahead + 60),
    )
    yield _alert("by_editor_and_approver", "Other roles.", (EDITOR, APPROVER), Refusal.ROLE)
    yield _alert("by_the_server", "The online key alerts nobody.", (ONLINE,), Refusal.ROLE)
    yield _alert("by_root_holders", "Nor do root keys.", tuple(ROOTS[:2]), Refusal.ROLE)
    for name, why, scope, reason in (
        ("other_cluster", "For c05, and this is c04.", f"{STATION}/c05", Refusal.NOT_ADDRESSED),
        ("whole_province_by_a_commune", "Scope escape upwards.", SCOPE, Refusal.SCOPE),
        (
            "scope_that_looks_like_theirs",
            "st01370 is not inside st0137.",
            f"{STATION}0",
            Refusal.SCOPE,
        ),
    ):
        yield _alert(name, why, two, reason, body=bodies.alert(scope=scope))
    yield _alert(
        "replayed_to_another_device",
        "The same bytes at another station.",
        two,
        Refusal.NOT_ADDRESSED,
        facts={"scope": "vn/ls/st0200/c01"},
    )
    seen = bodies.seen(bodies.alert())
    yield _alert("seen_before", "An event happens once.", two, Refusal.REPLAYED, facts=seen)
    yield _alert(
        "id_of_another",
        "Another under the same id does not keep this one out.",
        two,
        facts=bodies.seen(bodies.alert(title="Another")),
    )
    yield _alert(
        "expired",
        "The message is over.",
        two,
        Refusal.EXPIRED,
        now=Now(NOW.unix_s + 600, ClockTrust.T3),
    )
    yield _alert(
        "clock_unknown",
        "A board in 1970 takes it; whether it sounds is policy's.",
        two,
        now=Now(0, ClockTrust.T0),
    )
    denied = {"denied": [W[1].kid.hex()]}
    yield _alert("signer_denied", "One of the two is denied.", two, Refusal.DENIED, facts=denied)


def _alert_fields() -> Iterator[Case]:
    two = (W[0], W[1])
    inline = bodies.alert(sound=bodies.SIREN)
    yield _alert(
        "inline_sound",
        "The sound's bytes come along, and are those that its media names.",
        two,
        body=inline,
    )
    yield _alert(
        "cancel_by_one",
        "A commune's cancel says nothing new: one holder.",
        two[:1],
        body=bodies.cancel(),
    )
    first = bodies.seen(bodies.alert())
    yield _alert(
        "cancel_after_its_alert",
        "A cancel has an id of its own.",
        two[:1],
        body=bodies.cancel(),
        facts=first,
    )
    value: dict[int, Any] = dict(bodies.alert().to_value())
    ending: dict[int, Any] = dict(bodies.cancel().to_value())
    sounding: dict[int, Any] = dict(inline.to_value())
    for name, why, raw in (
        (
            "inline_sound_of_other_bytes",
            "Not the bytes that its media names.",
            {**sounding, 17: b"A siren, as bytes"},
        ),
        (
            "inline_sound_of_another_size",
            "Longer than its media says.",
            {**sounding, 17: bodies.SIREN + b"\x00"},
        ),
        (
            "inline_sound_wrong_size_in_media",
            "The right bytes, but the media names another size.",
            {**sounding, 16: [_SIREN.sha256, _SIREN.size + 1, 10_000, 0, -2300]},
        ),
        (
            "priority_in_the_message",
            "A message cannot name its own priority: there is no such field.",
            {**value, 19: 3},
        ),
        ("without_media", "An alert has sound.", {k: v for k, v in value.items() if k != 16}),
        ("with_references", "A first alert refers to none.", {**value, 15: [bodies.event("x")]}),
        ("cancel_with_media", "A cancel has no sound.", {**ending, 16: value[16]}),
        ("cancel_of_nothing", "A cancel refers to what it ends.", {**ending, 15: []}),
        ("update_of_nothing", "So does an update.", {**value, 3: 2}),
        ("ends_before_it_starts", "Its message expires before it starts.", {**value, 8: value[7]}),
        ("lives_for_eight_days", "A message counts for 7 days.", {**value, 8: value[7] + 691_200}),
        ("volume_16", "The volume ends at 15.", {**value, 13: 16}),
        ("id_of_15_bytes", "An id has 16 bytes.", {**value, 1: bytes(15)}),
        (
            "sound_too_long",
            "Inline sound ends at 192 KiB.",
            {**sounding, 17: bytes(192 * 1024 + 1)},
        ),
    ):
        data = sign_bytes(Kind.ALERT, encode(raw), *two)
        yield Case("alert", name, why, data, FORMAT)
