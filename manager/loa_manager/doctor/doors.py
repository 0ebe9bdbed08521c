"""What the server's doors were found to do, and what is to be thought of it. Judging is pure."""

from __future__ import annotations

import errno
import os
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from loa_manager.doctor import probes
from loa_manager.doctor.finding import Finding, Result, passed_if
from loa_manager.doctor.probes import Answer
from loa_manager.doctor.processes import Process
from loa_manager.doctor.sockets import Door
from loa_manager.doctor.walk import Step, walk
from loa_protocol.language import translator
from loa_protocol.objects.placement import Settings

_ = translator("loa_manager")

WEB: Final = "https"
BROKER: Final = "mqtt"
INNER: Final = "inner"  # between server and broker, on loopback
REFUSED: Final = os.strerror(errno.ECONNREFUSED)  # no door is there at all
_USUAL: Final = {WEB: 443, BROKER: 8883}


@dataclass(frozen=True, slots=True, kw_only=True)
class Knocked:
    """One door and what it answered to each way of knocking."""

    door: Door
    role: str
    modern: Answer  # TLS 1.3 without a certificate
    old: Answer  # TLS 1.2
    plain: Answer
    foreign: Answer  # TLS 1.3 with a certificate of a foreign authority

    @property
    def is_modern_only(self) -> bool:
        """Whether TLS 1.3 was agreed, and TLS 1.2 was not."""
        return self.modern.version == "TLSv1.3" and not self.old.version

    def facts(self) -> dict[str, object]:
        """Return it for JSON."""
        tried = {"tls_1_3": self.modern, "tls_1_2": self.old, "plain": self.plain}
        return {"role": self.role, **{name: each.facts() for name, each in tried.items()}}


def doors_in_settings(settings: Settings) -> list[tuple[Door, str]]:
    """Return where the settings tell boards to knock: for a server that runs elsewhere."""
    found = []
    for role, addresses in ((WEB, settings.service), (BROKER, settings.broker)):
        for address in addresses:
            parts = urlsplit(address)
            if parts.hostname:
                found.append((Door("tcp", parts.hostname, parts.port or _USUAL[role]), role))
    return found


def doors_of(processes: Sequence[Process]) -> list[tuple[Door, str]]:
    """Return every door of the server and its broker; the broker's are told apart by knocking."""
    return [(door, BROKER if each.is_broker else WEB) for each in processes for door in each.doors]


def knock(door: Door, role: str, ca_pem: str) -> Knocked:
    """Knock at *door* in every way."""
    ways = (probes.context_of(ca_pem), probes.context_of(ca_pem, version=ssl.TLSVersion.TLSv1_2))
    greeting = probes.CONNECT if role == BROKER else probes.GREETING

    def ask(context: ssl.SSLContext | None) -> Answer:
        return probes.ask(door.reach, door.port, context, greeting)

    modern, old, plain = ask(ways[0]), ask(ways[1]), ask(None)
    with probes.stranger(ca_pem) as context:
        foreign = ask(context)
    # its own protocol opens with INFO; MQTT waits for the client
    if role == BROKER and door.is_loopback and modern.data.startswith(b"INFO "):
        role = INNER
    return Knocked(door=door, role=role, modern=modern, old=old, plain=plain, foreign=foreign)


def walk_web(doors: Sequence[Knocked], ca_pem: str) -> list[Step]:
    """Walk the routes of the first HTTPS door that answers."""
    for each in doors:
        if each.role == WEB and each.modern.version:
            return list(walk(each.door.reach, each.door.port, probes.context_of(ca_pem)))
    return []


def judge(doors: Sequence[Knocked], steps: Sequence[Step]) -> Iterator[Finding]:
    """Yield the findings about TLS, plain text, certificates of clients, and the routes."""
    yield _judge_tls(doors)
    yield _judge_plain(doors)
    yield from _judge_clients(doors)
    yield from _judge_routes(doors, steps)


def judge_exposure(doors: Sequence[Knocked], *, is_here: bool) -> Finding:
    """Judge which sockets the server's processes hold open, beside HTTPS, MQTT and their own."""
    shown = ", ".join(f"{each.door} ({each.role})" for each in doors)
    counts = {role: sum(each.role == role for each in doors) for role in (WEB, BROKER, INNER)}
    inner = [each for each in doors if each.role == INNER and not each.door.is_loopback]
    udp = [each for each in doors if each.door.protocol == "udp"]
    well = counts == {WEB: 1, BROKER: 1, INNER: 1} and not inner and not udp
    text = _("sockets that listen: {shown}; expected are HTTPS, MQTT and one on loopback")
    if not is_here:
        text = _("the server's processes do not run here, or belong to somebody else")
    return Finding(
        id="server_sockets",
        provisions=("5.6-1", "5.6-5"),
        result=passed_if(well) if is_here else Result.NOT_APPLICABLE,
        text=text.format(shown=shown or "-"),
        where="/proc/net",
        evidence={"sockets": [{"door": str(each.door), "role": each.role} for each in doors]},
    )


def _judge_tls(doors: Sequence[Knocked]) -> Finding:
    versions = ", ".join(
        f"{each.door.port}: {each.modern.version or each.modern.error},"
        f" TLS 1.2: {each.old.version or each.old.error}"
        for each in doors
    )
    return Finding(
        id="tls_1_3_only",
        provisions=("5.5-1",),
        result=passed_if(_has_both(doors) and all(each.is_modern_only for each in doors)),
        text=_("agreed at each port ({versions})").format(versions=versions)
        if doors
        else _("nothing answers: is loa serve running?"),
        where=_where(doors),
        evidence={str(each.door): each.facts() for each in doors},
    )


def _judge_plain(doors: Sequence[Knocked]) -> Finding:
    talking = [str(each.door) for each in doors if each.plain.speaks]
    text = _("{n} ports answered without TLS (of {all})")
    return Finding(
        id="no_plain_text",
        provisions=("5.5-7",),
        result=passed_if(_has_both(doors) and not talking),
        text=text.format(n=len(talking), all=len(doors)),
        where=_where(doors),
        evidence={"plain": talking},
    )


def _judge_clients(doors: Sequence[Knocked]) -> Iterator[Finding]:
    texts: dict[str, tuple[str, Callable[[Knocked], bool]]] = {
        BROKER: (
            _("a client without a certificate: {none}; with one of a foreign authority: {foreign}"),
            lambda each: _is_shut(each.modern) and _is_shut(each.foreign),
        ),
        WEB: (
            _("a client with a certificate of a foreign authority: {foreign}"),
            lambda each: _is_shut(each.foreign),
        ),
    }
    for role, (text, is_well) in texts.items():
        found = [each for each in doors if each.role == role]
        first = found[0] if found else None
        yield Finding(
            id=f"{role}_client_certificates",
            provisions=("5.5-5",),
            result=passed_if(bool(found) and all(is_well(each) for each in found)),
            text=_("nothing answers: is loa serve running?")
            if first is None
            else text.format(none=_reply(first.modern), foreign=_reply(first.foreign)),
            where=_where(found),
            evidence={
                str(each.door): {"none": each.modern.facts(), "foreign": each.foreign.facts()}
                for each in found
            },
        )


def _judge_routes(doors: Sequence[Knocked], steps: Sequence[Step]) -> Iterator[Finding]:
    where = _where([each for each in doors if each.role == WEB])
    open_ones = [
        f"{each.method} {each.target}: {each.status}" for each in steps if not each.is_kept
    ]
    kept = sum(not each.is_public and each.is_kept for each in steps)
    text = _("{kept} routes refuse who does not say who they are (401, 403); otherwise: {others}")
    yield Finding(
        id="routes_authenticated",
        provisions=("5.1-5", "5.5-5"),
        result=passed_if(bool(steps) and not open_ones),
        text=text.format(kept=kept, others=", ".join(open_ones) or "-"),
        where=where,
        evidence={"routes": [each.facts() for each in steps]},
    )
    telling = sorted({each.says for each in steps if each.says})
    yield Finding(
        id="no_disclosure",
        provisions=("5.6-2",),
        result=passed_if(bool(steps) and not telling),
        text=_("software named in answers to strangers: {names}").format(
            names=", ".join(telling) or "-"
        ),
        where=where,
        evidence={"named": telling},
    )


def _has_both(doors: Sequence[Knocked]) -> bool:
    return {WEB, BROKER} <= {each.role for each in doors}


def _is_shut(answer: Answer) -> bool:
    """Whether the door was there and let nobody in: silence after a limit is no refusal."""
    return not answer.data and answer.error not in ("timeout", REFUSED)


def _reply(answer: Answer) -> str:
    return answer.data[:20].decode("latin-1") if answer.data else answer.error


def _where(doors: Sequence[Knocked]) -> str:
    return ", ".join(str(each.door) for each in doors)
