"""The worst offset of a play, and whose unsigned stream sounded in it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns; rows of before are filled by ``loa records rebuild``."""
    op.add_column("play", sa.Column("drift_ms", sa.BigInteger(), nullable=True))
    op.add_column("play", sa.Column("unsigned_host", sa.String(length=253), nullable=True))
