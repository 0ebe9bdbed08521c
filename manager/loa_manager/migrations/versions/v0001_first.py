"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "audit",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=100), nullable=False),
        sa.Column("what", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("result", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit")),
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "event",
        sa.Column("endpoint", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("cluster", sa.String(length=271), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "epoch", "sequence", name=op.f("pk_event")),
    )
    op.create_table(
        "funding",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("scope", sa.String(length=271), nullable=False),
        sa.Column("programme", sa.String(length=100), nullable=False),
        sa.Column("sub_project", sa.String(length=100), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(length=100), nullable=False),
        sa.Column("central_vnd", sa.BigInteger(), nullable=False),
        sa.Column("local_vnd", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.String(length=12), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_funding")),
        sa.UniqueConstraint("scope", name=op.f("uq_funding_scope")),
    )
    op.create_table(
        "last_heard",
        sa.Column("endpoint", sa.String(length=32), nullable=False),
        sa.Column("cluster", sa.String(length=271), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("boot_epoch", sa.BigInteger(), nullable=True),
        sa.Column("booted_ms", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.String(length=64), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("heartbeat_ms", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Integer(), nullable=True),
        sa.Column("faults", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("item", sa.String(length=64), nullable=True),
        sa.Column("bearer", sa.Integer(), nullable=True),
        sa.Column("evidence", sa.Integer(), nullable=True),
        sa.Column("playlist", sa.String(length=64), nullable=True),
        sa.Column("free_bytes", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("endpoint", name=op.f("pk_last_heard")),
    )
    op.create_table(
        "play",
        sa.Column("endpoint", sa.String(length=32), nullable=False),
        sa.Column("play", sa.String(length=32), nullable=False),
        sa.Column("cluster", sa.String(length=271), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("trust", sa.Integer(), nullable=False),
        sa.Column("item", sa.String(length=64), nullable=False),
        sa.Column("session", sa.String(length=64), nullable=False),
        sa.Column("playlist", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=271), nullable=False),
        sa.Column("planned_ms", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("category", sa.String(length=40), nullable=False),
        sa.Column("mark", sa.Integer(), nullable=False),
        sa.Column("bulletin", sa.String(length=64), nullable=True),
        sa.Column("began_ms", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Integer(), nullable=True),
        sa.Column("started_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("segments", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("silent_ms", sa.BigInteger(), nullable=True),
        sa.Column("longest_gap_ms", sa.BigInteger(), nullable=True),
        sa.Column("evidence", sa.Integer(), nullable=True),
        sa.Column("evidence_ms", sa.BigInteger(), nullable=True),
        sa.Column("xruns", sa.BigInteger(), nullable=True),
        sa.Column("offset_ms", sa.BigInteger(), nullable=True),
        sa.Column("volume", sa.Integer(), nullable=True),
        sa.Column("uncertainty_ms", sa.BigInteger(), nullable=True),
        sa.Column("loudness_clufs", sa.Integer(), nullable=True),
        sa.Column("true_peak_cdb", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("endpoint", "play", name=op.f("pk_play")),
    )
    op.create_index("ix_play_began", "play", ["began_ms"], unique=False)
    op.create_index("ix_play_endpoint", "play", ["endpoint", "began_ms"], unique=False)
    op.create_table(
        "projection",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_projection")),
    )
    op.create_table(
        "province",
        sa.Column("scope", sa.String(length=271), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("utc_offset_min", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_province")),
    )
    op.create_table(
        "refusal",
        sa.Column("endpoint", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("cluster", sa.String(length=271), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.String(length=300), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("endpoint", "epoch", "sequence", name=op.f("pk_refusal")),
    )
    op.create_table(
        "report_sent",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("report", sa.String(length=40), nullable=False),
        sa.Column("template", sa.String(length=40), nullable=False),
        sa.Column("period", sa.String(length=30), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("format", sa.String(length=8), nullable=False),
        sa.Column("sent_ms", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=100), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_sent")),
    )
    op.create_table(
        "station",
        sa.Column("scope", sa.String(length=271), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_station")),
    )
    op.create_table(
        "unit",
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("parent", sa.String(length=16), nullable=True),
        sa.Column("decree", sa.String(length=100), nullable=True),
        sa.Column("is_border", sa.Boolean(), nullable=False),
        sa.Column("zone", sa.String(length=8), nullable=True),
        sa.PrimaryKeyConstraint("code", "first_day", name=op.f("pk_unit")),
    )
    op.create_table(
        "unplaced",
        sa.Column("endpoint", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "epoch", "sequence", name=op.f("pk_unplaced")),
    )
    op.create_table(
        "village",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("commune", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_village")),
        sa.UniqueConstraint("commune", "name", name=op.f("uq_village_commune")),
    )
    op.create_table(
        "cluster",
        sa.Column("scope", sa.String(length=271), nullable=False),
        sa.Column("station", sa.String(length=271), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=True),
        sa.Column("latitude", sa.Float(precision=53), nullable=True),
        sa.Column("longitude", sa.Float(precision=53), nullable=True),
        sa.Column("speaker_count", sa.Integer(), nullable=False),
        sa.Column("speaker_watts", sa.Integer(), nullable=False),
        sa.Column("modem_id", sa.String(length=32), nullable=True),
        sa.Column("sim_id", sa.String(length=32), nullable=True),
        sa.Column("installed_on", sa.Date(), nullable=False),
        sa.Column("retired_on", sa.Date(), nullable=True),
        sa.Column("technology", sa.String(length=8), nullable=False),
        sa.Column("is_managed", sa.Boolean(), nullable=False),
        sa.Column("custodian", sa.String(length=100), nullable=True),
        sa.Column("custodian_phone", sa.String(length=20), nullable=True),
        sa.Column("supplier", sa.String(length=100), nullable=True),
        sa.Column("warranty_end", sa.Date(), nullable=True),
        sa.Column("asset_number", sa.String(length=40), nullable=True),
        sa.Column("languages", sa.String(length=120), nullable=False),
        sa.Column("manual_status", sa.String(length=12), nullable=True),
        sa.Column("manual_status_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["station"], ["station.scope"], name=op.f("fk_cluster_station")),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_cluster")),
    )
    op.create_index(op.f("ix_cluster_station"), "cluster", ["station"], unique=False)
    op.create_table(
        "equipment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("station", sa.String(length=271), nullable=False),
        sa.Column("class", sa.String(length=20), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["station"], ["station.scope"], name=op.f("fk_equipment_station")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_equipment")),
        sa.UniqueConstraint("station", "class", name=op.f("uq_equipment_station")),
    )
    op.create_table(
        "placement",
        sa.Column("scope", sa.String(length=271), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("commune", sa.String(length=16), nullable=False),
        sa.Column("village", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["village"], ["village.id"], name=op.f("fk_placement_village")),
        sa.PrimaryKeyConstraint("scope", "first_day", name=op.f("pk_placement")),
    )
    op.create_index(op.f("ix_placement_commune"), "placement", ["commune"], unique=False)
    op.create_table(
        "endpoint",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("cluster", sa.String(length=271), nullable=False),
        sa.Column("village", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("registered_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["cluster"], ["cluster.scope"], name=op.f("fk_endpoint_cluster")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint")),
    )
    op.create_index(op.f("ix_endpoint_cluster"), "endpoint", ["cluster"], unique=False)
    op.create_index(
        "uq_endpoint_active",
        "endpoint",
        ["cluster"],
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "fault",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("cluster", sa.String(length=271), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("action", sa.String(length=300), nullable=True),
        sa.Column("cost_vnd", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["cluster"], ["cluster.scope"], name=op.f("fk_fault_cluster")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fault")),
    )
    op.create_index(op.f("ix_fault_cluster"), "fault", ["cluster"], unique=False)
    op.create_table(
        "batch",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("endpoint", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("skip", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["endpoint"], ["endpoint.id"], name=op.f("fk_batch_endpoint")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        sa.UniqueConstraint("endpoint", "epoch", "first", name=op.f("uq_batch_endpoint")),
    )
    op.create_index("ix_batch_heard", "batch", ["endpoint", "received_ms"], unique=False)
    op.create_table(
        "certificate",
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("endpoint", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=8), nullable=False),
        sa.Column("issued_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint"], ["endpoint.id"], name=op.f("fk_certificate_endpoint")
        ),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_certificate")),
    )
    op.create_index(op.f("ix_certificate_endpoint"), "certificate", ["endpoint"], unique=False)
    op.create_table(
        "chain_head",
        sa.Column("endpoint", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["endpoint"], ["endpoint.id"], name=op.f("fk_chain_head_endpoint")),
        sa.PrimaryKeyConstraint("endpoint", "epoch", name=op.f("pk_chain_head")),
    )
    op.create_table(
        "installation",
        sa.Column("endpoint", sa.String(length=32), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("cluster", sa.String(length=271), nullable=False),
        sa.ForeignKeyConstraint(
            ["cluster"], ["cluster.scope"], name=op.f("fk_installation_cluster")
        ),
        sa.ForeignKeyConstraint(
            ["endpoint"], ["endpoint.id"], name=op.f("fk_installation_endpoint")
        ),
        sa.PrimaryKeyConstraint("endpoint", "since_ms", name=op.f("pk_installation")),
    )
    op.create_index(op.f("ix_installation_cluster"), "installation", ["cluster"], unique=False)
