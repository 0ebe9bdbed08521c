"""One case, and how it lies on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loa_protocol.envelope import Kind
from loa_protocol.trust import Now, Refusal
from vectors.generator.world import CLUSTER, DEVICE, NOW, ROOT_BUNDLE, STATION

FORMAT = "format"
UNPROVEN = "unproven"


@dataclass(frozen=True)
class Case:
    """One judgement: the bytes, what was trusted, the time, what must come out, and why.

    Args:
        facts: What differs from :func:`trusted`, in the JSON form of the request.
        reason: Why it is refused; None where it is accepted.
        expected: Facts of an accepted object that must come out too.
    """

    folder: str
    name: str
    why: str
    data: bytes
    reason: Refusal | str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    now: Now = NOW
    door: str = "object"
    expected: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The case's folder below the vectors'."""
        return f"{self.folder}/{self.name}_{'ok' if self.reason is None else 'fail'}"

    def files(self) -> dict[str, bytes]:
        """Return the content of its files by their name."""
        verdict: dict[str, Any] = {"result": "accepted", **self.expected}
        if self.reason is not None:
            verdict = {"result": "refused", "reason": str(self.reason)}
        request = {
            "door": self.door,
            "now": {"unix_s": self.now.unix_s, "trust": int(self.now.trust)},
            "trusted": {**trusted(), **self.facts},
        }
        return {
            "bundle.cbor": self.data,
            "trusted.json": _json(request),
            "expected.json": _json(verdict),
            "why.txt": f"{self.why}\n".encode(),
        }

    def write(self, root: Path) -> None:
        """Write the files below *root*."""
        folder = root / self.path
        folder.mkdir(parents=True)
        for name, content in self.files().items():
            (folder / name).write_bytes(content)


def trusted() -> dict[str, Any]:
    """Return what a board of cluster c04 trusts before anything else came."""
    return {
        "root": ROOT_BUNDLE.hex(),
        "scope": CLUSTER,
        "fingerprint": DEVICE.signer.public.fingerprint.hex(),
    }


def position(
    epoch: int,
    serial: int,
    digest: bytes = bytes(32),
    *,
    kind: Kind = Kind.PLAYLIST,
    subject: str = STATION,
) -> dict[str, Any]:
    """Return the facts of one position that was reached."""
    row = {
        "kind": int(kind),
        "subject": subject,
        "epoch": epoch,
        "serial": serial,
        "digest": digest.hex(),
    }
    return {"positions": [row]}


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()
