"""The mailbox from the side of an editor or approver: files in the home, requests to the server.

What arrives is believed as little as a stick from a stranger: a draft must have the digest it was
asked by, media the hash that the draft names, a rejection the seal of an approver.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from loa_manager.content_tree import write_durably
from loa_manager.home import Home
from loa_manager.keyring import Identity
from loa_manager.mailbox.rejection import Rejection, open_rejection, seal_rejection
from loa_manager.media_upload import upload
from loa_manager.publish.drafts import SUFFIX, Draft, read_draft
from loa_manager.publish.media import OnFile, unwatched
from loa_manager.service_client import ServiceClient
from loa_protocol.envelope import Bundle
from loa_protocol.errors import MessageError, StoreError
from loa_protocol.objects.playlist import Media
from loa_protocol.trust import Now, Refusal, Trusted, TrustError


@dataclass(frozen=True, slots=True)
class Letter:
    """An entry of the inbox as the server tells it, and what an approver verifiably said."""

    facts: dict[str, Any]
    reason: str | None = None  # of the rejection
    rejected_by: str | None = None

    @property
    def digest(self) -> str:
        """The draft's name in the mailbox."""
        return str(self.facts["digest"])

    @property
    def state(self) -> str:
        """Where it stands; the words of :class:`loa_manager.mailbox.state.State`."""
        return str(self.facts["state"])


def submit(client: ServiceClient, draft: Draft, on_file: OnFile = unwatched) -> dict[str, Any]:
    """Upload *draft*, then what the server lacks of its media; return where it stands.

    Interrupted, the same call again goes on where it was.

    Raises:
        RefusedError: the server says no.
        FetchError: it cannot be reached.
        StoreError: a media file cannot be read.
    """
    facts = _entry(client.call("POST", "/mailbox/drafts", draft.data).json())
    media = {each.sha256.hex(): each for each in draft.playlist.media}
    for row in facts["missing"]:
        if row.get("sha256") in media:
            _upload(client, draft, media[row["sha256"]], int(row["received"]), on_file)
    digest = draft.bundle.digest.hex()
    return _entry(client.call("GET", f"/mailbox/drafts/{digest}/state").json())


def read_inbox(
    client: ServiceClient, scopes: tuple[str, ...], trusted: Trusted, now: Now
) -> list[Letter]:
    """Return the drafts of *scopes*, the newest first.

    Raises:
        RefusedError, FetchError: as :func:`submit`.
        MessageError: the answer is none of ours.
    """
    found: dict[str, Letter] = {}
    for scope in scopes:
        rows = client.call("GET", f"/mailbox/inbox/{scope}").json()
        if not isinstance(rows, list):
            raise MessageError("the server's inbox is not a list")
        for row in rows:
            letter = _letter(_entry(row), trusted, now)
            found[letter.digest] = letter
    return sorted(found.values(), key=lambda each: -int(each.facts["submitted_ms"]))


def fetch(client: ServiceClient, home: Home, digest: str, on_file: OnFile = unwatched) -> Draft:
    """Bring the draft *digest* and its media into *home* and return it, its seals unjudged.

    Media that are there already are not fetched again; a broken download goes on.

    Raises:
        RefusedError, FetchError: as :func:`submit`.
        FormatError: it is no draft.
        TrustError: MEDIA_HASH: what came is not what was asked for.
        StoreError: it cannot be written.
    """
    data = client.call("GET", f"/mailbox/drafts/{digest}").body
    if Bundle.from_bytes(data).digest.hex() != digest:
        raise TrustError(Refusal.MEDIA_HASH, digest)
    path = home.path / "inbox" / f"{digest[:16]}{SUFFIX}"
    write_durably(path, data)
    draft = read_draft(path)
    for media in draft.playlist.media:
        if not (draft.media / media.sha256.hex()).is_file():
            _download(client, draft, media, on_file)
    return draft


def approve(client: ServiceClient, draft: Draft) -> dict[str, Any]:
    """Upload *draft* with the approver's seal and return where it stands; raises as `submit`."""
    target = f"/mailbox/drafts/{draft.bundle.digest.hex()}/approval"
    return _entry(client.call("POST", target, draft.data).json())


def reject(
    client: ServiceClient, letter: Letter, reason: str, identity: Identity, now: datetime
) -> dict[str, Any]:
    """Send *identity*'s sealed no, with its *reason*, and return where the draft stands.

    Raises:
        MessageError: the reason is too long, or not plain text.
        RefusedError, FetchError: as :func:`submit`.
    """
    rejection = Rejection(
        draft=bytes.fromhex(letter.digest),
        scope=str(letter.facts["scope"]),
        reason=reason,
        time=int(now.timestamp()),
    )
    target = f"/mailbox/drafts/{letter.digest}/rejection"
    return _entry(client.call("POST", target, seal_rejection(rejection, identity)).json())


def _upload(
    client: ServiceClient, draft: Draft, media: Media, offset: int, on_file: OnFile
) -> None:
    name, known = media.sha256.hex(), [offset]
    upload(
        client,
        f"/mailbox/drafts/{draft.bundle.digest.hex()}/media/{name}",
        media,
        draft.media / name,
        # the entry has told the first time
        received=lambda: known.pop() if known else _received(client, draft, name),
        on_file=on_file,
    )


def _received(client: ServiceClient, draft: Draft, name: str) -> int:
    digest = draft.bundle.digest.hex()
    facts = _entry(client.call("GET", f"/mailbox/drafts/{digest}/state").json())
    sizes = {each.sha256.hex(): each.size for each in draft.playlist.media}
    rows = {row["sha256"]: int(row["received"]) for row in facts["missing"]}
    return rows.get(name, sizes[name])


def _download(client: ServiceClient, draft: Draft, media: Media, on_file: OnFile) -> None:
    name = media.sha256.hex()
    part = draft.media / f"{name}.part"
    target = f"/mailbox/drafts/{draft.bundle.digest.hex()}/media/{name}"
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        there = min(part.stat().st_size, media.size) if part.exists() else 0
        if there < media.size:
            on_bytes = on_file(name[:8], media.size)
            with part.open("r+b" if there else "wb") as file:
                file.seek(there)
                on_bytes(there)
                for piece in client.download(target, there):
                    if not piece:
                        file.seek(0)
                    if file.tell() + len(piece) > media.size:
                        raise TrustError(Refusal.MEDIA_HASH, name)
                    file.write(piece)
                    on_bytes(len(piece))
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        if digest != media.sha256:
            part.unlink()
            raise TrustError(Refusal.MEDIA_HASH, name)
        part.rename(draft.media / name)
    except OSError as error:
        raise StoreError(str(part), error.strerror or str(error)) from None


def _letter(facts: dict[str, Any], trusted: Trusted, now: Now) -> Letter:
    """Return the letter; a rejection without the seal of an approver has no reason."""
    sealed = facts.get("rejection")
    if not isinstance(sealed, str):
        return Letter(facts)
    try:
        rejection, signer = open_rejection(bytes.fromhex(sealed), trusted, now)
    except ValueError:
        raise MessageError("the server's rejection is not hexadecimal") from None
    except TrustError:  # made up, or its certificate has run out since: the rest is still of use
        return Letter(facts)
    if rejection.draft.hex() != facts["digest"]:
        return Letter(facts)
    return Letter(facts, rejection.reason, signer.holder)


_KEYS: Final = {"digest": str, "scope": str, "state": str, "missing": list, "submitted_ms": int}


def _entry(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(
        isinstance(value.get(key), kind) for key, kind in _KEYS.items()
    ):
        raise MessageError("the server's answer is no entry of a mailbox")
    digest = value["digest"]
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise MessageError("the server's answer names no draft")
    return value
