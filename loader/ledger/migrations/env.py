"""Alembic's environment: revisions run on the connection that :mod:`loader.ledger.upgrade`
hands over, inside its transaction."""

from alembic import context

from loader.ledger.models import SCHEMA, Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
)
with context.begin_transaction():
    context.run_migrations()
