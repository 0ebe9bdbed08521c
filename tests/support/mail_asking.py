"""Requests to a mailbox as people seal them, and as others forge them."""

from __future__ import annotations

import hashlib
import shutil
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from loa_manager import mail_client
from loa_manager.keyring import Identity
from loa_manager.publish.drafts import Draft, read_draft
from loa_manager.publish.editing import seal_draft
from loa_manager.request_seal import (
    Claim,
    seal_request,
)
from loa_protocol.objects.authority import Role
from support.mail_lab import MailLab


def copied(homes: Path, folder: Path) -> MailLab:
    """Return everybody's homes anew, with a server that does not run yet."""
    shutil.copytree(homes, folder / "all")
    return MailLab(folder / "all")


def submitted(lab: MailLab) -> Draft:
    """Return a draft that waits for an approver."""
    draft = lab.draft()
    assert mail_client.submit(lab.client("nga"), draft)["state"] == "waiting"
    return draft


def claim_of(lab: MailLab, method: str, target: str, body: bytes = b"", /, **changes: Any) -> Claim:
    facts: dict[str, Any] = {
        "method": method,
        "target": target,
        "host": "127.0.0.1",
        "time_ms": int(lab.now().timestamp() * 1000),
        "nonce": hashlib.sha256(repr((target, datetime.now(UTC))).encode()).digest()[:16],
        "body": hashlib.sha256(body).digest(),
    }
    return Claim(**{**facts, **changes})


def send(
    lab: MailLab, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> httpx.Response:
    context = ssl.create_default_context(cafile=str(lab.home("nga").device_ca_path))
    with httpx.Client(base_url=lab.address, verify=context, trust_env=False) as http:
        return http.request(method, target, content=body or None, headers=headers)


def ask(
    lab: MailLab,
    name: str | Identity,
    method: str,
    target: str,
    body: bytes = b"",
    **changes: Any,
) -> httpx.Response:
    """Send a request that *name* has sealed; *changes* falsify the claim."""
    who = lab.identity(name) if isinstance(name, str) else name
    headers = seal_request(who, claim_of(lab, method, target, body, **changes))
    return send(lab, method, target, body, headers)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert set(body) == {"error", "reason"}
    return answer.status_code, body["reason"]


def approval(lab: MailLab, name: str, draft: Draft) -> Draft:
    """Return *draft* with the seal of *name*, on a copy in that home."""
    path = lab.folder / "desk" / name / draft.path.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(draft.data)
    seal_draft(read_draft(path), lab.identity(name), Role.APPROVER, lab.desk(name))
    return read_draft(path)
