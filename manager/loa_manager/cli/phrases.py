"""``loa phrases``: what a local announcer recorded once, and bulletins put together from it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from loa_manager.cli.media_say import unsigned_text
from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.output import LOCAL, Column, say, show, show_facts, wants_json
from loa_manager.cli.texts import LoaGroup
from loa_manager.content_tree import write_durably
from loa_manager.home import Home, read_bytes
from loa_manager.media.advice import advice, clock_text
from loa_manager.media.speech import check_name, write_sound
from loa_manager.phrases.desk import find_template, missing_for, phrase_bank, templates
from loa_manager.phrases.desk import say as assemble
from loa_manager.phrases.sheet import Phrase, check_recording, parse_recordings
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")

_FILE = click.Path(path_type=Path, dir_okay=False)
_LANGUAGE = click.option("--language", required=True, help="A tag such as vi or tày.")


@click.group(cls=LoaGroup)
def phrases() -> None:
    """Keep recorded phrases, and put bulletins together from them."""


@phrases.command(
    example='loa phrases add chu-y.wav --home nga --language vi --id chu-y --text "Chú ý"'
)
@click.argument("file", required=False, type=_FILE)
@_LANGUAGE
@click.option("--id", "name", help="A short name for it.")
@click.option("--text", help="What it says, word for word.")
@click.option("--list", "table", type=_FILE, help="A CSV table id,text,file of many recordings.")
@home_option
@json_option
def add(
    file: Path | None,
    language: str,
    name: str | None,
    text: str | None,
    table: Path | None,
    home: Path,
) -> None:
    """Take the recording FILE, or those of a table, into the bank, silence at their ends cut off.

    A recording of the same id is replaced. None is used before somebody signed it off.
    """
    if table is not None and (file, name, text) == (None, None, None):
        recordings = parse_recordings(read_bytes(table), table)
    elif table is None and file is not None and name is not None and text is not None:
        recordings = [check_recording(name, text, file)]
    else:
        raise ConfigError(_("phrase"), [_("give FILE with --id and --text, or --list alone")])
    bank = phrase_bank(Home(home))
    found = bank.add(language, recordings)
    added = {each.id for each in recordings}
    show([_row(each) for each in bank.read(language) if each.id in added], _columns())
    for each, finding in found:
        if not wants_json(click.get_current_context(silent=True)):
            click.secho(f"{_('Warning')}: {each}: {advice(finding)}", err=True, fg="yellow")
    say(_("Hear them (loa media play), then: loa phrases check --sign-off NAME"))


@phrases.command("list", example="loa phrases list --home nga --language vi")
@click.option("--language", help="Of this language alone.")
@home_option
@json_option
def list_command(language: str | None, home: Path) -> None:
    """List what is recorded."""
    bank = phrase_bank(Home(home))
    languages = [language] if language is not None else bank.languages()
    show([_row(each) for tag in languages for each in bank.read(tag)], _columns())


@phrases.command(example='loa phrases check --home nga --sign-off "Lương Văn Sơn"')
@click.option("--language", help="Of this language alone.")
@click.option("--sign-off", "holder", metavar="NAME", help="Who heard all that nobody had heard.")
@home_option
@json_option
def check(language: str | None, holder: str | None, home: Path) -> None:
    """Name every recording that is missing or changed, and all that templates may still need.

    --sign-off notes who heard the new recordings, and found that each says its text and nothing
    else.
    """
    place = Home(home)
    bank = phrase_bank(place)
    languages = [language] if language is not None else bank.languages()
    if holder is not None:
        today = datetime.now(LOCAL).date()
        heard = [each for tag in languages for each in bank.sign_off(tag, holder, today)]
        say(_("Signed off by {name}: {count} phrases").format(name=holder, count=len(heard)))
    faults: list[str] = []
    rows: list[dict[str, Any]] = []
    for tag in languages:
        known = bank.read(tag)
        unheard = sum(not each.heard_by for each in known)
        rows.append({"language": tag, "phrases": len(known), "unheard": unheard})
        faults += [f"{tag}: {fault}" for fault in bank.faults(known)]
    for path in templates(place):
        template = find_template(place, str(path))
        if template.language in languages or language is None:
            missing = missing_for(template, bank.read(template.language))
            fault = _("{template}: nobody has recorded “{words}”")
            faults += [fault.format(template=path.name, words=each) for each in missing]
    columns = [
        Column("language", _("Language")),
        Column("phrases", _("Phrases"), right=True),
        Column("unheard", _("Not signed off"), right=True),
    ]
    show(rows, columns)
    if faults:
        raise ConfigError(_("phrases"), faults)


@phrases.command(
    "say",
    example="loa phrases say muc-nuoc --home nga --set song='Kỳ Cùng' --set muc=3,75"
    " --set gio=17:30 --out muc-nuoc.wav",
)
@click.argument("template")
@click.option("--set", "given", multiple=True, metavar="FIELD=VALUE", help="Fill in a field.")
@click.option("--out", required=True, type=_FILE, help="The sound to write: .wav or .opus.")
@home_option
@json_option
def say_command(template: str, given: tuple[str, ...], out: Path, home: Path) -> None:
    """Put together what TEMPLATE says, and write what it says as text beside the sound.

    TEMPLATE is a file .toml, or the name of one in phrases/templates of the home. The sound is a
    recording like any other: heard and signed by an editor and an approver before it sounds.
    """
    check_name(out)
    place = Home(home)
    made = assemble(phrase_bank(place), find_template(place, template), _values(given))
    length_ms = write_sound(out, iter([made.sound]))
    sha256 = hashlib.sha256(read_bytes(out)).hexdigest()
    beside = out.with_suffix(".txt")
    lines = [made.template.title, "", made.text, "", *given, f"SHA-256 {sha256}"]
    write_durably(beside, ("\n".join(lines) + "\n").encode())
    facts = {
        "title": made.template.title,
        "text": made.text,
        "file": str(out),
        "text_file": str(beside),
        "duration_ms": length_ms,
        "duration_ms_text": clock_text(length_ms),
        "language": made.template.language,
        "phrases": [each.id for each in made.phrases],
        "sha256": sha256,
    }
    labels = {
        "title": _("Title"),
        "text": _("It says"),
        "file": _("File"),
        "text_file": _("Its text"),
        "duration_ms": _("Length"),
    }
    show_facts(facts, labels)
    say(unsigned_text())


def _values(given: tuple[str, ...]) -> dict[str, str]:
    values = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or name in values:
            raise ConfigError(each, [_("expected --set FIELD=VALUE, each field once")])
        values[name.strip()] = value
    return values


def _row(phrase: Phrase) -> dict[str, Any]:
    return {
        "id": phrase.id,
        "language": phrase.language,
        "text": phrase.text,
        "sha256": phrase.sha256,
        "heard_by": phrase.heard_by or None,
        "heard_by_text": phrase.heard_by or _("nobody yet"),
        "heard_on": phrase.heard_on,
    }


def _columns() -> list[Column]:
    return [
        Column("id", _("Phrase")),
        Column("language", _("Language")),
        Column("text", _("Text")),
        Column("heard_by", _("Signed off by")),
        Column("heard_on", _("On")),
        Column("sha256", "SHA-256", short=12),
    ]
