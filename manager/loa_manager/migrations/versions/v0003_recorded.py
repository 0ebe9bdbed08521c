"""Which files of the black box cover a play."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; what was told before named none."""
    op.add_column("play", sa.Column("recorded", sa.JSON(none_as_null=True), nullable=True))
