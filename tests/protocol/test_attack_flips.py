"""Every single bit of whole bundles, turned over: not one of them is taken."""

from __future__ import annotations

from collections import Counter

import pytest

from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import FormatError
from loa_protocol.objects.command import Verb
from loa_protocol.trust import TrustError
from vectors.generator import bodies
from vectors.generator.world import APPROVER, DUTY, EDITOR, NOW, WARDENS, sign, trusted

ITEMS = tuple(bodies.item(id=f"i{n}", offset_ms=60_000 * n) for n in range(40))
BUNDLES = {  # of keys that follow from names: the same bits each time
    "a playlist of 40 items": sign(Kind.PLAYLIST, bodies.playlist(items=ITEMS), EDITOR, APPROVER),
    "an alert": sign(Kind.ALERT, bodies.alert(), *WARDENS),
    "a lockdown": sign(Kind.COMMAND, bodies.command(Verb.LOCKDOWN), *DUTY[:2]),
}
TRUSTED = trusted()


@pytest.mark.requirement("SEC-3")
@pytest.mark.parametrize("name", BUNDLES)
def test_no_single_bit_flip_of_a_whole_bundle_is_accepted(name: str) -> None:
    good, reasons = BUNDLES[name], Counter[str]()
    accepted = accept(good, TRUSTED, NOW)
    for bit in range(len(good) * 8):
        broken = bytearray(good)
        broken[bit // 8] ^= 1 << bit % 8
        try:
            accept(bytes(broken), TRUSTED, NOW)
        except FormatError:
            reasons["format"] += 1
        except TrustError as error:
            reasons[str(error.reason)] += 1
    print(name, dict(reasons))
    assert reasons.total() == len(good) * 8
    assert accepted.digest == Bundle.from_bytes(good).digest
    assert {"format", "signature", "chain"} <= set(reasons)
