"""The mailbox's routes over real TLS, and what becomes of those who should not be there."""

from __future__ import annotations

import base64
import hashlib
import shutil
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from loa_manager import mail_client
from loa_manager.keyring import Identity, load_signer
from loa_manager.mailbox.parts import PORTION
from loa_manager.mailbox.room import Limits
from loa_manager.publish.drafts import Draft, read_draft
from loa_manager.publish.editing import seal_draft
from loa_manager.request_seal import (
    CHAIN_HEADER,
    LABEL,
    MAX_CHAIN,
    SEAL_HEADER,
    WINDOW_MS,
    Claim,
    seal_request,
)
from loa_manager.serve.web import PUBLIC
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import FetchError, RefusedError
from loa_protocol.objects.authority import Role
from loa_protocol.objects.placement import Denied, DeniedKind, DenyList
from support.mail_lab import NEIGHBOUR, SECRET, STATION, MailLab, make_homes

DAY_S = 86_400
BOARDS = {"/enrol/simpleenroll", "/time"}  # these ask for a TLS certificate instead


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("homes")
    make_homes(folder)
    return folder


@pytest.fixture
def quiet(homes: Path, tmp_path: Path) -> MailLab:
    """Return the homes with a server that does not run yet."""
    shutil.copytree(homes, tmp_path / "all")
    return MailLab(tmp_path / "all")


@pytest.fixture
def lab(quiet: MailLab) -> Iterator[MailLab]:
    with quiet.running():
        yield quiet


@pytest.fixture
def posted(lab: MailLab) -> Draft:
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


# --- every route ----------------------------------------------------------------------------


def walk(lab: MailLab, draft: Draft) -> Iterator[tuple[str, str, str, bytes]]:
    """Give every (template, method, target, body) that the application knows."""
    names = {
        "digest": draft.bundle.digest.hex(),
        "sha256": draft.playlist.media[0].sha256.hex(),
        "offset:int": "0",
        "scope:path": STATION,
        "path:path": "objects/" + lab.home("ls").content.index().root.digest.hex(),  # type: ignore[union-attr]  # init makes one
    }
    bodies = {"/mailbox/drafts": draft.data, "/mailbox/drafts/{digest}/approval": draft.data}
    for route in lab.app.routes:
        assert isinstance(route, Route), f"{route} is no plain route: how is it authenticated?"
        target = route.path
        for name, value in names.items():
            target = target.replace(f"{{{name}}}", value)
        assert "{" not in target, f"{route.path}: tell this test what stands there"
        for method in sorted(route.methods or ()):
            yield route.path, method, target, bodies.get(route.path, b"")


@pytest.mark.requirement("SEC-7")
def test_every_route_is_public_on_purpose_or_wants_to_know_who_asks(
    lab: MailLab, posted: Draft
) -> None:
    seen = set()
    for template, method, target, body in walk(lab, posted):
        seen.add(template)
        answer = send(lab, method, target, body)
        if template in PUBLIC:
            assert answer.status_code == 200, target
            continue
        assert answer.status_code == 401, target
        if method != "HEAD":
            reason = "no_certificate" if template in BOARDS else "no_signature"
            assert refusal(answer) == (401, reason)
    assert seen >= PUBLIC | BOARDS | {"/mailbox/drafts", "/mailbox/inbox/{scope:path}"}


@pytest.mark.requirement("SEC-7")
def test_no_route_serves_a_foreign_commune_or_another_role(lab: MailLab, posted: Draft) -> None:
    before = lab.everything()
    for template, method, target, body in walk(lab, posted):
        if template in PUBLIC or method == "HEAD":
            continue
        for name, reason in (
            ("foreign", "scope"),
            ("foreign-approver", "scope"),
            ("alarm", "role"),
        ):
            answer = ask(lab, name, method, target, body)
            if template in BOARDS:  # no person's seal opens what is for boards
                assert refusal(answer) == (401, "no_certificate")
            elif template.startswith("/mailbox"):
                assert refusal(answer) == (403, reason), (name, target)
            elif (name, template) == ("alarm", "/orders/{scope:path}"):
                assert answer.json() == []  # who gives alerts follows orders for their own place
            elif template.startswith("/orders/{digest}"):
                assert refusal(answer) == (404, "not_here")  # no order of theirs waits for it
            else:
                assert answer.status_code in (400, 403), (name, target)
    assert lab.everything() == before


@pytest.mark.requirement("SEC-7")
def test_no_get_changes_database_content_or_mailbox(lab: MailLab, posted: Draft) -> None:
    before = lab.everything()
    for template, method, target, _body in walk(lab, posted):
        if method == "GET":
            answer = ask(lab, "son", "GET", target)
            assert answer.status_code in ((200,) if template not in BOARDS else (405,)), target
        elif method == "POST" and template not in BOARDS:
            assert send(lab, "GET", target).status_code in (401, 405), target
    assert lab.everything() == before


# --- the hostile ----------------------------------------------------------------------------

INBOX = f"/mailbox/inbox/{STATION}"


@pytest.mark.requirement("SEC-3", "SEC-7")
def test_a_request_counts_once_also_after_the_server_has_begun_anew(quiet: MailLab) -> None:
    with quiet.running() as lab:
        headers = seal_request(lab.identity("nga"), claim_of(lab, "GET", INBOX))
        assert send(lab, "GET", INBOX, headers=headers).status_code == 200
        assert refusal(send(lab, "GET", INBOX, headers=headers)) == (401, "replayed")
        late = seal_request(lab.identity("nga"), claim_of(lab, "GET", INBOX))
    with quiet.running() as lab:  # it has forgotten what it saw, and takes nothing from before
        assert refusal(send(lab, "GET", INBOX, headers=headers)) == (401, "clock")
        assert refusal(send(lab, "GET", INBOX, headers=late)) == (401, "clock")
        assert ask(lab, "nga", "GET", INBOX).status_code == 200


@pytest.mark.requirement("SEC-3", "SEC-7")
def test_nothing_of_a_request_can_be_changed_under_its_seal(lab: MailLab, posted: Draft) -> None:
    digest = posted.bundle.digest.hex()
    sealed = approval(lab, "son", posted)
    target = f"/mailbox/drafts/{digest}/approval"
    before = lab.everything()

    def headers(**changes: Any) -> dict[str, str]:
        claim = claim_of(lab, "POST", target, sealed.data, **changes)
        return seal_request(lab.identity("son"), claim)

    altered = sealed.data[:-1] + bytes([sealed.data[-1] ^ 1])
    for body in (altered, b"", sealed.data + b"\0"):
        assert refusal(send(lab, "POST", target, body, headers()))[1] in ("body", "too_long")
    other = f"/mailbox/drafts/{digest}/rejection"
    assert refusal(send(lab, "POST", other, sealed.data, headers())) == (401, "other_request")
    longer = f"{target}?x=1"
    assert refusal(send(lab, "POST", longer, sealed.data, headers())) == (401, "other_request")
    by_get = headers(method="GET")
    assert refusal(send(lab, "POST", target, sealed.data, by_get)) == (401, "other_request")
    elsewhere = headers(host="loa.example.vn")
    assert refusal(send(lab, "POST", target, sealed.data, elsewhere)) == (401, "host")
    assert lab.everything() == before
    assert send(lab, "POST", target, sealed.data, headers()).status_code == 200


@pytest.mark.requirement("SEC-7")
@pytest.mark.parametrize("off_ms", [-WINDOW_MS - 60_000, WINDOW_MS + 60_000])
def test_a_request_from_another_time_is_refused(lab: MailLab, off_ms: int) -> None:
    lab.shift_s = 3600  # so that the server began long before
    at = int(lab.now().timestamp() * 1000) + off_ms
    assert refusal(ask(lab, "nga", "GET", INBOX, time_ms=at)) == (401, "clock")
    near = at - off_ms + (WINDOW_MS - 60_000) * (1 if off_ms > 0 else -1)
    assert ask(lab, "nga", "GET", INBOX, time_ms=near).status_code == 200


@pytest.mark.requirement("SEC-7")
def test_a_certificate_that_has_run_out_opens_nothing(lab: MailLab) -> None:
    lab.shift_s = 100 * DAY_S
    assert refusal(ask(lab, "nga", "GET", INBOX)) == (401, "expired")
    lab.shift_s = -30 * DAY_S
    assert refusal(ask(lab, "nga", "GET", INBOX)) == (401, "not_yet")


@pytest.mark.requirement("SEC-7")
def test_a_denied_key_is_shut_out_at_once(lab: MailLab) -> None:
    assert ask(lab, "nga", "GET", INBOX).status_code == 200
    home = lab.home("ls")
    officers = [load_signer(home.authority_keys / f"officer-{n}", SECRET) for n in (1, 2)]
    kid, far = lab.identity("nga").signer.public.kid, int(lab.now().timestamp()) + 200 * DAY_S
    entry = Denied(kind=DeniedKind.KEY, value=kid, until=far)
    body = DenyList(scope="vn/ls", epoch=1, serial=1, entries=(entry,))
    chains = dict.fromkeys(each for officer in officers for each in officer.chain)
    signers = [officer.signer for officer in officers]
    data = sign_bundle(Kind.DENY_LIST, body.to_bytes(), signers, certificates=chains)
    tree = home.content
    tree.set_deny_list("vn/ls", 1, 1, tree.put_object(data))
    assert refusal(ask(lab, "nga", "GET", INBOX)) == (401, "denied")
    assert ask(lab, "son", "GET", INBOX).status_code == 200


@pytest.mark.requirement("SEC-7")
def test_somebody_elses_certificate_or_another_kind_of_seal_is_no_way_in(
    lab: MailLab, posted: Draft
) -> None:
    thief = replace(lab.identity("foreign"), chain=lab.identity("nga").chain)
    assert refusal(ask(lab, thief, "GET", INBOX)) == (401, "unknown_signer")
    nobody = replace(lab.identity("nga"), chain=())
    assert refusal(ask(lab, nobody, "GET", INBOX)) == (401, "unknown_signer")
    loose = replace(lab.identity("nga"), chain=lab.identity("nga").chain[-1:])
    assert refusal(ask(lab, loose, "GET", INBOX)) == (401, "chain")
    good = seal_request(lab.identity("nga"), claim_of(lab, "GET", INBOX))
    raw = base64.b64decode(good[SEAL_HEADER])
    theirs = base64.b64decode(
        seal_request(lab.identity("foreign"), claim_of(lab, "GET", INBOX))[SEAL_HEADER]
    )
    own, other = (lab.identity(name).signer.public.kid for name in ("nga", "foreign"))
    flipped = base64.b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode()
    in_her_name = base64.b64encode(theirs.replace(other, own)).decode()
    falsified: list[tuple[dict[str, str], str]] = [
        ({SEAL_HEADER: good[SEAL_HEADER]}, "no_signature"),
        ({CHAIN_HEADER: good[CHAIN_HEADER]}, "no_signature"),
        ({**good, SEAL_HEADER: "not base64!"}, "format"),
        ({**good, SEAL_HEADER: ""}, "format"),
        ({**good, CHAIN_HEADER: "gA=="}, "unknown_signer"),
        ({**good, CHAIN_HEADER: "A" * (MAX_CHAIN + 4)}, "format"),
        ({**good, CHAIN_HEADER: good[SEAL_HEADER]}, "format"),
        ({**good, SEAL_HEADER: flipped}, "signature"),
        ({**good, SEAL_HEADER: in_her_name}, "signature"),
    ]
    for headers, reason in falsified:
        assert refusal(send(lab, "GET", INBOX, headers=headers)) == (401, reason)
    assert LABEL not in {Kind(kind).label() for kind in Kind}, "no object's seal fits a request"


@pytest.mark.requirement("SEC-7")
def test_what_is_too_large_is_cut_off_and_leaves_nothing(lab: MailLab, posted: Draft) -> None:
    before = lab.everything()
    base = f"/mailbox/drafts/{posted.bundle.digest.hex()}"
    media = posted.playlist.media[0].sha256.hex()
    cases = [
        ("nga", "/mailbox/drafts", 256 * 1024 + 1),
        ("son", f"{base}/approval", 256 * 1024 + 1),
        ("son", f"{base}/rejection", 16 * 1024 + 1),
        ("nga", f"{base}/media/{media}/0", PORTION + 1),
        ("nga", INBOX, 1),
    ]
    for name, target, size in cases:
        method = "GET" if target == INBOX else "POST"
        assert refusal(ask(lab, name, method, target, bytes(size))) == (413, "too_long"), target
    assert lab.everything() == before


@pytest.mark.requirement("SEC-7", "MSG-5")
def test_each_may_do_their_own_part_and_no_other(lab: MailLab, posted: Draft) -> None:
    base = f"/mailbox/drafts/{posted.bundle.digest.hex()}"
    sealed = approval(lab, "son", posted)
    assert refusal(ask(lab, "son", "POST", "/mailbox/drafts", posted.data)) == (403, "role")
    assert refusal(ask(lab, "nga", "POST", f"{base}/approval", sealed.data)) == (403, "role")
    unsealed = ask(lab, "son", "POST", f"{base}/approval", posted.data)
    assert refusal(unsealed) == (403, "unknown_signer")
    others = ask(lab, "deputy", "POST", f"{base}/approval", sealed.data)
    assert refusal(others) == (403, "unknown_signer"), "nobody sends another's signature"
    by_foreigner = approval_by_force(lab, "foreign-approver", posted)
    assert refusal(ask(lab, "son", "POST", f"{base}/approval", by_foreigner))[0] == 403
    for body in (b"", b"\0", lab.home("ls").root_bundle):
        assert refusal(ask(lab, "nga", "POST", "/mailbox/drafts", body))[0] == 400
        assert refusal(ask(lab, "son", "POST", f"{base}/approval", body))[0] == 400
    unknown = f"/mailbox/drafts/{'0' * 64}"
    assert refusal(ask(lab, "son", "GET", unknown)) == (404, "not_here")
    assert refusal(ask(lab, "son", "GET", "/mailbox/drafts/..%2f..%2floa.db")) == (404, "not_here")
    assert lab.home("ls").content.leaves() == []


def approval_by_force(lab: MailLab, name: str, draft: Draft) -> bytes:
    """Return *draft* with a seal that the tools would not have made."""
    who = lab.identity(name)
    bundle = Bundle.from_bytes(draft.data)
    more = sign_bundle(Kind.PLAYLIST, bundle.payload, [who.signer], certificates=who.chain)
    added = Bundle.from_bytes(more)
    chain = dict.fromkeys((*bundle.certificates, *added.certificates))
    return replace(
        bundle, seals=(*bundle.seals, *added.seals), certificates=tuple(chain)
    ).to_bytes()


@pytest.mark.requirement("MSG-5")
def test_a_seal_made_by_force_outside_ones_place_publishes_nothing(
    lab: MailLab, posted: Draft
) -> None:
    base = f"/mailbox/drafts/{posted.bundle.digest.hex()}"
    both = approval_by_force(lab, "foreign-approver", posted)
    assert refusal(ask(lab, "nga", "POST", "/mailbox/drafts", both)) == (403, "scope")
    alarm = approval_by_force(lab, "alarm", posted)
    assert refusal(ask(lab, "nga", "POST", "/mailbox/drafts", alarm)) == (403, "role")
    state = ask(lab, "son", "GET", f"{base}/state").json()
    assert (state["state"], state["signers"]) == ("waiting", ["Nga"])
    assert lab.home("ls").content.leaves() == []


def test_a_server_that_is_not_the_provinces_gets_no_request(lab: MailLab) -> None:
    home = lab.home("son")
    strange = (lab.folder / "foreign" / "public" / "device-ca.pem").read_text()
    assert strange == home.device_ca_path.read_text()
    from support.device_ca_lab import X509Lab

    home.device_ca_path.write_bytes(X509Lab().ca_pem)
    with pytest.raises(FetchError):
        lab.client("son").call("GET", INBOX)


# --- the honest -----------------------------------------------------------------------------


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
