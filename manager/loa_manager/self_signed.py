"""Papers that a new key signs itself, as armoured text: the signature proves that it is held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from loa_manager.armour import armour, unarmour
from loa_protocol.envelope import open_seal, seal
from loa_protocol.errors import MessageError
from loa_protocol.keys import PublicKey, Signer


class NamesKey(Protocol):
    """A wire object that names the key which signs it."""

    @property
    def key(self) -> PublicKey:
        """The key."""

    def to_bytes(self) -> bytes:
        """Return the object's one encoding."""

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Parse *data*; raises FormatError."""


Body = TypeVar("Body", bound=NamesKey)


@dataclass(frozen=True, slots=True)
class SelfSigned(Generic[Body]):
    """One kind of such papers: its title, the label of its seal, its content."""

    title: str
    label: str
    body: type[Body]

    def make(self, body: Body, signer: Signer) -> bytes:
        """Return *body* as armoured text, sealed by *signer*."""
        return armour(self.title, seal(body.to_bytes(), self.label, signer, detached=False))

    def parse(self, data: bytes) -> Body:
        """Read a paper and check that the key which it names made it.

        Raises:
            FormatError: *data* is no such paper, or its signature is not the key's own.
        """
        opened = open_seal(unarmour(self.title, data))
        if opened.payload is None:
            raise MessageError(f"a {self.title} without content")
        body = self.body.from_bytes(opened.payload)
        body.key.check()
        if not opened.is_by(body.key, opened.payload, self.label):
            raise MessageError(f"a {self.title} that is not signed by the key it names")
        return body
