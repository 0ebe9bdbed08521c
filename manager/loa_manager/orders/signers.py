"""Certificates of those who may give orders, on the list of what stands.

A message over SMS has no room for certificates, so boards keep those of the list.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from loa_manager.home import Home
from loa_manager.orders.standing import SignerRow
from loa_protocol.envelope import Bundle
from loa_protocol.objects.authority import Certificate, Role

ORDERING: Final = frozenset({Role.ALERT, Role.LIVE, Role.OPERATE})


def list_signers(home: Home, certificates: Iterable[bytes], now_s: int) -> None:
    """Put *certificates* of order-givers, and of who certified them, on the list of *home*."""
    tree, rows = home.content, []
    for data in certificates:
        bundle = Bundle.from_bytes(data)
        certificate = Certificate.from_bytes(bundle.payload)
        if certificate.may_issue or ORDERING & set(certificate.roles):
            tree.put_object(data)
            rows += [
                SignerRow(scope=scope, digest=bundle.digest, until=certificate.expires)
                for scope in certificate.scopes
            ]
    if rows:
        tree.change_orders(lambda orders: orders.with_signers(rows, now_s))
