"""The conformance vectors' door: one request as JSON in, one verdict as JSON out.

``python -m loa_protocol.vectors`` answers each line of standard input, so that our implementation
goes through the very door that any other one would; docs/protocol/vectors.md describes it. A
verdict is data: this module only translates between JSON and the rules of this package.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from loa_protocol import heads
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import FormatError, MessageError
from loa_protocol.live import LiveSession
from loa_protocol.objects.authority import Root
from loa_protocol.objects.live import Grant
from loa_protocol.objects.online import Head, Inclusion
from loa_protocol.objects.placement import Denied, DeniedKind
from loa_protocol.record import ClockTrust
from loa_protocol.succession import accept_root, accept_transfer
from loa_protocol.trust import Now, Position, Refusal, Trusted, TrustError

ACCEPTED: Final = "accepted"
REFUSED: Final = "refused"
FORMAT: Final = "format"  # the reason of everything that is not of the profile

Verdict = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One judgement that is asked for: which rule, the bytes, the trusted state, the time."""

    door: str
    data: bytes
    facts: Mapping[str, Any]
    now: Now

    @property
    def trusted(self) -> Trusted:
        """The trusted state of the acceptance rule."""
        return _trusted(self.facts)

    @classmethod
    def from_json(cls, text: str) -> Request:
        """Read a request.

        Raises:
            MessageError: *text* is no request.
        """
        try:
            value = json.loads(text)
            now = Now(int(value["now"]["unix_s"]), ClockTrust(value["now"]["trust"]))
            data, facts = bytes.fromhex(value["bundle"]), dict(value["trusted"])
            return cls(str(value["door"]), data, facts, now)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise MessageError(f"not a request: {type(error).__name__}: {error!s:.80}") from None


def answer(text: str) -> str:
    """Return the verdict on the request *text*, as JSON.

    Raises:
        MessageError: *text* is no request; a refused object is an answer, not an error.
    """
    return json.dumps(judge(Request.from_json(text)))


def judge(request: Request) -> Verdict:
    """Return the verdict on *request*.

    Raises:
        MessageError: the trusted state is not one, or the door has no such name.
    """
    door = DOORS.get(request.door)
    if door is None:
        raise MessageError(f"no door {request.door!r:.40}; there are {', '.join(DOORS)}")
    facts = _checked(request)
    try:
        return {"result": ACCEPTED, **door(request, facts)}
    except FormatError:
        return {"result": REFUSED, "reason": FORMAT}
    except TrustError as error:
        return {"result": REFUSED, "reason": str(error.reason)}
    except _Unproven:
        return {"result": REFUSED, "reason": heads.UNPROVEN}


def differences(expected: Mapping[str, Any], got: Mapping[str, Any]) -> list[str]:
    """Return in what the verdict *got* is not as *expected*; facts that nobody expects are free."""
    return [
        f"{key}: expected {value}, got {got.get(key)}"
        for key, value in expected.items()
        if got.get(key) != value or type(got.get(key)) is not type(value)
    ]


class _Unproven(Exception):  # noqa: N818 - a verdict on its way out, never seen by a caller
    """A proof does not lead to the head's tree."""


def _object(request: Request, trusted: Trusted) -> Verdict:
    accepted = accept(request.data, trusted, request.now)
    return {
        "known": accepted.is_known,
        "pending": accepted.is_pending,
        "level": int(accepted.level),
        "digest": accepted.digest.hex(),
        "holders": sorted({signer.holder for signer in accepted.signers}),
    }


def _root(request: Request, trusted: Trusted) -> Verdict:
    return {"version": accept_root(request.data, trusted, request.now).version}


def _first_root(request: Request, _trusted: Trusted) -> Verdict:
    return {"version": accept_root(request.data, None, request.now).version}


def _transfer(request: Request, trusted: Trusted) -> Verdict:
    return {"new_root": accept_transfer(request.data, trusted, request.now).new_root.hex()}


def _head(request: Request, trusted: Trusted) -> Verdict:
    accepted = accept(request.data, trusted, request.now)
    if not isinstance(accepted.body, Head):
        raise TrustError(Refusal.KIND, accepted.kind.name)
    kept = request.facts.get("head")
    previous = None if kept is None else Head.from_bytes(bytes.fromhex(kept))
    heads.check_follows(accepted.body, previous, trusted.root, request.now)
    return {"stale": heads.is_stale(accepted.body, request.now)}


def _proof(request: Request, trusted: Trusted) -> Verdict:
    head = Head.from_bytes(bytes.fromhex(request.facts["head"]))
    inclusion = Inclusion.from_bytes(request.data)
    if not heads.is_proven(inclusion, head, trusted.scope or ""):
        raise _Unproven
    return {"digest": inclusion.leaf.digest.hex()}


def _chunk(request: Request, _trusted: Trusted) -> Verdict:
    session = LiveSession(Grant.from_bytes(bytes.fromhex(request.facts["grant"])))
    for before in request.facts.get("before", ()):
        session.accept(bytes.fromhex(before), request.now)
    return {"number": session.accept(request.data, request.now).number}


def _media(request: Request, _trusted: Trusted) -> Verdict:
    if hashlib.sha256(request.data).hexdigest() != request.facts["media"]:
        raise TrustError(Refusal.MEDIA_HASH, "not the file that was signed")
    return {}


DOORS: Final[dict[str, Callable[[Request, Trusted], Verdict]]] = {
    "object": _object,
    "root": _root,
    "first_root": _first_root,
    "transfer": _transfer,
    "head": _head,
    "proof": _proof,
    "chunk": _chunk,
    "media": _media,
}
_NEEDS: Final = {"proof": "head", "chunk": "grant", "media": "media"}


def _checked(request: Request) -> Trusted:
    """Return the trusted state, before the bytes are looked at: its faults are the asker's."""
    try:
        if request.door in _NEEDS and not isinstance(request.facts[_NEEDS[request.door]], str):
            raise TypeError(_NEEDS[request.door])
        return request.trusted
    except (ValueError, KeyError, TypeError, AttributeError, FormatError) as error:
        name = type(error).__name__
        raise MessageError(f"not a trusted state: {name}: {error!s:.80}") from None


def _trusted(facts: Mapping[str, Any]) -> Trusted:
    bundle = Bundle.from_bytes(bytes.fromhex(facts["root"]))
    fingerprint = facts.get("fingerprint")
    return Trusted(
        root=Root.from_bytes(bundle.payload),
        root_digest=bundle.digest,
        scope=facts.get("scope"),
        fingerprint=None if fingerprint is None else bytes.fromhex(fingerprint),
        positions={
            (Kind(row["kind"]), row["subject"]): Position(
                row["epoch"], row["serial"], bytes.fromhex(row["digest"])
            )
            for row in facts.get("positions", ())
        },
        thresholds={int(kind): count for kind, count in facts.get("thresholds", {}).items()},
        widest_thresholds=_thresholds(facts.get("widest_thresholds")),
        denied=_digests(facts.get("denied", ())),
        denials=tuple(
            Denied(
                kind=DeniedKind(row["kind"]), value=bytes.fromhex(row["value"]), until=row["until"]
            )
            for row in facts.get("denials", ())
        ),
        nonce=bytes.fromhex(facts.get("nonce", "")),
        seen={bytes.fromhex(row["name"]): row["until"] for row in facts.get("seen", ())},
        preapproved=_digests(facts.get("preapproved", ())),
        preapproved_holders=facts.get("preapproved_holders", 1),
        live_slots={
            (bytes.fromhex(row["playlist"]), row["item"]): (row["start"], row["end"])
            for row in facts.get("live_slots", ())
        },
    )


def _thresholds(rows: Mapping[str, int] | None) -> dict[int, int] | None:
    return None if rows is None else {int(kind): count for kind, count in rows.items()}


def _digests(values: Sequence[str]) -> frozenset[bytes]:
    return frozenset(bytes.fromhex(value) for value in values)


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(answer(line) + "\n")
        sys.stdout.flush()
