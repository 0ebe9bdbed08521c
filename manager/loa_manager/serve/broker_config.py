"""The broker's configuration, and its log read back as events. Pure text on both sides."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loa_manager.serve.permissions import ACCOUNT

MAX_PAYLOAD: Final = 512 * 1024  # a batch is at most 256 KiB of envelope; twice that, once and all
MEMORY_STORE: Final = 64 * 1024**2
FILE_STORE: Final = 4 * 1024**3  # batches wait here while ingest is away: weeks of a province
PENDING: Final = 8 * 1024**2  # unread bytes after which a slow client is cut
MAX_CONNECTIONS: Final = 65_536
HANDSHAKE_S: Final = 10  # a board on a bad 3G link needs three round trips of a second and more
ANSWER_S: Final = 5  # for CONNECT to arrive and the call-out to answer
RANDOM_PORT: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """What the broker's configuration says; files are paths that the broker can open."""

    host: str
    mqtt_port: int  # RANDOM_PORT: the broker picks one
    client_port: int  # always on loopback
    store: Path
    certificate: Path
    key: Path
    clients: Path  # whose client certificates count: PEM
    issuer: str  # public key that signs our answers
    user: str  # public key with which the call-out logs in

    def to_text(self) -> str:
        """Return the configuration as the broker reads it."""
        tls = (
            f"cert_file: {_quoted(self.certificate)}, key_file: {_quoted(self.key)},"
            f' min_version: "1.3", timeout: {HANDSHAKE_S}'
        )
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"""\
# Written by loa serve at each start; changes are lost.
server_name: loa
listen: "127.0.0.1:{self.client_port}"
tls {{ {tls}, handshake_first: true }}
logtime: false
max_payload: {MAX_PAYLOAD}
max_pending: {PENDING}
max_connections: {MAX_CONNECTIONS}
max_control_line: 4096
write_deadline: "10s"
jetstream {{
  store_dir: {_quoted(self.store)}
  max_memory_store: {MEMORY_STORE}
  max_file_store: {FILE_STORE}
}}
mqtt {{
  listen: {json.dumps(f"{host}:{self.mqtt_port}")}
  tls {{ {tls}, ca_file: {_quoted(self.clients)}, verify: true }}
  ack_wait: "30s"
  max_ack_pending: 1024
}}
accounts {{
  {ACCOUNT} {{ jetstream: enabled }}
  SYS {{ users: [ {{ nkey: {self.user} }} ] }}
}}
system_account: SYS
authorization {{
  timeout: {ANSWER_S}
  auth_callout {{ issuer: {self.issuer}, account: SYS, auth_users: [ {self.user} ] }}
}}
"""


@dataclass(frozen=True, slots=True)
class BrokerEvent:
    """Something the broker said; *level* as in logging, *who* the client's address if any."""

    name: str
    level: int
    who: str = ""
    detail: str = ""
    port: int = 0


DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40
READY: Final = "broker_ready"
MQTT_LISTENS: Final = "broker_mqtt_listens"
CLIENT_LISTENS: Final = "broker_client_listens"
_LINE: Final = re.compile(r"\[\d+\] (?:[\d/]+ [\d:.]+ )?\[(?P<level>[A-Z]{3})\] ?(?P<text>.*)")
_CLIENT: Final = re.compile(r"(?P<host>[0-9a-fA-F.:\[\]]+):\d+ - \w+:\d+ - (?P<text>.*)")
_LEVELS: Final = {"DBG": DEBUG, "TRC": DEBUG, "INF": DEBUG, "WRN": WARNING, "ERR": ERROR}
_KNOWN: Final[Sequence[tuple[re.Pattern[str], str, int]]] = tuple(
    (re.compile(pattern), name, level)
    for pattern, name, level in (
        (r"Server is ready", READY, DEBUG),
        (r"Listening for MQTT clients on \S+:(?P<port>\d+)$", MQTT_LISTENS, DEBUG),
        (r"Listening for client connections on \S+:(?P<port>\d+)$", CLIENT_LISTENS, DEBUG),
        (r"TLS handshake error: (?P<detail>.*)", "client_tls_refused", WARNING),
        (r"(?P<detail>.*Violation - Subject .*)", "client_forbidden", WARNING),
        # our own line, client_refused, says it with the name
        (r"(?P<detail>Auth callout service returned an error.*)", "broker_refused", DEBUG),
        (r"(?P<detail>.*authentication (?:error|timeout).*)", "broker_refused", DEBUG),
        (r"(?P<detail>.*(?:Slow Consumer|Maximum Payload).*)", "client_cut", WARNING),
        (
            r"(?P<detail>.*(?:no space left|insufficient (?:storage|resources)).*)",
            "broker_full",
            40,
        ),
        (r"Clients that are not using \"TLS Handshake First\"", "broker_info", DEBUG),
    )
)
_MAX_DETAIL: Final = 300


def read_line(line: str) -> BrokerEvent | None:
    """Return what the broker's log *line* says; None where it is not of the log's form.

    A client's text may stand in the line: control characters and length are cut.
    """
    matched = _LINE.fullmatch(line.rstrip())
    if matched is None:
        return None
    level, text = _LEVELS.get(matched["level"], ERROR), matched["text"]
    client = _CLIENT.fullmatch(text)
    who, text = (client["host"], client["text"]) if client else ("", text)
    for pattern, name, known_level in _KNOWN:
        found = pattern.match(text)
        if found is not None:
            groups = found.groupdict()
            port = int(groups.get("port") or 0)
            return BrokerEvent(name, known_level, who, _clean(groups.get("detail") or ""), port)
    return BrokerEvent("broker_said", level, who, _clean(text))


def restart_delay(failures: int) -> float:
    """Return how many seconds to wait before start number *failures* + 1: 0.2 s doubling to 30."""
    return float(min(30.0, 0.2 * 2.0 ** min(failures, 10)))


def _quoted(path: Path) -> str:
    return json.dumps(str(path))


def _clean(text: str) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return shown if len(shown) <= _MAX_DETAIL else f"{shown[: _MAX_DETAIL - 1]}…"
