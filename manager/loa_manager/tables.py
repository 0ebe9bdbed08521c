"""The tables of the programme records, and nothing but the tables.

Days are inclusive on both ends (``first_day``, ``last_day``; None is "until further notice"), money
is whole đồng, instants are unix milliseconds, names of stations and clusters are their scopes.
What endpoints sent lies in ``batch`` as signed bytes; the tables under "projected" can be rebuilt
from it at any time and are never edited.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# SQLite counts rows only in a column of exactly this type
ROW_ID: Final = BigInteger().with_variant(Integer, "sqlite")
SCOPE: Final = String(271)
ENDPOINT: Final = String(32)  # 16 bytes in hex
HASH: Final = String(64)  # 32 bytes in hex
CODE: Final = String(16)

# --- the province and its units -------------------------------------------------------------

province = Table(
    "province",
    METADATA,
    Column("scope", SCOPE, primary_key=True),
    Column("is_test", Boolean, nullable=False),
    Column("utc_offset_min", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

unit = Table(  # a new name, parent or code is a new row; a bare code says nothing without a day
    "unit",
    METADATA,
    Column("code", CODE, primary_key=True),
    Column("first_day", Date, primary_key=True),
    Column("last_day", Date),
    Column("name", String(100), nullable=False),
    Column("kind", String(20), nullable=False),  # data, not an enumeration: districts ended
    Column("parent", CODE),
    Column("decree", String(100)),
    Column("is_border", Boolean, nullable=False),
    Column("zone", String(8)),
)

village = Table(
    "village",
    METADATA,
    Column("id", ROW_ID, primary_key=True),
    Column("commune", CODE, nullable=False),
    Column("name", String(64), nullable=False),
    UniqueConstraint("commune", "name"),
)

# --- what was bought, where it stands, who paid ---------------------------------------------

station = Table(
    "station",
    METADATA,
    Column("scope", SCOPE, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("opened_on", Date, nullable=False),
    Column("closed_on", Date),
)

equipment = Table(  # the classes are those of registry.stations.EquipmentClass (INV-1)
    "equipment",
    METADATA,
    Column("id", ROW_ID, primary_key=True),
    Column("station", ForeignKey("station.scope"), nullable=False),
    Column("class", String(20), nullable=False),
    Column("description", String(200), nullable=False),
    UniqueConstraint("station", "class"),
)

cluster = Table(
    "cluster",
    METADATA,
    Column("scope", SCOPE, primary_key=True),
    Column("station", ForeignKey("station.scope"), nullable=False, index=True),
    Column("device_id", String(64)),
    Column("latitude", Float(53)),
    Column("longitude", Float(53)),
    Column("speaker_count", Integer, nullable=False),
    Column("speaker_watts", Integer, nullable=False),
    Column("modem_id", String(32)),
    Column("sim_id", String(32)),
    Column("installed_on", Date, nullable=False),
    Column("retired_on", Date),
    Column("technology", String(8), nullable=False),  # ip, fm, wired
    Column("is_managed", Boolean, nullable=False),  # an endpoint of ours is expected in it
    Column("custodian", String(100)),
    Column("custodian_phone", String(20)),
    Column("supplier", String(100)),
    Column("warranty_end", Date),
    Column("asset_number", String(40)),
    Column("languages", String(120), nullable=False),  # BCP 47 tags with spaces between
    Column("manual_status", String(12)),  # working, broken, unknown: only where not managed
    Column("manual_status_on", Date),
)

placement = Table(  # a pole may stay while its commune is merged away: where it was, by day
    "placement",
    METADATA,
    Column("scope", SCOPE, primary_key=True),  # of a station or a cluster
    Column("first_day", Date, primary_key=True),
    Column("last_day", Date),
    Column("commune", CODE, nullable=False, index=True),
    Column("village", ForeignKey("village.id")),
)

funding = Table(
    "funding",
    METADATA,
    Column("id", ROW_ID, primary_key=True),
    Column("scope", SCOPE, nullable=False, unique=True),  # of a station or a cluster
    Column("programme", String(100), nullable=False),
    Column("sub_project", String(100), nullable=False),
    Column("year", Integer, nullable=False),
    Column("decision", String(100), nullable=False),
    Column("central_vnd", BigInteger, nullable=False),
    Column("local_vnd", BigInteger, nullable=False),
    Column("purpose", String(12), nullable=False),  # new, extension, replacement
)

fault = Table(
    "fault",
    METADATA,
    Column("id", ROW_ID, primary_key=True),
    Column("cluster", ForeignKey("cluster.scope"), nullable=False, index=True),
    Column("kind", String(64), nullable=False),
    Column("opened_on", Date, nullable=False),
    Column("closed_on", Date),
    Column("action", String(300)),
    Column("cost_vnd", BigInteger),
)

# --- devices --------------------------------------------------------------------------------

endpoint = Table(
    "endpoint",
    METADATA,
    Column("id", ENDPOINT, primary_key=True),
    Column("public_key", LargeBinary, nullable=False),  # compressed P-256 point, 33 bytes
    Column("cluster", ForeignKey("cluster.scope"), nullable=False, index=True),
    Column("village", String(64), nullable=False),
    Column("state", String(12), nullable=False),  # active, revoked
    Column("registered_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger),
)

installation = Table(  # which board hung where, and when: plays belong to the pole of their time
    "installation",
    METADATA,
    Column("endpoint", ForeignKey("endpoint.id"), primary_key=True),
    Column("since_ms", BigInteger, primary_key=True),
    Column("until_ms", BigInteger),
    Column("cluster", ForeignKey("cluster.scope"), nullable=False, index=True),
)

certificate = Table(  # X.509 certificates given to boards
    "certificate",
    METADATA,
    Column("serial", String(40), primary_key=True),  # hex
    Column("endpoint", ForeignKey("endpoint.id"), nullable=False, index=True),
    Column("purpose", String(8), nullable=False),  # bench, ldevid
    Column("issued_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
)

# --- the evidence ---------------------------------------------------------------------------

batch = Table(
    "batch",
    METADATA,
    Column("id", ROW_ID, primary_key=True),  # order of commit
    Column("endpoint", ForeignKey("endpoint.id"), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),  # first sequence that was new in it
    Column("count", Integer, nullable=False),  # how many were new
    Column("skip", Integer, nullable=False),  # how many at its start were here already
    Column("number", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),  # the sealed bytes as they arrived
    UniqueConstraint("endpoint", "epoch", "first"),
    Index("ix_batch_heard", "endpoint", "received_ms"),
)

chain_head = Table(
    "chain_head",
    METADATA,
    Column("endpoint", ForeignKey("endpoint.id"), primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("next", BigInteger, nullable=False),
    Column("chain", LargeBinary, nullable=False),
)

# --- projected from the evidence ------------------------------------------------------------

projection = Table(
    "projection",
    METADATA,
    Column("name", String(20), primary_key=True),
    Column("batch", BigInteger, nullable=False),  # everything up to this row id is in the rows
)

play = Table(
    "play",
    METADATA,
    Column("endpoint", ENDPOINT, primary_key=True),
    Column("play", ENDPOINT, primary_key=True),
    Column("cluster", SCOPE, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),  # of the start
    Column("trust", Integer, nullable=False),
    Column("item", String(64), nullable=False),
    Column("session", String(64), nullable=False),
    Column("playlist", HASH, nullable=False),
    Column("scope", SCOPE, nullable=False),
    Column("planned_ms", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("kind", Integer, nullable=False),
    Column("level", Integer, nullable=False),
    Column("language", String(35), nullable=False),
    Column("category", String(40), nullable=False),
    Column("mark", Integer, nullable=False),
    Column("bulletin", HASH),
    Column("began_ms", BigInteger, nullable=False),  # time of the start record
    Column("outcome", Integer),  # None: no end has arrived
    Column("started_ms", BigInteger),
    Column("ended_ms", BigInteger),
    Column("segments", JSON(none_as_null=True)),  # [[bearer, start_ms, end_ms], ...]
    Column("silent_ms", BigInteger),
    Column("longest_gap_ms", BigInteger),
    Column("evidence", Integer),
    Column("evidence_ms", BigInteger),
    Column("xruns", BigInteger),
    Column("offset_ms", BigInteger),
    Column("volume", Integer),
    Column("uncertainty_ms", BigInteger),
    Column("loudness_clufs", Integer),
    Column("true_peak_cdb", Integer),
    Column("recorded", JSON(none_as_null=True)),  # [[start_ms, duration_ms, sha256], ...]
    Column("drift_ms", BigInteger),  # worst; + is late
    Column("unsigned_host", String(253)),  # whose unsigned stream sounded in it
    Index("ix_play_endpoint", "endpoint", "began_ms"),
    Index("ix_play_began", "began_ms"),
)

refusal = Table(
    "refusal",
    METADATA,
    Column("endpoint", ENDPOINT, primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("cluster", SCOPE, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("what", String(64), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("detail", String(300), nullable=False),
    Column("digest", HASH),
)

event = Table(
    "event",
    METADATA,
    Column("endpoint", ENDPOINT, primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("cluster", SCOPE, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("name", String(64), nullable=False),
    Column("detail", String(300), nullable=False),
)

order_answer = Table(  # what endpoints said to alerts, grants and commands, each word of it
    "order_answer",
    METADATA,
    Column("endpoint", ENDPOINT, primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("cluster", SCOPE, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("order_id", ENDPOINT, nullable=False, index=True),  # 16 bytes in hex, too
    Column("kind", Integer, nullable=False),
    Column("digest", HASH, nullable=False),
    Column("state", Integer, nullable=False),  # of record.OrderState
    Column("detail", String(300), nullable=False),
)

unplaced = Table(  # records of kinds that a later version knows, or that fit nowhere: kept, counted
    "unplaced",
    METADATA,
    Column("endpoint", ENDPOINT, primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("reason", String(20), nullable=False),
    Column("data", LargeBinary, nullable=False),
)

last_heard = Table(  # the newest batch and the newest heartbeat of each endpoint
    "last_heard",
    METADATA,
    Column("endpoint", ENDPOINT, primary_key=True),
    Column("cluster", SCOPE, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("boot_epoch", BigInteger),
    Column("booted_ms", BigInteger),
    Column("version", String(64)),
    Column("epoch", BigInteger),  # of the heartbeat
    Column("sequence", BigInteger),
    Column("heartbeat_ms", BigInteger),
    Column("state", Integer),
    Column("faults", JSON(none_as_null=True)),
    Column("item", String(64)),
    Column("bearer", Integer),
    Column("evidence", Integer),
    Column("playlist", HASH),
    Column("free_bytes", BigInteger),
)

PROJECTED: Final = (play, refusal, event, order_answer, unplaced, last_heard, projection)

# --- accounts of what was done --------------------------------------------------------------

audit = Table(
    "audit",
    METADATA,
    Column("position", BigInteger, primary_key=True, autoincrement=False),  # from 1, no holes
    Column("at_ms", BigInteger, nullable=False),
    Column("who", String(100), nullable=False),
    Column("what", String(64), nullable=False),
    Column("detail", Text, nullable=False),  # JSON
    Column("source", String(100), nullable=False),
    Column("result", String(64), nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

audit_head = Table(  # one row: a removed last row shows too
    "audit_head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

report_sent = Table(
    "report_sent",
    METADATA,
    Column("id", String(100), primary_key=True),
    Column("report", String(40), nullable=False),
    Column("template", String(40), nullable=False),
    Column("period", String(30), nullable=False),
    Column("language", String(2), nullable=False),
    Column("format", String(8), nullable=False),
    Column("sent_ms", BigInteger, nullable=False),
    Column("who", String(100), nullable=False),
    Column("sha256", HASH, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

Index(  # one active board a pole
    "uq_endpoint_active",
    endpoint.c.cluster,
    unique=True,
    sqlite_where=text("state = 'active'"),
    postgresql_where=text("state = 'active'"),
)
