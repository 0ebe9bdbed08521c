"""The bytes on the protocol pages are what the code says."""

from __future__ import annotations

import pathlib
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from loa_protocol.envelope import Bundle, Kind, open_seal, seal, sign_bundle
from loa_protocol.keys import Algorithm, PublicKey, SoftSigner
from loa_protocol.objects.online import TimeAnswer
from loa_protocol.record import CHAIN_START, Record, Refused, chain

PAGES = pathlib.Path(__file__).parents[2] / "docs" / "protocol"
SIGNER = SoftSigner(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def blocks() -> dict[str, bytes]:
    text = (PAGES / "trust.md").read_text(encoding="utf-8")
    found = re.findall(r"<!-- bytes: ([a-z ]+) -->\n```\n([0-9a-f\n]+)```", text)
    return {name: bytes.fromhex(body.replace("\n", "")) for name, body in found}


def test_the_worked_seal_verifies_with_the_worked_key() -> None:
    page = blocks()
    key = PublicKey(Algorithm.EDDSA, page["public key"])
    assert open_seal(page["seal"]).is_by(key, page["payload"], "loa/time-answer/1")
    assert seal(page["payload"], Kind.TIME_ANSWER.label(), SIGNER) == page["seal"]
    assert SIGNER.public == key


def test_the_worked_payload_is_a_time_answer() -> None:
    answer = TimeAnswer.from_bytes(blocks()["payload"])
    assert answer == TimeAnswer(nonce=bytes(16), time_ms=1_800_000_000_000)


def test_the_worked_bundle_holds_the_worked_payload_and_seal() -> None:
    page = blocks()
    bundle = Bundle.from_bytes(page["bundle"])
    assert (bundle.payload, bundle.seals) == (page["payload"], (page["seal"],))
    assert sign_bundle(Kind.TIME_ANSWER, page["payload"], [SIGNER]) == page["bundle"]


def test_the_worked_record_and_chain_are_ours() -> None:
    page = blocks()
    record = Record.from_bytes(page["record"])
    assert record.body == Refused(what="playlist", reason="threshold", detail="")
    assert chain(CHAIN_START, page["record"]) == page["chain"]


@pytest.mark.parametrize("kind", list(Kind))
def test_the_table_of_kinds_names_every_number(kind: Kind) -> None:
    text = (PAGES / "trust.md").read_text(encoding="utf-8")
    assert f"| {kind.value} | {kind.name.lower().replace('_', ' ')} |" in text
