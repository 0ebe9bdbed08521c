"""A key on a token signs like one in a file, and never leaves it (SoftHSM, real calls)."""

from __future__ import annotations

import dataclasses
import json
import stat
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_key_file import fuzz
from loa_manager import key_token
from loa_manager.authority import Authority
from loa_manager.cli.main import run
from loa_manager.home import Home
from loa_manager.issued import list_issued
from loa_manager.key_token import (
    PinError,
    TokenKey,
    TokenPlace,
    TokenSigner,
    make_token_key,
    read_token_file,
)
from loa_manager.keyring import (
    Kind,
    load_key,
    load_signer,
    make_key_on_token,
    parse_request,
    public_of,
)
from loa_manager.people import install_chain, list_keys, make_own_key, rotate_own_key
from loa_manager.policy_file import preset_policy
from loa_protocol import language
from loa_protocol.envelope import Kind as ObjectKind
from loa_protocol.errors import ConfigError, FormatError, PeerError
from loa_protocol.keys import Algorithm, SoftSigner
from loa_protocol.objects.authority import Role
from support.bench_lab import FOUNDED, SECRET, province_home
from support.key_lab import PASSPHRASE, STATION, KeyLab, Someone, week
from support.passphrases import cheap
from support.soft_token import PIN, SoftTokens, module

needs_token = pytest.mark.needs("softhsm")
ON_TOKEN = cheap(PIN)
OURS, SECOND, OTHER = "Đài xã Nà Mẫu", "phó chủ tịch", "của xã khác"
KINDS: list[Kind] = ["p256", "ed25519"]


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_LANG", "en")
    monkeypatch.setattr(language, "_chosen", [])


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> SoftTokens:
    made = SoftTokens(tmp_path_factory.mktemp("softhsm"))
    for label in (OURS, SECOND, OTHER):  # SoftHSM looks for tokens once a process
        made.plug_in(label)
    return made


@pytest.fixture
def place(tokens: SoftTokens) -> TokenPlace:
    return TokenPlace(module=module(), label=OURS)


@needs_token
@pytest.mark.parametrize("kind", KINDS)
def test_a_key_made_on_a_token_signs_what_everybody_verifies(
    tmp_path: Path, place: TokenPlace, kind: Kind
) -> None:
    made = make_key_on_token(tmp_path / "editor.token", place, ON_TOKEN, kind)
    signature = made.sign(b"a week's playlist")
    assert len(signature) == 64
    assert made.public.is_signature(signature, b"a week's playlist")
    assert not made.public.is_signature(signature, b"another one")
    assert made.public.algorithm is (Algorithm.ES256 if kind == "p256" else Algorithm.EDDSA)
    loaded = load_signer(tmp_path / "editor", ON_TOKEN)
    assert loaded.signer.public == made.public == public_of(tmp_path / "editor")
    assert made.public.is_signature(loaded.signer.sign(b"x"), b"x")


@needs_token
@pytest.mark.requirement("SEC-1")
def test_the_private_key_cannot_be_taken_out_and_the_note_holds_no_secret(
    tmp_path: Path, place: TokenPlace
) -> None:
    pkcs11 = pytest.importorskip("pkcs11")
    made = make_key_on_token(tmp_path / "editor.token", place, ON_TOKEN)
    note = tmp_path / "editor.token"
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    assert PIN not in note.read_text() + repr(made) + repr(load_signer(note, ON_TOKEN))
    (token,) = pkcs11.lib(str(Path(place.module).resolve())).get_tokens(token_label=place.label)
    with token.open(user_pin=PIN) as session:
        key = session.get_key(
            object_class=pkcs11.ObjectClass.PRIVATE_KEY, id=read_token_file(note).object_id
        )
        assert key[pkcs11.Attribute.SENSITIVE]
        assert not key[pkcs11.Attribute.EXTRACTABLE]
        with pytest.raises(pkcs11.AttributeSensitive):
            _ = key[pkcs11.Attribute.VALUE]


@needs_token
def test_a_wrong_pin_is_named_and_nothing_is_made(tmp_path: Path, place: TokenPlace) -> None:
    with pytest.raises(PinError, match="wrong PIN"):
        make_key_on_token(tmp_path / "editor.token", place, cheap("0000"))
    assert not (tmp_path / "editor.token").exists()
    make_key_on_token(tmp_path / "editor.token", place, ON_TOKEN)
    identity = load_signer(tmp_path / "editor", cheap("0000"))
    with pytest.raises(PinError):
        identity.signer.sign(b"x")
    load_signer(tmp_path / "editor", ON_TOKEN).signer.sign(b"x")  # the right one resets the count


@needs_token
def test_a_token_that_is_not_here_or_another_one_is_named(
    tmp_path: Path, tokens: SoftTokens, place: TokenPlace
) -> None:
    other = TokenPlace(module=module(), label=OTHER)
    with pytest.raises(ConfigError, match="tokens fit"):
        make_token_key(
            TokenPlace(module=place.module, label="lost"), ON_TOKEN, "x", Algorithm.ES256
        )
    with pytest.raises(ConfigError, match="của xã khác"):  # which one? both are named
        make_token_key(TokenPlace(module=place.module), ON_TOKEN, "x", Algorithm.ES256)
    with pytest.raises(ConfigError, match="cannot be loaded"):
        make_token_key(TokenPlace(module="/no/such.so"), ON_TOKEN, "x", Algorithm.ES256)
    note = tmp_path / "editor.token"
    make_key_on_token(note, place, ON_TOKEN)
    elsewhere = json.loads(note.read_text())
    elsewhere |= {"token_label": other.label, "token_serial": serial_of(other)}
    note.write_text(json.dumps(elsewhere))
    with pytest.raises(ConfigError, match="not on this token"):
        load_signer(note, ON_TOKEN).signer.sign(b"x")


def serial_of(place: TokenPlace) -> str:
    pkcs11 = pytest.importorskip("pkcs11")
    (token,) = pkcs11.lib(str(Path(place.module).resolve())).get_tokens(token_label=place.label)
    return str(token.serial.decode())


@needs_token
def test_a_token_that_signs_with_another_key_is_found_out(
    tmp_path: Path, place: TokenPlace
) -> None:
    one = make_key_on_token(tmp_path / "one.token", place, ON_TOKEN).key
    two = make_key_on_token(tmp_path / "two.token", place, ON_TOKEN).key
    swapped = TokenKey(
        module=one.module,
        token_serial=one.token_serial,
        token_label=one.token_label,
        object_id=two.object_id,
        public=one.public,
    )
    with pytest.raises(PeerError, match="another key"):
        TokenSigner(swapped, ON_TOKEN).sign(b"x")


@needs_token
def test_a_playlist_and_a_policy_are_signed_by_tokens(
    tmp_path: Path, place: TokenPlace, tokens: SoftTokens
) -> None:
    lab = KeyLab(tmp_path)
    nga = Home(tmp_path / "nga")
    path, kid = make_own_key(nga, Role.EDITOR, "Trần Thị Nga", ON_TOKEN, token=place)
    chain = lab.authority.certify(parse_request(path.read_bytes()), (STATION,), FOUNDED)
    assert install_chain(nga, chain, FOUNDED).key.kid == kid
    (facts,) = list_keys(nga)
    assert (facts.is_on_token, facts.kid, facts.holder) == (True, kid, "Trần Thị Nga")
    editor = load_signer(nga.own_keys / "editor", ON_TOKEN)
    approver = lab.person("son", Role.APPROVER, "Lương Văn Sơn").identity
    assert lab.board().take(week(editor, approver)).kind is ObjectKind.PLAYLIST
    with pytest.raises(ConfigError, match="on a token"):
        load_key(nga.own_keys / "editor", ON_TOKEN)
    rotated, _kid = rotate_own_key(nga, "editor", PASSPHRASE)  # from the token into a file
    someone = Someone(nga, Role.EDITOR, "Trần Thị Nga", rotated.read_bytes())
    assert lab.certify(someone).signer.public.kid != kid


@needs_token
def test_officers_sign_with_tokens_of_their_own(
    tmp_path: Path, tokens: SoftTokens, place: TokenPlace
) -> None:
    """Both officers on tokens: one command signs with both, each asked for its own PIN."""
    from loa_manager.ceremony import certify_officers

    home = province_home(tmp_path)
    seconds = TokenPlace(module=module(), label=SECOND)
    for name, where in (("officer-1", place), ("officer-2", seconds)):
        (home.authority_keys / f"{name}.key").unlink()
        make_key_on_token(home.authority_keys / f"{name}.token", where, ON_TOKEN)

    class Mixed:
        def for_key(self, name: str) -> object:
            return ON_TOKEN if name.startswith("officer") else PASSPHRASE

    certify_officers(home, home.root, Mixed(), FOUNDED)  # type: ignore[arg-type]  # a Secrets
    authority = Authority.open(home, ON_TOKEN)
    assert authority.sign_policy(preset_policy("rural", "vn/ls", FOUNDED), FOUNDED)
    assert all(isinstance(each.signer, TokenSigner) for each in authority.officers)
    request = make_own_key(Home(tmp_path / "nga"), Role.EDITOR, "Nga", PASSPHRASE)[0]
    authority.certify(parse_request(request.read_bytes()), (STATION,), FOUNDED)
    assert list_issued(home)


@needs_token
def test_the_command_line_makes_a_key_on_a_token(
    tmp_path: Path, place: TokenPlace, capsys: pytest.CaptureFixture[str]
) -> None:
    pin = tmp_path / "pin"
    pin.write_text(PIN)
    make = ["key", "make", "--home", str(tmp_path / "nga"), "--role", "editor", "--holder", "Nga"]
    where = ["--token", module(), "--token-label", place.label or ""]
    assert run([*make, *where, "--passphrase-file", str(pin), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    note = read_token_file(tmp_path / "nga" / "keys" / "own" / "editor.token")
    assert note.public.kid.hex() == made["kid"]
    assert (note.token_label, note.module) == (place.label, module())
    assert run(["key", "list", "--home", str(tmp_path / "nga"), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["is_on_token"] is True
    pin.write_text("0000")
    make[make.index("editor")] = "approver"
    assert run([*make, *where, "--passphrase-file", str(pin)]) == 2
    assert "wrong PIN" in capsys.readouterr().err
    assert run([*make, *where[2:], "--passphrase-file", str(pin)]) == 2


# --- the note of a token, without one

NOTE = TokenKey(
    module="/usr/lib/module.so",
    token_serial="0001",
    token_label="thẻ",
    object_id=bytes(16),
    public=SoftSigner(ed25519.Ed25519PrivateKey.generate()).public,
)


def test_a_note_says_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    assert TokenKey.from_json(NOTE.to_json()) == NOTE
    (tmp_path / "editor.token").write_bytes(NOTE.to_json())
    (tmp_path / "editor.token").chmod(0o620)
    with pytest.raises(ConfigError, match="program we load"):
        read_token_file(tmp_path / "editor.token")


@pytest.mark.parametrize("name", ["stick/evil.so", "usr/../stick/evil.so", "looks-installed.so"])
def test_a_note_on_a_stick_cannot_have_the_sticks_own_program_run(
    tmp_path: Path, name: str
) -> None:
    """It names a program that the ceremony's machine would load with the holders' keys open."""
    module = tmp_path / name
    if name == "looks-installed.so":
        module = Path(f"/usr/lib/../..{tmp_path}") / name
    note = tmp_path / "root-1.token"
    note.write_bytes(dataclasses.replace(NOTE, module=str(module)).to_json())
    with pytest.raises(ConfigError, match="install it there"):
        read_token_file(note)
    with pytest.raises(ConfigError, match="install it there"):
        make_key_on_token(tmp_path / "root-2.token", TokenPlace(module=str(module)), cheap(SECRET))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("format", 2), ("format", True), ("module", "relative.so"), ("module", 1)],
        *[("object", "zz"), ("public", "00"), ("algorithm", "RSA"), ("pin", "4711")],
    ],
)
def test_a_note_of_another_form_is_refused(field: str, value: object) -> None:
    note = json.loads(NOTE.to_json())
    note[field] = value
    with pytest.raises(FormatError):
        TokenKey.from_json(json.dumps(note).encode())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(sorted(json.loads(NOTE.to_json()))), inner)
    ),
    max_leaves=8,
)


@given(json_values)
def test_any_json_is_refused_with_a_named_error(value: object) -> None:
    fuzz(json.dumps(value).encode())


def test_without_the_library_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(ConfigError, match=r"loa-manager\[token\]"):
        TokenSigner(NOTE, cheap(SECRET)).sign(b"x")
    assert len(NOTE.to_json()) < key_token.MAX_FILE
