"""Write the corpus anew: ``python -m tests.fuzz.seeds``.

Seeds are valid objects with fixed keys, and the vectors: what was refused once is a good place to
begin. What a long run found is added by hand under a name of its own and stays.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

if TYPE_CHECKING:
    from vectors.generator.case import Case

MADE = "seed-"  # the names of the files that are written here
MAX_BYTES = 4096
EACH = 24  # files a target, so that the corpus stays small


def every_seed() -> Iterator[tuple[str, bytes]]:
    """Yield the name of a target and one input for it."""
    from loa_protocol.envelope import Bundle
    from loa_protocol.errors import FormatError
    from vectors.generator.every import every_case

    for case in every_case():
        yield "vectors", _request(case)
        if case.door == "chunk":
            yield "live", case.data
        if case.door not in ("object", "head", "root", "first_root", "transfer"):
            continue
        yield "accept", case.data
        try:
            bundle = Bundle.from_bytes(case.data)
        except FormatError:
            yield "cbor", case.data
            yield "envelope", case.data
            continue
        if case.folder == "seal":
            yield "envelope", bundle.seals[0]
        yield "envelope", case.data
        if case.folder == "certificate":
            for each in bundle.certificates:
                yield "certificate", _payload(each)
        if case.folder == "encoding":
            yield "cbor", bundle.payload
            yield "playlist", bundle.payload
        if case.folder in ("playlist", "alert"):
            yield case.folder, bundle.payload


def _request(case: Case) -> bytes:
    state = json.loads(case.files()["trusted.json"])
    return json.dumps({**state, "bundle": case.data.hex()}).encode()


def _payload(data: bytes) -> bytes:
    from loa_protocol.envelope import Bundle

    return Bundle.from_bytes(data).payload


def corpus() -> dict[str, bytes]:
    """Return the files by their path below the corpus."""
    by_target: dict[str, list[bytes]] = {}
    for name, data in every_seed():
        held = by_target.setdefault(name, [])
        if len(data) <= MAX_BYTES and data not in held:
            held.append(data)
    return {
        f"{name}/{MADE}{number:02d}": data
        for name, held in by_target.items()
        for number, data in enumerate(held[:: -(-len(held) // EACH)])
    }


def main() -> None:
    """Replace the seeds; leave what people added."""
    from fuzz.targets import CORPUS

    for path in CORPUS.glob(f"*/{MADE}*"):
        path.unlink()
    for name, data in corpus().items():
        path = CORPUS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    print(f"{len(corpus())} seeds in {CORPUS}")


if __name__ == "__main__":
    main()
