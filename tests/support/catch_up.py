"""An endpoint's view of a content tree, without a network: the core against a tree in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from loa_endpoint.core import want as wants
from loa_endpoint.core.poll import Reach
from loa_endpoint.core.sync import CatchUp, Keep, KeepRoot, KeepSigner, Offer, Refuse
from loa_endpoint.core.want import Want
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.trust import Now
from support.content_lab import ContentLab, village_lab
from support.province import NOW, STATION
from support.vault import MemoryVault

HEAD = wants.head()


@dataclass
class Board:
    """A catch-up against the files of a tree, without a line between them."""

    lab: ContentLab = field(default_factory=village_lab)
    vault: MemoryVault = field(default_factory=MemoryVault)
    core: CatchUp = field(default_factory=lambda: CatchUp(bytes(16)))
    asked: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    offered: list[bytes] = field(default_factory=list)
    refuses: set[bytes] = field(default_factory=set)  # digests that the inbox would not take
    now: Now = NOW
    now_ms: int = 0
    most: int = 50

    def catch_up(self, *, reach: Reach = Reach.PLAYLISTS, with_head: bool = True) -> Board:
        self.asked.clear()
        self.refused.clear()
        self.core.begin(reach=reach, with_head=with_head)
        while (want := self.core.next_want(self.vault.have(), self.now_ms)) is not None:
            self.asked.append(want.path)
            assert len(self.asked) < self.most, "it never ends"
            data = self.lab.files.get(f"/{want.path}")
            if data is None:
                self.core.on_nothing(want, is_absent=True)
            else:
                self.take(want, data)
        return self

    def take(self, want: Want, data: bytes) -> None:
        have = self.vault.have()
        effects = self.core.on_body(want, data, have, now=self.now, now_ms=self.now_ms)
        for effect in effects:
            match effect:
                case Keep():
                    self.vault.keep(effect.accepted, effect.data)
                case KeepRoot():
                    self.vault.keep_root(effect.root, effect.data)
                case Offer():
                    self.offered.append(effect.digest)
                    if effect.digest in self.refuses:
                        self.core.on_refused(effect)
                    else:
                        self.vault.orders.add(effect.digest)
                case KeepSigner():
                    self.vault.signers.add(Bundle.from_bytes(effect.data).digest)
                case Refuse():
                    self.refused.append((effect.what, effect.reason))

    @property
    def playlist_serial(self) -> int | None:
        return self.vault.serial(Kind.PLAYLIST, STATION)
