"""``loa root``: the root's holders at work: their keys, the next root, officers, transfers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from loa_manager.account import note
from loa_manager.ceremony import publish_root
from loa_manager.cli.key_options import TokenChoice, token_options
from loa_manager.cli.options import PassphraseSource, home_option, json_option, passphrase_option
from loa_manager.cli.output import say, show_facts
from loa_manager.cli.question import confirm
from loa_manager.cli.root_options import RootKeys, root_key_options
from loa_manager.cli.root_view import differences, root_facts, root_labels, signature_facts
from loa_manager.cli.texts import LoaGroup
from loa_manager.content_tree import write_durably
from loa_manager.home import Home, read_bytes
from loa_manager.keyring import load_signer, make_key, make_key_on_token
from loa_manager.root_draft import Changes, RootDraft, make_draft, parse_draft, sign_draft
from loa_manager.root_holders import card_path, make_card, parse_card
from loa_protocol.bench import short_fingerprint
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import ConfigError
from loa_protocol.keys import Algorithm
from loa_protocol.language import translator

_ = translator("loa_manager")

_FILE = click.Path(path_type=Path, dir_okay=False)
_ALGORITHMS = [each.name.lower() for each in Algorithm]


@click.group(cls=LoaGroup)
def root() -> None:
    """Replace root keys and change the root, holder by holder; nobody need meet."""


@root.command(example="loa root show --home ls root.draft")
@click.argument("draft", type=_FILE, required=False)
@home_option
@json_option
def show(draft: Path | None, home: Path) -> None:
    """Show the root in force, or what the file DRAFT would change and who has signed it."""
    if draft is None:
        show_facts(
            _shown(root_facts(Bundle.from_bytes(Home.open(home).root_bundle))), root_labels()
        )
        return
    opened = parse_draft(read_bytes(draft))
    _check_base(home, opened)
    _show_draft(opened)


@root.command("make-key", example='loa root make-key stick/root-6.key --holder "Hoàng Văn Lâm"')
@click.argument("file", type=_FILE)
@click.option("--holder", required=True, help="The person who will hold it.")
@token_options
@passphrase_option
@json_option
def make_key_command(
    file: Path, holder: str, token: TokenChoice, passphrase: PassphraseSource
) -> None:
    """Make a key for a holder of the root, and beside it the card to send to who drafts."""
    secret = token.secret(passphrase)
    if token.place is None:
        make_key(file, secret, token.kind or "ed25519")
    else:
        make_key_on_token(file, token.place, secret, token.kind or "p256")
    signer = load_signer(file, secret).signer
    write_durably(card_path(file), make_card(signer, holder))
    facts = {"file": str(file), "card": str(card_path(file)), "kid": signer.public.kid}
    show_facts(facts, {"file": _("Key"), "card": _("Card"), "kid": _("Key id")})
    say(_("Send the card to who drafts the next root, and read the key id to them by telephone."))


@root.command(
    example="loa root draft --home ls --remove root-2 --add stick/root-6.public -o root.draft"
)
@home_option
@click.option("--add", "cards", type=_FILE, multiple=True, help="Card of a new holder; repeatable.")
@click.option("--remove", multiple=True, help="Name of a holder who leaves; repeatable.")
@click.option("--threshold", type=int, help="How many holders must agree from then on.")
@click.option("--format", "formats", multiple=True, help="KIND=VERSION: accept no older format.")
@click.option("--floor", "floors", multiple=True, help="KIND=HOLDERS: fewest who must sign.")
@click.option("--allow", multiple=True, type=click.Choice(_ALGORITHMS), help="Algorithm to accept.")
@click.option("--forbid", multiple=True, type=click.Choice(_ALGORITHMS), help="No longer accepted.")
@click.option("-o", "--output", required=True, type=_FILE, help="The draft to write.")
@json_option
def draft(home: Path, output: Path, **changes: Any) -> None:  # noqa: ANN401 - click's own
    """Draft the next root; nothing is in force before enough holders have signed it."""
    place = Home.open(home)
    made = make_draft(place.root_bundle, _changes(**changes), datetime.now(UTC))
    write_durably(output, made.to_text())
    _show_draft(made)
    say(_("Take {file} to the holders, in any order: loa root sign {file}").format(file=output))


@root.command(example="loa root sign root.draft --root-key stick/root-3.key --yes")
@click.argument("draft", type=_FILE)
@home_option
@root_key_options
@click.option("--yes", is_flag=True, help="Sign without asking.")
@passphrase_option
@json_option
def sign(
    draft: Path, home: Path, root_keys: RootKeys, yes: bool, passphrase: PassphraseSource
) -> None:
    """Look at the file DRAFT and add a holder's signature; no home is needed for it."""
    opened = parse_draft(read_bytes(draft))
    _check_base(home, opened)
    if not root_keys.files:
        raise ConfigError("loa root sign", [_("name your key: --root-key FILE")])
    if not yes:
        _show_draft(opened)
    asked = _("Is this the fingerprint on your paper, and are these changes what you want?")
    confirm(asked, where=str(draft), yes=yes)
    for signer in root_keys.signers(passphrase.secrets()) or ():
        opened = sign_draft(opened, signer)
    write_durably(draft, opened.to_text())
    _show_draft(opened)


@root.command(example="loa root publish --home ls root.draft")
@click.argument("draft", type=_FILE)
@home_option
@json_option
def publish(draft: Path, home: Path) -> None:
    """Put the signed root of the file DRAFT into force; boards take it with the next head."""
    place, now = Home.open(home), datetime.now(UTC)
    opened = parse_draft(read_bytes(draft))
    before = opened.old
    done = publish_root(place, opened, now)
    facts = {
        **root_facts(opened.next),
        "changes": differences(before, done.root),
        "officers_lost": list(done.officers_lost),
    }
    told = {"version": done.root.version, "root": facts["root"], "changes": facts["changes"]}
    note(place, "root_published", told, now, "root")
    show_facts(_shown(facts), root_labels(), title=_("In force from now on"))
    say(_("Write the new fingerprint on the papers of the technicians."))
    if done.officers_lost:
        text = _("{who}: certified by holders who left. Now: loa key renew-officers --root-key ...")
        say(text.format(who=", ".join(done.officers_lost)))


def _changes(
    *,
    cards: tuple[Path, ...],
    remove: tuple[str, ...],
    threshold: int | None,
    formats: tuple[str, ...],
    floors: tuple[str, ...],
    allow: tuple[str, ...],
    forbid: tuple[str, ...],
) -> Changes:
    return Changes(
        add=tuple(parse_card(read_bytes(each)) for each in cards),
        remove=remove,
        threshold=threshold,
        formats=_numbers("--format", formats),
        floors=_numbers("--floor", floors),
        add_algorithms=tuple(Algorithm[each.upper()] for each in allow),
        remove_algorithms=tuple(Algorithm[each.upper()] for each in forbid),
    )


def _check_base(home: Path, opened: RootDraft) -> None:
    """Refuse a draft that follows another root than the home's, where there is a province there."""
    place = Home(home)
    if not place.root_path.is_file():
        return
    if Bundle.from_bytes(place.root_bundle).digest not in (opened.base.digest, opened.next.digest):
        fault = _("this draft follows another root than the one in force; draft it anew")
        raise ConfigError(_("root"), [fault])


def _show_draft(opened: RootDraft) -> None:
    signatures = signature_facts(opened, opened.signatures())
    facts = {
        **root_facts(opened.next),
        "present": short_fingerprint(opened.base.digest),
        "changes": differences(opened.old, opened.new),
        **signatures,
    }
    labels = {
        **root_labels(),
        "present": _("Root in force"),
        "signed": _("Signed by"),
        "missing": _("Still missing"),
    }
    facts["signed"] = sorted({*signatures["signed_old"], *signatures["signed_new"]})
    facts["missing_text"] = "; ".join(signatures["missing"]) or _("nothing: publish it")
    title = _("Root {n}, after root {m}. What changes:").format(
        n=opened.new.version, m=opened.old.version
    )
    lines = [title, *(f"  - {each}" for each in facts["changes"]), ""]
    show_facts(_shown(facts), labels, title="\n".join(lines))


def _shown(facts: dict[str, object]) -> dict[str, object]:
    """Give tables a text: 'playlist 2, policy 2'."""
    for key in ("formats", "floors"):
        table = facts[key]
        assert isinstance(table, dict)
        facts[f"{key}_text"] = ", ".join(f"{kind} {n}" for kind, n in table.items()) or "-"
    return facts


def _numbers(option: str, given: tuple[str, ...]) -> dict[int, int]:
    found, faults = {}, []
    for each in given:
        name, _equals, number = each.partition("=")
        if name.upper().replace("-", "_") in Kind.__members__ and number.isdecimal():
            found[int(Kind[name.upper().replace("-", "_")])] = int(number)
        else:
            text = _("{each}: expected KIND=NUMBER, such as playlist=2")
            faults.append(text.format(each=each))
    if faults:
        raise ConfigError(option, faults)
    return found
