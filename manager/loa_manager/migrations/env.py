"""Run migrations on the connection that loa_manager.database hands over."""

from __future__ import annotations

from alembic import context

from loa_manager import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.METADATA,
    render_as_batch=True,  # SQLite cannot alter a column in place
)
with context.begin_transaction():
    context.run_migrations()
