"""The mailbox's routes over real TLS, and what becomes of those who should not be there."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loa_manager.keyring import load_signer
from loa_manager.mailbox.parts import PORTION
from loa_manager.publish.drafts import Draft
from loa_manager.request_seal import (
    CHAIN_HEADER,
    LABEL,
    MAX_CHAIN,
    SEAL_HEADER,
    WINDOW_MS,
    seal_request,
)
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import FetchError
from loa_protocol.objects.placement import Denied, DeniedKind, DenyList
from support.mail_asking import approval, ask, claim_of, copied, refusal, send, submitted
from support.mail_lab import SECRET, STATION, MailLab, make_homes

DAY_S = 86_400
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
