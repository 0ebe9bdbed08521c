"""The mailbox over real TLS: from the editor's desk to the air, and what is kept on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loa_manager import mail_client
from loa_manager.mailbox.parts import PORTION
from loa_manager.mailbox.room import Limits
from loa_manager.publish.drafts import Draft
from loa_protocol.envelope import Bundle
from loa_protocol.errors import RefusedError
from support.mail_asking import approval, ask, copied, refusal, submitted
from support.mail_lab import NEIGHBOUR, STATION, MailLab, make_homes

INBOX = f"/mailbox/inbox/{STATION}"


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("homes")
    make_homes(folder)
    return folder


@pytest.fixture
def quiet(homes: Path, tmp_path: Path) -> MailLab:
    return copied(homes, tmp_path)


@pytest.fixture
def lab(quiet: MailLab) -> Iterator[MailLab]:
    with quiet.running():
        yield quiet


@pytest.fixture
def posted(lab: MailLab) -> Draft:
    return submitted(lab)


@pytest.mark.requirement("MSG-5")
def test_two_seals_publish_mechanically_and_the_server_has_signed_nothing(
    lab: MailLab, posted: Draft
) -> None:
    facts = mail_client.approve(lab.client("son"), approval(lab, "son", posted))
    assert (facts["state"], facts["signers"]) == ("published", ["Nga", "Sơn"])
    tree = lab.home("ls").content
    (leaf,) = tree.leaves()
    assert leaf.digest == posted.bundle.digest
    published = Bundle.from_bytes(tree.object(leaf.digest))
    assert len(published.seals) == 2
    for media in posted.playlist.media:
        kept = tree.media_path(media.sha256).read_bytes()
        assert hashlib.sha256(kept).digest() == media.sha256
    left = list((lab.home("ls").path / "mailbox").rglob("media/*"))
    assert left == [], "what the tree has, the mailbox need not keep"
    again = mail_client.approve(lab.client("son"), approval(lab, "son", posted))
    assert again["state"] == "published"


def test_a_broken_upload_goes_on_where_it_stopped_and_sends_nothing_twice(lab: MailLab) -> None:
    draft = lab.draft(seconds=40.0)
    (media,) = draft.playlist.media
    client, sent = lab.client("nga"), []

    class CutError(Exception):
        pass

    def on_file(_name: str, _size: int) -> Any:
        def on_bytes(count: int) -> None:
            sent.append(count)
            if len(sent) == 2 and media.size > PORTION:
                raise CutError

        return on_bytes

    assert media.size > PORTION, "long enough to be cut"
    with pytest.raises(CutError):
        mail_client.submit(client, draft, on_file)
    base = f"/mailbox/drafts/{draft.bundle.digest.hex()}"
    facts = ask(lab, "nga", "GET", f"{base}/state").json()
    assert (facts["state"], facts["missing"][0]["received"]) == ("draft", PORTION)
    gap = ask(lab, "nga", "POST", f"{base}/media/{media.sha256.hex()}/{media.size - 1}", b"x")
    assert refusal(gap) == (409, "offset")
    sent.clear()
    assert mail_client.submit(lab.client("nga"), draft, on_file_of(sent))["state"] == "waiting"
    assert sent[0] == PORTION, "begins where it was"
    assert sum(sent) == media.size
    sent.clear()
    assert mail_client.submit(lab.client("nga"), draft, on_file_of(sent))["state"] == "waiting"
    assert sent == []


def on_file_of(sent: list[int]) -> Any:
    return lambda _name, _size: sent.append


def test_a_false_media_file_never_completes_a_draft(lab: MailLab) -> None:
    draft = lab.draft()
    (media,) = draft.playlist.media
    path = draft.media / media.sha256.hex()
    data = path.read_bytes()
    path.write_bytes(bytes(len(data)))
    with pytest.raises(RefusedError, match="media_hash"):
        mail_client.submit(lab.client("nga"), draft)
    base = f"/mailbox/drafts/{draft.bundle.digest.hex()}"
    assert ask(lab, "nga", "GET", f"{base}/state").json()["state"] == "draft"
    sealed = approval(lab, "son", draft)
    early = ask(lab, "son", "POST", f"{base}/approval", sealed.data)
    assert refusal(early) == (409, "draft")
    path.write_bytes(data)
    assert mail_client.submit(lab.client("nga"), draft)["state"] == "waiting"


def test_an_approver_gets_what_was_submitted_and_a_broken_download_goes_on(
    lab: MailLab, posted: Draft
) -> None:
    client, home = lab.client("son"), lab.home("son")
    (media,) = posted.playlist.media
    part = home.path / "inbox" / "media" / f"{media.sha256.hex()}.part"
    part.parent.mkdir(parents=True)
    whole = (posted.media / media.sha256.hex()).read_bytes()
    part.write_bytes(whole[:1000])
    counted: list[int] = []
    draft = mail_client.fetch(client, home, posted.bundle.digest.hex(), on_file_of(counted))
    assert draft.data == posted.data
    assert (draft.media / media.sha256.hex()).read_bytes() == whole
    assert counted[0] == 1000
    (draft.media / media.sha256.hex()).unlink()
    part.write_bytes(b"damaged on the way")
    with pytest.raises(Exception, match="media_hash"):
        mail_client.fetch(client, home, posted.bundle.digest.hex())
    fresh = mail_client.fetch(client, home, posted.bundle.digest.hex())
    assert (fresh.media / media.sha256.hex()).read_bytes() == whole


def test_a_neighbour_and_the_province_see_their_own(lab: MailLab, posted: Draft) -> None:
    assert ask(lab, "foreign", "GET", f"/mailbox/inbox/{NEIGHBOUR}").json() == []
    assert refusal(ask(lab, "nga", "GET", "/mailbox/inbox/vn/ls")) == (403, "scope")
    assert len(ask(lab, "deputy", "GET", INBOX).json()) == 1


@pytest.mark.parametrize("limits", [Limits(drafts_of_scope=1), Limits(drafts_of_holder=1)])
def test_a_full_mailbox_says_so_and_has_room_again_when_something_is_settled(
    quiet: MailLab, limits: Limits
) -> None:
    quiet.limits = limits
    with quiet.running() as lab:
        first = lab.draft()
        nga, son = lab.client("nga"), lab.client("son")
        assert mail_client.submit(nga, first)["state"] == "waiting"
        second = lab.draft(title="Một giá khác")
        with pytest.raises(RefusedError, match="full"):
            mail_client.submit(nga, second)
        assert mail_client.submit(nga, first)["state"] == "waiting", "it is there already"
        mail_client.approve(son, approval(lab, "son", first))
        assert mail_client.submit(nga, second)["state"] == "waiting"
