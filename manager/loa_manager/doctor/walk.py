"""Every HTTPS route asked by somebody who does not say who they are.

The list is compared with the application's own routes by a test; a route that is missing here
fails it.
"""

from __future__ import annotations

import contextlib
import http.client
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from loa_manager.doctor.probes import LIMIT_S

_NOTHING: Final = "0" * 64
# (path as the application writes it, method, what is asked for); an order with nobody's seal on it
ROUTES: Final = (
    ("/content/{path:path}", "GET", "/content/head"),
    ("/enrol/cacerts", "GET", "/enrol/cacerts"),
    ("/enrol/simpleenroll", "POST", "/enrol/simpleenroll"),
    ("/time", "POST", "/time"),
    ("/mailbox/inbox/{scope:path}", "GET", "/mailbox/inbox/vn"),
    ("/mailbox/drafts", "POST", "/mailbox/drafts"),
    ("/mailbox/drafts/{digest}", "GET", f"/mailbox/drafts/{_NOTHING}"),
    ("/mailbox/drafts/{digest}/state", "GET", f"/mailbox/drafts/{_NOTHING}/state"),
    ("/mailbox/drafts/{digest}/approval", "POST", f"/mailbox/drafts/{_NOTHING}/approval"),
    ("/mailbox/drafts/{digest}/rejection", "POST", f"/mailbox/drafts/{_NOTHING}/rejection"),
    (
        "/mailbox/drafts/{digest}/media/{sha256}",
        "GET",
        f"/mailbox/drafts/{_NOTHING}/media/{_NOTHING}",
    ),
    (
        "/mailbox/drafts/{digest}/media/{sha256}/{offset:int}",
        "POST",
        f"/mailbox/drafts/{_NOTHING}/media/{_NOTHING}/0",
    ),
    ("/orders", "POST", "/orders"),
    (
        "/orders/{digest}/media/{sha256}/{offset:int}",
        "POST",
        f"/orders/{_NOTHING}/media/{_NOTHING}/0",
    ),
    ("/orders/{scope:path}", "GET", "/orders/vn"),
    ("/live/{grant}", "POST", "/live/0"),
    ("/live/{word}/chunk", "POST", "/live/0/chunk"),
    ("/recall/{order}/offer", "POST", f"/recall/{_NOTHING}/offer"),
    ("/recall/{order}/{sha256}/{offset:int}", "PUT", f"/recall/{_NOTHING}/{_NOTHING}/0"),
    ("/recall/board/{at_ms:int}/{scope:path}", "GET", "/recall/board/0/vn"),
    ("/recall/{order}", "GET", f"/recall/{_NOTHING}"),
    ("/recall/{order}/{sha256}", "GET", f"/recall/{_NOTHING}/{_NOTHING}"),
)
PUBLIC: Final = frozenset({"/content/{path:path}", "/enrol/cacerts"})
REFUSALS: Final = (401, 403)


@dataclass(frozen=True, slots=True)
class Step:
    """One request and its answer; a status of 0: none came."""

    template: str
    method: str
    target: str
    status: int
    says: str = ""  # what the answer tells of the server's software
    challenge: str = ""  # what it offers to log in with

    @property
    def is_public(self) -> bool:
        """Whether anybody may ask for it: what is signed, and the authorities' certificates."""
        return self.template in PUBLIC

    @property
    def is_kept(self) -> bool:
        """Whether the answer is the right one for a stranger."""
        if self.is_public:
            return self.status in (200, 404)
        return self.status in REFUSALS

    def facts(self) -> dict[str, object]:
        """Return it for JSON."""
        return {"method": self.method, "path": self.target, "status": self.status}


def walk(host: str, port: int, context: ssl.SSLContext) -> Iterator[Step]:
    """Yield what each route answers a stranger."""
    for template, method, target in ROUTES:
        yield _ask(host, port, context, (template, method, target))


def _ask(host: str, port: int, context: ssl.SSLContext, route: tuple[str, str, str]) -> Step:
    line = http.client.HTTPSConnection(host, port, timeout=LIMIT_S, context=context)
    with contextlib.closing(line):
        try:
            line.request(route[1], route[2], body=b"" if route[1] == "POST" else None)
            answer = line.getresponse()
        except (OSError, http.client.HTTPException):
            return Step(*route, 0)
        says = answer.getheader("Server") or answer.getheader("X-Powered-By") or ""
        return Step(*route, answer.status, says, answer.getheader("WWW-Authenticate") or "")
