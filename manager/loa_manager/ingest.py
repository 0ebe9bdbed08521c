"""Ingest: verify what endpoints send, commit the bytes, and only then say so.

Knows no broker: bytes in, receipts out. A batch is judged with the device key that was registered
at the bench (never by a certificate), against the chain stored so far. The signed bytes themselves
are committed, since they are the evidence; :mod:`loa_manager.records` expands them into rows. All
of it is idempotent, so a broker may lose, repeat and reorder, and a hostile one can only delay.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeGuard

from sqlalchemy import Connection, Engine

from loa_manager import audit, chain_store, database
from loa_manager.allowance import Allowance
from loa_manager.chain_store import Arrived, Verdict
from loa_manager.continuity import Chains, Fit, Judgement
from loa_manager.keyring import Identity
from loa_protocol.envelope import Kind, Seal, open_seal, sign_bundle
from loa_protocol.errors import FormatError
from loa_protocol.keys import PublicKey
from loa_protocol.objects.online import Batch, Receipt

LABEL: Final = Kind.BATCH.label()
# A board sends about 0.3 MB a day, and weeks of it when it was away. One that is hostile gets no
# receipt for more: it keeps its records, and the disk keeps its room.
AT_ONCE: Final = 128 << 20  # bytes of one board
A_DAY: Final = 64 << 20
LEAST: Final = 4096  # what a batch counts at least: it has rows of its own
WORKERS: Final = max(2, os.cpu_count() or 1)  # OpenSSL verifies outside Python's lock


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one batch.

    *reason* is a value of ``Fit``, or why it was refused: ``format``, ``unknown``, ``signature``,
    ``revoked``, ``too_many``. *receipt* is None when it was refused; *endpoint* is None when
    nothing in it says who sent it. A receipt goes to ``down/<endpoint>/receipt``.
    """

    endpoint: str | None
    receipt: bytes | None
    stored: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of one batch in the database."""

    endpoint: str | None
    verdict: Verdict


class Ingest:
    """Takes batches of all endpoints of a province. One instance writes at a time."""

    def __init__(self, engine: Engine, identity: Identity) -> None:
        self.identity = identity  # replaced when its certificate is renewed
        self.counts: Counter[str] = Counter()  # outcomes by reason since the start
        self._engine = engine
        self._keys: dict[str, PublicKey] = {}  # ids are hashes of keys: an entry never changes
        self._asked: dict[str, tuple[int, int]] = {}
        self._told_ms: dict[str, int] = {}
        self._broken: set[tuple[str, int]] = set()  # accounted for, lest replays fill the table
        self._room = Allowance(AT_ONCE, A_DAY / 86_400)
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="verify")

    def take(self, data: bytes, now_ms: int) -> Outcome:
        """Take one batch; see :meth:`take_many`."""
        return self.take_many([data], now_ms)[0]

    def take_many(self, batches: Sequence[bytes], now_ms: int) -> list[Outcome]:
        """Verify *batches*, commit what is new in one transaction, and return what became of each.

        Args:
            batches: Payloads as they arrived, oldest first; each a sealed batch, or anything else.
            now_ms: When, unix ms.

        Raises:
            StoreError: nothing was committed and nobody may be told; the endpoints keep their
                records and send them again.
        """
        outcomes = self._tell(self.commit(batches, now_ms), now_ms)
        self.counts.update(outcome.reason for outcome in outcomes)
        return outcomes

    def commit(self, batches: Sequence[bytes], now_ms: int) -> list[Committed]:
        """Do what :meth:`take_many` does, but sign no receipts; for measuring the two apart."""
        arrived = [_parse(data) for data in batches]
        known = [each for each in arrived if each is not None]
        self._learn_keys({each.endpoint for each in known})
        refusals = self._verify(known)
        good = [a for a, refusal in zip(known, refusals, strict=True) if not refusal]
        with database.writing(self._engine) as connection:
            chains = chain_store.load_chains(connection, good, self._asked)
            verdicts = self._judge(known, refusals, chains, now_ms / 1000)
            judged = list(zip(known, verdicts, strict=True))
            chain_store.write_batches(connection, judged, now_ms)
            chain_store.write_heads(connection, chains)
            self._account(connection, judged, now_ms)
        self._asked.update((e, chain.asked) for e, chain in chains.items() if chain.asked)
        found = iter(Committed(each.endpoint, verdict) for each, verdict in judged)
        return [Committed(None, "format") if each is None else next(found) for each in arrived]

    def close(self) -> None:
        """Let the verifying threads go."""
        self._pool.shutdown()

    def _learn_keys(self, endpoints: set[str]) -> None:
        if missing := endpoints - self._keys.keys():
            with database.reading(self._engine) as connection:
                self._keys.update(chain_store.load_keys(connection, missing))

    def _verify(self, known: list[Arrived]) -> list[str]:
        """Return the reason to refuse each batch, empty where the device signed it."""
        if len(known) == 1:
            return [self._refusal(known[0])]
        share = -(-len(known) // WORKERS) or 1
        portions = [known[at : at + share] for at in range(0, len(known), share)]
        found = self._pool.map(lambda part: [self._refusal(each) for each in part], portions)
        return [reason for part in found for reason in part]

    def _refusal(self, arrived: Arrived) -> str:
        key = self._keys.get(arrived.endpoint)
        if key is None:
            return "unknown"
        payload = arrived.seal.payload
        assert payload is not None  # _parse has seen to it
        return "" if arrived.seal.is_by(key, payload, LABEL) else "signature"

    def _judge(
        self,
        known: Sequence[Arrived],
        refusals: Sequence[str],
        chains: Mapping[str, Chains],
        now_s: float,
    ) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for arrived, refusal in zip(known, refusals, strict=True):
            chain = chains.get(arrived.endpoint)
            if refusal or chain is None:
                verdicts.append(refusal or "revoked")
            elif self._room.left(arrived.endpoint, now_s) <= 0:
                verdicts.append("too_many")
            else:
                verdict = chain.judge(arrived.batch)
                if verdict.fit in (Fit.STORED, Fit.BROKEN):  # what leaves something behind
                    self._room.use(arrived.endpoint, max(LEAST, len(arrived.data)), now_s)
                verdicts.append(verdict)
        return verdicts

    def _account(
        self, connection: Connection, judged: Sequence[tuple[Arrived, Verdict]], now_ms: int
    ) -> None:
        for arrived, verdict in judged:
            if isinstance(verdict, str):
                continue
            place = (arrived.endpoint, arrived.batch.epoch)
            if verdict.hole:
                what, detail = "chain_gap", verdict.hole
            elif verdict.fit is Fit.BROKEN and place not in self._broken:
                what, detail = "chain_broken", f"{arrived.batch.epoch}/{arrived.batch.first}"
                self._broken.add(place)
            else:
                continue
            at = datetime.fromtimestamp(now_ms / 1000, UTC)
            facts = {"endpoint": arrived.endpoint, "detail": detail}
            audit.write(connection, "ingest", what, facts, at, result=verdict.fit.value)

    def _tell(self, committed: list[Committed], now_ms: int) -> list[Outcome]:
        # one signature tells an endpoint of all its batches: the last place is the present one
        last = {
            each.endpoint: each.verdict
            for each in committed
            if each.endpoint is not None and _has_receipt(each.verdict)
        }
        receipts = {
            endpoint: self._receipt(endpoint, verdict, now_ms) for endpoint, verdict in last.items()
        }
        return [
            Outcome(
                each.endpoint,
                receipts.get(each.endpoint or "") if _has_receipt(each.verdict) else None,
                stored=_is_stored(each.verdict),
                reason=_reason(each.verdict),
            )
            for each in committed
        ]

    def _receipt(self, endpoint: str, judgement: Judgement, now_ms: int) -> bytes:
        # an endpoint that cannot judge a bare one sends its batch again, and that is answered whole
        is_bare = judgement.fit is Fit.STORED and endpoint in self._told_ms
        # the endpoint follows the newest receipt, so no two of ours have the same time
        time_ms = max(now_ms, self._told_ms.get(endpoint, 0) + 1)
        self._told_ms[endpoint] = time_ms
        receipt = Receipt(
            endpoint=bytes.fromhex(endpoint),
            epoch=judgement.epoch,
            next=judgement.head.next,
            chain=judgement.head.chain,
            time_ms=time_ms,
        )
        return sign_bundle(
            Kind.RECEIPT,
            receipt.to_bytes(),
            [self.identity.signer],
            certificates=() if is_bare else self.identity.chain,
        )


def open_batch(data: bytes) -> tuple[Seal, Batch]:
    """Parse a sealed batch without judging its signature.

    Raises:
        FormatError: *data* is no COSE_Sign1 of the profile with a batch of its sender in it.
    """
    seal = open_seal(data)
    if seal.payload is None:
        raise FormatError("a batch travels with its payload")
    batch = Batch.from_bytes(seal.payload)
    if seal.kid != batch.endpoint:
        raise FormatError("the batch names another endpoint than its signature")
    return seal, batch


def _parse(data: bytes) -> Arrived | None:
    try:
        seal, batch = open_batch(data)
    except FormatError:
        return None
    return Arrived(batch.endpoint.hex(), data, seal, batch)


def _has_receipt(verdict: Verdict) -> TypeGuard[Judgement]:
    return isinstance(verdict, Judgement) and verdict.fit is not Fit.NO_BOOT


def _is_stored(verdict: Verdict) -> bool:
    return isinstance(verdict, Judgement) and verdict.fit is Fit.STORED


def _reason(verdict: Verdict) -> str:
    return verdict.fit.value if isinstance(verdict, Judgement) else verdict
