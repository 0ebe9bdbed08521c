"""Every route for people: who is asked, what a foreign commune gets, what a look changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.routing import Route

from loa_manager.publish.drafts import Draft
from loa_manager.serve.web import PUBLIC
from support.mail_asking import ask, copied, refusal, send, submitted
from support.mail_lab import STATION, MailLab, make_homes

BOARDS = {  # these ask for a TLS certificate instead
    "/enrol/simpleenroll",
    "/time",
    "/recall/{order}/offer",
    "/recall/{order}/{sha256}/{offset:int}",
}


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("homes")
    make_homes(folder)
    return folder


CHUNK = "/live/{word}/chunk"


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


def walk(lab: MailLab, draft: Draft) -> Iterator[tuple[str, str, str, bytes]]:
    """Give every (template, method, target, body) that the application knows."""
    names = {
        "digest": draft.bundle.digest.hex(),
        "sha256": draft.playlist.media[0].sha256.hex(),
        "offset:int": "0",
        "scope:path": STATION,
        "grant": "0" * 32,
        "order": "0" * 32,
        "at_ms:int": "0",
        "word": "a-word-that-was-never-given",
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
            if template == CHUNK:  # its own word opens it, which a sealed request has given
                reason = "no_session"
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
            elif template.startswith("/recall/board"):
                assert refusal(answer) == (403, reason), (name, target)
            elif template.startswith("/recall"):
                assert refusal(answer) == (404, "not_here")  # there is no such recall
            elif template.startswith("/live"):
                gone = (401, "no_session") if template == CHUNK else (404, "not_here")
                assert refusal(answer) == gone
            else:
                assert answer.status_code in (400, 403), (name, target)
    assert lab.everything() == before


@pytest.mark.requirement("SEC-7")
def test_no_get_changes_database_content_or_mailbox(lab: MailLab, posted: Draft) -> None:
    before = lab.everything()
    for template, method, target, _body in walk(lab, posted):
        if method == "GET":
            answer = ask(lab, "son", "GET", target)
            if template.startswith("/recall"):  # of no recall, and for another role than theirs
                assert answer.status_code in (403, 404), target
                continue
            assert answer.status_code in ((200,) if template not in BOARDS else (405,)), target
        elif method == "POST" and template not in BOARDS:
            assert send(lab, "GET", target).status_code in (401, 405), target
    assert lab.everything() == before
