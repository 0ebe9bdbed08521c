"""``loa recall``: bring back what a pole has said, and check it against its signed records."""

from __future__ import annotations

import contextlib
import secrets as randomness
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from loa_manager import database
from loa_manager.ceremony import parse_endpoint
from loa_manager.cli.local_time import LocalTime
from loa_manager.cli.options import home_option, json_option, passphrase_option
from loa_manager.cli.order_frame import begin
from loa_manager.cli.order_options import Length, server_option
from loa_manager.cli.order_view import confirm_order, deliver, show_outcomes
from loa_manager.cli.output import LOCAL, Column, say, show, show_json, wants_json
from loa_manager.cli.progress import progress
from loa_manager.cli.texts import LoaCommand
from loa_manager.keyring import Secrets, load_signer
from loa_manager.orders.compose import CommandAsk, compose_command
from loa_manager.orders.giving import Giver
from loa_manager.orders.paper import open_paper
from loa_manager.recall.findings import Findings, Found
from loa_manager.recall.joining import join
from loa_manager.recall.source import OwnBooks, Server, Source
from loa_manager.registry.stations import scope_of
from loa_manager.serials import next_serial
from loa_manager.service_client import ServiceClient
from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.errors import ConfigError, SilentError, StoreError
from loa_protocol.language import translator
from loa_protocol.objects.authority import Role
from loa_protocol.objects.command import MAX_RECALL_S, Verb

_ = translator("loa_manager")
_LOOK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked: of whom, and of which time (unix seconds)."""

    cluster: str
    endpoint: bytes
    since: int
    length_s: int
    reason: str


@click.command(
    cls=LoaCommand,
    example="loa recall st0137/c04 '23/11/2026 03:15' --minutes 5 --out noi-gi.ogg --home ls",
)
@click.argument("cluster")
@click.argument("at", metavar="TIME", type=LocalTime())
@click.option(
    "--minutes",
    type=click.IntRange(1, MAX_RECALL_S // 60),
    default=10,
    help="How much, from TIME on; 10 by default.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The sound file to write, such as 0315.ogg.",
)
@click.option("--reason", default="", help="Why; everybody can read it later.")
@click.option("--endpoint", help="The board's id, where it cannot be looked up.")
@click.option("--wait", type=Length(), default=600, help="How long to wait for it; 10m by default.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@server_option
@passphrase_option
@home_option
@json_option
def recall(cluster: str, at: datetime, minutes: int, out: Path, **given: Any) -> None:  # noqa: ANN401
    """Bring back what CLUSTER has said from TIME on, and check it against its signed records.

    TIME is local: 03:15 for the last one, or '23/11/2026 03:15'. The order needs one holder with
    the role operate and is written into the account. A pole that is off answers when it is back:
    the same command then goes on where this one ended.
    """
    giver, secrets = begin(given)
    with _opened(giver, secrets) as source:
        question = _question(giver, source, cluster, at, minutes, given)
        order = _find(giver, secrets, question)
        if order is None:
            order = _give(giver, secrets, question, given)
        if order is not None:
            findings = _wait(source, order, question, given["wait"])
            _finish(source, order, question, findings, out)


@contextlib.contextmanager
def _opened(giver: Giver, secrets: Secrets) -> Iterator[Source]:
    if giver.is_province:
        engine = database.open(giver.home.database_url)
        try:
            yield OwnBooks(giver.home, engine)
        finally:
            engine.dispose()
        return
    identity = load_signer(giver.home.own_keys / Role.OPERATE.name.lower(), secrets)
    client = ServiceClient(giver.home, identity, giver.server)
    try:
        yield Server(giver.home, client)
    finally:
        client.close()


def _question(
    giver: Giver, source: Source, cluster: str, at: datetime, minutes: int, given: dict[str, Any]
) -> _Question:
    scope = scope_of(cluster, giver.desk.trusted.root.scope)
    since = int(at.timestamp())
    length_s = min(minutes * 60, giver.now_s - since)
    if length_s <= 0:
        raise ConfigError(_("time"), [_("it has not been yet; a recall is of what was said")])
    if given["endpoint"] is None:
        endpoint = source.board(scope, (since + length_s) * 1000)
    else:
        endpoint = parse_endpoint(given["endpoint"])
    reason = given["reason"] or _("to hear what was said")
    return _Question(scope, endpoint, since, length_s, reason)


def _find(giver: Giver, secrets: Secrets, question: _Question) -> bytes | None:
    """Return the recall of the same time that stands already."""
    since = datetime.fromtimestamp(question.since, UTC).isoformat()
    for each in giver.known(question.cluster, secrets):
        facts = each.facts
        if facts["what"] == "recall" and facts["state"] == "given" and facts["since"] == since:
            is_mine = facts["endpoint"] == question.endpoint.hex()
            if is_mine and facts["duration_s"] >= question.length_s:
                say(
                    _("This was asked for already ({id}); going on with it").format(
                        id=_short(each.id)
                    )
                )
                return each.id
    return None


def _give(
    giver: Giver, secrets: Secrets, question: _Question, given: dict[str, Any]
) -> bytes | None:
    """Give the order; return its id, None where another holder has to sign first."""
    ask = CommandAsk(
        scope=question.cluster,
        verb=Verb.RECALL,
        reason=question.reason,
        duration_s=question.length_s,
        endpoint=question.endpoint,
        since=question.since,
    )
    folder = giver.home.own_keys if giver.home.own_keys.is_dir() else giver.home.authority_keys
    number = next_serial(folder, f"command {ask.scope}", giver.now)
    body = compose_command(ask, randomness.token_bytes(16), number, giver.now_s)
    paper = open_paper(sign_bundle(Kind.COMMAND, body.to_bytes(), []))
    confirm_order(giver, [paper], yes=given["yes"])
    outcome = deliver(giver, giver.seal(Kind.COMMAND, body, secrets), secrets, output=None)
    if outcome.went_to == "file":
        show_outcomes(giver, [outcome])
        return None
    say(_("Order {id} given").format(id=_short(body.id)))
    return body.id


def _wait(source: Source, order: bytes, question: _Question, wait_s: int) -> Findings:
    """Wait until nothing more will come; show how much of it is here.

    Raises:
        SilentError: it did not come in time.
    """
    end = time.monotonic() + wait_s
    with progress(_("Receiving")) as begin_bar:
        shown, advance = 0, None
        while not (findings := source.look(order, question.endpoint)).is_over:
            if time.monotonic() >= end:
                text = _("Not all has come yet. The order stands for 7 days; run this again later.")
                say(text)
                raise SilentError(question.cluster, wait_s)
            if findings.wanted and advance is None:
                advance = begin_bar(question.cluster, findings.wanted)
            if advance is not None:
                advance(findings.received - shown)
                shown = findings.received
            time.sleep(_LOOK_S)
    return findings


def _finish(
    source: Source, order: bytes, question: _Question, findings: Findings, out: Path
) -> None:
    """Check what came, join it, and tell what it is."""
    here = [each for each in findings.files or () if each.is_here]
    files = [(each.start_ms, source.file(order, each)) for each in here]
    since_ms, until_ms = question.since * 1000, (question.since + question.length_s) * 1000
    if files:
        try:
            join(files, since_ms, until_ms, out)
        except OSError as error:
            raise StoreError(str(out), error.strerror or str(error)) from error
    if wants_json(click.get_current_context(silent=True)):
        facts = {"order": order.hex(), "cluster": question.cluster, "from_ms": since_ms}
        state = {**findings.facts(), "endpoint": question.endpoint.hex()}
        show_json({**facts, "until_ms": until_ms, "out": str(out) if files else None, **state})
        return
    if findings.files:
        rows = [_row(each) for each in findings.files]
        names = (_("From"), _("Length"), _("Record"), _("Hash"))
        keys = ("from", "length", "record", "sha256")
        show(rows, [Column(key, name) for key, name in zip(keys, names, strict=True)])
    _say_end(question, findings, out if files else None)


def _row(each: Found) -> dict[str, Any]:
    return {
        "from_text": f"{_local(each.start_ms):%d/%m/%Y %H:%M:%S}",
        "length_text": str(timedelta(seconds=round(each.duration_ms / 1000))),
        "record_text": _verdict(each),
        "sha256_text": each.sha256.hex()[:16],
    }


def _verdict(each: Found) -> str:
    if not each.is_here:
        return _("was lost at the pole")
    if not each.plays:
        return _("is in no record")
    text = _("matches the record of {item}, {time}")
    return "; ".join(
        text.format(item=play.item, time=f"{_local(play.started_ms):%H:%M:%S}")
        for play in each.plays
    )


def _say_end(question: _Question, findings: Findings, out: Path | None) -> None:
    if findings.state == "refused":
        say(_("The board refused: {why}").format(why=findings.detail))
    elif out is None:
        text = _("Nothing is kept of that time: the pole was silent or off, or it is too long ago.")
        say(text)
    else:
        since = _local(question.since * 1000)
        text = _("{file}: from {time} on, {minutes} min; where nothing was said it is silent")
        say(
            text.format(
                file=out, time=f"{since:%d/%m/%Y %H:%M:%S}", minutes=question.length_s // 60
            )
        )


def _local(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, LOCAL)


def _short(order: bytes) -> str:
    return order.hex()[:8]
