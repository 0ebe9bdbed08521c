"""The root's holders at work: which keys stand for whom, and whether there are enough of them.

Any holders will do, as long as they are distinct: nobody is the first. Keys are signers here; in
which file or token they lie is the caller's business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from loa_manager.home import Home
from loa_manager.keyring import KEY, TOKEN, Secrets, load_signer, public_of
from loa_manager.self_signed import SelfSigned
from loa_protocol.errors import ConfigError, StoreError
from loa_protocol.keys import Signer
from loa_protocol.language import translator
from loa_protocol.objects.authority import Root, RootKey
from loa_protocol.succession import holders_of

_ = translator("loa_manager")

ROOT_HOLDERS: Final = tuple(f"root-{n}" for n in range(1, 6))
ROOT_THRESHOLD: Final = 3
ISSUING_HOLDERS: Final = 2  # a certificate that speaks or issues has two issuing holders
MIN_THRESHOLD: Final = 2
MAX_THRESHOLD: Final = 4  # two roots' holders must fit into the eight seals of a bundle
SPEAKING_FLOOR: Final = 2  # holders behind what speaks: trust.md, section 1
_CARD: Final = SelfSigned("LOA ROOT KEY", "loa/root-key/1", RootKey)


def distinct(signers: Iterable[Signer], root: Root, count: int) -> list[Signer]:
    """Return signers of *count* distinct holders of *root*.

    Raises:
        ConfigError: a signer holds no key of *root*, or there are too few holders.
    """
    chosen: dict[str, Signer] = {}
    for signer in signers:
        holders = holders_of(root, frozenset({signer.public.kid}))
        if not holders:
            fault = _("the key {kid} is none of this root").format(kid=signer.public.kid.hex()[:16])
            raise ConfigError(_("root"), [fault])
        chosen.setdefault(min(holders), signer)
    if len(chosen) < count:
        fault = _("{needed} different holders are needed, here are {n}: {who}").format(
            needed=count, n=len(chosen), who=", ".join(sorted(chosen)) or "-"
        )
        raise ConfigError(_("root"), [fault])
    return list(chosen.values())[:count]


def home_holders(home: Home, root: Root, count: int, secrets: Secrets) -> list[Signer]:
    """Open the keys of *count* distinct holders in the home itself: a test province's.

    Raises:
        StoreError: too few are there.
        ConfigError: *secrets* do not open them.
    """
    chosen: dict[str, Path] = {}
    for file in key_files(home.root_keys):
        for holder in holders_of(root, frozenset({public_of(file).kid})):
            chosen.setdefault(holder, file)
    if len(chosen) < count:
        text = _("{needed} root keys are needed and {n} are here; name them by --root-key FILE")
        raise StoreError(str(home.root_keys), text.format(needed=count, n=len(chosen)))
    return [load_signer(file, secrets).signer for file in list(chosen.values())[:count]]


def distinct_names(holders: Iterable[str]) -> list[str]:
    """Return a fault for each name that stands twice: two keys of one holder count once."""
    count = Counter(holders)
    return [
        _("{holder} stands twice: each holder has one key").format(holder=holder)
        for holder, times in count.items()
        if times > 1
    ]


def make_card(signer: Signer, holder: str) -> bytes:
    """Return the card of a new root key: holder and public key as text, sealed by the key itself.

    Raises:
        MessageError: *holder* is too long or not NFC.
    """
    public = signer.public
    key = RootKey(algorithm=public.algorithm, raw=public.raw, holder=holder)
    return _CARD.make(key, signer)


def parse_card(data: bytes) -> RootKey:
    """Read the card of a root key and check that the key itself made it.

    Raises:
        FormatError: *data* is no card, or its signature is not the key's own.
    """
    return _CARD.parse(data)


def card_path(key: Path) -> Path:
    """Return where the card of the key at *key* stands: beside it."""
    return key.with_suffix(".public")


def key_files(folder: Path) -> Iterator[Path]:
    """Yield the keys that lie in *folder* (files, and notes of tokens), by name."""
    yield from sorted(path for suffix in (KEY, TOKEN) for path in folder.glob(f"*{suffix}"))
