"""A hundred thousand other bundles made of valid ones: none is taken, none raises anything else."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from loa_protocol import cbor
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import FormatError
from loa_protocol.objects.command import Verb
from loa_protocol.trust import TrustError
from support.attack import Attacker, fold, unfold
from vectors.generator import bodies
from vectors.generator.world import (
    APPROVER,
    DUTY,
    EDITOR,
    NOW,
    OFFICERS,
    WARDENS,
    sign,
    trusted,
)

COUNT = 100_000
SHARDS = 4
BUNDLES = [  # each by as many as it needs and no more: one seal less is an attack too
    sign(Kind.PLAYLIST, bodies.playlist(), EDITOR, APPROVER),
    sign(Kind.PLAYLIST, bodies.playlist(serial=6), EDITOR, APPROVER),
    sign(Kind.ALERT, bodies.alert(), *WARDENS),
    sign(Kind.ALERT, bodies.cancel(), WARDENS[0]),
    sign(Kind.COMMAND, bodies.command(Verb.LOCKDOWN), *DUTY[:2]),
    sign(Kind.GRANT, bodies.grant(), *WARDENS),
    sign(Kind.POLICY, bodies.policy(), *OFFICERS),
]
TRUSTED = trusted()


@pytest.mark.requirement("SEC-3")
@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_structural_mutation_is_accepted(shard: int) -> None:
    attacker, reasons = Attacker(BUNDLES, seed=shard), Counter[str]()
    print(f"seed {shard}")
    for _ in range(COUNT // SHARDS):
        data = attacker.next()
        try:
            accept(data, TRUSTED, NOW)
        except FormatError:
            reasons["format"] += 1
        except TrustError as error:
            reasons[str(error.reason)] += 1
        else:
            pytest.fail(f"accepted: {data.hex()}")
    print(dict(reasons))
    assert reasons.total() == COUNT // SHARDS
    assert len(reasons) >= 6, reasons  # it gets past the parser


def test_seals_and_certificates_in_another_order_say_the_same() -> None:
    """What is left out of the attack: the same payload, by the same people, in another order."""
    bundle = Bundle.from_bytes(BUNDLES[0])
    attacker = Attacker(BUNDLES, seed=1)
    others = (
        dataclasses.replace(bundle, seals=bundle.seals[::-1]),
        dataclasses.replace(bundle, seals=(*bundle.seals, bundle.seals[0])),
        dataclasses.replace(bundle, certificates=bundle.certificates[::-1]),
        dataclasses.replace(bundle, certificates=(*bundle.certificates, bundle.certificates[0])),
    )
    for other in others:
        assert attacker.says_the_same(other.to_bytes())
        assert accept(other.to_bytes(), TRUSTED, NOW).body == bodies.playlist()
    changed = dataclasses.replace(bundle, kind=int(Kind.POLICY))
    assert not attacker.says_the_same(changed.to_bytes())


def test_an_opened_bundle_closes_to_the_same_bytes() -> None:
    for data in BUNDLES:
        assert cbor.encode(fold(unfold(data))) == data
