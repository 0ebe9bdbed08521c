"""From the editor's desk over the approver's to the content tree, and every way it may not go."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import select

from loa_manager import database, tables
from loa_manager.home import Home
from loa_manager.publish.desk import Desk, export_rules, rules_folder
from loa_manager.publish.drafts import read_draft
from loa_manager.publish.editing import check_draft, check_schedule, make_draft, seal_draft
from loa_manager.publish.publication import publish, published
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import ConfigError, FormatError, StoreError
from loa_protocol.objects.authority import Role
from loa_protocol.objects.placement import Denied, DeniedKind, DenyList
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, Refusal, TrustError
from support.desks import LATER, NOW, Desks, identity, make_desks, newer, set_policy
from support.province import CLUSTER, STATION, certify, person, policy, province
from support.schedules import MONDAY, item, session, text


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture
def desks(tmp_path: Path) -> Desks:
    return make_desks(tmp_path)


def audit_rows(home: Home) -> list[tuple[str, str, dict[str, object]]]:
    engine = database.open(home.database_url)
    with database.reading(engine) as connection:
        rows = connection.execute(select(tables.audit).order_by(tables.audit.c.position)).all()
    engine.dispose()
    return [(row.what, row.who, json.loads(row.detail)) for row in rows]


def refusal(call: object, *arguments: object, **named: object) -> Refusal:
    with pytest.raises(TrustError) as refused:
        call(*arguments, **named)  # type: ignore[operator]  # any function
    return refused.value.reason


@pytest.mark.requirement("MSG-5", "SEC-3")
def test_two_people_put_a_week_on_the_air_and_a_device_accepts_it(desks: Desks) -> None:
    draft = desks.signed()
    accepted = publish(draft, desks.server, desks.desk(desks.server), at=NOW)
    assert [signer.holder for signer in accepted.signers] == ["editor", "approver"]
    tree = desks.server.content
    (leaf,) = tree.leaves()
    data = tree.object(leaf.digest)
    device = province().trusted(scope=CLUSTER)
    body = accept(data, device, Now(int(NOW.timestamp()), ClockTrust.T3)).body
    assert body == draft.playlist
    for media in draft.playlist.media:
        assert tree.media_path(media.sha256).stat().st_size == media.size
    (shown,) = published(desks.server)
    assert shown.signers == ("editor", "approver")
    what, who, detail = audit_rows(desks.server)[-1]
    assert (what, who) == ("playlist_published", "editor + approver")
    assert detail["serial"] == draft.playlist.serial


@pytest.mark.requirement("MSG-5")
def test_a_draft_without_two_people_has_no_path_to_the_tree(desks: Desks) -> None:
    desk = desks.desk(desks.server)
    bare = desks.draft()
    assert refusal(publish, bare, desks.server, desk, at=NOW) is Refusal.THRESHOLD
    once = desks.seal(bare, province().editor, Role.EDITOR)
    assert refusal(publish, once, desks.server, desk, at=NOW) is Refusal.THRESHOLD
    assert desks.server.content.leaves() == []
    assert not (desks.server.content.path / "media").exists()
    assert [what for what, _who, _detail in audit_rows(desks.server)] == ["playlist_refused"] * 2
    assert audit_rows(desks.server)[0][2]["reason"] == "threshold"


@pytest.mark.requirement("MSG-5")
def test_one_person_with_two_certificates_is_still_one(desks: Desks) -> None:
    here = province()
    second = certify(
        person("editor"), here.officers, scopes=(STATION,), roles=(Role.APPROVER, Role.EDITOR)
    )
    draft = desks.seal(desks.draft(), here.editor, Role.EDITOR)
    desk = desks.desk(desks.approver)
    assert refusal(seal_draft, draft, identity(second), Role.APPROVER, desk) is Refusal.THRESHOLD
    assert refusal(seal_draft, draft, identity(here.editor), Role.EDITOR, desk) is Refusal.THRESHOLD
    assert read_draft(draft.path).data == draft.data, "a refusal leaves the draft as it was"
    # and a device refuses it too, were it sealed by other means
    forced = here.sign(Kind.PLAYLIST, draft.playlist, here.editor, second)
    now = Now(int(NOW.timestamp()), ClockTrust.T3)
    assert refusal(accept, forced, here.trusted(), now) is Refusal.THRESHOLD


def test_only_the_role_and_the_place_of_a_certificate_count(desks: Desks) -> None:
    here, desk = province(), desks.desk(desks.editor)
    draft = desks.draft()
    elsewhere = certify(person("lan"), here.officers, scopes=("vn/ls/st9",), roles=(Role.EDITOR,))
    stranger = person("stranger")
    cases = [
        (here.approver, Role.EDITOR, Refusal.ROLE),
        (elsewhere, Role.EDITOR, Refusal.SCOPE),
        (stranger, Role.EDITOR, Refusal.CHAIN),
    ]
    for who, role, reason in cases:
        assert refusal(seal_draft, draft, identity(who), role, desk) is reason


def test_a_draft_of_a_higher_epoch_than_the_certificate_is_refused(desks: Desks) -> None:
    draft = desks.draft()
    raised = dataclasses.replace(draft.playlist, epoch=2)
    draft.path.write_bytes(sign_bundle(Kind.PLAYLIST, raised.to_bytes(), []))
    draft = read_draft(draft.path)
    who = identity(province().editor)
    assert refusal(seal_draft, draft, who, Role.EDITOR, desks.desk(desks.editor)) is Refusal.EPOCH


def test_a_forged_seal_is_found_before_the_next_person_signs(desks: Desks) -> None:
    draft = desks.seal(desks.draft(), province().editor, Role.EDITOR)
    bundle = draft.bundle
    altered = dataclasses.replace(draft.playlist, serial=draft.playlist.serial + 1)
    forged = dataclasses.replace(bundle, payload=altered.to_bytes())
    draft.path.write_bytes(forged.to_bytes())
    reason = refusal(check_draft, draft.path, desks.desk(desks.approver))
    assert reason is Refusal.SIGNATURE


def test_positions_must_rise(desks: Desks) -> None:
    publish(desks.signed(serial=10), desks.server, desks.desk(desks.server), at=NOW)
    older = desks.signed(serial=9)
    desk = desks.desk(desks.server)
    assert refusal(publish, older, desks.server, desk, at=NOW) is Refusal.ROLLBACK
    desks.week.write_bytes(desks.week.read_bytes().replace("Giá lúa".encode(), b"Gia ngo"))
    other = desks.signed(serial=10)
    assert refusal(publish, other, desks.server, desk, at=NOW) is Refusal.EQUIVOCATION
    publish(desks.signed(serial=11), desks.server, desk, at=NOW)
    assert [leaf.serial for leaf in desks.server.content.leaves()] == [11]


def test_serials_rise_by_themselves(desks: Desks) -> None:
    first, second = desks.draft(), desks.draft()
    assert second.playlist.serial > first.playlist.serial >= int(NOW.timestamp())


def test_publishing_twice_changes_nothing(desks: Desks) -> None:
    draft = desks.signed()
    publish(draft, desks.server, desks.desk(desks.server), at=NOW)
    before = desks.server.content.index()
    accepted = publish(draft, desks.server, desks.desk(desks.server), at=LATER)
    assert accepted.is_known
    assert desks.server.content.index() == before


@pytest.mark.requirement("SEC-4", "OFF-2")
def test_an_altered_media_file_is_never_published(desks: Desks) -> None:
    draft = desks.signed()
    file = draft.media / draft.playlist.media[0].sha256.hex()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    desk = desks.desk(desks.server)
    assert refusal(publish, draft, desks.server, desk, at=NOW) is Refusal.MEDIA_HASH
    assert refusal(check_draft, draft.path, desk) is Refusal.MEDIA_HASH
    assert not (desks.server.content.path / "media").exists()
    file.unlink()
    with pytest.raises(StoreError, match=file.name):
        publish(draft, desks.server, desk, at=NOW)
    assert desks.server.content.leaves() == []


def test_a_draft_travels_with_its_folder(desks: Desks, tmp_path: Path) -> None:
    draft = desks.draft()
    carried = tmp_path / "usb"
    shutil.copytree(draft.path.parent, carried)
    found, checked = check_draft(carried / draft.path.name, desks.desk(desks.approver))
    assert found.playlist == draft.playlist
    assert checked.signers == ()
    assert [play.item.title for play in checked.preview.plays] == ["Giá lúa"]


@pytest.mark.requirement("TIM-2", "TIM-3")
def test_what_the_policy_forbids_is_signed_only_on_purpose(tmp_path: Path) -> None:
    at_night = session(item(file='"gia-lua.wav"'), id='"dem"', start='"03:15"')
    desks = make_desks(tmp_path, text(at_night))
    desk = desks.desk(desks.editor)
    with pytest.raises(ConfigError, match=r"line 14, .*outside the allowed hours"):
        check_schedule(desks.week, desks.editor, desk)
    checked = check_schedule(desks.week, desks.editor, desk, forbid=False)
    assert len(checked.preview.forbidden) == 1, "one remark for the whole week"
    assert checked.preview.forbidden[0].days == 6, "today's is over at four in the morning"
    draft = desks.draft()
    with pytest.raises(ConfigError, match="outside the allowed hours"):
        check_draft(draft.path, desk)
    check_draft(draft.path, desk, forbid=False)
    publish(desks.signed(), desks.server, desks.desk(desks.server), at=NOW)


def test_faults_of_text_media_fit_and_policy_come_together(tmp_path: Path) -> None:
    bad = text(
        session(item(file='"gia-lua.wav"'), item(file='"gone.wav"'), item(file='"broken.mp3"')),
        session(item(file='"gia-lua.wav"', titel='"x"'), id='"b"', start='"05:40"'),
    )
    desks = make_desks(tmp_path, bad)
    (desks.week.parent / "broken.mp3").write_bytes(b"no sound" * 100)
    with pytest.raises(ConfigError) as refused:
        check_schedule(desks.week, desks.editor, desks.desk(desks.editor))
    faults = "\n".join(refused.value.faults)
    assert "unknown key titel" in faults
    assert "there is no file gone.wav" in faults
    assert "broken.mp3 cannot be used as sound: not_audio" in faults
    assert "overlaps with" in faults


@pytest.mark.requirement("TIM-1")
def test_forbidden_items_stand_beside_the_other_faults(tmp_path: Path) -> None:
    bad = text(
        session(item(file='"gia-lua.wav"', category='"quảng cáo"')),
        session(item(file='"gia-lua.wav"'), id='"b"', start='"05:40"'),
    )
    desks = make_desks(tmp_path, bad)
    with pytest.raises(ConfigError) as refused:
        check_schedule(desks.week, desks.editor, desks.desk(desks.editor))
    assert len(refused.value.faults) == 2
    assert "the policy refuses its category" in refused.value.faults[1]


def test_a_communes_own_policy_tightens_the_provinces(desks: Desks) -> None:
    set_policy(desks.server, policy(scope=STATION, languages=("tày",)))
    export_rules(desks.server, desks.editor)
    with pytest.raises(ConfigError, match="does not allow its language"):
        check_schedule(desks.week, desks.editor, desks.desk(desks.editor))


def test_the_newest_copy_of_a_policy_counts(desks: Desks) -> None:
    set_policy(desks.server, newer(policy(), languages=("tày",)))
    assert len(list(rules_folder(desks.editor).iterdir())) == 1
    export_rules(desks.server, desks.editor)
    assert len(list(rules_folder(desks.editor).iterdir())) == 2
    assert desks.desk(desks.editor).policy_for(STATION).languages == ("tày",)


def test_a_policy_that_nobody_signed_is_not_believed(desks: Desks) -> None:
    forged = sign_bundle(Kind.POLICY, newer(policy()).to_bytes(), [])
    (rules_folder(desks.editor) / "forged").write_bytes(forged)
    assert refusal(Desk.open, desks.editor, NOW) is Refusal.THRESHOLD


def test_without_a_policy_nothing_is_judged(desks: Desks) -> None:
    shutil.rmtree(rules_folder(desks.editor))
    with pytest.raises(ConfigError, match="no policy covers vn/ls/st0137"):
        check_schedule(desks.week, desks.editor, desks.desk(desks.editor))


def test_a_denied_key_signs_nothing(desks: Desks) -> None:
    here = province()
    kid = here.editor.signer.public.kid
    entry = Denied(kind=DeniedKind.KEY, value=kid, until=MONDAY * 2)
    denied = here.sign(
        Kind.DENY_LIST,
        DenyList(scope="vn/ls", epoch=1, serial=1, entries=(entry,)),
        *here.officers,
    )
    draft = desks.draft()
    (rules_folder(desks.editor) / "denied").write_bytes(denied)
    who = identity(here.editor)
    reason = refusal(seal_draft, draft, who, Role.EDITOR, desks.desk(desks.editor))
    assert reason is Refusal.DENIED


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xa0", b"draft" * 60_000])
def test_what_is_no_draft_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.draft"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"x\.draft"):
        read_draft(path)


def test_a_policy_is_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "x.draft"
    path.write_bytes(sign_bundle(Kind.POLICY, policy().to_bytes(), []))
    with pytest.raises(FormatError, match="expected a playlist, got loa/policy/1"):
        read_draft(path)


def test_a_draft_that_was_measured_and_then_changed_is_not_written(desks: Desks) -> None:
    check_schedule(desks.week, desks.editor, desks.desk(desks.editor))
    kept = [p for p in (desks.editor.path / "media").iterdir() if p.is_file()]
    data = bytearray(kept[0].read_bytes())
    data[-1] ^= 1
    kept[0].write_bytes(data)
    target = desks.week.parent / "out" / "tuan.draft"
    with pytest.raises(StoreError, match="changed since it was measured"):
        make_draft(desks.week, target, desks.editor, desks.desk(desks.editor))
    assert not target.exists()


@pytest.mark.requirement("MSG-6")
def test_languages_reach_the_device_in_nfc(tmp_path: Path) -> None:
    entries = [item(file='"gia-lua.wav"', language=f'"{name}"') for name in ("vi", "Tày", "nùng")]
    desks = make_desks(tmp_path, text(session(*entries)))
    draft = desks.draft()
    body = Bundle.from_bytes(draft.data).payload
    assert "tày".encode() in body
    assert [each.language for each in draft.playlist.items][:3] == ["vi", "tày", "nùng"]
