"""One door for every carrier: judged, kept, acted on, acknowledged, in this order and once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loa_endpoint.app import inbox as door
from loa_endpoint.content.sync import Outcome
from loa_endpoint.core import quota
from loa_endpoint.store import orders
from loa_endpoint.store.orders import OrderStore
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.command import Verb
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now
from support.content_lab import ContentLab, media_playlist, sha256
from support.inbox_lab import InboxLab
from support.kept import signed_order
from support.orders import SIREN, alert, cancel, command, grant, standing_programme
from support.province import CLUSTER, NOW, STATION, Person, person, policy, province

BLIND = Now(NOW.unix_s, ClockTrust.T1)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InboxLab]:
    lab = InboxLab(tmp_path)
    yield lab
    lab.state.close()


def spoken(sound: bytes = b"water is rising", **changes: object) -> Alert:
    """Return an alert that brings its sound along."""
    media = replace(SIREN, sha256=sha256(sound), size=len(sound))
    return alert(media=media, sound=sound, **changes)


async def until(condition: Callable[[], object]) -> None:
    """Wait for *condition*; the turns of the loop are what passes the time."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - conditions of other tasks and threads
            await asyncio.sleep(0.005)


def bare(data: bytes) -> bytes:
    """Return the bundle *data* without its certificates, as a short form is put together."""
    return replace(Bundle.from_bytes(data), certificates=()).to_bytes()


# -- orders


@pytest.mark.requirement("SEC-8", "MSG-4")
@pytest.mark.parametrize("carrier", ["content", "mqtt", "usb", "lan", "sms"])
async def test_an_order_acts_and_is_acknowledged_whoever_carried_it(
    lab: InboxLab, carrier: str
) -> None:
    body = command(Verb.HOLD)
    assert await lab.inbox.offer(signed_order(body), carrier) is Outcome.TAKEN
    assert [kept.body for kept in lab.ear.orders] == [body]
    assert lab.ear.acknowledged == [body.id]
    assert lab.ear.happenings == ["acted", "told"]
    assert [kept.body for kept in lab.boot()] == [body]


async def test_an_order_is_on_the_disk_before_it_acts(lab: InboxLab) -> None:
    found: list[int] = []
    lab.ear.on_order = lambda kept: found.append(len(OrderStore(lab.state).load()[0]))  # type: ignore[method-assign]  # a stage that looks at the disk
    await lab.inbox.offer(signed_order(alert()), "mqtt")
    assert found == [1]


@pytest.mark.requirement("SEC-3")
async def test_the_same_order_by_another_carrier_is_acknowledged_and_not_obeyed_again(
    lab: InboxLab,
) -> None:
    data = signed_order(alert())
    await lab.inbox.offer(data, "mqtt")
    lab.boot()
    for carrier in ("content", "usb", "mqtt"):
        assert await lab.inbox.offer(data, carrier) is Outcome.AGAIN
    assert len(lab.ear.orders) == 1
    assert len(lab.ear.acknowledged) == 2  # once after the restart; the rest within a minute
    assert lab.ear.refusals == []


@pytest.mark.requirement("SEC-3")
@pytest.mark.parametrize("squatter", [Verb.STOP, Verb.HOLD])
async def test_an_order_under_anothers_id_keeps_that_one_out_no_more(
    lab: InboxLab, squatter: Verb
) -> None:
    body = alert()
    thief = province().sign(Kind.COMMAND, command(squatter, id=body.id), province().wardens[0])
    assert await lab.inbox.offer(thief, "mqtt") is Outcome.TAKEN
    assert await lab.inbox.offer(signed_order(body), "mqtt") is Outcome.TAKEN
    assert [each.event for each in lab.ear.orders] == [body.id] * 2
    assert [each.event for each in lab.boot()] == [body.id] * 2
    for again in (thief, signed_order(body)):
        assert await lab.inbox.offer(again, "usb") is Outcome.AGAIN
    assert len(lab.ear.orders) == 2


async def test_one_stolen_key_fills_its_own_quota_and_no_others(
    lab: InboxLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "MOST", 3)
    wardens = province().wardens

    async def stop(*people: Person) -> Outcome:
        data = province().sign(Kind.COMMAND, command(Verb.STOP), *people)
        return await lab.inbox.offer(data, "mqtt")

    assert [await stop(wardens[0]) for _ in range(3)] == [Outcome.TAKEN] * 3
    assert await stop(wardens[0]) is Outcome.REFUSED
    assert await stop(wardens[1]) is Outcome.TAKEN
    assert await stop(*wardens) is Outcome.TAKEN
    lab.boot()
    assert await stop(wardens[0]) is Outcome.REFUSED
    assert lab.ear.refusals == [("command", "too_many")] * 2


@pytest.mark.requirement("SEC-3")
async def test_ids_are_forgotten_by_the_floor_alone(
    lab: InboxLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "NEWEST", 0)
    body = command(Verb.STOP)
    await lab.inbox.offer(signed_order(body), "mqtt")
    name = lab.ear.orders[0].id
    lab.now = Now(body.expires + 100 * 86_400, ClockTrust.T2)  # a clock that somebody set ahead
    await lab.inbox.tidy()
    assert name in lab.state.seen()
    lab.boot()
    lab.state.raise_floor((body.expires + 86_400) * 1000)
    lab.inbox.book.drop(name)
    await lab.inbox.tidy()
    assert name not in lab.state.seen()
    assert lab.inbox.orders == {}
    assert await lab.inbox.offer(signed_order(body), "mqtt") is Outcome.REFUSED
    assert lab.ear.refusals == [("command", "expired")]


@pytest.mark.requirement("MSG-4")
async def test_the_sound_that_came_along_is_in_the_cache_before_the_alert_acts(
    lab: InboxLab,
) -> None:
    body, there = spoken(), []
    assert body.media is not None
    path = lab.cache.path_of(body.media.sha256)
    lab.ear.on_order = lambda kept: there.append(path.read_bytes())  # type: ignore[method-assign]  # a stage that looks at the disk
    await lab.inbox.offer(signed_order(body), "mqtt")
    assert there == [b"water is rising"]
    assert lab.inbox.media() == [body.media]
    assert lab.looked_for_media == 1


async def test_the_media_of_alerts_are_wanted_until_their_messages_expire(lab: InboxLab) -> None:
    await lab.inbox.offer(signed_order(alert()), "mqtt")
    await lab.inbox.offer(signed_order(cancel(bytes(16))), "mqtt")
    assert lab.inbox.media() == [SIREN]
    lab.boot()
    assert lab.inbox.media() == [SIREN]
    lab.now = Now(NOW.unix_s + 601, NOW.trust)
    assert lab.inbox.media() == []


# -- what waits


@pytest.mark.requirement("MSG-4", "TIM-4")
async def test_the_loop_judges_what_waits_as_soon_as_the_time_is_known(
    lab: InboxLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "WAIT_S", 0.01)
    lab.now = BLIND
    loop = asyncio.create_task(lab.inbox.run())
    await lab.inbox.offer(signed_order(alert()), "mqtt")
    lab.inbox.stir()
    await until(lambda: lab.asked_time > 2)  # the board goes on asking
    assert lab.ear.orders == []
    lab.now = NOW  # told by nobody: it may be the clock of a radio station
    await until(lambda: lab.ear.acknowledged)
    loop.cancel()


@pytest.mark.requirement("TIM-4")
@pytest.mark.parametrize(
    "body",
    [alert(), grant(), command(Verb.RELEASE), command(Verb.REBOOT), command(Verb.ROTATE)],
    ids=["alert", "grant", "release", "reboot", "rotate"],
)
async def test_what_may_speak_or_loosens_waits_for_the_time(lab: InboxLab, body: Alert) -> None:
    lab.now = BLIND
    assert await lab.inbox.offer(signed_order(body), "mqtt") is Outcome.WAITING
    assert lab.asked_time == 1
    assert lab.ear.orders == []
    assert lab.state.seen() == {}
    assert len(lab.inbox.orders) == 1  # the content tree need not bring it again
    lab.now = NOW
    await lab.inbox.tidy()
    assert [kept.body for kept in lab.ear.orders] == [body]


@pytest.mark.requirement("TIM-4")
async def test_what_was_long_over_is_refused_once_the_time_is_known(lab: InboxLab) -> None:
    lab.now = BLIND
    await lab.inbox.offer(signed_order(alert()), "mqtt")
    lab.now = Now(NOW.unix_s + 86_400, ClockTrust.T3)
    await lab.inbox.tidy()
    assert lab.ear.orders == []
    assert lab.ear.refusals == [("alert", "expired")]
    assert lab.inbox.orders == {}


@pytest.mark.requirement("SEC-8", "TIM-4")
@pytest.mark.parametrize(
    "body",
    [*(command(verb) for verb in (Verb.HOLD, Verb.STOP, Verb.LOCKDOWN)), cancel(bytes(16))],
    ids=["hold", "stop", "lockdown", "cancel"],
)
async def test_silence_does_not_wait_for_the_time(lab: InboxLab, body: Alert) -> None:
    lab.now = BLIND
    assert await lab.inbox.offer(signed_order(body), "mqtt") is Outcome.TAKEN


@pytest.mark.requirement("TIM-4")
async def test_an_alert_acts_without_the_time_where_the_policy_says_so(lab: InboxLab) -> None:
    lab.now, lab.alert_without_time = BLIND, True
    assert await lab.inbox.offer(signed_order(alert()), "mqtt") is Outcome.TAKEN


@pytest.mark.requirement("TIM-4")
async def test_the_command_that_brings_the_time_does_not_wait_for_it(lab: InboxLab) -> None:
    lab.now, lab.nonce = BLIND, bytes(16)
    body = command(Verb.RESET_FLOOR, endpoint=province().device.public.kid)
    assert await lab.inbox.offer(signed_order(body), "mqtt") is Outcome.TAKEN


async def test_a_short_form_is_completed_with_the_certificates_that_are_here(
    lab: InboxLab,
) -> None:
    data = signed_order(alert())
    assert await lab.inbox.offer(bare(data), "sms") is Outcome.WAITING
    for person_ in province().duty[:2]:
        for certificate in person_.chain:
            assert await lab.inbox.offer(certificate, "lan") in (Outcome.KEPT, Outcome.KNOWN)
    await lab.inbox.tidy()
    assert len(lab.ear.orders) == 1
    lab.boot()
    assert await lab.inbox.offer(bare(signed_order(alert())), "sms") is Outcome.TAKEN
    assert set(lab.inbox.certificates()) == {c for p in province().duty[:2] for c in p.chain}


async def test_a_certificate_that_does_not_lead_to_the_root_is_not_kept(lab: InboxLab) -> None:
    stranger = province().duty[0].chain[-1]  # without those above it
    assert await lab.inbox.offer(stranger, "lan") is Outcome.REFUSED
    assert lab.inbox.certificates() == []
    assert lab.ear.refusals == [("certificate", "chain")]


async def test_a_denied_key_gives_no_orders_by_any_carrier(lab: InboxLab) -> None:
    kid = province().duty[0].signer.public.kid
    lab.vault.trusted = replace(lab.vault.trusted, denied=frozenset({kid}))
    for carrier in ("mqtt", "usb"):
        assert await lab.inbox.offer(signed_order(alert()), carrier) is Outcome.REFUSED
    assert lab.ear.refusals == [("alert", "denied")] * 2


# -- state objects


async def test_state_comes_in_by_any_carrier_and_never_goes_back(lab: InboxLab) -> None:
    tree = ContentLab()
    people = province().editor, province().approver
    second = tree.sign(Kind.PLAYLIST, media_playlist(b"second", serial=2), *people)
    first = tree.sign(Kind.PLAYLIST, media_playlist(b"first", serial=1), *people)
    rules = tree.sign(Kind.POLICY, policy(), *province().officers)
    assert await lab.inbox.offer(rules, "usb") is Outcome.KEPT
    assert await lab.inbox.offer(second, "usb") is Outcome.KEPT
    assert await lab.inbox.offer(second, "lan") is Outcome.KNOWN
    assert await lab.inbox.offer(first, "usb") is Outcome.REFUSED
    assert [each.kind for each in lab.ear.adopted] == [Kind.POLICY, Kind.PLAYLIST]
    assert lab.vault.serial(Kind.PLAYLIST, STATION) == 2
    assert lab.ear.refusals == [("playlist", "rollback")]


async def test_a_stick_with_the_stations_playlist_does_not_replace_the_clusters_own(
    lab: InboxLab,
) -> None:
    tree, people = ContentLab(), (province().editor, province().approver)
    own = tree.sign(Kind.PLAYLIST, media_playlist(b"own", scope=CLUSTER), *people)
    stations = tree.sign(Kind.PLAYLIST, media_playlist(b"stations", serial=9), *people)
    programme = tree.sign(Kind.STANDING_PROGRAMME, standing_programme(), *people)
    assert await lab.inbox.offer(own, "usb") is Outcome.KEPT
    assert await lab.inbox.offer(stations, "usb") is Outcome.REFUSED
    assert await lab.inbox.offer(programme, "usb") is Outcome.KEPT
    assert lab.ear.refusals == [("playlist", "nearer")]


async def test_a_head_is_looked_at_once_and_only_when_it_is_signed(lab: InboxLab) -> None:
    tree = ContentLab()
    head = tree.renew()
    forged = tree.renew(signer=province().editor)
    assert await lab.inbox.offer(head, "lan") is Outcome.KEPT
    assert await lab.inbox.offer(head, "lan") is Outcome.KNOWN
    assert await lab.inbox.offer(forged, "lan") is Outcome.REFUSED
    assert lab.looked == [head]


async def test_a_head_from_the_future_is_refused_and_the_true_one_looked_at(lab: InboxLab) -> None:
    ahead, head = ContentLab().renew(after_s=86_400), ContentLab().renew()
    assert await lab.inbox.offer(ahead, "lan") is Outcome.REFUSED
    assert await lab.inbox.offer(head, "lan") is Outcome.KEPT
    assert lab.looked == [head]


async def test_the_present_root_is_known_and_a_strangers_refused(lab: InboxLab) -> None:
    assert await lab.inbox.offer(province().root_bundle, "usb") is Outcome.KNOWN
    root = replace(province().root, version=2)
    forged = sign_bundle(Kind.ROOT, root.to_bytes(), [person("thief").signer] * 3)
    assert await lab.inbox.offer(forged, "usb") is Outcome.REFUSED
    agreed = [each.signer for each in province().roots[:3]]
    assert await lab.inbox.offer(sign_bundle(Kind.ROOT, root.to_bytes(), agreed), "usb") is (
        Outcome.KEPT
    )
    assert lab.vault.trusted.root.version == 2


async def test_a_certificate_with_false_seals_is_asked_for_again_and_replaced(
    lab: InboxLab,
) -> None:
    officers, own = province().wardens[0].chain[:-1], province().wardens[0].chain[-1]
    true = Bundle.from_bytes(own)
    false = replace(true, seals=Bundle.from_bytes(officers[0]).seals).to_bytes()
    for each in (*officers, false):
        assert await lab.inbox.keep_signer(each) is Outcome.KEPT
    assert true.digest not in lab.inbox.signers
    assert len(lab.inbox.signers) == len(officers)
    assert await lab.inbox.keep_signer(own) is Outcome.KEPT
    assert true.digest in lab.inbox.signers
    lab.boot()
    assert true.digest in lab.inbox.signers
