"""Headers and bodies with which strangers come to the server's routes for people."""

from __future__ import annotations

import base64
import contextlib

from loa_manager.mailbox.rejection import open_rejection
from loa_manager.request_seal import CHAIN_HEADER, SEAL_HEADER, Door, RequestError, Shown
from loa_protocol.errors import FormatError
from loa_protocol.trust import TrustError
from support import province


def fuzz(data: bytes) -> None:
    """Knock with *data* as it is, and in base64; nobody gets in, and only named errors come."""
    here = province.province()
    first, _colon, second = data.partition(b":")
    for seal, chain in (
        (data.decode("latin-1"), ""),
        (base64.b64encode(first).decode(), base64.b64encode(second).decode()),
    ):
        headers = {SEAL_HEADER.lower(): seal, CHAIN_HEADER.lower(): chain}
        shown = Shown(method="GET", target="/x", hosts=frozenset({"h"}), headers=headers)
        now_ms = province.NOW.unix_s * 1000
        with contextlib.suppress(RequestError):
            Door(0).judge(shown, here.trusted(), province.NOW, now_ms)
            raise AssertionError("a stranger came in")
    with contextlib.suppress(FormatError, TrustError):
        open_rejection(data, here.trusted(), province.NOW)
