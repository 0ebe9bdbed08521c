"""The root's life at the desks: who makes the next one, and what it may change."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from loa_manager.ceremony import publish_root
from loa_manager.cli.main import run
from loa_manager.cli.root_view import differences
from loa_manager.home import Home
from loa_manager.root_draft import (
    Changes,
    make_draft,
    next_root,
    sign_draft,
)
from loa_protocol import language
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import ConfigError, StoreError
from loa_protocol.keys import Algorithm
from loa_protocol.succession import accept_root
from loa_protocol.trust import Refusal, TrustError
from support.bench_lab import SECRET, province_home
from support.root_desk import LATER, T3, holder, newcomer, replaced


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_LANG", "en")
    monkeypatch.setattr(language, "_chosen", [])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return province_home(tmp_path)


@pytest.mark.requirement("SEC-6")
@pytest.mark.parametrize("signers", [(1, 3, 4), (5, 4, 3), (1, 3, 4, 5)])
def test_any_three_of_the_four_left_replace_a_lost_key(
    home: Home, tmp_path: Path, signers: tuple[int, ...]
) -> None:
    before = home.trusted()
    draft = replaced(home, tmp_path, 2, signers)
    done = publish_root(home, draft, LATER)
    assert done.root.version == 2
    assert {key.holder for key in done.root.keys} == {f"root-{n}" for n in (1, 3, 4, 5, 6)}
    assert accept_root(home.root_bundle, before, T3) == done.root
    assert home.content.head_facts().root_version == 2
    assert (home.content.path / "root" / "1").read_bytes() != home.root_bundle
    assert (home.content.path / "root" / "2").read_bytes() == home.root_bundle
    assert home.content.object(draft.next.digest) == home.root_bundle


@pytest.mark.requirement("SEC-6")
def test_two_holders_replace_nobody(home: Home, tmp_path: Path) -> None:
    draft = replaced(home, tmp_path, 2, (1, 3))
    assert not draft.signatures().is_complete
    before = home.root_bundle
    with pytest.raises(TrustError) as refused:
        publish_root(home, draft, LATER)
    assert refused.value.reason is Refusal.THRESHOLD
    assert home.root_bundle == before
    assert home.content.head_facts().root_version == 1


def test_all_holders_are_replaced_when_both_three_agree(home: Home, tmp_path: Path) -> None:
    new = [newcomer(tmp_path, f"new-{n}") for n in range(5)]
    changes = Changes(
        add=tuple(card for _signer, card in new), remove=tuple(f"root-{n}" for n in range(1, 6))
    )
    draft = make_draft(home.root_bundle, changes, LATER)
    for number in (1, 2, 5):
        draft = sign_draft(draft, holder(home, number))
    with pytest.raises(TrustError):
        publish_root(home, draft, LATER)
    for signer, _card in new[:3]:
        draft = sign_draft(draft, signer)
    assert publish_root(home, draft, LATER).root.version == 2
    assert len(Bundle.from_bytes(home.root_bundle).seals) == 6


def test_publishing_again_after_a_crash_does_what_was_left(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = replaced(home, tmp_path, 2, (1, 3, 4))

    def no_power(_path: Path, _data: bytes) -> None:
        raise StoreError("disk", "full")

    with monkeypatch.context() as cut:
        cut.setattr("loa_manager.ceremony.write_durably", no_power)
        with pytest.raises(StoreError):
            publish_root(home, draft, LATER)
    assert home.root.version == 1
    assert publish_root(home, draft, LATER).root.version == 2
    assert publish_root(home, draft, LATER).root.version == 2


def test_a_draft_that_was_overtaken_is_refused(home: Home, tmp_path: Path) -> None:
    late = make_draft(home.root_bundle, Changes(threshold=4), LATER)
    publish_root(home, replaced(home, tmp_path, 2, (1, 3, 4)), LATER)
    for number in (1, 3, 4, 5):
        late = sign_draft(late, holder(home, number))
    with pytest.raises(ConfigError, match="another root"):
        publish_root(home, late, LATER)


def test_the_format_floor_and_algorithms_are_the_roots_to_say(home: Home) -> None:
    changes = Changes(
        formats={Kind.PLAYLIST: 2}, floors={Kind.ALERT: 2}, remove_algorithms=(Algorithm.ES256,)
    )
    new = next_root(home.root, changes, LATER)
    assert new.formats == {Kind.PLAYLIST: 2}
    assert new.floors[Kind.ALERT] == 2
    assert new.algorithms == (Algorithm.EDDSA,)
    told = differences(home.root, new)
    assert any("playlist: only version 2" in each for each in told)
    assert any("alert: at least 2" in each for each in told)
    assert any("ES256 are accepted no more" in each for each in told)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, "nothing would change"),
        ({"remove": ("nobody",)}, "no holder"),
        ({"threshold": 1}, "from 2 to 4"),
        ({"threshold": 5}, "from 2 to 4"),
        ({"remove": ("root-1", "root-2")}, "too few"),
        ({"remove_algorithms": (Algorithm.EDDSA,)}, "algorithm"),
        ({"formats": {Kind.PLAYLIST: 0}}, "would fall"),
        ({"floors": {Kind.POLICY: 1}}, "at least 2 holders"),
    ],
)
def test_changes_that_do_not_go_together_are_named(
    home: Home, changes: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        next_root(home.root, Changes(**changes), LATER)


def test_a_holder_has_one_key_and_a_key_one_holder(home: Home, tmp_path: Path) -> None:
    _signer, card = newcomer(tmp_path, "root-1")
    with pytest.raises(ConfigError, match="two keys"):
        next_root(home.root, Changes(add=(card,)), LATER)
    assert next_root(home.root, Changes(add=(card,), remove=("root-1",)), LATER)
    same = dataclasses.replace(home.root.keys[0], holder="somebody else")
    with pytest.raises(ConfigError, match="twice"):
        next_root(home.root, Changes(add=(same,)), LATER)


# -- the commands


def loa(*words: object) -> int:
    return run([str(word) for word in words])


def test_holders_who_never_meet_make_the_next_root(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    opened = ("--passphrase-file", secret)
    key, draft = tmp_path / "root-6.key", tmp_path / "root.draft"
    assert loa("root", "make-key", key, "--holder", "Hoàng Văn Lâm", *opened) == 0
    card = key.with_suffix(".public")
    change = ("--remove", "root-2", "--add", card, "--format", "playlist=1", "-o", draft)
    assert loa("root", "draft", "--home", home.path, *change) == 0
    capsys.readouterr()
    away = ("--home", tmp_path / "nowhere")  # a holder's own machine knows no province
    for number in (5, 1, 3):
        told = capsys.readouterr().out
        stick = home.root_keys / f"root-{number}.key"
        assert loa("root", "publish", "--home", home.path, draft) == 4
        assert loa("root", "sign", draft, *away, "--root-key", stick, *opened, "--yes") == 0
    told = capsys.readouterr().out
    assert "comes: Hoàng Văn Lâm" in told
    assert "leaves: root-2" in told
    assert "nothing: publish it" in told
    assert loa("root", "show", draft, *away, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["complete"] is True
    assert shown["signed_old"] == ["root-1", "root-3", "root-5"]
    assert loa("root", "publish", "--home", home.path, draft) == 0
    assert "officer-1, officer-2" in capsys.readouterr().err
    sticks = ("--root-key", home.root_keys / "root-4.key", "--root-key", key)
    assert loa("key", "renew-officers", "--home", home.path, *sticks, *opened) == 0
    assert loa("root", "show", "--home", home.path) == 0
    assert "Hoàng Văn Lâm" in capsys.readouterr().out


def test_each_holder_has_their_own_passphrase(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret, other = tmp_path / "secret", tmp_path / "other"
    secret.write_text(SECRET + "\n")
    other.write_text("của riêng tôi\n")
    new = tmp_path / "root-6.key"
    assert loa("root", "make-key", new, "--holder", "Lâm", "--passphrase-file", other) == 0
    draft = tmp_path / "d"
    change = ("--remove", "root-2", "--add", new.with_suffix(".public"), "-o", draft)
    assert loa("root", "draft", "--home", home.path, *change) == 0
    keys = ("--root-key", new, "--root-key", home.root_keys / "root-1.key")
    words = ("root", "sign", draft, *keys, "--yes")
    assert loa(*words, "--root-passphrase-file", secret) == 2  # does not open the first
    files = ("--root-passphrase-file", other, "--root-passphrase-file", secret)
    assert loa(*words, *files) == 0
    assert loa(*words, *files, "--root-passphrase-file", secret) == 2
    assert "one for all, or one for each" in capsys.readouterr().err
